"""The latest report of each outcome, beside a plain loop over the reports."""

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
from records.models import Outcome, Prediction
from records.settings import Settings
from records.writer import Writer
from tests.records.made_up import prediction

MIDNIGHT = datetime(2024, 1, 1, tzinfo=UTC)
IDS = [UUID(int=number * 7**20) for number in range(1, 6)]
PATIENTS = ["", "ann", "bob", "c" * 64, "c" * 63 + "d", "z" * 64]

reports = st.lists(st.tuples(st.sampled_from(IDS), st.integers(0, 9), st.booleans()))
others = st.lists(st.tuples(st.sampled_from(PATIENTS[1:]), st.integers(0, 9), st.booleans()))
asked = st.lists(
    st.tuples(st.sampled_from(IDS), st.sampled_from(PATIENTS), st.integers(0, 9)), max_size=8
)


def day(number: int) -> datetime:
    return MIDNIGHT + timedelta(days=number)


def reported(known: dict[Any, Any], keys_of: Callable[[Sequence[Any]], Any]) -> Reports:
    """What is known of each subject, in the order of their keys."""
    rows = sorted(known.items(), key=lambda row: bytes(keys_of([row[0]])[0]))
    return Reports(
        keys_of([row[0] for row in rows]),
        times([row[1][0] for row in rows]),
        np.array([row[1][1] for row in rows], dtype=bool),
    )


@given(reports, others, asked)
def test_what_is_known_is_what_a_loop_finds(
    by_id: list[Any], by_patient: list[Any], rows: list[Any]
) -> None:
    known = {key: (day(at), did) for key, at, did in by_id}
    known_of = {who: (day(at), did) for who, at, did in by_patient}
    found = FollowUp(reported(known, prediction_keys), reported(known_of, patient_keys))
    known_at, happened = found.of_all(
        prediction_keys([row[0] for row in rows]),
        [row[1] for row in rows],
        times([day(row[2]) for row in rows]),
    )
    for place, (key, who, at) in enumerate(rows):
        report = known.get(key) or known_of.get(who)
        if report is not None and report[0] < day(at):
            report = None
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
        **{"prediction": one, "model": one.model, "client": "client"} | fields,
        happened=did,
        known_at=one.predicted_at + timedelta(days=5),
        reported_at=day(reported_on),
    )


def test_the_latest_report_counts_whatever_their_order(two: list[Prediction]) -> None:
    first, second = two
    tell(first, True, 9)
    tell(first, False, 3)
    tell(second, False, 4)
    tell(second, True, 4)  # of two at once, the one that was recorded later
    tell(second, False, 8, is_test=True)
    found = follow_up(first.model)
    for one in two:
        report = found.of(one.pk, one.patient, one.predicted_at)
        assert report == (one.predicted_at + timedelta(days=5), True)
    earlier = follow_up(first.model, known_by=day(5)).of(first.pk, "", first.predicted_at)
    assert earlier is not None
    assert earlier[1] is False


def test_a_report_on_a_patient_holds_for_predictions_without_one_of_their_own(
    two: list[Prediction],
) -> None:
    first, second = two
    for one in two:
        tell(one, True, 3, prediction=None, patient=one.patient)
    tell(second, False, 2)
    found = follow_up(first.model)
    assert [found.of(one.pk, one.patient, one.predicted_at)[1] for one in two] == [True, False]
    assert found.of(first.pk, "", first.predicted_at) is None


def test_a_model_of_which_nothing_is_known(records_db: Settings) -> None:
    assert follow_up("sepsis").of(IDS[0], "ann", now()) is None
