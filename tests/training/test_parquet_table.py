from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.definition import Definition
from models.errors import CohortError
from tests.training.conftest import NOW
from tests.training.readmissions import people
from training.cohort import read_cohort
from training.population import admit


def test_a_column_that_pandas_wrote_as_an_index_is_read_as_the_others(
    definition: Definition, tmp_path: Path
) -> None:
    people(30).to_parquet(tmp_path / "plain.parquet")
    people(30).set_index("patient_id").to_parquet(tmp_path / "indexed.parquet")

    plain, indexed = (
        read_cohort(tmp_path / f"{name}.parquet", definition).frame for name in ("plain", "indexed")
    )

    pd.testing.assert_frame_equal(plain, indexed)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("crp", [1.0], "crp holds list.*; write one value a row"),
        ("crp", {"value": 1.0}, "crp holds struct.*; write one value a row"),
        ("ward", ["surgery"], "ward holds list.*; write one value a row"),
        ("crp", pd.Timestamp("2020-01-01"), "crp holds timestamp.*; write numbers in its unit"),
    ],
)
def test_a_column_that_holds_no_plain_values_is_named(
    column: str, value: object, words: str, definition: Definition, tmp_path: Path
) -> None:
    table = people(30).assign(**{column: [value] * 30})
    table.to_parquet(tmp_path / "table.parquet")

    with pytest.raises(CohortError, match=words):
        read_cohort(tmp_path / "table.parquet", definition)


@pytest.mark.parametrize(
    ("kind", "first"), [("float64", 2**53), ("Float64", 2**60), ("float32", 2**24)]
)
def test_ids_that_a_floating_point_column_has_merged_are_a_fault(
    kind: str, first: int, definition: Definition, tmp_path: Path
) -> None:
    ids = pd.Series(range(first, first + 300))
    people(300).assign(patient_id=ids.astype(kind)).to_parquet(tmp_path / "floats.parquet")
    people(300).assign(patient_id=ids).to_parquet(tmp_path / "whole.parquet")
    people(300).assign(patient_id=(ids - first).astype(kind)).to_parquet(tmp_path / "small.parquet")

    floats, whole, small = (
        read_cohort(tmp_path / f"{name}.parquet", definition)
        for name in ("floats", "whole", "small")
    )

    with pytest.raises(CohortError, match=f"300 of 300 rows are too large a number for {kind}, in"):
        admit(floats, definition, NOW)
    for table in (whole, small):
        assert len(np.unique(admit(table, definition, NOW)[0].patient)) == 300
