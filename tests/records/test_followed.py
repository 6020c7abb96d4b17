"""Predictions joined to their reports by the database, beside a join in memory."""

from datetime import timedelta

import numpy as np
import pytest
from django.db import connection

from records.follow_up import follow_up, patient_keys
from records.followed import followed
from records.models import Outcome, Prediction
from records.writer import Writer
from tests.records.made_up import NOW, prediction

HORIZON = timedelta(days=4)


@pytest.fixture
def told(writer: Writer) -> list[Prediction]:
    """Forty predictions of eleven people and of nobody, and reports that contradict each other."""
    rng = np.random.default_rng(4)
    rows = [
        prediction(
            patient=f"{who:064x}" if (who := int(rng.integers(0, 12))) else "",
            predicted_at=NOW + timedelta(hours=int(rng.integers(0, 20))),
            site=str(rng.choice(["", "north"])),
        )
        for _ in range(40)
    ]
    writer.submit(rows).result(10)
    made = list(Prediction.objects.order_by("predicted_at", "pk"))
    for number in range(90):
        one = made[int(rng.integers(0, 30))]
        by_id = bool(rng.integers(0, 3))
        Outcome.objects.create(
            prediction=one if by_id else None,
            patient="" if by_id else one.patient or "somebody else",
            model=one.model,
            happened=bool(rng.integers(0, 2)),
            known_at=one.predicted_at + timedelta(days=int(rng.integers(-1, 9))),
            reported_at=NOW + timedelta(days=int(rng.integers(10, 14))),
            client="client",
            is_test=number % 9 == 0,
        )
    return made


@pytest.mark.parametrize("rows", [1, 3, 7, 1000])
def test_the_database_joins_what_memory_joins_whatever_the_parts(
    told: list[Prediction], rows: int
) -> None:
    known = follow_up(told[0].model, HORIZON)
    parts = list(followed(told[0].model, told[0].version, HORIZON, vectors=True, rows=rows))
    assert sum(part.risk.size for part in parts) == len(told)
    found = [row for part in parts for row in zip(*vars(part).values(), strict=True)]
    for one, (at, patient, site, shown, risk, known_at, happened, vector) in zip(
        told, found, strict=True
    ):
        assert at.astype(object) == one.predicted_at.replace(tzinfo=None)
        assert (site, shown, risk, bytes(vector)) == (
            one.site,
            one.shown,
            one.risk,
            bytes(one.vector),
        )
        if one.patient:
            assert patient == patient_keys([one.patient])[0]
        report = known.of(one.pk, one.patient, one.predicted_at)
        if report is None:
            assert np.isnat(known_at)
        else:
            assert (known_at.astype(object), happened) == (
                report[0].replace(tzinfo=None),
                report[1],
            )
    assert sum(not np.isnat(row[5]) for row in found) > 20
    nobody = [row[1] for one, row in zip(told, found, strict=True) if not one.patient]
    assert len(set(nobody)) == len(nobody) > 1


def test_work_grows_with_the_reports_and_not_with_their_square(writer: Writer) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite counts its steps, and chooses without knowing how many rows")
    first = _steps_for(writer, 300)
    assert first > 10
    # those of 300 and of 600 more
    assert _steps_for(writer, 600) < 5 * first


def _steps_for(writer: Writer, more: int) -> int:
    """Record so many more predictions, each with a report; count steps of reading them all."""
    rows = [prediction(predicted_at=NOW + timedelta(minutes=step)) for step in range(more)]
    for start in range(0, more, 50):
        writer.submit(rows[start : start + 50]).result(10)
    Outcome.objects.bulk_create(
        Outcome(
            prediction_id=one.id,
            model=one.model,
            happened=False,
            known_at=one.predicted_at + timedelta(days=30),
            reported_at=NOW + timedelta(days=60),
            client=one.client,
        )
        for one in rows
    )
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    connection.ensure_connection()
    connection.connection.set_progress_handler(count, 1_000)
    try:
        found = sum(part.risk.size for part in followed(rows[0].model, rows[0].version, HORIZON))
    finally:
        connection.connection.set_progress_handler(None, 0)
    assert found >= more
    return steps
