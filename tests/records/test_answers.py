from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.definition import Definition, parse_definition
from models.encoding import encode
from models.errors import RecordError
from records.answers import answers, decoded, joined
from records.predictions import window
from records.rows import PredictionRow
from records.settings import Settings
from records.writer import Writer
from tests.monitoring.clinic import DEFINITION
from tests.records.made_up import prediction

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SEX = """
[[features]]
name = "sex"
title = "Sex"
kind = "categorical"
source = "gender"
categories = { female = "Female", male = "Male" }
"""
TEXT = DEFINITION.replace("[[bands]]", f"{SEX}[[bands]]", 1)
CLINIC: Definition = parse_definition(TEXT.encode(), source="tests")

numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
people = st.fixed_dictionaries(
    {
        "age": numbers,
        "creatinine": numbers,
        "lactate": numbers,
        "ward": st.sampled_from(["medical", "surgical", "other", None]),
        "sex": st.sampled_from(["female", "male", None]),
    }
)


@given(st.lists(people, max_size=20))
def test_a_vector_says_what_the_features_said(rows: list[dict[str, Any]]) -> None:
    found = decoded(CLINIC, [encode(CLINIC, row).astype("<f8").tobytes() for row in rows])
    assert list(found) == [feature.name for feature in CLINIC.features]
    for name, column in found.items():
        said = [None if value is None or value != value else value for value in column.tolist()]
        assert said == [row[name] for row in rows]


def test_a_vector_of_another_definition_is_refused() -> None:
    with pytest.raises(RecordError, match="has 3 numbers, its definition 7 columns"):
        decoded(CLINIC, [b"\0" * 24])


def made(number: int, **changes: Any) -> PredictionRow:
    features = {
        "age": float(number),
        "creatinine": None if number % 3 == 0 else number / 7,
        "lactate": 1.5,
        "ward": ("medical", "surgical", "other", None)[number % 4],
        "sex": ("female", None, "male")[number % 3],
    }
    values: dict[str, Any] = {
        "model": CLINIC.name,
        "predicted_at": START + number * HOUR,
        "patient": f"patient {number}",
        "features": features,
        "vector": encode(CLINIC, features).astype("<f8").tobytes(),
        "contributions": np.zeros(5).tobytes(),
        "margin": number / 7,
        "risk": number / 1000,
    }
    return prediction(**values | changes)


def test_answers_are_what_the_records_hold(records_db: Settings, writer: Writer) -> None:
    rows = [made(number) for number in range(50)]
    others = [made(7, is_test=True), made(7, version="4"), made(60)]
    writer.submit([*rows[::-1], *others]).result(10)
    end = START + 50 * HOUR
    parts = list(answers(CLINIC, "3", START, end, rows=16))
    assert [len(part) for part in parts] == [16, 16, 16, 2]
    found = joined(parts)
    frame = window(CLINIC.name, "3", START, end, categorical=["ward", "sex"])
    np.testing.assert_array_equal(found.predicted_at, frame.predicted_at)
    assert found.patient.tolist() == [row.patient for row in rows]
    np.testing.assert_array_equal(found.margin, [row.margin for row in rows])
    np.testing.assert_array_equal(found.risk, [row.risk for row in rows])
    for name in CLINIC.by_name:
        np.testing.assert_array_equal(found.features[name], frame.features[name])


def test_a_window_without_answers_has_no_rows(records_db: Settings) -> None:
    assert len(joined(list(answers(CLINIC, "3", START, START + HOUR)))) == 0
