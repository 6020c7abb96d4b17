"""A file of rows in, a file of scores out: what it holds, and what is refused by name."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.batch import readings_of
from models.errors import BatchError
from models.risk_model import RiskModel
from serving.batch.cells import columns_of
from serving.batch.run import BatchOptions, BatchSummary, score_file
from tests.factories import NOW, make_artefact, make_population

Score = Callable[..., BatchSummary]


def score(model: RiskModel, source: Path, target: Path, **options: Any) -> BatchSummary:
    chosen = BatchOptions(**({"threads": 2} | options))
    return score_file(
        model, source, target, options=chosen, recorder=None, now=NOW, progress=lambda *_: None
    )


def write_people(path: Path, rows: int = 200, **columns: Any) -> pd.DataFrame:
    """Write people with keys of their own; other columns replace or join theirs."""
    frame = pd.DataFrame(make_population(rows, seed=3))
    frame.insert(0, "patient_id", [f"p{i}" for i in range(rows)])
    for name, values in columns.items():
        frame[name] = values
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return frame


def test_every_row_gets_what_it_would_get_alone(model: RiskModel, tmp_path: Path) -> None:
    people = write_people(tmp_path / "in.parquet", site="north")
    people.loc[7, "age"] = 17
    people.loc[8, "creatinine"] = -1
    people.to_parquet(tmp_path / "in.parquet")
    summary = score(model, tmp_path / "in.parquet", tmp_path / "out.parquet")
    scores = pd.read_parquet(tmp_path / "out.parquet")
    names = [feature.name for feature in model.definition.features]
    assert list(scores.columns) == [
        "patient_id", "site", "risk", "band", "margin", "base",
        *(f"contribution_{name}" for name in names),
        "missing", "excluded", "refused_because", "notice",
    ]  # fmt: skip
    assert scores["patient_id"].tolist() == people["patient_id"].tolist()
    columns = {name: people[name].to_numpy(dtype=object) for name in names}
    for row in range(200):
        if row in (7, 8):
            continue
        alone = model.assess(readings_of(model.definition, columns, row), NOW)
        given_ = scores.loc[row]
        assert (given_["risk"], given_["margin"]) == (
            alone.explanation.risk,
            alone.explanation.margin,
        )
        assert given_["band"] == alone.band.name
        contributions = given_[[f"contribution_{name}" for name in names]].to_numpy(dtype=float)
        np.testing.assert_array_equal(contributions, alone.explanation.contributions)
        missing = [finding.feature for finding in alone.features.findings]
        assert given_["missing"] == ", ".join(missing)
    total = scores["base"] + scores.filter(like="contribution_").sum(axis=1)
    np.testing.assert_allclose(np.log(scores["risk"] / (1 - scores["risk"])), total, atol=1e-6)
    refused = scores.loc[[7, 8]]
    assert refused["refused_because"].tolist() == ["out_of_scope: age", "implausible: creatinine"]
    assert refused[["risk", "band", "margin", "base", "missing"]].isna().all(axis=None)
    assert (scores["notice"] == "not for clinical use").all()
    assert (summary.rows, summary.scored, summary.went_on_from) == (200, 198, 0)
    assert summary.refused == {"out_of_scope: age": 1, "implausible: creatinine": 1}


def test_the_scores_say_which_version_of_which_model_made_them(
    model: RiskModel, tmp_path: Path
) -> None:
    write_people(tmp_path / "in.parquet")
    score(model, tmp_path / "in.parquet", tmp_path / "out.parquet")
    metadata = pq.read_schema(tmp_path / "out.parquet").metadata
    assert metadata[b"auscult.model"] == b"made_up_sepsis"
    assert metadata[b"auscult.version"] == b"1"
    assert metadata[b"auscult.artefact_digest"] == model.artefact_digest.encode()
    assert metadata[b"auscult.definition_digest"] == model.definition_digest.encode()
    assert metadata[b"auscult.notice"] == b"not for clinical use"
    assert (tmp_path / "out.parquet").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", "out.parquet"]


@pytest.mark.parametrize("name", ["in.csv", "in.csv.gz"])
def test_csv_and_parquet_give_the_same_scores(model: RiskModel, tmp_path: Path, name: str) -> None:
    people = write_people(tmp_path / "in.parquet", site="north")
    people.to_csv(tmp_path / name, index=False)
    score(model, tmp_path / "in.parquet", tmp_path / "out.parquet")
    score(model, tmp_path / name, tmp_path / "out.csv")
    text = pa_csv.ConvertOptions(
        strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""]
    )
    scores = pa_csv.read_csv(tmp_path / "out.csv", convert_options=text)
    expected = pq.read_table(tmp_path / "out.parquet")
    assert scores.column_names == expected.column_names
    for column in expected.column_names:
        if column not in ("excluded", "refused_because"):  # all empty, so of no type in CSV
            assert scores[column].to_pylist() == expected[column].to_pylist(), column


def test_without_explanation_only_the_risk_is_written(model: RiskModel, tmp_path: Path) -> None:
    write_people(tmp_path / "in.parquet")
    score(model, tmp_path / "in.parquet", tmp_path / "out.parquet", explain=False)
    names = pq.read_schema(tmp_path / "out.parquet").names
    assert names == [
        "patient_id", "risk", "band", "margin", "missing", "excluded", "refused_because", "notice",
    ]  # fmt: skip


def test_a_column_asked_for_is_carried_over(model: RiskModel, tmp_path: Path) -> None:
    people = write_people(tmp_path / "in.parquet", encounter=range(200))
    score(model, tmp_path / "in.parquet", tmp_path / "out.parquet", keep=("encounter",))
    scores = pd.read_parquet(tmp_path / "out.parquet")
    assert scores["encounter"].tolist() == people["encounter"].tolist()
    with pytest.raises(BatchError, match="'encounters' \\(rename 'encounter'"):
        score(model, tmp_path / "in.parquet", tmp_path / "more.parquet", keep=("encounters",))
    write_people(tmp_path / "again.parquet", risk=0.5)
    with pytest.raises(BatchError, match="columns risk can't be carried over"):
        score(model, tmp_path / "again.parquet", tmp_path / "more.parquet", keep=("risk",))


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_do_not_change_the_order_or_the_scores(
    model: RiskModel, tmp_path: Path, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.batch.run._MOST_ROWS", 2048)
    people = write_people(tmp_path / "in.parquet", 9000)
    people.to_parquet(tmp_path / "in.parquet", row_group_size=700)
    score(model, tmp_path / "in.parquet", tmp_path / "out.parquet", threads=threads)
    scores = pq.ParquetFile(tmp_path / "out.parquet")
    assert [scores.metadata.row_group(i).num_rows for i in range(5)] == [2048] * 4 + [808]
    assert scores.read(["patient_id"])["patient_id"].to_pylist() == people["patient_id"].tolist()
    risks = model.risks({name: people[name].to_numpy() for name in make_population(1)})
    np.testing.assert_array_equal(scores.read(["risk"])["risk"].to_numpy(), risks)


@pytest.mark.parametrize(
    ("cell", "because"),
    [
        ("71", None),
        (" 71.0 ", None),
        ("7.1e1", None),
        ("1954-06-30", "text_value: age"),
        ("7l", "text_value: age"),
        ("71,5", "text_value: age"),
        ("+71", None),
        ("inf", "not_finite: age"),
        ("1e999", "not_finite: age"),
        ("171", "implausible: age"),
        ("NA", "too_little_data: age"),
        ("", "too_little_data: age"),
    ],
)
@pytest.mark.parametrize("beside", ["70", "seventy"])
def test_what_stands_in_a_cell_of_a_csv_is_read_the_same_beside_any_other(
    model: RiskModel, tmp_path: Path, cell: str, because: str | None, beside: str
) -> None:
    write_people(tmp_path / "in.csv", 2, age=[cell, beside])
    score(model, tmp_path / "in.csv", tmp_path / "out.csv")
    first = pd.read_csv(tmp_path / "out.csv").loc[0]
    if because is None:
        assert first["risk"] > 0
    else:
        assert first["refused_because"] == because
        assert math.isnan(first["risk"])


@given(st.lists(st.floats(width=64), min_size=1, max_size=8), st.booleans())
def test_numbers_written_as_text_are_read_back_exactly(
    model: RiskModel, numbers: list[float], beside_a_text: bool
) -> None:
    texts = [repr(number) for number in numbers] + ["x"] * beside_a_text
    table = pa.table(
        {
            name: pa.array(texts if name == "lactate" else ["1"] * len(texts))
            for name in ("age", "sex", "ward", "lactate", "creatinine")
        }
    )
    columns, odd = columns_of(model.definition, table, is_text=True)
    np.testing.assert_array_equal(columns["lactate"][: len(numbers)], numbers)
    assert ("lactate" in odd) is beside_a_text
    assert not beside_a_text or odd["lactate"].tolist() == [False] * len(numbers) + [True]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("age", pa.int16()),
        ("age", pa.float32()),
        ("age", pa.decimal128(5, 1)),
        ("lactate", pa.null()),
        ("ward", pa.null()),
        ("ward", pa.large_string()),
        ("ward", pa.dictionary(pa.int8(), pa.string())),
    ],
)
def test_columns_of_every_usual_type_are_taken(
    model: RiskModel, tmp_path: Path, name: str, kind: pa.DataType
) -> None:
    people = pa.Table.from_pandas(write_people(tmp_path / "in.parquet"), preserve_index=False)
    place = people.column_names.index(name)
    nothing = pa.nulls(200) if pa.types.is_null(kind) else None
    changed = people.set_column(place, name, nothing or people[name].cast(kind))
    pq.write_table(changed, tmp_path / "typed.parquet")
    score(model, tmp_path / "typed.parquet", tmp_path / "out.parquet")
    column = np.array(changed[name].to_pylist(), dtype=None if name == "age" else object)
    frame = people.to_pandas()
    columns = {each: frame[each].to_numpy() for each in make_population(1)}
    columns[name] = column.astype(float) if name in ("age", "lactate") else column
    np.testing.assert_array_equal(
        pq.read_table(tmp_path / "out.parquet")["risk"].to_numpy(), model.risks(columns)
    )


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("age", ["71"] * 200, "'age' holds .*string; write it as numbers"),
        ("age", [True] * 200, "'age' holds bool; write it as numbers"),
        ("age", [[71]] * 200, "'age' holds list.*; write it as numbers"),
        ("ward", [1] * 200, "'ward' holds int64; write it as text"),
        ("site", [["north"]] * 200, "'site' holds list.*, which can't be carried"),
    ],
)
def test_a_column_of_a_type_that_can_not_be_meant_is_named(
    model: RiskModel, tmp_path: Path, column: str, values: list[Any], words: str
) -> None:
    write_people(tmp_path / "in.parquet", 200, **{column: values})
    with pytest.raises(BatchError, match=words):
        score(model, tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_missing_column_is_named_with_the_one_that_may_be_meant(
    model: RiskModel, tmp_path: Path, suffix: str
) -> None:
    people = write_people(tmp_path / f"in.{suffix}").rename(columns={"creatinine": "creatinin"})
    people.to_csv(tmp_path / "in.csv") if suffix == "csv" else people.to_parquet(
        tmp_path / "in.parquet"
    )
    with pytest.raises(BatchError, match=r"'creatinine' \(rename 'creatinin'\?\)"):
        score(model, tmp_path / f"in.{suffix}", tmp_path / "out.csv")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("in.csv", b"", "in.csv: is empty"),
        ("in.parquet", b"", "can't be read as Parquet"),
        ("in.parquet", b"PAR1 but no Parquet PAR1", "can't be read as Parquet"),
        ("in.csv", b"age,age,sex\n1,2,3\n", "the columns age stand twice"),
        ("in.txt", b"age\n1\n", "none of .parquet, .csv"),
        ("in.csv", b"age,sex,ward,lactate,creatinine\n", "in.csv has no rows"),
        ("in.csv", b"age,sex,ward,lactate,creatinine\n71,male\n", "line 2 has 2 cells, .* 5"),
        ("in.csv", b"age,sex,ward,lactate,creatinine\n1,m\xe4le,x,1,1\n", "no CSV in UTF-8"),
    ],
)
def test_a_file_that_can_not_be_read_is_refused(
    model: RiskModel, tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BatchError, match=words) as error:
        score(model, tmp_path / name, tmp_path / "out.csv")
    assert "male" not in str(error.value)
    assert not (tmp_path / "out.csv").exists()


def test_a_parquet_file_without_rows_is_refused_and_leaves_nothing(
    model: RiskModel, tmp_path: Path
) -> None:
    write_people(tmp_path / "in.parquet").head(0).to_parquet(tmp_path / "in.parquet")
    with pytest.raises(BatchError, match=r"in\.parquet has no rows"):
        score(model, tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def test_a_file_that_is_not_there_and_a_target_that_can_not_be_are_named(
    model: RiskModel, tmp_path: Path
) -> None:
    source = tmp_path / "in.parquet"
    with pytest.raises(BatchError, match="there is no such file"):
        score(model, source, tmp_path / "out.parquet")
    write_people(source)
    with pytest.raises(BatchError, match="no such directory"):
        score(model, source, tmp_path / "nowhere" / "out.parquet")
    with pytest.raises(BatchError, match=r"out.xlsx: its kind is none of .parquet, .csv"):
        score(model, source, tmp_path / "out.xlsx")
    with pytest.raises(BatchError, match="exists already"):
        score(model, source, source)


def test_a_retired_model_does_not_score_and_a_silent_one_only_to_record(tmp_path: Path) -> None:
    write_people(tmp_path / "in.parquet")
    for status, words in (("retired", "is retired"), ("silent", "--record")):
        model = make_artefact(tmp_path / status, status=status)
        with pytest.raises(BatchError, match=words):
            score(model, tmp_path / "in.parquet", tmp_path / "out.parquet")
