import gzip
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.definition import Definition
from models.errors import CohortError
from tests.training.readmissions import DEFINITION, people, write_definition
from training.cohort import read_cohort
from training.csv_table import csv_columns, read_csv
from training.population import admit

HEADER, *ROWS = people(30).to_csv(index=False).splitlines()


def _write(path: Path, *lines: str) -> Path:
    text = "\n".join(lines).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ((*ROWS[:4], ROWS[4] + ",1", *ROWS[5:]), "1 row not .* header of 7 fields; line 6 has 8"),
        ((*ROWS[:4], "50,female", *ROWS[5:]), "1 row not .* header of 7 fields; line 6 has 2"),
        ([row + "," for row in ROWS], "30 rows not .*; line 2 has 8"),
        ((*ROWS[:4], '"' + ROWS[4], *ROWS[5:]), "1 row not .* line 31 has 1"),
        ((*ROWS[:4], ROWS[4].replace("P0", "P\0"), *ROWS[5:]), "line 6 holds a NUL"),
    ],
)
def test_a_row_that_is_not_as_wide_as_the_header_is_refused_by_its_line(
    lines: list[str], words: str, name: str, definition: Definition, tmp_path: Path
) -> None:
    path = _write(tmp_path / name, HEADER, *lines)

    with pytest.raises(CohortError, match=words):
        read_cohort(path, definition)


def test_empty_lines_and_a_byte_order_mark_change_nothing(
    definition: Definition, tmp_path: Path
) -> None:
    plain = _write(tmp_path / "plain.csv", HEADER, *ROWS)
    marked = _write(tmp_path / "marked.csv", "\ufeff" + HEADER, *ROWS[:9], "", *ROWS[9:], "")

    frames = [read_cohort(path, definition).frame for path in (plain, marked)]

    pd.testing.assert_frame_equal(*frames)


@pytest.mark.parametrize(("sign", "words"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_another_separator_than_the_comma_is_named(
    sign: str, words: str, definition: Definition, tmp_path: Path
) -> None:
    path = _write(tmp_path / "table.csv", HEADER.replace(",", sign), ROWS[0].replace(",", sign))

    with pytest.raises(CohortError, match=f"separated by {words}; write it with commas"):
        read_cohort(path, definition)


def test_sites_and_groups_stay_as_they_are_written(tmp_path: Path) -> None:
    group = '[[subgroups]]\nname = "race"\ntitle = "Race"\ncolumn = "race"\n'
    definition = write_definition(tmp_path / "race", DEFINITION + group).definition
    lines = [f"{row},0{number % 3},0{number % 2}" for number, row in enumerate(ROWS)]
    path = _write(tmp_path / "table.csv", HEADER + ",site,race", *lines)

    frame = read_cohort(path, definition).frame

    assert set(frame["site"]) == {"00", "01", "02"}
    assert set(frame["race"]) == {"00", "01"}


def test_text_far_down_a_long_table_is_named_as_near_its_top(
    definition: Definition, now: datetime, tmp_path: Path
) -> None:
    frame = people(200_000).assign(crp="5.5")
    frame.loc[199_990, "crp"] = "5,5"
    frame.to_csv(tmp_path / "table.csv", index=False)

    with pytest.raises(CohortError, match=r"crp: 1 of 200,000 rows is not a number, such as '5,5'"):
        admit(read_cohort(tmp_path / "table.csv", definition), definition, now)


CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)


@settings(max_examples=60)
@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=8))
def test_whatever_is_quoted_comes_back_as_it_was(
    rows: list[tuple[str, str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("cells") / "table.csv"
    written = pd.DataFrame(rows, columns=["a,b", "c", "d"])
    written.to_csv(path, index=False, quoting=1)

    found = read_csv(path, csv_columns(path), ["a,b", "c", "d"])

    empty = {"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND"}
    empty |= {"1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"}
    shown = [[None if pd.isna(cell) else cell for cell in row] for row in found.to_numpy()]
    assert shown == [[None if cell in empty else cell for cell in row] for row in rows]
