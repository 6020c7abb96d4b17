from collections import Counter
from datetime import timedelta

import numpy as np
import pytest

from models.errors import EvidenceError
from monitoring.alarms import severity, unit_changes
from monitoring.evidence.size import Size
from monitoring.refusals import refusal_group
from monitoring.streams import DayRows
from monitoring.validity import validity
from monitoring.watchlist import watched_streams
from records.models import Alarm
from tests.monitoring.clinic import FIRST, Clinic, without_creatinine


def test_every_feature_has_a_stream_and_only_optional_ones_can_go_missing(clinic: Clinic) -> None:
    keys = [one.key for one in watched_streams(clinic.definition, clinic.profile)]
    assert keys == [
        "value:age",
        "value:creatinine",
        "missing:creatinine",
        "value:lactate",
        "missing:lactate",
        "category:ward",
        "missing:ward",
        "score",
        "alerts:0.2",
        "refusals:unit",
        "refusals:value",
        "refusals:time",
        "refusals:scope",
        "refusals:too_little",
        "refusals:other",
        "fixed:value:age",
        "fixed:value:creatinine",
        "fixed:missing:creatinine",
        "fixed:value:lactate",
        "fixed:missing:lactate",
        "fixed:missing:ward",
        "fixed:score",
        "share:age",
        "share:creatinine",
        "share:lactate",
        "share:ward",
        "flags:left_out_unit",
        "flags:left_out",
        "flags:converted",
        "flags:code_unit",
        "flags:doubtful",
        "overrides",
    ]


def test_a_day_is_counted_whole(clinic: Clinic) -> None:
    rows = DayRows(
        {
            "age": np.array([60.0, 70.0, 80.0]),
            "creatinine": np.array([np.nan, 1.0, np.nan]),
            "lactate": np.array([1.0, 1.0, 2.0]),
            "ward": np.array(["surgical", None, "hospice"], dtype=object),
        },
        np.array([-3.0, -2.0, 0.0]),
        np.array([0.05, 0.2, 0.5]),
        Counter({"unknown_unit": 2, "something_new": 1}),
        3,
    )
    seen = {one.key: one.see(rows) for one in watched_streams(clinic.definition, clinic.profile)}
    assert seen["missing:creatinine"].counts.tolist() == [1, 2]
    assert (seen["value:creatinine"].total, seen["value:creatinine"].missing) == (3, 2)
    assert seen["value:age"].mean == 70
    assert seen["category:ward"].counts.tolist() == [0, 1, 0, 1]
    assert seen["alerts:0.2"].counts.tolist() == [1, 2]
    assert seen["refusals:unit"].counts.tolist() == [4, 2]
    assert seen["refusals:other"].counts.tolist() == [5, 1]


def test_a_profile_without_a_feature_is_refused(clinic: Clinic) -> None:
    fields = {name: getattr(clinic.profile, name) for name in clinic.profile.__struct_fields__}
    fields["features"] = {"age": clinic.profile.features["age"]}
    with pytest.raises(EvidenceError, match="lacks the feature creatinine"):
        watched_streams(clinic.definition, type(clinic.profile)(**fields))


def test_a_reason_that_is_not_listed_counts_as_another() -> None:
    assert refusal_group("unknown_unit") == "unit"
    assert refusal_group("written in invisible ink") == "other"


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (Size("SD", -1.2, -1.3, -1.1, 0.0), "critical"),
        (Size("SD", 0.4, 0.3, 0.5, 0.0), "warning"),
        (Size("share", 0.18, 0.17, 0.19, 0.15), "notice"),
        (Size("share", 0.91, 0.9, 0.92, 0.15), "critical"),
        (Size("ratio of SDs", 0.4, 0.35, 0.45, 1.0), "critical"),
    ],
)
def test_severity_follows_the_size(size: Size, expected: str) -> None:
    assert severity(size) == expected


def test_the_units_that_creatinine_could_come_in_are_tried(clinic: Clinic) -> None:
    factors = {c.name: c.factor for c in unit_changes(clinic.definition.by_name["creatinine"])}
    assert factors["umol/L taken for mg/dL"] == pytest.approx(88.4, rel=1e-3)
    assert unit_changes(clinic.definition.by_name["age"]) == []


def test_a_model_with_a_changed_population_is_outside_its_validated_use(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 12, change=without_creatinine(0.9))
    clinic.watch(FIRST + timedelta(days=11))
    judged = validity(Alarm.objects.all())
    assert not judged.inside
    assert any("Creatinine in serum is missing" in reason for reason in judged.reasons)
    Alarm.objects.update(state="closed")
    assert validity(Alarm.objects.all()).inside


def test_a_silent_feed_says_nothing_of_the_population(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 21)
    clinic.watch(FIRST + timedelta(days=24))
    assert Alarm.objects.filter(stream="traffic", state="open").exists()
    assert validity(Alarm.objects.all()).inside
