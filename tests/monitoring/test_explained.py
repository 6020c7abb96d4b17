from datetime import date, timedelta

import pytest

from monitoring.evidence.state import StreamState
from monitoring.watchlist import watched_streams
from records.models import Alarm, DayCount, Review, Stream
from tests.monitoring.clinic import FIRST, Clinic, both, older, sign, without_creatinine

CALM, ROWS = 60, 25
FAULT = FIRST + timedelta(days=CALM)
SIGNED = FAULT + timedelta(days=14)
LAST = SIGNED + timedelta(days=30)
MISSING = "missing:creatinine"


def record_fault(clinic: Clinic) -> None:
    """Record calm weeks, then creatinine that is mostly missing until the last day."""
    clinic.record_days(FIRST, CALM, ROWS)
    clinic.record_days(FAULT, (LAST - FAULT).days + 1, ROWS, without_creatinine(0.6))


def sign_all(decision: str) -> None:
    """Close every open alarm by a decision, as signing one does with what follows from it."""
    for alarm in Alarm.objects.exclude(state="closed"):
        sign(alarm, decision)


def states() -> dict[str, bytes]:
    return {row.name: bytes(row.state) for row in Stream.objects.all()}


def gathered(stream: str) -> tuple[float, date | None]:
    """Return a stream's greatest evidence of any bet, and since when that has gathered."""
    state = StreamState.from_bytes(bytes(Stream.objects.get(name=stream).state))
    best = int(state.log_m.argmax())
    begun = int(state.run_start[best])
    return float(state.log_m[best]), date.fromordinal(begun) if begun else None


def told() -> list[tuple[object, ...]]:
    found = Alarm.objects.order_by("pk")
    return [(one.stream, one.raised_on, one.since, one.state, one.summary) for one in found]


def forget() -> None:
    """Forget all that monitoring has seen."""
    for table in (Review, Alarm, DayCount, Stream):
        table.objects.all().delete()


def test_a_fault_that_goes_on_after_its_closing_is_one_alarm_again(any_clinic: Clinic) -> None:
    clinic = any_clinic
    record_fault(clinic)
    clinic.watch(SIGNED)
    assert not Alarm.objects.filter(stream="score").exists()
    assert gathered("score")[0] > 3
    sign_all("fault")
    clinic.watch(LAST)
    (cause,) = Alarm.objects.filter(stream=MISSING, state="closed")
    assert "score" in cause.details["explained"]
    still_open = list(Alarm.objects.filter(state="open"))
    assert {MISSING, "score", "share:creatinine"} <= {alarm.stream for alarm in still_open}
    (root,) = (alarm for alarm in still_open if alarm.details["follows"] is None)
    assert root.stream == MISSING
    assert min(alarm.since for alarm in still_open if alarm.since) > SIGNED


def test_what_a_decision_explains_is_the_same_however_days_are_closed(clinic: Clinic) -> None:
    record_fault(clinic)
    clinic.watch(SIGNED)
    sign_all("fault")
    clinic.watch(LAST)
    at_once, words = states(), told()
    forget()
    for days in range((SIGNED - FIRST).days + 1):
        clinic.watch(FIRST + timedelta(days=days))
    sign_all("fault")
    for days in range((LAST - SIGNED).days):
        clinic.watch(SIGNED + timedelta(days=days + 1))
    assert states() == at_once
    assert told() == words


@pytest.mark.parametrize("decision", ["fault", "accept"])
def test_the_evidence_of_an_alarm_that_is_closed_begins_anew(clinic: Clinic, decision: str) -> None:
    record_fault(clinic)
    clinic.watch(SIGNED)
    sign_all(decision)
    clinic.watch(SIGNED + timedelta(days=1))
    begun = {name: gathered(name)[1] for name in (MISSING, "score", "share:creatinine")}
    assert all(day is None or day > SIGNED for day in begun.values())


def test_a_false_alarm_explains_no_evidence(clinic: Clinic) -> None:
    record_fault(clinic)
    clinic.watch(SIGNED)
    sign_all("false")
    before = gathered("score")
    clinic.watch(SIGNED + timedelta(days=1))
    assert gathered("score")[1] == before[1]


def test_a_cause_of_its_own_keeps_its_evidence_to_the_bit(clinic: Clinic) -> None:
    own = SIGNED - timedelta(days=4)
    clinic.record_days(FIRST, CALM, ROWS)
    clinic.record_days(FAULT, (own - FAULT).days, ROWS, without_creatinine(0.6))
    as_well = both(without_creatinine(0.6), older(8))
    clinic.record_days(own, (SIGNED - own).days + 2, ROWS, as_well)
    clinic.watch(SIGNED)
    assert not Alarm.objects.filter(stream__in=("score", "value:age")).exists()
    clinic.watch(SIGNED + timedelta(days=1))
    unsigned = states()
    forget()
    clinic.watch(SIGNED)
    sign_all("fault")
    clinic.watch(SIGNED + timedelta(days=1))
    signed = states()
    assert signed["value:age"] == unsigned["value:age"]
    known, kept = (StreamState.from_bytes(one["score"]).log_m for one in (unsigned, signed))
    streams = {one.key: one for one in watched_streams(clinic.definition, clinic.profile)}
    forms = [bet.direction for bet in streams["score"].stream.bets]
    by_form = {
        form: max(at for at, other in enumerate(forms) if other == form and known[at] > 4)
        for form in ("higher", "less spread")
    }
    assert kept[by_form["higher"]] == known[by_form["higher"]]  # by age
    assert kept[by_form["less spread"]] < known[by_form["less spread"]] - 4  # by creatinine


def test_what_began_when_the_fault_had_ended_keeps_its_evidence(clinic: Clinic) -> None:
    repaired, other = FAULT + timedelta(days=8), FAULT + timedelta(days=22)
    clinic.record_days(FIRST, CALM, ROWS)
    clinic.record_days(FAULT, 8, ROWS, older(14))
    clinic.record_days(repaired, (other - repaired).days, ROWS)
    clinic.record_days(other, 5, ROWS, older(-6))
    clinic.watch(other + timedelta(days=3))
    (alarm,) = Alarm.objects.filter(stream="value:age")
    assert alarm.details["ended"] == (repaired - timedelta(days=1)).isoformat()
    evidence, begun = gathered("value:age")
    assert begun is not None
    assert begun > repaired
    sign_all("fault")
    clinic.watch(other + timedelta(days=4))
    assert gathered("value:age")[1] == begun
    assert gathered("value:age")[0] > evidence
