"""What the reports of outcomes say of each prediction, beside a plain loop over them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from django.utils.timezone import now
from hypothesis import given
from hypothesis import strategies as st

from records.answers import times
from records.follow_up import FollowUp, Reports, follow_up, patient_keys, prediction_keys
from records.followed import followed
from records.models import Outcome, Prediction
from records.settings import Settings
from records.writer import Writer
from tests.records.made_up import prediction

MIDNIGHT = datetime(2024, 1, 1, tzinfo=UTC)
HORIZON = timedelta(days=3)
IDS = [UUID(int=number * 7**20) for number in range(1, 6)]
PATIENTS = ["", "ann", "bob", "c" * 64, "c" * 63 + "d", "z" * 64]

reports = st.lists(st.tuples(st.sampled_from(IDS), st.integers(0, 9), st.booleans()))
others = st.lists(st.tuples(st.sampled_from(PATIENTS[1:]), st.integers(0, 9), st.booleans()))
asked = st.lists(
    st.tuples(st.sampled_from(IDS), st.sampled_from(PATIENTS), st.integers(0, 9)), max_size=8
)


def day(number: int) -> datetime:
    return MIDNIGHT + timedelta(days=number)


def reported(told: list[tuple[Any, int, bool]], keys_of: Callable[[Sequence[Any]], Any]) -> Reports:
    """Reports in the order in which they were made, in that of their subjects' keys."""
    rows = sorted(told, key=lambda row: bytes(keys_of([row[0]])[0]))
    return Reports(
        keys_of([row[0] for row in rows]),
        times([day(row[1]) for row in rows]),
        np.array([row[2] for row in rows], dtype=bool),
    )


def said_of(told: list[tuple[datetime, bool]], start: datetime) -> Any:
    """What a loop finds of a prediction's horizon in the reports on its patient, the last first."""
    told = [report for report in told if report[0] >= start]
    for number, (at, did) in reversed([*enumerate(told)]):
        later = [when for when, happened in told[number:] if not happened]
        denied = any(at <= when <= start + HORIZON for when in later)
        if did and at <= start + HORIZON and not denied:
            return at, True
    return told[-1] if told else None


@given(reports, others, asked)
def test_what_is_known_is_what_a_loop_finds(
    by_id: list[Any], by_patient: list[Any], rows: list[Any]
) -> None:
    known = {key: (key, at, did) for key, at, did in by_id}
    found = FollowUp(
        reported([*known.values()], prediction_keys), reported(by_patient, patient_keys), HORIZON
    )
    known_at, happened = found.of_all(
        prediction_keys([row[0] for row in rows]),
        [row[1] for row in rows],
        times([day(row[2]) for row in rows]),
    )
    for place, (key, who, at) in enumerate(rows):
        told = [(day(when), did) for subject, when, did in by_patient if subject == who]
        report = said_of(told, day(at))
        if key in known:
            _, when, did = known[key]
            report = (day(when), did) if when >= at else None
        assert found.of(key, who, day(at)) == report
        assert np.isnat(known_at[place]) == (report is None)
        assert happened[place] == (report is not None and report[1])


@pytest.fixture
def two(writer: Writer) -> list[Prediction]:
    rows = [prediction(patient=who, predicted_at=MIDNIGHT) for who in ("ann", "bob")]
    writer.submit(rows).result(10)
    return list(Prediction.objects.order_by("patient"))


def tell(one: Prediction, did: bool, reported_on: int, **fields: Any) -> None:
    Outcome.objects.create(
        **{
            "prediction": one,
            "model": one.model,
            "client": "client",
            "known_at": one.predicted_at + timedelta(days=5),
        }
        | fields,
        happened=did,
        reported_at=day(reported_on),
    )


def test_the_latest_report_counts_whatever_their_order(two: list[Prediction]) -> None:
    first, second = two
    tell(first, True, 9)
    tell(first, False, 3)
    tell(second, False, 4)
    tell(second, True, 4)  # of two at once, the one that was recorded later
    tell(second, False, 8, is_test=True)
    found = follow_up(first.model, HORIZON)
    for one in two:
        report = found.of(one.pk, one.patient, one.predicted_at)
        assert report == (one.predicted_at + timedelta(days=5), True)
    earlier = follow_up(first.model, HORIZON, known_by=day(5)).of(first.pk, "", first.predicted_at)
    assert earlier is not None
    assert earlier[1] is False


def test_a_report_on_a_patient_holds_for_predictions_without_one_of_their_own(
    two: list[Prediction],
) -> None:
    first, second = two
    for one in two:
        tell(one, True, 3, prediction=None, patient=one.patient)
    tell(second, False, 2)
    found = follow_up(first.model, HORIZON)
    assert [found.of(one.pk, one.patient, one.predicted_at)[1] for one in two] == [True, False]
    assert found.of(first.pk, "", first.predicted_at) is None


@pytest.fixture
def stays(writer: Writer) -> list[Prediction]:
    """Two stays of ann, four months after each other."""
    rows = [prediction(patient="ann", predicted_at=day(number)) for number in (0, 120)]
    writer.submit(rows).result(10)
    return list(Prediction.objects.order_by("predicted_at"))


@pytest.mark.parametrize(
    ("told", "events"),
    [
        # each an event, or none, at a day, in the order of the reports
        ([(True, 30), (False, 210)], [True, False]),
        ([(True, 30), (True, 140)], [True, True]),
        ([(True, 140), (True, 30)], [True, True]),
        ([(False, 210), (True, 30)], [True, False]),
        ([(True, 140), (False, 90)], [False, True]),
        # taken back, as of its time or of a later one within the horizon
        ([(True, 30), (False, 30)], [False, None]),
        ([(True, 30), (False, 90), (False, 210)], [False, False]),
        ([(True, 30), (False, 30), (True, 30), (False, 210)], [True, False]),
        # not contradicted: nothing had happened until a time before it
        ([(True, 30), (False, 10)], [True, None]),
    ],
)
def test_a_report_on_one_stay_leaves_the_event_of_another(
    stays: list[Prediction], told: list[tuple[bool, int]], events: list[bool | None]
) -> None:
    for step, (did, at) in enumerate(told):
        tell(stays[0], did, 300 + step, prediction=None, patient="ann", known_at=day(at))
    horizon = timedelta(days=90)
    known = follow_up(stays[0].model, horizon)
    parts = list(followed(stays[0].model, stays[0].version, horizon))
    joined = [row for part in parts for row in zip(part.known_at, part.happened, strict=True)]
    for one, event, (at, did) in zip(stays, events, joined, strict=True):
        report = known.of(one.pk, one.patient, one.predicted_at)
        by_horizon = report and report[1] and report[0] <= one.predicted_at + horizon
        assert by_horizon == event
        assert did == (report is not None and report[1])
        assert at.astype(object) == (report and report[0].replace(tzinfo=None))


def test_a_model_of_which_nothing_is_known(records_db: Settings) -> None:
    assert follow_up("sepsis", HORIZON).of(IDS[0], "ann", now()) is None
