"""Scoring a file from end to end: read, score on all cores, record, write, go on after a stop."""

import os
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from models.batch import score_rows
from models.definition import Status
from models.errors import BatchError
from models.risk_model import RiskModel
from serving.answer import describe_model
from serving.batch.cells import columns_of
from serving.batch.journal import FORMAT, Finished, Journal, Run
from serving.batch.part import Part, open_part
from serving.batch.particulars import Particulars, read_particulars
from serving.batch.recording import ROWS_A_COMMIT, Chunk, Recorder
from serving.batch.result import refusal_counts, result_schema, result_table
from serving.batch.source import Source, open_source

TARGETS = (".parquet", ".csv")
_CELLS_A_CHUNK = 1 << 20  # of the model's input; a chunk then takes some 70 MB on its way
_MOST_ROWS = 1 << 16
Item = TypeVar("Item")
Made = TypeVar("Made")
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """What the scores hold beside the risk, and on how many threads they are made."""

    threads: int
    explain: bool = True
    keep: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class BatchSummary:
    """How many rows there were, how many were refused for what, how many an earlier run did."""

    rows: int
    refused: Mapping[str, int]
    went_on_from: int

    @property
    def scored(self) -> int:
        """How many rows got a risk."""
        return self.rows - sum(self.refused.values())


def score_file(
    model: RiskModel,
    source: Path,
    target: Path,
    *,
    options: BatchOptions,
    recorder: Recorder | None,
    now: datetime,
    progress: Progress,
) -> BatchSummary:
    """Score a file's rows into another file, which appears when it's complete.

    A run that was interrupted goes on where it stopped. Raises BatchError for what can't be read
    or written, and for a run that can't go on; what is wrong with a row is said in that row.
    """
    _check_use(model, recorder)
    _check_target(target)
    given = open_source(source, model.definition, options.keep)
    if recorder is not None:
        recorder.check(given)
    schema = result_schema(
        model,
        [given.schema.field(key) for key in given.keys],
        explain=options.explain,
        recorded=recorder is not None,
        metadata=_metadata(model, given),
    )
    run = _run(model, given, schema, now)
    scoring = _Scoring(model, given, schema, recorder, max(1, options.threads))
    try:
        with Journal(_beside(target, "state"), run) as journal:
            part = open_part(
                _beside(target, "part"), target, schema, _end(journal, _beside(target, "part"))
            )
            return _finish(scoring, journal, part, target, progress)
    except OSError as error:
        raise BatchError(
            f"{target}: can't be written ({error.strerror or type(error).__name__}); put that "
            "right and give the same command again: it goes on where it stopped"
        ) from error


@dataclass(frozen=True, slots=True, eq=False)
class _Scoring:
    model: RiskModel
    source: Source
    schema: pa.Schema
    recorder: Recorder | None
    threads: int

    def chunks(self, run: Run, start: int) -> Generator[tuple[pa.Table, Chunk]]:
        """Yield the keys and the scored rows of each chunk, made on several threads, in order."""

        def numbered() -> Iterator[tuple[int, pa.Table]]:
            first = start
            for table in self.source.chunks(start, run.rows_a_chunk):
                yield first, table
                first += table.num_rows

        def score(numbered_table: tuple[int, pa.Table]) -> tuple[pa.Table, Chunk]:
            return self._score(run, *numbered_table)

        return _in_order(score, numbered(), self.threads)

    def _score(self, run: Run, first: int, table: pa.Table) -> tuple[pa.Table, Chunk]:
        definition = self.model.definition
        columns, texts = columns_of(definition, table, is_text=self.source.is_text)
        keys = table.select(self.source.keys)
        if self.recorder is None:
            rows = score_rows(self.model, columns, texts=texts)
            return keys, Chunk(first, {}, {}, Particulars((), (), (), (), ()), rows)
        particulars = read_particulars(keys, run.started_at)
        rows = score_rows(self.model, columns, texts=texts, faults=particulars.faults)
        return keys, Chunk(first, columns, texts, particulars, rows)

    def result(self, run: Run, keys: pa.Table, chunk: Chunk) -> pa.Table:
        """Return what is written for a chunk, once its predictions are on disk."""
        recorded = self.recorder.record(self.model, run, chunk) if self.recorder else ()
        return result_table(self.model, self.schema, keys, chunk.rows, recorded)


def _finish(
    scoring: _Scoring, journal: Journal, part: Part, target: Path, progress: Progress
) -> BatchSummary:
    """Score what isn't finished, and turn the part file into the target."""
    before = done = sum(finished.rows for finished in journal.finished)
    progress(done, scoring.source.rows)
    with closing(scoring.chunks(journal.run, done)) as chunks:
        for keys, chunk in chunks:
            rows = len(chunk.rows.scored)
            end = part.append(scoring.result(journal.run, keys, chunk))
            journal.append(Finished(rows, end, refusal_counts(chunk.rows)))
            done += rows
            progress(done, scoring.source.rows)
    if not done:
        _abandon(journal, target)
        raise BatchError(f"{scoring.source.path.name} has no rows; there is nothing to score")
    progress(done, done)
    scoring.source.check_unchanged()
    part.close([finished.end for finished in journal.finished])
    _beside(target, "part").rename(target)
    journal.remove()
    refused: Counter[str] = Counter()
    for finished in journal.finished:
        refused.update(finished.refused)
    return BatchSummary(done, dict(refused.most_common()), before)


def _in_order(work: Callable[[Item], Made], items: Iterable[Item], threads: int) -> Generator[Made]:
    """Yield what `work` makes of the items, in their order; few wait at a time."""
    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="batch") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _run(model: RiskModel, source: Source, schema: pa.Schema, now: datetime) -> Run:
    rows = min(_CELLS_A_CHUNK // len(model.definition.columns), _MOST_ROWS)
    return Run(
        format=FORMAT,
        input_bytes=source.size,
        input_sha256=source.digest,
        model=model.definition.name,
        version=model.version,
        artefact_digest=model.artefact_digest,
        columns=tuple(schema.names),
        rows_a_chunk=max(rows // ROWS_A_COMMIT, 1) * ROWS_A_COMMIT,
        started_at=now,
    )


def _metadata(model: RiskModel, source: Source) -> dict[str, str]:
    described = {
        "auscult.model": model.definition.name,
        "auscult.version": model.version,
        "auscult.artefact_digest": model.artefact_digest,
        "auscult.definition_digest": model.definition_digest,
        "auscult.input_sha256": source.digest,
        "auscult.notice": describe_model(model).notice,
    }
    return {key: value for key, value in described.items() if value}


def _check_use(model: RiskModel, recorder: Recorder | None) -> None:
    definition = model.definition
    if definition.status is Status.RETIRED:
        raise BatchError(f"model {definition.name} is retired and may not score")
    if definition.status is Status.SILENT and recorder is None:
        raise BatchError(
            f"model {definition.name} is in silent evaluation: its risks are recorded and not "
            "shown; score with --record"
        )


def _check_target(target: Path) -> None:
    if target.suffix not in TARGETS:
        raise BatchError(f"{target.name}: its kind is none of {', '.join(TARGETS)}")
    if target.exists():
        if not _beside(target, "part").exists():
            # a run that was stopped between its last two steps left it
            _beside(target, "state").unlink(missing_ok=True)
        raise BatchError(f"{target} exists already; move it, or name another file")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise BatchError(f"{target.parent}: no such directory, or it can't be written")


def _end(journal: Journal, part: Path) -> int:
    """Return where the finished chunks end, which have to be there."""
    end = journal.finished[-1].end if journal.finished else 0
    if end > (part.stat().st_size if part.exists() else 0):
        raise BatchError(
            f"{part.name} lacks rows that its state file lists; delete both to begin again"
        )
    return end


def _abandon(journal: Journal, target: Path) -> None:
    _beside(target, "part").unlink()
    journal.remove()


def _beside(target: Path, suffix: str) -> Path:
    return target.with_name(f"{target.name}.{suffix}")
