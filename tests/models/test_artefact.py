"""A version's directory: nothing absent, changed, added or able to run code gets past the seal."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from models.artefact import MANIFEST, sealed_model, verify_artefact, write_manifest
from models.errors import ArtefactError


@pytest.fixture
def artefact(tmp_path: Path) -> Path:
    directory = tmp_path / "artefact"
    (directory / "plots").mkdir(parents=True)
    (directory / "model.toml").write_text("x = 1")
    (directory / "plots" / "roc.png").write_bytes(b"\x89PNG")
    return directory


def test_a_sealed_directory_is_verified_and_its_digest_is_stable(artefact: Path) -> None:
    digest = write_manifest(artefact, "ward")
    assert verify_artefact(artefact) == digest == write_manifest(artefact, "ward")
    assert verify_artefact(artefact, digest) == digest
    assert sealed_model(artefact) == "ward"
    assert set(json.loads((artefact / MANIFEST).read_bytes())["files"]) == {
        "model.toml",
        "plots/roc.png",
    }


def _rewrite(artefact: Path, **changes: object) -> None:
    document = json.loads((artefact / MANIFEST).read_bytes())
    (artefact / MANIFEST).write_text(json.dumps({**document, **changes}))


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (lambda a: (a / "model.toml").write_text("x = 2"), "model.toml: changed"),
        (lambda a: (a / "plots" / "roc.png").unlink(), r"plots/roc.png: .*absent"),
        (lambda a: (a / "extra.json").write_text("{}"), r"extra.json: .*doesn't list"),
        (lambda a: (a / "model.pkl").write_bytes(b"x"), "model.pkl: files of this kind"),
        (lambda a: (a / "model.joblib").write_bytes(b"x"), "model.joblib: files of this kind"),
        (lambda a: (a / "hook.py").write_text("1"), "hook.py: files of this kind"),
        (lambda a: (a / "link.json").symlink_to("/etc/hosts"), "links aren't allowed"),
        (lambda a: (a / MANIFEST).unlink(), "manifest.json: can't be read"),
        (lambda a: (a / MANIFEST).write_text("[1]"), "not a manifest"),
        (lambda a: (a / MANIFEST).write_text("nonsense"), "not a manifest"),
        (lambda a: _rewrite(a, format=2), "format 2; this code reads 1"),
        (lambda a: _rewrite(a, files={"../x.json": "0"}), "absent"),
    ],
)
def test_what_was_tampered_with_is_named(
    artefact: Path, tamper: Callable[[Path], object], words: str
) -> None:
    write_manifest(artefact, "ward")
    tamper(artefact)
    with pytest.raises(ArtefactError, match=words):
        verify_artefact(artefact)


def test_a_manifest_that_was_sealed_anew_does_not_have_the_digest_that_was_registered(
    artefact: Path,
) -> None:
    digest = write_manifest(artefact, "ward")
    (artefact / "model.toml").write_text("x = 2")
    write_manifest(artefact, "ward")
    with pytest.raises(ArtefactError, match="its digest is"):
        verify_artefact(artefact, digest)


def test_an_empty_or_absent_directory_is_no_artefact(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="nothing to seal"):
        write_manifest(tmp_path, "ward")
    with pytest.raises(ArtefactError, match="no such directory"):
        verify_artefact(tmp_path / "nowhere")
