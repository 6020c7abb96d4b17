from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring import ledger
from monitoring.cases import Cases
from monitoring.consequences import Consequences
from monitoring.evidence.binary import BinaryStream
from monitoring.evidence.detector import Budget, close_day, open_stream
from monitoring.override_streams import override_streams, reasons
from monitoring.overrides import reports_by_day
from monitoring.streams import DayRows, Reports
from monitoring.validity import validity
from monitoring.watchlist import budget_of, watched_streams
from records.models import Alarm, DayCount, Feedback, Prediction, Stream
from tests.monitoring.clinic import FIRST, NOW, Clinic
from tests.monitoring.test_feedback import HOOKS


def told(one: Prediction, outcome: str, day: date, code: str = "") -> Feedback:
    """What a clinician did with a risk at noon of a day."""
    return Feedback(
        prediction=one,
        card=uuid4(),
        model=one.model,
        outcome=outcome,
        reason_system="urn:x" if code else "",
        reason_code=code,
        happened_at=datetime(day.year, day.month, day.day, 12, tzinfo=UTC),
        recorded_at=NOW,
        protocol="cds-hooks",
        client="client",
    )


def record_reports(clinic: Clinic, first: date, days: int, overridden: int, rows: int = 40) -> None:
    for step in range(days):
        day = first + timedelta(days=step)
        Feedback.objects.bulk_create(
            told(one, "overridden" if row < overridden else "accepted", day)
            for row, one in enumerate(clinic.record(day, rows))
        )


def test_more_overrides_than_before_raise_an_alarm(any_clinic: Clinic) -> None:
    begun = FIRST + timedelta(days=20)
    record_reports(any_clinic, FIRST, 20, overridden=4)
    record_reports(any_clinic, begun, 4, overridden=24)
    result = any_clinic.watch(begun + timedelta(days=3))
    (alarm,) = result.open_alarms
    assert (alarm.stream, alarm.kind, alarm.since) == ("overrides", "rate", begun)
    assert alarm.summary.startswith("A shown risk is overridden in 60 % (52 % to 67 %) of reports")
    assert "was 10 %" in alarm.summary
    assert alarm.details["direction"] == "more overridden"
    assert alarm.details["follows"] is None
    assert validity([alarm]).inside


def test_the_ward_that_overrides_more_is_named(any_clinic: Clinic) -> None:
    for step in range(24):
        day = FIRST + timedelta(days=step)
        for ward in ("7B", "ICU"):
            made = any_clinic.record(day, 30, ward=ward)
            overridden = 24 if ward == "ICU" and step >= 20 else 3
            Feedback.objects.bulk_create(
                told(one, "overridden" if row < overridden else "accepted", day)
                for row, one in enumerate(made)
            )
    result = any_clinic.watch(FIRST + timedelta(days=23))
    (alarm,) = (one for one in result.open_alarms if one.details["follows"] is None)
    assert alarm.stream == "overrides"
    where = {one["dimension"]: one["words"] for one in alarm.details["where"]["dimensions"]}
    assert where == {
        "site": "Requests name no site.",
        "ward": "It sits on ICU: 80 % there (10 % in earlier requests), "
        "10 % elsewhere (10 % in earlier requests).",
    }


def test_a_code_of_another_system_is_no_reason_that_cards_offer(clinic: Clinic) -> None:
    definition = clinic.definition.model_copy(update={"cds_hooks": HOOKS})
    for one, system in zip(clinic.record(FIRST, 3), ("urn:x", "urn:another", ""), strict=True):
        report = told(one, "overridden", FIRST, "known")
        report.reason_system = system
        report.save()
    (reports,) = reports_by_day(definition, "1", FIRST, FIRST).values()
    assert sorted(reports.reason) == ["", "known", "known"]


def test_each_reason_that_the_definition_offers_is_a_stream(clinic: Clinic) -> None:
    definition = clinic.definition.model_copy(update={"cds_hooks": HOOKS})
    assert reasons(definition) == {"known": "Known already"}
    streams = {one.key: one for one in override_streams(definition)}
    assert list(streams) == ["overrides", "overrides:known", "overrides:"]
    reports = Reports(
        np.array([True, True, True, False]),
        np.array(["known", "", "", "known"], dtype=object),
        np.array(["", "", "", ""], dtype=object),
        6,
    )
    rows = DayRows({}, np.zeros(0), np.zeros(0), {}, 0, reports=reports)
    seen = {key: one.see(rows) for key, one in streams.items()}
    assert {key: one.counts.tolist() for key, one in seen.items()} == {
        "overrides": [1, 3],
        "overrides:known": [3, 1],
        "overrides:": [2, 2],
    }
    assert (seen["overrides"].total, seen["overrides"].missing) == (6, 2)


def test_reports_on_a_patient_on_days_on_end_count_once(clinic: Clinic) -> None:
    for step in range(4):
        day = FIRST + timedelta(days=step)
        for patient in ("ann", "bob" if step == 2 else "ann"):
            (made,) = clinic.record(day, 1, patient=patient)
            told(made, "overridden", day).save()
    clinic.watch(FIRST)
    clinic.watch(FIRST + timedelta(days=3))
    rows = DayCount.objects.filter(stream="overrides").order_by("day")
    assert [(row.total, row.total - row.missing) for row in rows] == [(2, 1), (2, 1)]


def everything() -> dict[str, Any]:
    rows = DayCount.objects.filter(stream__startswith="overrides")
    return {
        "state": bytes(Stream.objects.get(name="overrides").state),
        "days": sorted(rows.values_list("day", "total", "missing", "evidence")),
        "alarms": sorted(Alarm.objects.values_list("stream", "raised_on", "since", "summary")),
    }


def test_neither_the_order_of_reports_nor_how_days_are_closed_changes_the_evidence(
    clinic: Clinic,
) -> None:
    made = {step: clinic.record(FIRST + timedelta(days=step), 20) for step in range(8)}
    reports = [
        told(one, "overridden" if row < step else "accepted", FIRST + timedelta(days=step))
        for step, day in made.items()
        for row, one in enumerate(day)
    ]

    @settings(max_examples=4, deadline=None)
    @given(st.randoms(use_true_random=False), st.booleans())
    def in_any_order(random: Any, by_day: bool) -> None:
        for table in (Alarm, DayCount, Stream, Feedback):
            table.objects.all().delete()
        shuffled = list(reports)
        random.shuffle(shuffled)
        for one in shuffled:
            one.pk, one._state.adding = None, True
        Feedback.objects.bulk_create(shuffled)
        for through in range(8) if by_day else (7,):
            clinic.watch(FIRST + timedelta(days=through))
        found.append(everything())

    found: list[dict[str, Any]] = []
    in_any_order()
    assert all(one == found[0] for one in found)


def test_late_reports_are_counted_once_on_the_next_open_day(clinic: Clinic) -> None:
    record_reports(clinic, FIRST, 3, overridden=4)
    clinic.watch(FIRST + timedelta(days=2))
    for one in clinic.record(FIRST + timedelta(days=3), 5):
        told(one, "overridden", FIRST + timedelta(days=1)).save()
    for through in (3, 4, 5):
        clinic.record(FIRST + timedelta(days=through), 5)
        clinic.watch(FIRST + timedelta(days=through))
    from monitoring.evidence.state import StreamState

    state = StreamState.from_bytes(bytes(Stream.objects.get(name="overrides").state))
    assert state.reference.sum(axis=0).tolist() == [3 * 36, 3 * 4 + 5]
    day = DayCount.objects.get(stream="overrides", day=FIRST + timedelta(days=1))
    assert day.total == 45


def test_years_of_the_same_habit_raise_next_to_no_alarm() -> None:
    generator, budget, years = np.random.default_rng(5), Budget(1, 1), 20
    stream, alarmed = BinaryStream("A shown risk", "overridden"), 0
    for _ in range(years):
        state, found = open_stream(stream, np.zeros(2, dtype=np.int64)), False
        for day in range(180):
            events = generator.random(12) < 0.2
            closing = close_day(
                stream, state.observe(stream.count(events)), FIRST + timedelta(days=day), budget
            )
            state, found = closing.state, found or closing.alarm
        alarmed += found
    assert alarmed < years / 4, "a budget of a year allows half of these half years"


@pytest.mark.parametrize("fields", [{"is_test": True}, {"outcome": "none"}, {"prediction": None}])
def test_what_says_nothing_of_a_shown_risk_is_not_counted(
    clinic: Clinic, fields: dict[str, Any]
) -> None:
    (made,) = clinic.record(FIRST, 1)
    report = told(made, "overridden", FIRST)
    for name, value in fields.items():
        setattr(report, name, value)
    report.save()
    clinic.watch(FIRST)
    assert not DayCount.objects.filter(stream="overrides").exists()


def test_overrides_without_a_reason_are_no_alarm_of_their_own(clinic: Clinic) -> None:
    definition = clinic.definition.model_copy(update={"cds_hooks": HOOKS})
    overridden, part = (
        Alarm.objects.create(
            model=clinic.model,
            version="1",
            stream=stream,
            kind="rate",
            severity=severity,
            raised_on=FIRST + timedelta(days=3),
            recorded_at=NOW,
            since=FIRST,
            summary=stream,
            details={"follows": None, "size": {"scale": "share", "now": 0.6, "before": 0.1}},
        )
        for stream, severity in (("overrides", "warning"), ("overrides:", "critical"))
    )
    watched = watched_streams(definition, clinic.profile)
    cases = Cases(definition, "1", watched, clinic.reference)
    books = ledger.load(clinic.model, "1", watched)
    budget = budget_of(definition, watched)
    found = Consequences(cases, books, budget, FIRST + timedelta(days=3))
    found.find([overridden, part])
    assert part.details["follows"] == overridden.pk
    assert overridden.severity == "critical"
    assert overridden.details["sits"] is None
