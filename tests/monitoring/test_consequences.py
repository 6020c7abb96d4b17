from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from monitoring import ledger
from monitoring.alarms import by_cause
from monitoring.consequences import wholes_of
from monitoring.roots import as_severe_as_what_follows, to_roots
from monitoring.validity import validity
from monitoring.watchlist import watched_streams
from records.models import Alarm
from tests.monitoring.clinic import (
    FIRST,
    Change,
    Clinic,
    both,
    older,
    sign,
    without_creatinine,
)

FAULT = FIRST + timedelta(days=5)
LAST = FAULT + timedelta(days=5)


def higher_creatinine(columns: dict[str, Any], generator: np.random.Generator) -> None:
    columns["creatinine"] = columns["creatinine"] * 1.8


def other_ward(columns: dict[str, Any], generator: np.random.Generator) -> None:
    columns["ward"][:] = "surgical"


def open_alarms(clinic: Clinic, change: Change) -> dict[str, Alarm]:
    clinic.record_days(FIRST, 5)
    clinic.record_days(FAULT, 6, 80, change=change)
    return {alarm.stream: alarm for alarm in clinic.watch(LAST).open_alarms}


def test_score_and_alerts_that_a_feature_explains_join_its_alarm(clinic: Clinic) -> None:
    found = open_alarms(clinic, higher_creatinine)
    assert {"value:creatinine", "score", "alerts:0.2"} <= set(found)
    cause = found["value:creatinine"]
    assert cause.details["follows"] is None
    assert found["score"].details["follows"] == cause.pk
    assert found["alerts:0.2"].details["follows"] == cause.pk
    (case,) = by_cause(found.values())
    assert (case[0], len(case[1])) == (cause, len(found) - 1)
    assert validity(found.values()).reasons == (cause.summary,)


@pytest.mark.parametrize(
    ("own", "parts", "expected"),
    [
        ("notice", ["warning", "critical"], "critical"),
        ("warning", ["notice"], "warning"),
        ("critical", [], "critical"),
    ],
)
def test_an_alarm_is_as_severe_as_all_that_follows_from_it(
    own: str, parts: list[str], expected: str
) -> None:
    cause = Alarm(pk=1, severity=own, details={"follows": None})
    between = Alarm(pk=2, severity="notice", details={"follows": 1})
    others = [
        Alarm(pk=place, severity=severity, details={"follows": 2})
        for place, severity in enumerate(parts, 3)
    ]
    as_severe_as_what_follows([*others, between, cause])
    assert cause.severity == expected
    assert [one.severity for one in others] == parts


@pytest.mark.parametrize(("days", "hangs"), [(-20, False), (-4, False), (-3, True), (9, True)])
def test_what_began_before_the_root_of_a_chain_stands_alone(days: int, hangs: bool) -> None:
    cause = Alarm(pk=1, severity="notice", since=FAULT, details={"follows": None})
    between = Alarm(pk=2, severity="notice", since=FAULT, details={"follows": 1})
    since = FAULT + timedelta(days=days)
    details = {"follows": 2, "together_with": []}
    part = Alarm(pk=3, severity="critical", since=since, details=details)
    to_roots([part, between, cause])
    as_severe_as_what_follows([part, between, cause])
    assert part.details["follows"] == (1 if hangs else None)
    assert cause.severity == ("critical" if hangs else "notice")


def test_an_alarm_says_what_the_change_does_to_the_risk(clinic: Clinic) -> None:
    effect = open_alarms(clinic, higher_creatinine)["value:creatinine"].details["risk"]
    usual, now = effect["mean"]
    assert effect["rows"] == 480
    assert now > 1.5 * usual
    ((threshold, alerts_before, alerts_now),) = effect["alerts"]
    assert threshold == 0.2
    assert alerts_now > alerts_before + 0.1
    assert effect["higher_band"] == round((alerts_now - alerts_before) * 480)
    assert effect["lower_band"] == 0


def test_few_rows_a_day_are_compared_until_the_alarm(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitoring.consequences.COMPARED_DAYS", 1)
    clinic.record_days(FIRST, 20, 10)
    clinic.record_days(FIRST + timedelta(days=20), 40, 3, both(other_ward, older(15)))
    found = {a.stream: a for a in clinic.watch(FIRST + timedelta(days=59)).open_alarms}
    assert {"category:ward", "value:age", "score"} <= set(found)
    assert found["score"].details["follows"] == found["value:age"].pk


def test_what_two_features_explain_together_joins_the_one_that_explains_more(
    clinic: Clinic,
) -> None:
    found = open_alarms(clinic, both(higher_creatinine, older(15)))
    assert {"value:creatinine", "value:age", "score"} <= set(found)
    score = found["score"].details
    assert [score["follows"], *score["together_with"]] == [
        found["value:creatinine"].pk,
        found["value:age"].pk,
    ]
    assert {alarm.stream for alarm, _ in by_cause(found.values())} == {
        "value:creatinine",
        "value:age",
    }


def test_a_score_that_no_open_alarm_explains_stands_alone(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 5)
    for step in range(6):
        day = FAULT + timedelta(days=step)
        for made in clinic.record(day):
            made.margin += 1.0
            made.risk = float(1 / (1 + np.exp(-made.margin)))
            made.save(update_fields=["margin", "risk"])
    found = {alarm.stream: alarm for alarm in clinic.watch(LAST).open_alarms}
    assert found["score"].details["follows"] is None
    assert found["alerts:0.2"].details["follows"] == found["score"].pk


def test_an_older_alarm_of_another_feature_takes_no_later_one_with_it(clinic: Clinic) -> None:
    found = open_alarms(clinic, both(other_ward, older(15)))
    assert {"category:ward", "value:age", "score"} <= set(found)
    assert found["score"].details["follows"] == found["value:age"].pk
    usual, now = found["category:ward"].details["risk"]["mean"]
    assert usual == pytest.approx(now)


def test_an_override_reasons_alarm_is_a_part_of_that_of_all_overrides() -> None:
    assert wholes_of("overrides:known@north") == ("overrides:known", "overrides@north", "overrides")
    assert wholes_of("overrides:") == ("overrides",)
    assert wholes_of("overrides@north") == ("overrides",)
    assert wholes_of("missing:creatinine@north") == ("missing:creatinine",)
    assert wholes_of("overrides") == wholes_of("score") == ()


def test_only_an_accepted_change_is_what_a_feature_is_put_back_to(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 5)
    clinic.record_days(FAULT, 6, 80, change=without_creatinine(0.9))
    alarm = {one.stream: one for one in clinic.watch(LAST).open_alarms}["missing:creatinine"]
    watched = watched_streams(clinic.definition, clinic.profile)

    def accepted(before: date) -> date | None:
        books = ledger.load(clinic.definition.name, "1", watched)
        return ledger.accepted_since(books, alarm.stream, before)

    later = LAST + timedelta(days=1)
    assert accepted(later) is None  # its days are kept out, and nobody has decided
    sign(alarm, "accept")
    clinic.record_days(later, 1, 80, change=without_creatinine(0.9))
    clinic.watch(later)
    assert alarm.since is not None
    assert (accepted(later), accepted(alarm.since)) == (alarm.since, None)


def test_what_an_accepted_change_turning_back_explains_joins_its_alarm(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 5)
    clinic.record_days(FAULT, 6, 80, change=without_creatinine(0.9))
    for alarm in clinic.watch(LAST).open_alarms:
        sign(alarm, "accept")
    back = LAST + timedelta(days=11)
    clinic.record_days(LAST + timedelta(days=1), 10, 80, change=without_creatinine(0.9))
    clinic.record_days(back, 10, 80)
    found = {one.stream: one for one in clinic.watch(back + timedelta(days=9)).open_alarms}
    cause = found["missing:creatinine"]
    assert cause.details["follows"] is None
    assert {"share:age", "share:creatinine"} <= set(found)
    follows = {name: one.details["follows"] for name, one in found.items() if one is not cause}
    assert set(follows.values()) == {cause.pk}
