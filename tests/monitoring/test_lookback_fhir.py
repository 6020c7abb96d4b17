import csv
import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.device import Device
from fhir.resources.R4B.provenance import Provenance

from models.definition import Status
from models.errors import RecordError
from models.risk_model import RiskModel
from monitoring.lookback import Affected, Correction, lookback
from monitoring.lookback_fhir import LOOKBACK_URL, Look, write_fhir
from monitoring.stays import start_of
from records.models import AuditEvent, Prediction
from records.settings import Settings
from tests.monitoring.clinic import FIRST, NOW, Clinic

ROOT = Path(__file__).parents[2]
FINAL = {"final", "amended", "corrected"}


def too_high(columns: dict[str, Any], generator: np.random.Generator) -> None:
    columns["creatinine"] = columns["creatinine"] * 4


def looked_back(
    clinic: Clinic, correct: str, feature: str = "creatinine"
) -> tuple[list[Affected], Look]:
    clinic.record(FIRST, 60, change=too_high)
    model = RiskModel.load(clinic.reference.parent, version="1")
    correction = Correction(correct) if correct else None
    found = lookback(model, feature, FIRST, FIRST, correction)
    assert found
    return found, Look(model, feature, correction, NOW)


def written(found: list[Affected], look: Look) -> list[dict[str, Any]]:
    target = io.BytesIO()
    write_fhir(found, look, target)
    return resources(target.getvalue())


def resources(text: bytes) -> list[dict[str, Any]]:
    """The assessments of a Bundle that fhir.resources finds valid, contained parts too."""
    Bundle.model_validate_json(text)
    bundle = json.loads(text)
    assert bundle["type"] == "collection"
    entries = bundle.get("entry", [])
    assert len({entry["fullUrl"] for entry in entries}) == len(entries)
    made = [entry["resource"] for entry in entries]
    for one in made:
        device, provenance = one["contained"]
        Device.model_validate(device)
        Provenance.model_validate(provenance)
    return made


def recorded(resource: dict[str, Any]) -> dict[str, Any]:
    """What the extension says of the prediction as it was."""
    (extension,) = [one for one in resource["extension"] if one["url"] == LOOKBACK_URL]
    return {
        part["url"]: next(value for name, value in part.items() if name != "url")
        for part in extension["extension"]
    }


def test_each_prediction_is_what_it_would_have_been_and_says_what_was_recorded(
    any_clinic: Clinic,
) -> None:
    found, look = looked_back(any_clinic, "x / 4")
    made = written(found, look)
    assert len(made) == len(found)
    for one, resource in zip(found, made, strict=True):
        assert resource["status"] == "preliminary"
        assert one.corrected_risk is not None
        (prediction,) = resource["prediction"]
        assert prediction["probabilityDecimal"] == round(100 * one.corrected_risk, 2)
        (coding,) = prediction["qualitativeRisk"]["coding"]
        assert coding["code"] == one.corrected_band
        was = recorded(resource)
        assert (was["recordedRisk"], was["recordedBand"]) == (one.risk, one.band)
        assert was["recordedValue"]["value"] == one.value
        assert was["recordedValue"]["code"] == "mg/dL"
        assert was["correctedValue"]["value"] == one.corrected_value
        assert was["bandChanged"] is one.band_changed


def test_nothing_of_it_can_be_taken_for_the_recorded_prediction(clinic: Clinic) -> None:
    found, look = looked_back(clinic, "x/4")
    for one, resource in zip(found, written(found, look), strict=True):
        assert resource["id"] != one.prediction_id
        (identifier,) = resource["identifier"]
        assert identifier["value"] == f"urn:uuid:{one.prediction_id}"
        assert identifier["use"] == "secondary"
        assert resource["status"] not in FINAL
        assert "The recorded prediction is unchanged." in resource["note"][-1]["text"]
        assert resource["subject"]["identifier"]["value"] == one.patient
        (_, provenance) = resource["contained"]
        (entity,) = provenance["entity"]
        assert entity["what"]["identifier"]["value"] == identifier["value"]


def test_each_says_where_the_prediction_was_asked_for_as_far_as_that_is_known(
    clinic: Clinic,
) -> None:
    clinic.record(FIRST, 20, site="north", client="x", ward="7B")
    found, look = looked_back(clinic, "x/4")
    for one, resource in zip(found, written(found, look), strict=True):
        was = recorded(resource)
        told = {name: was[name] for name in ("site", "client", "ward") if name in was}
        wanted = {"site": one.site, "client": one.client, "ward": one.ward}
        assert told == {name: value for name, value in wanted.items() if value}
    assert {one.site for one in found} == {"north", ""}


def test_band_changes_come_first_as_in_the_table(clinic: Clinic) -> None:
    made = written(*looked_back(clinic, "x/4"))
    changed = [recorded(one)["bandChanged"] for one in made]
    assert changed == sorted(changed, reverse=True)
    assert 0 < sum(changed) < len(changed)


def test_the_same_question_has_the_same_ids_and_another_has_others(clinic: Clinic) -> None:
    found, look = looked_back(clinic, "x/4")
    ids = {one["id"] for one in written(found, look)}
    assert ids == {one["id"] for one in written(found, look)}
    other = replace(look, correction=Correction("x/5"))
    assert not ids & {one["id"] for one in written(found, other)}


@pytest.mark.parametrize(
    ("correct", "words"),
    [
        ("x*1000", "outside the plausible range"),
        ("x*" + "1" + "0" * 300, "outside the plausible range"),
    ],
)
def test_what_would_get_no_score_is_cancelled_with_its_reason_and_has_no_risk(
    clinic: Clinic, correct: str, words: str
) -> None:
    for resource in written(*looked_back(clinic, correct)):
        assert resource["status"] == "cancelled"
        assert "prediction" not in resource
        assert words in resource["note"][-1]["text"]
        assert recorded(resource)["bandChanged"] is True


def test_without_a_correction_no_risk_is_claimed(clinic: Clinic) -> None:
    for feature in ("creatinine", "ward"):
        for resource in written(*looked_back(clinic, "", feature)):
            assert resource["status"] == "unknown"
            assert "prediction" not in resource
            assert "correctedValue" not in recorded(resource)
            assert recorded(resource)["feature"] == feature
        Prediction.objects.all().delete()


def test_a_model_for_demonstration_says_so_in_each(clinic: Clinic) -> None:
    made = written(*looked_back(clinic, "x/4"))
    assert {one["note"][0]["text"] for one in made} == {"Not for clinical use"}


def test_a_silent_models_risks_are_not_given_to_other_systems(clinic: Clinic) -> None:
    found, look = looked_back(clinic, "x/4")
    definition = look.model.definition.model_copy(update={"status": Status.SILENT})
    silent = replace(look, model=replace(look.model, definition=definition))
    target = io.BytesIO()
    with pytest.raises(RecordError, match="silent evaluation"):
        write_fhir(found, silent, target)
    assert target.getvalue() == b""


def test_a_patient_without_a_pseudonym_is_still_a_subject(clinic: Clinic) -> None:
    found, look = looked_back(clinic, "x/4")
    (resource,) = written([replace(found[0], patient="")], look)
    assert resource["subject"] == {"display": "a patient without an identifier"}


def test_where_nothing_was_touched_the_bundle_is_empty(clinic: Clinic) -> None:
    _, look = looked_back(clinic, "x/4")
    assert written([], look) == []


@pytest.fixture(scope="module")
def registry(artefact: Any, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A store in which the clinic's model is version 1, its artefact already fetched."""
    definition, _, reference = artefact
    settings = Settings(home=tmp_path_factory.mktemp("registry"))
    model = RiskModel.load(reference.parent, version="1")
    client = mlflow.MlflowClient(settings.tracking_uri, settings.tracking_uri)
    client.create_registered_model(definition.name)
    tags = {
        "artefact_digest": model.artefact_digest,
        "definition_digest": model.definition_digest,
        "cohort_digest": "c" * 64,
        "trained_by": "lena",
    }
    client.create_model_version(
        definition.name,
        reference.parent.as_uri(),
        run_id="r" * 32,
        tags={f"auscult.{name}": value for name, value in tags.items()},
    )
    place = settings.cache / "artefacts"
    place.mkdir(parents=True)
    (place / model.artefact_digest).symlink_to(reference.parent)
    return settings


def run(
    settings: Settings, registry: Settings, *arguments: str
) -> "subprocess.CompletedProcess[str]":
    environment = {
        "PATH": os.environ["PATH"],
        "COLUMNS": "160",
        "AUSCULT_HOME": str(settings.home),
        "AUSCULT_MLFLOW_TRACKING_URI": registry.tracking_uri,
    }
    fetched = settings.cache / "artefacts"
    if not fetched.exists():
        fetched.symlink_to(registry.cache / "artefacts")
    if settings.database_url:
        environment["AUSCULT_DATABASE_URL"] = settings.database_url
    return subprocess.run(
        [sys.executable, "-m", "auscult", "lookback", "kidney_failure", *arguments],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_command_writes_a_private_bundle_and_says_so_in_the_audit_record(
    any_clinic: Clinic, registry: Settings
) -> None:
    any_clinic.record(FIRST, 60, change=too_high)
    any_clinic.record(FIRST, 20, site="north")
    any_clinic.record(FIRST + timedelta(days=1), 20)
    before = {one.pk: one.risk for one in Prediction.objects.all()}
    asked = ("--feature", "creatinine", "--between", str(FIRST), str(FIRST), "--version", "1")
    target = any_clinic.settings.root / "a.json"
    asked = (*asked, "--correct", "x/4", "--by", "mo", "--out")
    done = run(any_clinic.settings, registry, *asked, str(target))
    assert done.returncode == 0, done.stderr
    assert target.stat().st_mode & 0o777 == 0o600
    made = resources(target.read_bytes())
    first_day = Prediction.objects.filter(predicted_at__lt=start_of(FIRST + timedelta(days=1)))
    used = [one for one in first_day if one.features["creatinine"] is not None]
    assert {one["identifier"][0]["value"] for one in made} == {f"urn:uuid:{p.pk}" for p in used}
    note = AuditEvent.objects.get(action="lookback")
    assert note.by == "mo"
    assert (note.details["form"], note.details["predictions"]) == ("fhir", len(used))
    assert {one.pk: one.risk for one in Prediction.objects.all()} == before
    assert note.details["only"] == {}
    table = any_clinic.settings.root / "north.csv"
    limited = (*asked, str(table), "--site", "north")
    done = run(any_clinic.settings, registry, *limited)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8"))))
    assert {row["site"] for row in rows} == {"north"}
    assert len(rows) == sum(one.site == "north" for one in used)
    last = AuditEvent.objects.filter(action="lookback").latest("recorded_at")
    assert last.details["only"] == {"site": "north"}
    for name, words in (
        (target, "there already"),
        (target.with_suffix(".xml"), "FHIR Bundle"),
        (target.parent / "nowhere" / target.name, "nowhere is no directory; make it first"),
    ):
        again = run(any_clinic.settings, registry, *asked, str(name))
        assert (again.returncode, words in again.stderr) == (1, True), again.stderr
