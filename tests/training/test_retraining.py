"""A challenger made from the original cohort and closed predictions, beside the champion."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from auscult.summary import show_retrained
from models.definition import DefinitionFile
from models.errors import CohortError, DefinitionError, PromotionRefused, RecordError, RegistryError
from records.models import AuditEvent
from records.settings import Settings
from tests.training.conftest import Trained, share_registry
from tests.training.readmissions import DEFINITION, cohort, followed, people, write_definition
from tests.training.records import FIRST, record, report
from training.options import TrainOptions
from training.promotion import promote
from training.registry import find_version, read_run_file, set_alias, store
from training.reproduction import reproduce
from training.retraining import Retrained, retrain

CLAIM = "Nobody is censored: readmissions elsewhere are reported"
PLAN = """
[change_plan]
max_depth = [2, 2]
learning_rate = [0.05, 0.06]
window_days = 400
"""
NOW = datetime(2026, 5, 1, tzinfo=UTC)
QUICK = TrainOptions(trained_by="Ada", quick=True, draws=40, seed=7)


@pytest.fixture
def registry(sqlite_db: Settings, trained: Trained) -> Settings:
    """A home with a migrated database and a registry in which version 1 is champion."""
    share_registry(trained.settings, sqlite_db)
    set_alias("readmission", "champion", "1", settings=sqlite_db)
    return sqlite_db


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> DefinitionFile:
    return write_definition(tmp_path_factory.mktemp("planned"), DEFINITION + PLAN)


def _recorded(trained: Trained, rows: int = 400) -> None:
    frame = followed(rows, seed=3)
    digest = trained.version.artefact_digest
    predictions = record(trained.file.definition, frame, artefact_digest=digest)
    report(trained.file.definition, predictions, frame)


def _retrain(
    file: DefinitionFile, trained: Trained, settings: Settings, options: TrainOptions = QUICK
) -> Retrained:
    return retrain(
        file, trained.cohort, options, settings=settings, progress=lambda *_: None, now=NOW
    )


def test_a_challenger_is_registered_compared_and_accounted_for_and_nothing_moves(
    registry: Settings,
    trained: Trained,
    planned: DefinitionFile,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _recorded(trained)

    found = _retrain(planned, trained, registry)

    show_retrained(found)
    shown = " ".join(capsys.readouterr().out.split())
    assert "The earlier 240 taught the challenger beside the original table; of the 160" in shown
    assert "How it is judged: recorded predictions after 2025-03-02 test; earlier ones" in shown
    assert "Better is above 0 for AUROC and AUPRC, below 0 for the Brier score" in shown
    assert shown.endswith("Nothing was promoted. Next, by somebody else: auscult promote")
    show_retrained(replace(found, differences={}))
    shown = " ".join(capsys.readouterr().out.split())
    assert "can't be compared with the champion, version 1, which refuses some of these" in shown
    assert shown.endswith("Nothing was promoted. Next, by somebody else: auscult promote")
    assert find_version("readmission", "champion", settings=registry).version == "1"
    assert found.champion == "1"
    assert (found.made_from["recorded"], found.made_from["test"]) == (400, 160)
    assert (found.made_from["shown"], found.made_from["silent"]) == (400, 0)
    assert any("treatment helped teach a model" in note for note in found.notes)
    low, value, high = (
        found.differences[f"auroc_minus_champion{end}"] for end in ("_low", "", "_high")
    )
    assert low <= value <= high
    assert found.trained.evaluation.n == 160
    evidence = json.loads((found.trained.directory / "evidence.json").read_bytes())
    assert evidence["retraining"] == found.made_from
    assert evidence["split"]["method"].startswith("recorded predictions after 2025-03-02 test")
    grown = evidence["model_evidence"]["parameters"]
    assert (grown["max_depth"], grown["eta"]) == (2, 0.05)
    (event,) = AuditEvent.objects.filter(action="version.retrain")
    assert event.by == "Ada"
    assert event.details["version"] == found.trained.version
    assert event.details["challenges"] == "1"


def test_a_challenger_that_was_not_written_into_the_audit_record_can_not_be_used(
    registry: Settings,
    trained: Trained,
    planned: DefinitionFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _recorded(trained)

    def full(*_: object) -> None:
        raise RecordError("the disk is full")

    monkeypatch.setattr("records.audit.note", full)
    with pytest.raises(RecordError, match="disk is full"):
        _retrain(planned, trained, registry)

    versions = store(registry).search_model_versions("name = 'readmission'")
    last = str(max(int(one.version) for one in versions))
    with pytest.raises(RegistryError, match=rf"version {last} has no tag .*registration was cut"):
        find_version("readmission", last, settings=registry)


def test_the_card_of_a_challenger_says_that_it_is_one_and_how_it_stands_to_the_champion(
    registry: Settings, trained: Trained, planned: DefinitionFile
) -> None:
    _recorded(trained)
    found = _retrain(planned, trained, registry)
    version = find_version("readmission", found.trained.version, settings=registry)

    card = " ".join(str(read_run_file(version, "card.html", settings=registry), "utf-8").split())
    said = _tripod(read_run_file(version, "card.json", settings=registry))

    assert said["4"].startswith("Updating of version 1, the champion, by a retraining, with int")
    assert said["12f"] == (
        "Made anew from readmissions.csv, the table of version 1, and recorded predictions through "
        "2025-03-02, of the last 400 days (shown and silent), by trees of depth 2 to 2 and a "
        "learning rate of 0.05 to 0.06, as the change plan allows; features, outcome and inclusion "
        "limits stayed as they were"
    )
    assert said["16"] == (
        "Training: readmissions.csv and recorded predictions through 2025-03-02. Evaluation: "
        "recorded predictions after that, of other patients, so far as pseudonyms tell"
    )
    value, low, high = (
        found.differences[f"auroc_minus_champion{end}"] for end in ("", "_low", "_high")
    )
    of_champion = "Minus version 1, the champion, on the same people: AUROC "
    assert said["24"].startswith(f"{of_champion}{value:+.3f} ({low:z.3f} to {high:z.3f}); Brier")
    assert "predictions later than all that its trees learnt from" in said["24"]
    assert "of the retraining's rows, 400 are recorded predictions" in said["26"]
    assert "400 of them were shown, so what was done about them may have changed" in said["26"]
    assert "<h3>Beside the champion</h3> <p>Version 1 was champion when this one was made" in card
    assert "Of the champion: these are predictions later than all that its trees learnt" in card
    assert f'<td>AUROC</td><td class="number">{value:z.3f} ({low:z.3f} to {high:z.3f})' in card
    # what is sealed has to be made again whoever is champion then
    sealed = _tripod((found.trained.directory / "card.json").read_bytes())
    assert sealed["24"] == "not provided"
    assert {item: sealed[item] for item in ("4", "12f", "16", "26")} == {
        item: said[item] for item in ("4", "12f", "16", "26")
    }


def _tripod(card: bytes | None) -> dict[str, str]:
    (report,) = (one for one in json.loads(card or b"")["reporting"] if one["key"] == "tripod_ai")
    return {one["item"]: one["answer"] for one in report["answers"]}


@pytest.mark.parametrize("maker", ["Ada", "Rita"])
def test_who_signed_the_request_for_a_retraining_may_not_promote_its_result(
    maker: str, registry: Settings, trained: Trained, planned: DefinitionFile
) -> None:
    _recorded(trained)
    asked = replace(QUICK, requested_by="Rita")

    version = _retrain(planned, trained, registry, asked).trained.version
    because = {"to": "champion", "because": "Asked for at the review", "override": True, "now": NOW}

    with pytest.raises(PromotionRefused, match="was trained by Ada and asked for by Rita"):
        promote("readmission", version, by=maker, **because, settings=registry)
    promote("readmission", version, by="Grace", **because, settings=registry)

    promote("readmission", "1", by="Grace", **because, settings=registry)
    alone = registry.model_copy(update={"trainer_may_promote": True})
    assert promote("readmission", version, by=maker, **because, settings=alone) is None


def test_a_challenger_is_made_again_byte_for_byte_whatever_was_reported_since(
    registry: Settings, trained: Trained, planned: DefinitionFile
) -> None:
    _recorded(trained)
    found = _retrain(planned, trained, registry)
    late = followed(50, seed=9).assign(patient_id=lambda f: "L" + f["patient_id"])
    after = NOW + timedelta(days=1)
    predictions = record(
        trained.file.definition,
        late,
        artefact_digest=trained.version.artefact_digest,
        recorded_at=after,
    )
    report(trained.file.definition, predictions, late, reported_at=after)

    again = reproduce(
        "readmission",
        found.trained.version,
        trained.cohort,
        settings=registry,
        progress=lambda *_: None,
        now=NOW + timedelta(days=2),
    )

    assert again.differences == ()
    assert again.equal


def test_a_search_stays_within_the_plan_and_missing_values_are_seen_through(
    registry: Settings, trained: Trained, planned: DefinitionFile
) -> None:
    _recorded(trained)

    found = _retrain(planned, trained, registry, replace(QUICK, quick=False, trials=3))

    evidence = json.loads((found.trained.directory / "evidence.json").read_bytes())
    grown = evidence["model_evidence"]["parameters"]
    assert grown["max_depth"] == 2
    assert 0.05 <= grown["eta"] <= 0.06
    uninformed = evidence["without_indicators"]["figures"]["auroc"]["value"]
    informed = evidence["baseline_evidence"]["evaluation"]["figures"]["auroc"]["value"]
    assert uninformed == pytest.approx(informed, abs=0.05)  # what is missing is so by chance
    card = (found.trained.directory / "card.html").read_text("utf-8")
    assert f"without its indicators of missing values, has an AUROC of {uninformed:.3f}" in card


def test_the_next_challenger_is_judged_on_what_neither_it_nor_the_champion_learnt_from(
    registry: Settings, trained: Trained, planned: DefinitionFile
) -> None:
    _recorded(trained)
    first = _retrain(planned, trained, registry)
    promote(
        "readmission",
        first.trained.version,
        to="champion",
        by="Grace",
        because="No worse in sum",
        override=True,
        settings=registry,
        now=NOW,
    )
    later = followed(300, seed=4).assign(patient_id=lambda f: "Q" + f["patient_id"])
    digest = first.trained.artefact_digest
    fields = {"artefact_digest": digest, "version": first.trained.version, "shown": False}
    first_day = datetime(2025, 6, 1, tzinfo=UTC)
    predictions = record(planned.definition, later, first=first_day, **fields)
    report(planned.definition, predictions, later)

    second = _retrain(planned, trained, registry)

    assert second.champion == first.trained.version
    assert second.made_from["silent"] == 300
    assert second.made_from["learnt_through"] > first.made_from["learnt_through"]
    assert second.differences


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (('unit = "mg/L"', 'unit = "mg/dL"'), "features"),
        (("horizon_days = 30", "horizon_days = 60"), "outcome"),
        (("at_least = 18", "at_least = 16"), "inclusion"),
    ],
)
def test_what_a_plan_can_not_change_is_refused_with_file_and_key(
    change: tuple[str, str],
    part: str,
    registry: Settings,
    trained: Trained,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    text = (DEFINITION + PLAN).replace(*change, 1)
    file = write_definition(tmp_path_factory.mktemp("other"), text)

    with pytest.raises(DefinitionError, match=rf"model\.toml: {part}: another than that of the"):
        _retrain(file, trained, registry)


def test_without_a_plan_a_champion_or_the_original_cohort_nothing_is_made(
    registry: Settings,
    trained: Trained,
    planned: DefinitionFile,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with pytest.raises(DefinitionError, match=r"change_plan: there is none"):
        _retrain(trained.file, trained, registry)
    other = replace(trained, cohort=replace(cohort(people()), digest="1" * 64))
    with pytest.raises(CohortError, match=r"readmissions\.csv has SHA-256 111.* made from 000"):
        _retrain(planned, other, registry)
    with pytest.raises(CohortError, match="no recorded predictions"):
        _retrain(planned, trained, registry)
    text = (DEFINITION + PLAN).replace('name = "readmission"', 'name = "someone_else"', 1)
    nobody = write_definition(tmp_path_factory.mktemp("someone"), text)
    with pytest.raises(RegistryError, match="no champion to challenge"):
        _retrain(nobody, trained, registry)


def test_predictions_of_versions_that_the_registry_does_not_know_are_not_learnt_from(
    registry: Settings, trained: Trained, planned: DefinitionFile
) -> None:
    record(trained.file.definition, people(40, seed=3), version="99")
    record(trained.file.definition, people(40, seed=3), first=FIRST, artefact_digest="f" * 64)

    with pytest.raises(CohortError, match="features were defined otherwise: 80"):
        _retrain(planned, trained, registry)


def test_people_lost_are_refused_with_what_can_be_done_about_records_and_the_original_table(
    registry: Settings, trained: Trained, tmp_path_factory: pytest.TempPathFactory
) -> None:
    _recorded(trained)
    text = DEFINITION.replace("Those who move away are represented by those who stay", CLAIM)
    file = write_definition(tmp_path_factory.mktemp("claiming"), text + PLAN)

    with pytest.raises(CohortError, match="end before day 30, the horizon") as lost:
        _retrain(file, trained, registry)

    said = str(lost.value)
    assert re.search(
        r"\d+ recorded predictions of them: if the outcome is known .* again with", said
    )
    assert "known_at a time at or after day 30" in said
    assert "The original table has to be as it was" in said
    assert "[estimand]" in said
