"""Tables: refusals count their rows, and missing values stay missing."""

import math
from typing import Any

import numpy as np
import pytest

from models.definition import Definition
from models.encoding import complete_columns, encode_table, row_faults
from models.errors import MalformedInput, OutOfScope, TooLittleData, UnusableValue
from models.formulas import ckd_epi_2021


@pytest.fixture
def columns() -> dict[str, np.ndarray[Any, Any]]:
    return {
        "age": np.array([50, 60, 70]),
        "sex": np.array(["female", None, "male"], dtype=object),
        "ward": np.array(["surgery", "medicine", "surgery"]),
        "creatinine": np.array([1.0, 2.0, math.nan]),
        "glucose": np.array([100.0, 110.0, 120.0], dtype=np.float32),
        "kappa": np.full(3, math.nan),
        "systolic": np.array([120.0, math.nan, 130.0]),
    }


def test_a_table_is_encoded_with_its_missing_values(
    ward: Definition, columns: dict[str, np.ndarray[Any, Any]]
) -> None:
    nan = math.nan
    expected = [
        [50, 0, 1, 0, 0, 1.0, 100, nan, 120, ckd_epi_2021(1.0, 50, "female")],
        [60, nan, 0, 1, 0, 2.0, 110, nan, nan, nan],
        [70, 1, 1, 0, 0, nan, 120, nan, 130, nan],
    ]
    np.testing.assert_array_equal(encode_table(ward, columns), expected)


def test_a_derived_column_is_computed_whatever_the_table_says(
    ward: Definition, columns: dict[str, np.ndarray[Any, Any]]
) -> None:
    given = complete_columns(ward, {**columns, "egfr": np.array([1.0, 2.0, 3.0])})
    np.testing.assert_array_equal(given["egfr"], complete_columns(ward, columns)["egfr"])


@pytest.mark.parametrize(
    ("column", "values", "kind", "words"),
    [
        ("creatinine", [1.0, 88.0, 99.0], UnusableValue, "2 of 3 rows: Creatinine"),
        ("creatinine", [1.0, 0.0, 1.0], UnusableValue, "1 of 3 rows: Creatinine"),
        ("creatinine", [1.0, -2.0, 1.0], UnusableValue, "1 of 3 rows: Creatinine"),
        ("creatinine", [1.0, math.inf, 1.0], UnusableValue, "1 of 3 rows: .* is infinite"),
        ("creatinine", ["1", "2", "3"], UnusableValue, "not numbers"),
        ("sex", ["female", "x", "male"], UnusableValue, "1 of 3 rows: Sex is none of female, male"),
        ("age", [50, 17, 12], OutOfScope, "2 of 3 rows: outside the rule 'Age 18"),
        ("age", [50, math.nan, 60], TooLittleData, "1 of 3 rows: Age is required"),
        ("ward", ["surgery", None, "surgery"], TooLittleData, "1 of 3 rows: Ward is required"),
        ("ward", ["surgery", "maternity", "surgery"], OutOfScope, "surgery and medicine"),
        ("glucose", [100.0, 100.0, math.nan], TooLittleData, "fewer than 1 of glucose, creatinine"),
        ("age", [[1], [2], [3]], MalformedInput, "2 dimensions"),
        ("age", [50, 60], MalformedInput, "differ in length"),
    ],
)
def test_rows_that_can_not_be_scored_are_counted(
    ward: Definition,
    columns: dict[str, np.ndarray[Any, Any]],
    column: str,
    values: list[Any],
    kind: type[Exception],
    words: str,
) -> None:
    dtype = object if column in ("sex", "ward") else None
    with pytest.raises(kind, match=words):
        encode_table(ward, {**columns, column: np.array(values, dtype=dtype)})


def test_a_missing_column_is_named(
    ward: Definition, columns: dict[str, np.ndarray[Any, Any]]
) -> None:
    del columns["systolic"]
    with pytest.raises(MalformedInput, match="systolic"):
        encode_table(ward, columns)


def test_every_fault_is_found_with_its_rows(
    ward: Definition, columns: dict[str, np.ndarray[Any, Any]]
) -> None:
    columns["age"] = np.array([17, 60, 200])
    columns["creatinine"] = np.array([1.0, 99.0, math.nan])
    found = {
        (fault.feature, fault.reason): fault.rows.tolist()
        for fault in row_faults(ward, complete_columns(ward, columns))
    }
    assert found == {
        ("age", "implausible"): [False, False, True],
        ("creatinine", "implausible"): [False, True, False],
        ("age", "out_of_scope"): [True, False, False],
        ("egfr", "formula"): [True, False, False],
    }
