"""A home with a year of made-up predictions and outcomes of 30 features, for `monitoring.py`.

Rows are drawn from a pool of scored people, under ids in the order of time, as serving makes them.
In the last tenth of the days one feature runs half an SD higher, so that there is an alarm to find.
They are inserted past the audit chain, which monitoring doesn't read.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.made_up import FEATURES, NAME, NAMES, write_artefact
from models.artefact import write_manifest
from models.definition import parse_definition
from models.profile import build_profile, to_json
from models.risk_model import RiskModel
from records.settings import Settings

FIRST = date(2025, 1, 1)
POOL, DRIFTING, SHIFT = 20_000, "measured_3", 0.5
PREDICTIONS_A_PATIENT = 4
# memory isn't measured of the process that fills: SQLite may sort its indexes there
WHILE_FILLING = (
    "journal_mode=OFF",
    "synchronous=OFF",
    "foreign_keys=OFF",
    "ignore_check_constraints=ON",
    "cache_size=-524288",
)
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Columns:
    """A table's columns: those whose values differ, in their order, and what all rows hold."""

    table: str
    differing: tuple[str, ...]
    same: Mapping[str, Any]

    @property
    def names(self) -> str:
        """Return all names as SQL has them."""
        return ", ".join([*self.differing, *self.same])

    def filled(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Complete rows by what is the same in all of them."""
        same = tuple(self.same.values())
        return (row + same for row in rows)


_CHAIN = {"writer": "", "block": 0, "position": 0, "leaf": b""}
# first what differs by the request, then by who it is for
PREDICTION = Columns(
    "records_prediction",
    (
        *("id", "patient", "predicted_at", "recorded_at"),
        *("features", "vector", "contributions", "margin", "risk", "band"),
    ),
    {
        **{"model": NAME, "version": "1", "definition_digest": "d" * 64},
        **{"artefact_digest": "a" * 64, "client": "client", "is_test": False},
        **{"protocol": "json", "site": "", "status": "final", "shown": True, "base": -1.0},
        **{"findings": "[]", "sources": "[]", "input_digest": "e" * 64, **_CHAIN},
    },
)
OUTCOME = Columns(
    "records_outcome",
    ("prediction_id", "happened", "known_at", "reported_at"),
    {"model": NAME, "patient": "", "client": "client", "is_test": False, **_CHAIN},
)
Insert = Callable[[Columns, Iterable[Row]], None]


@dataclass(frozen=True, eq=False)
class Pool:
    """Scored people: features (rows, features), margin, risk, and rows ready to be stored.

    `rows` hold what a prediction's columns hold of a person, from `features` to `band`.
    """

    X: np.ndarray
    margin: np.ndarray
    risk: np.ndarray
    contributions: np.ndarray
    rows: list[Row]


def make_artefact(directory: Path) -> None:
    """Fit the model; write it with the profile and reference that monitoring needs."""
    write_artefact(directory)
    text = (directory / "model.toml").read_bytes()
    definition = parse_definition(text, source="benchmark")
    pool = pool_of(RiskModel.load(directory, version="1"), 0.0, seed=1)
    columns = dict(zip(NAMES, pool.X.T, strict=True))
    digest = hashlib.sha256(text).hexdigest()
    profile = build_profile(definition, columns, pool.margin, definition_digest=digest, seed=1)
    (directory / "profile.json").write_bytes(to_json(profile))
    frame = pd.DataFrame(columns).assign(risk=pool.risk)
    frame.to_parquet(directory / "reference.parquet")
    (directory / "manifest.json").unlink()
    write_manifest(directory, NAME)


def pool_of(model: RiskModel, shift: float, seed: int) -> Pool:
    """Draw and score people; one feature is higher by a shift."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(POOL, FEATURES))
    X[rng.random(X.shape) < 0.1] = np.nan
    X = X.round(2)
    X[:, NAMES.index(DRIFTING)] += shift
    found = model.scorer.explain_batch(X)
    texts = [
        json.dumps({n: None if v != v else v for n, v in zip(NAMES, row, strict=True)})
        for row in X.tolist()
    ]
    contributions = found.contributions.astype("<f8")
    rows = [
        (text, x.tobytes(), shares.tobytes(), margin, risk, model.definition.band(risk).name)
        for text, x, shares, margin, risk in zip(
            *(texts, X, contributions, found.margin.tolist(), found.risk.tolist()), strict=True
        )
    ]
    return Pool(X, found.margin, found.risk, contributions, rows)


def fill(settings: Settings, artefact: Path, rows: int, days: int) -> None:
    """Record so many predictions over so many days, and what became of each a day later.

    On SQLite nothing is journaled or synced meanwhile, JSON isn't checked, and indexes but those of
    primary keys are made at the end. The tables that are left are as any others.
    """
    model = RiskModel.load(artefact, version="1")
    usual, shifted = pool_of(model, 0.0, seed=2), pool_of(model, SHIFT, seed=3)
    rng = np.random.default_rng(4)
    people = range(max(1, rows // PREDICTIONS_A_PATIENT))
    pseudonyms = [hashlib.sha256(str(person).encode()).hexdigest() for person in people]
    a_day = np.diff(np.linspace(0, rows, days + 1).astype(int))
    on_server = settings.database.startswith("postgresql://")
    with _copying() if on_server else _inserting() as insert:
        for day, size in enumerate(a_day.tolist()):
            pool = shifted if day >= days - days // 10 else usual
            requests, outcomes, picked = _day(pool, pseudonyms, day, size, rng)
            insert(PREDICTION, map(add, requests, (pool.rows[pick] for pick in picked)))
            insert(OUTCOME, outcomes)


def days_in_memory(artefact: Path, rows: int, days: int) -> list[Any]:
    """Return days of people in whom nothing changed, as monitoring takes them."""
    from monitoring.streams import DayRows

    pool = pool_of(RiskModel.load(artefact, version="1"), 0.0, seed=2)
    rng = np.random.default_rng(4)
    made = []
    for size in np.diff(np.linspace(0, rows, days + 1).astype(int)).tolist():
        picked = rng.integers(0, POOL, size)
        X = np.asfortranarray(pool.X[picked])
        columns = dict(zip(NAMES, X.T, strict=True))
        shares = pool.contributions[picked]
        made.append(DayRows(columns, pool.margin[picked], pool.risk[picked], {}, size, shares))
    return made


def _day(
    pool: Pool, pseudonyms: list[str], day: int, size: int, rng: np.random.Generator
) -> tuple[Iterator[Row], Iterator[Row], list[int]]:
    """Return a day's requests, their outcomes, and who of the pool each request is for."""
    picked = rng.integers(0, POOL, size)
    seconds = np.sort(rng.integers(0, 86_400, size))
    who = rng.integers(0, len(pseudonyms), size).tolist()
    happened = (rng.random(size) < pool.risk[picked]).tolist()
    at = np.datetime64(FIRST + timedelta(days=day), "s") + seconds
    keys = list(map(_key, at.astype("datetime64[ms]").astype(int).tolist(), _random(size, rng)))
    moments, a_day_later = _moments(at), _moments(at + np.timedelta64(1, "D"))
    patients = (pseudonyms[person] for person in who)
    requests = zip(keys, patients, moments, moments, strict=True)
    return requests, zip(keys, happened, a_day_later, moments, strict=True), picked.tolist()


def _random(size: int, rng: np.random.Generator) -> Iterator[str]:
    """Yield so many texts of 18 random hexadecimal digits."""
    drawn = rng.bytes(9 * size).hex()
    return (drawn[start : start + 18] for start in range(0, 18 * size, 18))


def _key(milliseconds: int, drawn: str) -> str:
    """Return an id as `records.identifiers.ordered_id` makes it."""
    return f"{milliseconds:012x}7{drawn[:3]}a{drawn[3:]}"


def _moments(at: np.ndarray) -> list[str]:
    return np.char.replace(np.datetime_as_string(at, unit="s"), "T", " ").tolist()


@contextmanager
def _copying() -> Iterator[Insert]:
    """Insert into PostgreSQL, and let it see how its tables are filled, as it does in time."""
    from django.db import connection

    def insert(columns: Columns, rows: Iterable[Row]) -> None:
        with cursor.cursor.copy(f"COPY {columns.table} ({columns.names}) FROM STDIN") as copy:
            for row in columns.filled(rows):
                copy.write_row(row)

    with connection.cursor() as cursor:
        yield insert
        cursor.execute("ANALYZE")


@contextmanager
def _inserting() -> Iterator[Insert]:
    """Insert into SQLite as fast as it can, which a crash would spoil."""
    from django.db import connection

    def insert(columns: Columns, rows: Iterable[Row]) -> None:
        marks = ", ".join("?" * (len(columns.differing) + len(columns.same)))
        into = f"{columns.table} ({columns.names})"  # of this program's own making
        raw.execute("BEGIN")
        raw.executemany(f"INSERT INTO {into} VALUES ({marks})", columns.filled(rows))  # noqa: S608
        raw.execute("COMMIT")

    connection.ensure_connection()
    raw = connection.connection
    for pragma in WHILE_FILLING:
        raw.execute(f"PRAGMA {pragma}")
    found = raw.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL "
        "AND tbl_name IN ('records_prediction', 'records_outcome')"
    ).fetchall()
    for name, _ in found:
        raw.execute(f'DROP INDEX "{name}"')
    yield insert
    for _, definition in found:
        raw.execute(definition)
    connection.close()
