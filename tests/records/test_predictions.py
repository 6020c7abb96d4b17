import tracemalloc
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from models.errors import RecordError
from records.predictions import days, window, windows
from records.rows import PredictionRow
from records.settings import Settings
from records.writer import Writer
from tests.records.made_up import prediction

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def made(number: int, **changes: Any) -> PredictionRow:
    """The prediction of hour `number`."""
    lactate = None if number % 4 == 0 else number / 3
    sex = None if number % 5 == 0 else "female" if number % 2 else "male"
    values: dict[str, Any] = {
        "predicted_at": START + number * HOUR + timedelta(microseconds=number),
        "patient": f"patient {number}",
        "features": {"lactate": lactate, "sex": sex, "age": float(number)},
        "vector": np.array([number, number / 3, 1.0], "<f8").tobytes(),
        "contributions": np.array([-number, 0.5, 0.25], "<f8").tobytes(),
        "margin": number / 7,
        "risk": number / 1000,
    }
    return prediction(**values | changes)


@pytest.fixture
def recorded(writer: Writer) -> list[PredictionRow]:
    """Predictions of 100 hours, written in another order, among others'."""
    rows = [made(number) for number in range(100)]
    others = [
        made(5, is_test=True),
        made(5, model="aki"),
        made(5, version="4"),
        made(5, predicted_at=START - timedelta(microseconds=1)),
    ]
    writer.submit([*rows[::-1], *others]).result(10)
    return rows


def test_a_window_holds_what_was_predicted_in_it(recorded: list[PredictionRow]) -> None:
    frame = window("sepsis", "3", START, START + 48 * HOUR)
    rows = recorded[:48]
    assert len(frame) == 48
    assert list(frame.id) == [row.id.hex for row in rows]
    assert frame.predicted_at.astype("datetime64[us]").tolist() == [
        row.predicted_at.replace(tzinfo=None) for row in rows
    ]
    assert list(frame.patient) == [row.patient for row in rows]
    assert list(frame.features) == ["age", "lactate", "sex"]
    for name in ("age", "lactate"):
        expected = [np.nan if row.features[name] is None else row.features[name] for row in rows]
        np.testing.assert_array_equal(frame.features[name], expected)
        assert frame.features[name].dtype == np.float64
    assert list(frame.features["sex"]) == [row.features["sex"] for row in rows]
    assert frame.missing.sum(axis=0).tolist() == [0, 12, 10]
    np.testing.assert_array_equal(frame.vector[:, 0], np.arange(48))
    np.testing.assert_array_equal(frame.contributions[:, 0], -np.arange(48))
    np.testing.assert_array_equal(frame.margin, [row.margin for row in rows])
    np.testing.assert_array_equal(frame.risk, [row.risk for row in rows])
    assert set(frame.band) == {"low"}


def test_windows_side_by_side_neither_overlap_nor_miss(recorded: list[PredictionRow]) -> None:
    moment = recorded[30].predicted_at
    before = window("sepsis", "3", START, moment)
    after = window("sepsis", "3", moment, START + 100 * HOUR)
    assert [*before.id, *after.id] == [row.id.hex for row in recorded]
    assert len(before) == 30


def test_frames_of_a_window_make_up_the_whole(recorded: list[PredictionRow]) -> None:
    end = START + 100 * HOUR
    frames = list(windows("sepsis", "3", START, end, rows=30))
    assert [len(frame) for frame in frames] == [30, 30, 30, 10]
    whole = window("sepsis", "3", START, end)
    np.testing.assert_array_equal(np.concatenate([one.vector for one in frames]), whole.vector)
    np.testing.assert_array_equal(
        np.concatenate([one.features["lactate"] for one in frames]), whole.features["lactate"]
    )


def test_an_empty_window_is_an_empty_frame(records_db: Settings) -> None:
    frame = window("sepsis", "3", START, START + HOUR)
    assert (len(frame), frame.features, frame.vector.shape) == (0, {}, (0, 0))
    assert list(windows("sepsis", "3", START, START + HOUR)) == []
    assert days("sepsis", "3", date(2026, 1, 1), date(2026, 12, 31)) == []


def test_a_category_missing_everywhere_stays_a_category(writer: Writer) -> None:
    writer.submit([made(0, features={"lactate": None, "sex": None})]).result(10)
    frame = window("sepsis", "3", START, START + HOUR, categorical=["sex"])
    assert frame.features["sex"].tolist() == [None]
    assert np.isnan(frame.features["lactate"]).tolist() == [True]
    assert frame.missing.tolist() == [[True, True]]


def test_days_are_those_of_utc(recorded: list[PredictionRow]) -> None:
    assert days("sepsis", "3", date.min, date(2026, 3, 4)) == [
        (date(2026, 2, 28), 1),
        (date(2026, 3, 1), 24),
        (date(2026, 3, 2), 24),
        (date(2026, 3, 3), 24),
        (date(2026, 3, 4), 24),
    ]
    assert days("sepsis", "3", date(2026, 3, 5), date(2026, 3, 31)) == [(date(2026, 3, 5), 4)]


@pytest.mark.parametrize(
    "changes", [{"features": {"lactate": 1.0}}, {"vector": bytes(8)}], ids=["features", "vector"]
)
def test_predictions_that_do_not_belong_together_are_refused(
    sqlite_db: Settings, changes: dict[str, Any]
) -> None:
    writer = Writer(sqlite_db.database, queue=10)
    writer.start()
    writer.submit([made(1), made(2, **changes)]).result(10)
    writer.close()
    with pytest.raises(RecordError):
        window("sepsis", "3", START, START + 100 * HOUR)


def test_memory_does_not_grow_with_the_window(sqlite_db: Settings) -> None:
    writer = Writer(sqlite_db.database, queue=20_000)
    writer.start()
    for start in range(0, 4_000, 500):
        writer.submit([made(number) for number in range(start, start + 500)]).result(30)
    writer.close()
    peaks = []
    for hours in (1_000, 4_000):
        tracemalloc.start()
        for frame in windows("sepsis", "3", START, START + hours * HOUR, rows=250):
            assert len(frame) <= 250
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
