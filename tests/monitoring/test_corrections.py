"""Predictions that used a corrected source: listed, scored again, withdrawn, acknowledged."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from models.corrections import Correction
from models.errors import RecordError
from models.risk_model import RiskModel
from monitoring.corrections import Listed, list_affected, read_file
from monitoring.notices import affected_notice
from records import corrections
from records.models import AffectedPrediction, Amendment, AuditEvent, Prediction
from tests.monitoring.clinic import FIRST, NOW, Clinic, came_from, log_odds

SOURCE = "Observation/17"
LATER = NOW + timedelta(days=1)


def used(clinic: Clinic, rows: int = 30, every: int = 3) -> list[Prediction]:
    """Record a day of which every third prediction used a source."""
    made = clinic.record(FIRST, rows)
    chosen = [one for one in made if one.features["creatinine"] is not None][::every]
    for one in chosen:
        came_from(one, "Observation/171", SOURCE)
    other = next(one for one in made if one not in chosen)
    other.sources = ["Observation/171"]
    other.save()
    return chosen


def listed(clinic: Clinic, *reports: Correction, version: str = "1") -> Listed:
    corrections.report(clinic.model, reports, by="lena", now=NOW)
    return list_affected(RiskModel.load(clinic.reference.parent, version=version), NOW)


def test_each_prediction_that_used_it_is_scored_with_the_right_value(any_clinic: Clinic) -> None:
    made = {one.pk: one for one in used(any_clinic)}
    found = listed(any_clinic, Correction(SOURCE, "corrected", "creatinine", 4.0))
    rows = list(corrections.affected_first(any_clinic.model))
    assert {row.prediction_id for row in rows} == set(made)
    for row in rows:
        age = made[row.prediction_id].features["age"]
        odds = log_odds({"age": np.array([age]), "creatinine": np.array([4.0])})[0]
        assert row.corrected_risk == pytest.approx(1 / (1 + np.exp(-odds)))
        assert row.band_changed == (row.corrected_band != made[row.prediction_id].band)
    changed = [row.band_changed for row in rows]
    assert changed == sorted(changed, reverse=True)
    assert found == Listed(1, len(made), sum(changed))
    assert found.band_changes > 0


def test_listing_withdraws_them_in_the_chain_and_once(any_clinic: Clinic) -> None:
    made = used(any_clinic)
    listed(any_clinic, Correction(SOURCE, "entered-in-error", "creatinine"))
    withdrawn = Amendment.objects.all()
    assert {one.prediction_id for one in withdrawn} == {one.pk for one in made}
    assert {(one.status, one.source) for one in withdrawn} == {("entered-in-error", SOURCE)}
    assert all(one.leaf for one in withdrawn)
    model = RiskModel.load(any_clinic.reference.parent, version="1")
    assert list_affected(model, NOW) == Listed(0, 0, 0)
    again = Correction(SOURCE, "entered-in-error", "creatinine")
    assert corrections.report(any_clinic.model, [again], by="lena", now=LATER) == 1
    assert list_affected(model, LATER) == Listed(1, 0, 0)
    other = Correction(SOURCE, "corrected", "creatinine", 1.1)
    assert corrections.report(any_clinic.model, [other], by="lena", now=LATER) == 1
    assert list_affected(model, LATER).predictions == len(made)
    assert withdrawn.count() == len(made)


def test_a_report_that_is_repeated_lists_what_used_the_source_since(any_clinic: Clinic) -> None:
    model = RiskModel.load(any_clinic.reference.parent, version="1")
    wrong = Correction(SOURCE, "entered-in-error")

    def report_again(now: datetime) -> Listed:
        corrections.report(any_clinic.model, [wrong], by="lena", now=now)
        assert corrections.report(any_clinic.model, [wrong], by="lena", now=now) == 0
        return list_affected(model, now)

    before = len(used(any_clinic))
    assert report_again(NOW).predictions == before
    _, *since = any_clinic.record(NOW.date(), 20)  # all but the first are later than that run
    later, other, *_ = (one for one in since if one.features["creatinine"] is not None)
    came_from(later, "Observation/171", SOURCE)
    came_from(other, "Observation/171", "Observation/172")
    assert list_affected(model, LATER) == Listed(0, 0, 0)
    assert report_again(LATER).predictions == 1
    assert Amendment.objects.filter(prediction=later).count() == 1
    assert AffectedPrediction.objects.count() == before + 1
    assert report_again(LATER + timedelta(hours=1)) == Listed(1, 0, 0)


def test_a_report_that_holds_no_more_lists_all_anew(any_clinic: Clinic) -> None:
    model = RiskModel.load(any_clinic.reference.parent, version="1")
    made = used(any_clinic)
    reports = [Correction(SOURCE, "corrected", "creatinine", value) for value in (4.0, 4.1, 4.0)]
    for days, one in enumerate(reports):
        now = NOW + timedelta(days=days)
        assert corrections.report(any_clinic.model, [one], by="lena", now=now) == 1
        assert list_affected(model, now).predictions == len(made)


def test_a_prediction_that_several_reports_affect_is_counted_once(any_clinic: Clinic) -> None:
    used(any_clinic)
    sources = (SOURCE, "Observation/171")
    found = listed(any_clinic, *(Correction(one, "corrected") for one in sources))
    rows = AffectedPrediction.objects.all()
    affected = {row.prediction_id for row in rows}
    assert rows.count() > len(affected)
    changed = {row.prediction_id for row in rows if row.band_changed}
    assert found == Listed(2, len(affected), len(changed), len(affected))
    assert Amendment.objects.count() == found.predictions
    notice = affected_notice(found, any_clinic.model, "1", any_clinic.settings, NOW)
    assert notice["summary"].startswith(f"{len(affected)} predictions used")


@pytest.mark.parametrize("name", ['urn:lab:"7"', "Observation/ö%_", "a\\b"])
def test_a_source_of_any_name_is_found_and_no_other(any_clinic: Clinic, name: str) -> None:
    first, second, third, *_ = any_clinic.record(FIRST, 5)
    for one, sources in ((first, ["x", name]), (second, [f"{name}1"]), (third, [name.upper()])):
        one.sources = sources
        one.save()
    assert listed(any_clinic, Correction(name, "corrected")).predictions == 1
    assert AffectedPrediction.objects.get().prediction_id == first.pk


@pytest.mark.parametrize(
    ("reported", "found"),
    [("Observation/7", {0, 1, 2}), ("Observation/7/_history/1", {1}), ("Observation/70", {3})],
)
def test_a_source_without_a_version_stands_for_all_of_its_versions(
    any_clinic: Clinic, reported: str, found: set[int]
) -> None:
    made = any_clinic.record(FIRST, 4)
    names = ("7", "7/_history/1", "7/_history/2", "70/_history/1")
    for one, name in zip(made, names, strict=True):
        one.sources = ["x", f"Observation/{name}"]
        one.save()
    listed(any_clinic, Correction(reported, "entered-in-error"))
    keys = AffectedPrediction.objects.values_list("prediction_id", flat=True)
    assert set(keys) == {made[number].pk for number in found}


def test_a_prediction_that_used_the_corrected_value_already_stays(any_clinic: Clinic) -> None:
    first, second, third, *_ = used(any_clinic)
    for one, value in ((first, 4.0), (second, 4.0), (third, 4.001)):
        one.features |= {"creatinine": value}
        came_from(one, SOURCE)
    listed(any_clinic, Correction(SOURCE, "corrected", "creatinine", 4.0))
    keys = set(AffectedPrediction.objects.values_list("prediction_id", flat=True))
    assert keys.isdisjoint({first.pk, second.pk})
    assert third.pk in keys


def test_without_the_value_the_risk_is_that_of_a_missing_one(clinic: Clinic) -> None:
    used(clinic)
    listed(clinic, Correction(SOURCE, "entered-in-error", "creatinine"))
    row = AffectedPrediction.objects.select_related("prediction").first()
    assert row is not None
    age = row.prediction.features["age"]
    odds = log_odds({"age": np.array([age]), "creatinine": np.array([np.nan])})[0]
    assert row.corrected_risk == pytest.approx(1 / (1 + np.exp(-odds)))


@pytest.mark.parametrize(
    ("report", "version", "words"),
    [
        (Correction(SOURCE, "corrected"), "1", "says no value that it should have been"),
        (Correction(SOURCE, "corrected", "lactate", 4.0), "1", "never was one of: Lactate"),
        (Correction(SOURCE, "corrected", "creatinine", 4.0), "2", "made by version 1, 2 is in use"),
        (Correction(SOURCE, "corrected", "creatinine", 900.0), "1", "above the plausible range"),
    ],
)
def test_where_no_score_can_be_given_it_says_why(
    clinic: Clinic, report: Correction, version: str, words: str
) -> None:
    used(clinic)
    listed(clinic, report, version=version)
    rows = list(AffectedPrediction.objects.all())
    assert rows
    assert all(words in row.no_score and row.corrected_risk is None for row in rows)


def test_acknowledgement_is_followed_to_none_open(any_clinic: Clinic) -> None:
    made = used(any_clinic)
    listed(any_clinic, Correction(SOURCE, "corrected", "creatinine", 4.0))
    first, *others = [row.pk for row in corrections.affected_first(any_clinic.model)]

    def acknowledge(chosen: list[int], because: str = "The wards were told") -> int:
        return corrections.acknowledge(
            any_clinic.model, chosen, by="rita", because=because, now=NOW
        )

    assert acknowledge([first]) == 1
    assert corrections.open_of(any_clinic.model).count() == len(made) - 1
    assert corrections.affected_first(any_clinic.model).last().pk == first
    with pytest.raises(RecordError, match="none of these"):
        acknowledge([first])
    with pytest.raises(RecordError, match="say what was done"):
        acknowledge(others, " ")
    assert acknowledge([first, *others]) == len(made) - 1
    assert corrections.open_of(any_clinic.model).count() == 0
    actions = AuditEvent.objects.order_by("block", "position").values_list("action", flat=True)
    assert list(actions) == [
        "sources.corrected",
        "sources.affected",
        "sources.acknowledged",
        "sources.acknowledged",
    ]


def test_a_file_is_read_whole_or_not_at_all(clinic: Clinic, tmp_path: Path) -> None:
    path = tmp_path / "corrections.csv"
    path.write_text(
        "source,status,feature,value\nObservation/1,corrected,creatinine,1.2\n"
        "Observation/2,entered-in-error,,\nObservation/3,corrected,ward,surgical\n"
    )
    assert read_file(path, clinic.definition, NOW) == [
        Correction("Observation/1", "corrected", "creatinine", 1.2),
        Correction("Observation/2", "entered-in-error"),
        Correction("Observation/3", "corrected", "ward", "surgical"),
    ]


def test_a_file_may_say_when_the_right_value_was_true(clinic: Clinic, tmp_path: Path) -> None:
    path = tmp_path / "corrections.csv"
    at = NOW - timedelta(hours=3)
    path.write_text(
        "source,status,feature,value,unit,time\n"
        f"O/1,corrected,creatinine,1.2,mg/dL,{at.isoformat()}\nO/2,entered-in-error,,,,\n"
    )
    assert read_file(path, clinic.definition, NOW) == [
        Correction("O/1", "corrected", "creatinine", 1.2, taken_at=at),
        Correction("O/2", "entered-in-error"),
    ]


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ("corrected,creatinine,1.2,2026-01-05T10:15:00", "row 1: time is a time without an offset"),
        ("corrected,creatinine,1.2,yesterday", "row 1: time is not a FHIR dateTime"),
        ("corrected,creatinine,1.2,2020-01-05", "row 1: time has no time of day"),
        ("corrected,creatinine,1.2,2126-01-05T10:15:00Z", "row 1: time .* is later than now"),
        ("corrected,,,2020-01-05T10:15:00Z", "row 1: time needs a value"),
        ("entered-in-error,,,2020-01-05T10:15:00Z", "row 1: time needs a value"),
    ],
)
def test_a_time_that_can_not_be_right_is_named_and_nothing_recorded(
    clinic: Clinic, tmp_path: Path, cells: str, words: str
) -> None:
    path = tmp_path / "corrections.csv"
    path.write_text(f"source,status,feature,value,time\nO/1,{cells}\n")
    with pytest.raises(RecordError, match=words):
        read_file(path, clinic.definition, NOW)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (",corrected,,", "row 1: source must have 1 to 160"),
        ("O/1,wrong,,", "status must be one of corrected, entered-in-error"),
        ("O/1,corrected,potassium,1", "feature is none of those that kidney_failure measures"),
        ("O/1,corrected,creatinine,", "give the corrected value"),
        ("O/1,corrected,,4", "value needs a feature"),
        ("O/1,entered-in-error,creatinine,4", "value needs a feature and the status"),
        ("O/1,corrected,creatinine,much", "value is no number"),
        ("O/1,corrected,creatinine,inf", "not a finite number"),
        ("O/1,corrected,ward,garden", "value is none of medical"),
        ("O/1,corrected,creatinine,2\nO/1,corrected,creatinine,5", "row 2: value differs from"),
        ("O/1,corrected,,\nO/1,entered-in-error,,", "row 2: status says entered-in-error"),
    ],
)
def test_a_faulty_row_is_named_and_nothing_recorded(
    clinic: Clinic, tmp_path: Path, row: str, words: str
) -> None:
    path = tmp_path / "corrections.csv"
    path.write_text(f"source,status,feature,value\n{row}\n")
    with pytest.raises(RecordError, match=words):
        read_file(path, clinic.definition, NOW)


def test_other_columns_are_refused(clinic: Clinic, tmp_path: Path) -> None:
    path = tmp_path / "corrections.csv"
    path.write_text("source,status,patient\nO/1,corrected,Ann\n")
    with pytest.raises(RecordError, match="the columns must be source, status, feature, value"):
        read_file(path, clinic.definition, NOW)


def test_the_notice_of_one_prediction_speaks_of_one(clinic: Clinic) -> None:
    notice = affected_notice(Listed(1, 1, 0, 1), clinic.model, "1", clinic.settings, NOW)
    assert notice["summary"].startswith("1 prediction used results that were corrected or entered")
    assert "in error, and was withdrawn: 0 with another band, 1 without" in notice["summary"]


def test_the_notice_names_no_prediction_and_no_source(clinic: Clinic) -> None:
    made = used(clinic)
    found = listed(clinic, Correction(SOURCE, "corrected", "creatinine", 4.0))
    notice = affected_notice(found, clinic.model, "1", clinic.settings, NOW + timedelta(hours=1))
    text = json.dumps(notice)
    assert f"{len(made)} predictions used results" in text
    assert notice["severity"] == "critical"
    assert SOURCE not in text
    assert not any(str(one.pk) in text or one.patient in text for one in made)
