import contextlib
import gzip
import hashlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.definition import Definition
from models.errors import CohortError
from tests.training.readmissions import (
    DEFINITION,
    cohort,
    followed,
    people,
    write_definition,
)
from training.cohort import read_cohort
from training.population import admit

Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_a_table_is_read_the_same_from_every_format(
    suffix: str, definition: Definition, tmp_path: Path
) -> None:
    path = tmp_path / f"table{suffix}"
    table = people(60).assign(unknown="a column that no feature names")
    if suffix == ".parquet":
        table.to_parquet(path)
    else:
        text = table.to_csv(index=False).encode()
        path.write_bytes(gzip.compress(text) if suffix == ".csv.gz" else text)

    found = read_cohort(path, definition)

    assert "unknown" not in found.frame
    assert found.frame["creatinine"].tolist() == pytest.approx(
        table["creatinine"].tolist(), nan_ok=True
    )
    assert found.frame["patient_id"].tolist() == table["patient_id"].tolist()
    assert found.digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_patient_numbers_keep_their_leading_zeros(definition: Definition, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    people(30).assign(patient_id=[f"{n:04d}" for n in range(30)]).to_csv(path, index=False)

    assert read_cohort(path, definition).frame["patient_id"].iloc[7] == "0007"


def test_categories_that_look_like_numbers_stay_as_they_are_written(
    now: datetime, tmp_path: Path
) -> None:
    text = DEFINITION.replace(
        '{ female = "Female", male = "Male" }', '{ 1 = "Female", 2 = "Male" }'
    )
    file = write_definition(tmp_path / "coded", text)
    frame = people(200).replace({"sex": {"female": "1", "male": "2"}})
    frame.loc[5, "sex"] = None
    frame.to_csv(tmp_path / "table.csv", index=False)

    table = read_cohort(tmp_path / "table.csv", file.definition)
    population, _ = admit(table, file.definition, now)

    assert set(population.columns["sex"].tolist()) == {"1", "2", None}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_column_that_is_there_twice_is_refused_by_its_name(
    suffix: str, definition: Definition, tmp_path: Path
) -> None:
    path = tmp_path / f"table{suffix}"
    table = people(30).assign(note="a", other="b")
    names = [*table.columns, "creatinine"]
    if suffix == ".csv":
        twice = pd.concat([table, table["age"]], axis=1)
        twice.columns = pd.Index(names)
        twice.to_csv(path, index=False)
    else:
        arrays = [pa.array(table[name]) for name in table.columns]
        pq.write_table(pa.table([*arrays, arrays[0]], names=names), path)

    with pytest.raises(CohortError, match="more than one column is called 'creatinine'; keep"):
        read_cohort(path, definition)


def test_a_column_that_is_not_read_may_be_there_twice(
    definition: Definition, tmp_path: Path
) -> None:
    path = tmp_path / "table.csv"
    table = people(30).assign(a=1, b=2).rename(columns={"a": "note", "b": "note"})
    table.to_csv(path, index=False)

    assert len(read_cohort(path, definition).frame) == 30


def test_a_missing_column_is_named_with_the_column_that_may_be_meant(
    definition: Definition, tmp_path: Path
) -> None:
    path = tmp_path / "table.csv"
    people(30).rename(columns={"creatinine": "creatinin"}).drop(columns="outcome").to_csv(path)

    with pytest.raises(CohortError) as error:
        read_cohort(path, definition)

    assert "2 of 7 columns are missing" in str(error.value)
    assert "'creatinine' (rename 'creatinin'?)" in str(error.value)
    assert "'outcome'" in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("table.xlsx", b"PK", r"isn't .parquet, .csv or .csv.gz; save .* as CSV with commas"),
        ("table.csv", b"PK\x03\x04 and so on", "is a spreadsheet or an archive, not CSV"),
        ("table.csv", b"\xd0\xcf\x11\xe0 and so on", "is a spreadsheet or an archive, not CSV"),
        ("table.csv", b"", r"table\.csv is empty; give a header"),
        ("table.csv", b"\xff\xfe\x00\x01", "isn't UTF-8"),
        ("table.parquet", b"PAR1 is how it should end", "can't be read"),
        ("table.csv.gz", b"not gzip", "can't be read"),
    ],
)
def test_a_file_that_is_no_table_is_refused_by_name(
    name: str, content: bytes, words: str, definition: Definition, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(CohortError, match=words):
        read_cohort(path, definition)


def test_a_file_that_is_not_there_is_refused_by_name(
    definition: Definition, tmp_path: Path
) -> None:
    with pytest.raises(CohortError, match="there is no such file"):
        read_cohort(tmp_path / "absent.csv", definition)
    with pytest.raises(CohortError, match="that is a directory; give a "):
        read_cohort(tmp_path, definition)


def test_a_whole_number_beyond_every_float_in_a_file_is_named_by_its_column(
    definition: Definition, now: datetime, tmp_path: Path
) -> None:
    path = tmp_path / "table.csv"
    frame = people().astype({"crp": object})
    frame.loc[3, "crp"] = "9" * 400
    frame.to_csv(path, index=False)

    with pytest.raises(CohortError, match="crp: 1 row is infinite; leave them empty or correct"):
        admit(read_cohort(path, definition), definition, now)


@given(body=st.binary(max_size=400) | st.text(max_size=400).map(str.encode))
def test_whatever_the_file_holds_it_is_read_or_refused(
    body: bytes, definition: Definition, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "anything.csv"
    path.write_bytes(b"age,sex,creatinine,crp,ward,outcome,patient_id\n" + body)

    with contextlib.suppress(CohortError):  # any other exception would be a fault of ours
        table = read_cohort(path, definition)
        admitted, _ = admit(table, definition, datetime.fromisoformat("2026-05-01T00:00Z"))
        assert len(admitted) <= len(table.frame)


def _with(column: str, value: object, rows: int = 3) -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        changed = frame.astype({column: "object"})
        changed.loc[changed.index[:rows], column] = value
        return changed

    return change


FAULTS: dict[str, tuple[Change, str]] = {
    "an empty table": (lambda f: f.iloc[:0], "the table has no rows"),
    "an outcome of 2": (_with("outcome", 2), r"outcome: 3 rows are neither 0 nor 1 but 2; recode"),
    "an outcome in words": (_with("outcome", "yes"), r"outcome: 3 rows are neither .* 'yes'"),
    "an unknown outcome": (_with("outcome", None), r"outcome: 3 of 700 rows are empty"),
    "nobody with the event": (lambda f: f.assign(outcome=0), r"outcome: 0 in all 700 rows"),
    "one patient": (
        lambda f: f.assign(patient_id="P1"),
        r"patient_id: one patient in all 700 rows",
    ),
    "no patient": (_with("patient_id", None), r"patient_id: 3 of 700 rows are empty"),
    "an empty column": (lambda f: f.assign(crp=np.nan), r"crp: empty in all 700 rows"),
    "numbers mixed with text": (
        _with("crp", "<0.3"),
        r"crp: 3 of 700 rows are not a number, such as '<0.3'; write numbers in mg/L",
    ),
    "infinite numbers": (_with("crp", np.inf), r"crp: 3 rows are infinite"),
    "a number that never changes": (
        lambda f: f.assign(crp=5.0),
        r"crp: 5 in all 700 known values",
    ),
    "a category that never changes": (
        lambda f: f.assign(sex="female"),
        r"sex: female in all 700 known values",
    ),
    "an unknown category": (_with("ward", "icu"), r"ward: 3 rows are of categories .*'icu'"),
    "another unit": (
        lambda f: f.assign(creatinine=f["creatinine"] * 88.4),
        r"creatinine: \d+ of \d+ values lie outside the plausible range 0.1 to 30 mg/dL; the "
        r"values would be plausible as .*umol/L \(median 0.99 mg/dL\).* convert them to mg/dL",
    ),
    "an unknown unit": (
        lambda f: f.assign(creatinine=f["creatinine"] * 1e6),
        r"creatinine: .* check the unit and the column",
    ),
    "times to come": (
        lambda f: f.assign(time=["2026-06-01T00:00:00Z"] * 4 + ["2025-06-01T00:00:00Z"] * 696),
        r"time: 4 of 700 rows are in the future",
    ),
    "a time without end": (
        lambda f: f.assign(time=[np.inf, *range(699)]),
        r"time: 1 of 700 rows is infinite",
    ),
    "a placeholder for a time": (
        lambda f: f.assign(time=["0001-01-01T00:00:00Z"] * 2 + ["2025-06-01T00:00:00Z"] * 698),
        r"time: 2 of 700 rows are before 1900, which no record is",
    ),
    "a number beyond every float": (
        _with("crp", "9" * 400),
        r"crp: 3 rows are infinite; leave them empty or correct them",
    ),
    "times that are none": (
        lambda f: f.assign(time=["soon"] * 4 + ["2025-06-01T00:00:00Z"] * 696),
        r"time: 4 rows are no time, such as 'soon'; write ISO 8601",
    ),
    "the same patient twice at one time": (
        lambda f: f.assign(
            time="2025-06-01T00:00:00Z", patient_id=["P1", "P1", *f["patient_id"][2:]]
        ),
        r"patient_id, time: 1 of 700 rows is the repetition of the same patient and time",
    ),
    "a site left out": (
        lambda f: f.assign(site=["north"] * 690 + [None] * 10),
        r"site: 10 of 700 rows are empty; name the site of every row, or leave it out",
    ),
    "follow-up that runs backwards": (
        lambda f: f.assign(follow_up_days=[-1.0] * 2 + [45.0] * 698, outcome=f["outcome"]),
        r"follow_up_days: 2 of 700 rows are not a number of 0 or more",
    ),
    "an event after the horizon": (
        lambda f: f.assign(follow_up_days=31.0),
        r"follow_up_days: \d+ rows are of outcome 1 after day 30",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_column_rows_and_what_to_do(
    fault: str, definition: Definition, now: datetime
) -> None:
    change, words = FAULTS[fault]

    with pytest.raises(CohortError, match=words):
        admit(cohort(change(people())), definition, now)


def test_one_row_is_spoken_of_as_one(definition: Definition, now: datetime) -> None:
    with pytest.raises(CohortError) as error:
        admit(cohort(_with("outcome", None, rows=1)(people())), definition, now)
    assert "outcome: 1 of 700 rows is empty" in str(error.value)

    with pytest.raises(CohortError) as error:
        admit(cohort(people().iloc[:1]), definition, now)
    assert "in the only row; a model needs people with and without the event" in str(error.value)


def test_all_faults_are_named_at_once(definition: Definition, now: datetime) -> None:
    frame = people().assign(crp=np.nan, sex="female", outcome=3)

    with pytest.raises(CohortError) as error:
        admit(cohort(frame), definition, now)

    assert [line.split(":")[0] for line in str(error.value).splitlines()[1:]] == [
        "- outcome",
        "- sex",
        "- crp",
    ]


def test_a_sound_table_has_no_fault(definition: Definition, now: datetime) -> None:
    frame = followed().assign(time=pd.date_range("2020-01-01", periods=700, tz="UTC"), site="north")

    assert len(admit(cohort(frame), definition, now)[0]) == 700


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_an_id_with_white_space_around_it_is_the_same_patients(
    suffix: str, definition: Definition, now: datetime, tmp_path: Path
) -> None:
    frame = people(200)
    again = frame.assign(
        patient_id=[f" {name}\t" for name in frame["patient_id"]], crp=frame["crp"] + 1
    )
    table = pd.concat([frame, again]).assign(site=["north", "north "] * 200)
    path = tmp_path / f"table{suffix}"
    table.to_parquet(path) if suffix == ".parquet" else table.to_csv(path, index=False)

    population, _ = admit(read_cohort(path, definition), definition, now)

    assert len(np.unique(population.patient)) == 200
    assert population.site is not None
    assert set(population.site.tolist()) == {"north"}


def test_an_id_of_white_space_alone_is_empty(
    definition: Definition, now: datetime, tmp_path: Path
) -> None:
    frame = people(100)
    frame.loc[3, "patient_id"] = "  "
    frame.to_csv(tmp_path / "table.csv", index=False)

    with pytest.raises(CohortError, match="patient_id: 1 of 100 rows is empty"):
        admit(read_cohort(tmp_path / "table.csv", definition), definition, now)
