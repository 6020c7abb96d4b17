"""A run that stops goes on where it stopped, with the same file and version or not at all."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from models.errors import BatchError
from models.risk_model import RiskModel
from serving.batch.run import BatchOptions, BatchSummary, score_file
from tests.factories import NOW, make_population

ROWS = 9000
CHUNK = 2048


class Stop(KeyboardInterrupt):
    """What Ctrl-C raises, at a place of the test's own choice."""


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.batch.run._MOST_ROWS", CHUNK)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_people(tmp_path / "in.parquet")
    return tmp_path / "in.parquet"


def write_people(path: Path, rows: int = ROWS) -> None:
    people = pd.DataFrame(make_population(rows, seed=3)).assign(row_id=range(rows))
    people.loc[::7, "age"] = 17
    if path.suffix == ".csv":
        people.to_csv(path, index=False)
    else:
        people.to_parquet(path, row_group_size=3000)


def score(
    model: RiskModel, source: Path, target: Path, stop_after: int = ROWS, **options: Any
) -> BatchSummary:
    """Score a file; stop once more than so many rows are done."""

    def progress(done: int, total: int | None) -> None:
        if done > stop_after:
            raise Stop

    return score_file(
        model,
        source,
        target,
        options=BatchOptions(threads=2, **options),
        recorder=None,
        now=NOW,
        progress=progress,
    )


def stop(model: RiskModel, source: Path, target: Path, after: int = CHUNK) -> None:
    with pytest.raises(Stop):
        score(model, source, target, stop_after=after)
    assert not target.exists()


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize("after", [0, CHUNK, 3 * CHUNK])
def test_an_interrupted_run_goes_on_and_gives_the_same_scores(
    model: RiskModel, tmp_path: Path, suffix: str, after: int
) -> None:
    source, target = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    write_people(source)
    stop(model, source, target, after)
    summary = score(model, source, target)
    assert summary.went_on_from == after + CHUNK
    whole = score(model, source, tmp_path / f"whole.{suffix}")
    assert (summary.rows, summary.refused) == (whole.rows, whole.refused)
    assert summary.refused == {"out_of_scope: age": 1286}
    read = pd.read_csv if suffix == "csv" else pd.read_parquet
    pd.testing.assert_frame_equal(read(target), read(tmp_path / f"whole.{suffix}"))
    assert read(target)["row_id"].tolist() == list(range(ROWS))


def test_what_was_half_written_when_the_machine_stopped_is_written_anew(
    model: RiskModel, source: Path, tmp_path: Path
) -> None:
    stop(model, source, tmp_path / "out.parquet")
    with (tmp_path / "out.parquet.part").open("ab") as part:
        part.write(b"half a row group")
    with (tmp_path / "out.parquet.state").open("ab") as state:
        state.write(b'{"rows":2048,"en')
    assert score(model, source, tmp_path / "out.parquet").went_on_from == 2 * CHUNK
    rows = pq.read_table(tmp_path / "out.parquet")["row_id"].to_pylist()
    assert rows == list(range(ROWS))


def test_a_run_that_stopped_before_the_rename_is_only_finished(
    model: RiskModel, source: Path, tmp_path: Path
) -> None:
    stop(model, source, tmp_path / "out.parquet", ROWS - 1)
    assert score(model, source, tmp_path / "out.parquet").went_on_from == ROWS
    assert pq.read_metadata(tmp_path / "out.parquet").num_rows == ROWS


def test_another_file_version_or_choice_is_refused_by_name(
    model: RiskModel, source: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.parquet"
    stop(model, source, target)
    with pytest.raises(BatchError, match=r"the model's version was 1, is 2; .*out\.parquet\.state"):
        score(replace(model, version="2"), source, target)
    with pytest.raises(BatchError, match="the columns asked for differ"):
        score(model, source, target, explain=False)
    size = source.stat().st_size
    text = bytearray(source.read_bytes())
    text[40] ^= 1
    source.write_bytes(text)
    assert source.stat().st_size == size
    with pytest.raises(BatchError, match="the input's content was"):
        score(model, source, target)


def test_a_part_file_that_lacks_rows_is_not_gone_on_with(
    model: RiskModel, source: Path, tmp_path: Path
) -> None:
    stop(model, source, tmp_path / "out.parquet")
    (tmp_path / "out.parquet.part").unlink()
    with pytest.raises(BatchError, match=r"out\.parquet\.part lacks rows"):
        score(model, source, tmp_path / "out.parquet")


def test_a_state_file_of_something_else_is_named(
    model: RiskModel, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "out.parquet.state").write_text("a note\n")
    with pytest.raises(BatchError, match=r"out\.parquet\.state can't be read"):
        score(model, source, tmp_path / "out.parquet")


def test_two_runs_do_not_write_the_same_scores(
    model: RiskModel, source: Path, tmp_path: Path
) -> None:
    refusals = []

    def meanwhile(done: int, total: int | None) -> None:
        if done == CHUNK:
            with pytest.raises(BatchError, match="another run writes these scores now") as error:
                score(model, source, tmp_path / "out.parquet")
            refusals.append(error)

    options = BatchOptions(threads=1)
    score_file(
        model,
        source,
        tmp_path / "out.parquet",
        options=options,
        recorder=None,
        now=NOW + timedelta(days=1),
        progress=meanwhile,
    )
    assert len(refusals) == 1


def test_a_file_that_changes_while_it_is_scored_gives_no_scores(
    model: RiskModel, tmp_path: Path
) -> None:
    source = tmp_path / "in.csv"
    write_people(source)

    def touch(done: int, total: int | None) -> None:
        if done == CHUNK:
            with source.open("a") as file:
                file.write("71,female,surgery,2.0,1.0,9000\n")

    with pytest.raises(BatchError, match="changed while it was scored"):
        score_file(
            model,
            source,
            tmp_path / "out.csv",
            options=BatchOptions(threads=1),
            recorder=None,
            now=NOW,
            progress=touch,
        )
    assert not (tmp_path / "out.csv").exists()


@contextmanager
def room_for(file_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond so many bytes, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(("suffix", "room"), [("parquet", 700_000), ("csv", 500_000)])
def test_without_room_on_the_disk_it_says_so_and_goes_on_later(
    model: RiskModel, tmp_path: Path, suffix: str, room: int
) -> None:
    source, target = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    write_people(source)
    with room_for(room), pytest.raises(BatchError, match=r"can't be written .*same command again"):
        score(model, source, target)
    assert not target.exists()
    summary = score(model, source, target)
    assert CHUNK <= summary.went_on_from < ROWS
    read = pd.read_csv if suffix == "csv" else pd.read_parquet
    assert read(target)["row_id"].tolist() == list(range(ROWS))
