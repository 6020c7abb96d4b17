import csv
import io
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import RecordError
from models.risk_model import RiskModel
from monitoring.lookback import Correction, lookback, made_by_others, summary, write_csv
from monitoring.origin import Origin, unlimited
from monitoring.stays import start_of
from records.models import Alarm, Client, Prediction
from tests.monitoring.clinic import FIRST, Clinic, log_odds, without_creatinine

FAULT = FIRST + timedelta(days=2)


def too_high(columns: dict[str, Any], generator: np.random.Generator) -> None:
    columns["creatinine"] = columns["creatinine"] * 4


def faulty(clinic: Clinic) -> RiskModel:
    clinic.record_days(FIRST, 2, 40)
    clinic.record_days(FAULT, 2, 40, change=too_high)
    return RiskModel.load(clinic.reference.parent, version="1")


def test_corrected_predictions_are_what_the_right_values_would_have_given(
    any_clinic: Clinic,
) -> None:
    model = faulty(any_clinic)
    found = lookback(model, "creatinine", FAULT, FAULT + timedelta(days=1), Correction("x / 4"))
    made = {str(one.pk): one for one in Prediction.objects.all()}
    used = [one for one in made.values() if one.features["creatinine"] is not None]
    assert len(found) == sum(one.predicted_at.date() >= FAULT for one in used)
    for one in found:
        before = made[one.prediction_id]
        right = before.features["creatinine"] / 4
        odds = log_odds(
            {"age": np.array([before.features["age"]]), "creatinine": np.array([right])}
        )[0]
        assert one.corrected_value == pytest.approx(right)
        assert one.corrected_risk == pytest.approx(1 / (1 + np.exp(-odds)))
        assert one.band_changed == (one.band != any_clinic.definition.band(one.corrected_risk).name)


def test_band_changes_come_first_and_are_counted(clinic: Clinic) -> None:
    model = faulty(clinic)
    found = lookback(model, "creatinine", FAULT, FAULT + timedelta(days=1), Correction("x/4"))
    changed = [bool(one.band_changed) for one in found]
    assert changed == sorted(changed, reverse=True)
    assert summary(found)["high to low"] == sum(changed) > 10
    text = io.StringIO()
    write_csv(found, text)
    rows = list(csv.DictReader(io.StringIO(text.getvalue())))
    assert [row["prediction_id"] for row in rows] == [one.prediction_id for one in found]
    assert rows[0]["band_changed"] == "True"


def test_without_a_correction_the_predictions_are_only_listed(clinic: Clinic) -> None:
    found = lookback(faulty(clinic), "creatinine", FIRST, FIRST, None)
    assert found
    assert {one.corrected_risk for one in found} == {None}


def test_a_corrected_value_that_can_not_be_right_gives_no_score(clinic: Clinic) -> None:
    model = faulty(clinic)
    found = lookback(model, "creatinine", FAULT, FAULT, Correction("x*1000"))
    assert found
    assert all("outside the plausible range" in one.no_score for one in found)
    assert {one.corrected_risk for one in found} == {None}
    assert all(one.band_changed for one in found)
    counts = summary(found)
    assert sum(counts[f"{band} to no score"] for band in {one.band for one in found}) == len(found)


def test_what_would_lose_its_score_comes_before_what_stays_as_it_is(clinic: Clinic) -> None:
    found = lookback(faulty(clinic), "creatinine", FIRST, FAULT, Correction("x*60"))
    changed = [bool(one.band_changed) for one in found]
    assert changed == sorted(changed, reverse=True)
    assert {bool(one.no_score) for one in found if one.band_changed} == {True, False}
    assert not any(one.no_score for one in found if not one.band_changed)


def test_predictions_of_other_versions_are_counted(any_clinic: Clinic) -> None:
    model = faulty(any_clinic)
    others = Prediction.objects.filter(predicted_at__lt=start_of(FIRST + timedelta(days=1)))
    others.update(version="2")
    found = lookback(model, "creatinine", FIRST, FIRST + timedelta(days=1), Correction("x/4"))
    assert {one.predicted_at[:10] for one in found} == {str(FIRST + timedelta(days=1))}
    assert made_by_others(model, FIRST, FIRST) == {"2": others.count()}
    assert made_by_others(model, FAULT, FAULT) == {}


def test_records_of_another_model_are_not_corrected(clinic: Clinic) -> None:
    model = faulty(clinic)
    Prediction.objects.update(margin=0.5)
    with pytest.raises(RecordError, match="doesn't give the recorded risks again"):
        lookback(model, "creatinine", FIRST, FAULT, Correction("x/4"))


def two_sites(clinic: Clinic) -> RiskModel:
    """Record a day whose north is faulty, by a client that had two keys; a ward is at both."""
    times = {"created_at": "2024-01-01T00:00Z", "expires_at": "2034-01-01T00:00Z"}
    for key_id, name in (("x1", "lab-x"), ("x2", "lab-x"), ("w", "wards")):
        Client.objects.create(key_id=key_id, name=name, digest="", **times)
    for key, ward in (("x1", "7B"), ("x2", "ICU")):
        clinic.record(FIRST, 30, change=too_high, site="north", client=key, ward=ward)
    clinic.record(FIRST, 30, site="south", client="w", ward="ICU")
    clinic.record(FIRST, 10, client="w")
    return RiskModel.load(clinic.reference.parent, version="1")


@pytest.mark.parametrize(
    ("origin", "wanted"),
    [
        (Origin(), {}),
        (Origin(site="north"), {"site": "north"}),
        (Origin(client="lab-x"), {"client__in": ["x1", "x2"]}),
        (Origin(ward="ICU"), {"ward": "ICU"}),
        (Origin(site="south", ward="ICU"), {"site": "south", "ward": "ICU"}),
        (Origin(site="south", ward="7B"), {"site": "south", "ward": "7B"}),
        (Origin(site=""), {"site": ""}),
        (Origin(client="lab-x", ward=""), {"client__in": ["x1", "x2"], "ward": ""}),
    ],
)
def test_a_look_back_can_be_of_one_site_client_or_ward(
    any_clinic: Clinic, origin: Origin, wanted: dict[str, Any]
) -> None:
    model = two_sites(any_clinic)
    found = lookback(model, "creatinine", FIRST, FIRST, Correction("x/4"), origin)
    made = Prediction.objects.filter(**wanted)
    used = {str(one.pk): one for one in made if one.features["creatinine"] is not None}
    assert {one.prediction_id for one in found} == set(used)
    names = {"x1": "lab-x", "x2": "lab-x", "w": "wards"}
    for one in found:
        row = used[one.prediction_id]
        assert (one.site, one.client, one.ward) == (row.site, names[row.client], row.ward)
    Prediction.objects.update(version="2")
    Prediction.objects.filter(pk__in=[row.pk for row in used.values()][:1]).update(version="1")
    others = made.exclude(version="1").count()
    counted = made_by_others(model, FIRST, FIRST, origin)
    assert counted == ({"2": others} if others else {})


def test_the_table_says_where_each_prediction_was_asked_for(clinic: Clinic) -> None:
    found = lookback(two_sites(clinic), "creatinine", FIRST, FIRST, None)
    text = io.StringIO()
    write_csv(found, text)
    rows = list(csv.DictReader(io.StringIO(text.getvalue())))
    places = {(row["site"], row["client"], row["ward"]) for row in rows}
    assert places == {
        ("north", "lab-x", "7B"),
        ("north", "lab-x", "ICU"),
        ("south", "wards", "ICU"),
        ("", "wards", ""),
    }


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        (Origin(site="nroth"), "of the site 'nroth'; there are those of north, south$"),
        (
            Origin(site="north", client="x1 "),
            "of the client 'x1 '; there are those of lab-x, wards",
        ),
        (Origin(ward="icu"), "of the ward 'icu'; there are those of 7B, ICU$"),
    ],
)
def test_a_site_client_or_ward_that_sent_nothing_is_refused_with_those_that_did(
    clinic: Clinic, origin: Origin, words: str
) -> None:
    model = two_sites(clinic)
    with pytest.raises(RecordError, match=words):
        lookback(model, "creatinine", FIRST, FIRST, None, origin)
    with pytest.raises(RecordError, match="there are none in these days"):
        lookback(model, "creatinine", FAULT, FAULT, None, origin)


def test_predictions_that_name_no_site_are_said_to_name_none(clinic: Clinic) -> None:
    with pytest.raises(RecordError, match="'north'; they name no site"):
        lookback(faulty(clinic), "creatinine", FIRST, FIRST, None, Origin(site="north"))


def test_where_an_open_alarm_of_the_feature_sits_is_said_unless_the_look_is_limited_to_it(
    clinic: Clinic,
) -> None:
    fault, last = FIRST + timedelta(days=25), FIRST + timedelta(days=29)
    for step in range(30):
        day = FIRST + timedelta(days=step)
        change = {"change": without_creatinine(0.9)} if day >= fault else {}
        clinic.record(day, 40, site="north", client="x", ward="7B", **change)
        clinic.record(day, 40, site="south", client="w", ward="ICU")
    clinic.watch(last)
    name = clinic.definition.name

    def said(feature: str, until: Any, **limits: str) -> list[str]:
        return list(unlimited(name, "1", feature, fault, until, Origin(**limits)))

    alarm = Alarm.objects.get(stream="missing:creatinine")
    for limit in ("site", "client", "ward"):
        assert any(
            words.endswith(f"Limit this by --{limit}.") for words in said("creatinine", last)
        )
    assert all(
        words.startswith(f"An open alarm: {alarm.summary} It sits")
        for words in said("creatinine", last)
    )
    assert said("creatinine", last, site="north", client="x", ward="7B") == []
    assert said("age", last) == []
    before = fault - timedelta(days=9)
    assert list(unlimited(name, "1", "creatinine", before, before, Origin())) == []
    spans = alarm.details["spans"]
    assert spans == [[fault.isoformat(), None]]
    alarm.details["spans"] = [[fault.isoformat(), (last - timedelta(days=2)).isoformat()]]
    alarm.save()
    assert said("creatinine", last)
    assert list(unlimited(name, "1", "creatinine", last, last, Origin())) == []
    alarm.state = "closed"
    alarm.save()
    assert said("creatinine", last) == []


@pytest.mark.parametrize(
    ("feature", "correction", "words"),
    [
        ("potassium", "x/2", "has no feature potassium"),
        ("ward", "x/2", "no formula corrects it"),
        ("creatinine", "__import__('os')", "is no correction"),
        ("creatinine", "x**2", "is no correction"),
        ("creatinine", "y/2", "is no correction"),
        ("creatinine", "x/", "is no correction"),
        ("creatinine", "1/0", "is no correction"),
        ("creatinine", "x/0", "gives no number for any value"),
        ("creatinine", "0/(x-x)", "gives no number for any value"),
        ("creatinine", f"x + 1{'0' * 400}", "is no correction"),
        ("creatinine", f"{'-' * 100_000}x", "is no correction"),
    ],
)
def test_what_can_not_be_corrected_is_refused(
    clinic: Clinic, feature: str, correction: str, words: str
) -> None:
    model = RiskModel.load(clinic.reference.parent, version="1")
    with pytest.raises(RecordError, match=words):
        lookback(model, feature, FIRST, FIRST, Correction(correction))


numbers = st.floats(0.5, 500)


@given(numbers, numbers, numbers)
def test_a_correction_is_arithmetic(value: float, factor: float, offset: float) -> None:
    found = Correction(f"-(x - {offset!r}) / {factor!r} + 1")(np.array([value]))
    assert found[0] == -(value - offset) / factor + 1
