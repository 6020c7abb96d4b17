"""What a worker refuses to start with."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from models.artefact import write_manifest
from models.errors import ArtefactError, NotMigrated, SettingsError
from records import decisions
from records.home import init_home
from records.settings import Settings
from serving.loading import (
    artefacts_directory,
    check_approved,
    check_servable,
    load_models,
    open_records,
    read_definitions,
    utc_now,
)
from tests.factories import NAME


@pytest.fixture
def packed(tmp_path, model, model_directory):
    """A directory of artefacts as a Bento holds it."""
    shutil.copytree(model_directory, tmp_path / "artefacts" / NAME)
    _list(tmp_path / "artefacts", model.artefact_digest)
    return tmp_path / "artefacts"


def _list(directory, digest):
    text = f'{{"models": [{{"name": "{NAME}", "version": "4", "artefact_digest": "{digest}"}}]}}'
    (directory / "served.json").write_text(text)


def test_the_listed_models_are_loaded_under_their_version(packed, model):
    loaded = load_models(packed)
    assert loaded[NAME].version == "4"
    assert loaded[NAME].artefact_digest == model.artefact_digest
    assert [one.name for one in read_definitions(packed)] == [NAME]


@pytest.mark.parametrize("load", [load_models, read_definitions])
def test_an_artefact_of_another_digest_is_refused(packed, load):
    _list(packed, "0" * 64)
    with pytest.raises(ArtefactError, match="digest"):
        load(packed)


@pytest.mark.parametrize("load", [load_models, read_definitions])
def test_a_changed_file_is_refused(packed, load):
    (packed / NAME / "card.md").write_text("# Approved for everything\n")
    with pytest.raises(ArtefactError, match=r"card\.md"):
        load(packed)


def test_a_pickle_among_the_files_is_refused(packed):
    (packed / NAME / "model.pkl").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    with pytest.raises(ArtefactError, match=r"model\.pkl"):
        load_models(packed)


def test_without_artefacts_the_error_says_what_to_do(tmp_path):
    with pytest.raises(SettingsError, match="auscult package"):
        load_models(tmp_path)
    (tmp_path / "served.json").write_text('{"models": []}')
    with pytest.raises(ArtefactError, match="lists no model"):
        load_models(tmp_path)
    (tmp_path / "served.json").write_text("{")
    with pytest.raises(ArtefactError):
        load_models(tmp_path)


def test_the_settings_may_name_the_directory(tmp_path):
    assert artefacts_directory(Settings(artefacts=tmp_path)) == tmp_path
    assert artefacts_directory(Settings()).name == "artefacts"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "hospital.example.org"])  # noqa: S104 - refused
def test_a_demonstration_model_is_served_on_loopback_only(model, host):
    with pytest.raises(SettingsError, match="not for clinical use"):
        check_servable([model.definition], host)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_loopback_has_several_names(model, host):
    check_servable([model.definition], host)


def test_an_approved_model_is_served_anywhere_and_a_retired_one_nowhere(model):
    definition = model.definition.model_copy(update={"status": "approved"})
    check_servable([definition], "192.0.2.1")
    from models.definition import Status

    retired = model.definition.model_copy(update={"status": Status.RETIRED})
    with pytest.raises(SettingsError, match="retired"):
        check_servable([retired], "127.0.0.1")


def test_without_its_database_or_key_the_service_does_not_start(tmp_path, sqlite_db):
    fresh = Settings(home=tmp_path / "fresh")
    with pytest.raises(SettingsError, match="auscult init"):
        open_records(fresh)
    init_home(fresh)
    with pytest.raises(NotMigrated, match="auscult migrate"):
        open_records(fresh)


def test_another_pseudonym_key_than_the_databases_is_refused(sqlite_db):
    open_records(sqlite_db)
    sqlite_db.pseudonym_key.write_text("ab" * 32)
    with pytest.raises(SettingsError, match="pseudonym key"):
        open_records(sqlite_db)


def test_a_version_for_clinical_use_is_served_only_once_a_safety_officer_signed_it(
    packed, sqlite_db
):
    path = packed / NAME / "model.toml"
    path.write_text(path.read_text().replace('status = "demonstration"', 'status = "approved"'))
    _list(packed, write_manifest(packed / NAME, NAME))
    with pytest.raises(SettingsError, match=r"version 4 .* no safety officer has signed"):
        check_approved(packed)
    signed = {"by": "olga", "because": "Its silent year is over", "now": utc_now()}
    decisions.sign(NAME, "3", "approve", **signed)
    with pytest.raises(SettingsError, match="no safety officer"):
        check_approved(packed)
    decisions.sign(NAME, "4", "approve", **signed)
    check_approved(packed)


def test_a_setting_that_is_none_stops_bentoml_with_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "bentoml", "serve", "serving.service:service"],
        env={"PATH": os.environ["PATH"], "AUSCULT_HOME": str(tmp_path), "AUSCULT_WORKER": "2"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "AUSCULT_WORKER is no setting (did you mean AUSCULT_WORKERS?)" in done.stderr
    assert "Traceback" not in done.stderr
