"""A home with a year of made-up predictions and outcomes of 30 features, for `monitoring.py`.

Rows are drawn from a pool of scored people. In the last tenth of the days one feature runs half an
SD higher, so that there is an alarm to find. They are inserted past the audit chain, which
monitoring doesn't read.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.made_up import FEATURES, NAME, NAMES, write_artefact
from models.artefact import write_manifest
from models.definition import Definition, parse_definition
from models.profile import build_profile, to_json
from models.risk_model import RiskModel
from records.settings import Settings

FIRST = date(2025, 1, 1)
POOL, DRIFTING, SHIFT = 20_000, "measured_3", 0.5
PREDICTIONS_A_PATIENT = 4
_PREDICTION = (
    *("id", "model", "version", "definition_digest", "artefact_digest", "patient", "client"),
    *("is_test", "protocol", "site", "predicted_at", "recorded_at", "status", "shown", "features"),
    *("vector", "contributions", "base", "margin", "risk", "band", "findings", "sources"),
    *("input_digest", "writer", "block", "position", "leaf"),
)
_OUTCOME = (
    *("prediction_id", "model", "patient", "happened", "known_at", "reported_at", "client"),
    *("is_test", "writer", "block", "position", "leaf"),
)


@dataclass(frozen=True, eq=False)
class Pool:
    """Scored people: features (rows, features), margin, risk, and rows ready to be stored."""

    X: np.ndarray
    margin: np.ndarray
    risk: np.ndarray
    features: list[str]
    contributions: np.ndarray


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
    return Pool(X, found.margin, found.risk, texts, found.contributions.astype("<f8"))


def fill(settings: Settings, artefact: Path, rows: int, days: int) -> None:
    """Record so many predictions over so many days, and what became of each a day later."""
    model = RiskModel.load(artefact, version="1")
    usual, shifted = pool_of(model, 0.0, seed=2), pool_of(model, SHIFT, seed=3)
    rng = np.random.default_rng(4)
    a_day = np.diff(np.linspace(0, rows, days + 1).astype(int))
    for day, size in enumerate(a_day.tolist()):
        pool = shifted if day >= days - days // 10 else usual
        made = list(_day(model.definition, pool, day, size, rows, rng))
        _insert(settings, "records_prediction", _PREDICTION, [one[0] for one in made])
        _insert(settings, "records_outcome", _OUTCOME, [one[1] for one in made])
    _analyse()


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
    definition: Definition,
    pool: Pool,
    day: int,
    size: int,
    rows: int,
    rng: np.random.Generator,
) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    start = datetime.combine(FIRST + timedelta(days=day), datetime.min.time(), UTC)
    picked = rng.integers(0, POOL, size)
    seconds = np.sort(rng.integers(0, 86_400, size))
    who = rng.integers(0, max(1, rows // PREDICTIONS_A_PATIENT), size)
    happened = rng.random(size) < pool.risk[picked]
    for pick, second, person, did in zip(
        picked.tolist(), seconds.tolist(), who.tolist(), happened.tolist(), strict=True
    ):
        key = rng.bytes(16).hex()
        at = start + timedelta(seconds=second)
        moment = _moment(at)
        risk = float(pool.risk[pick])
        patient = hashlib.sha256(str(person).encode()).hexdigest()
        chain = ("", 0, 0, b"")
        yield (
            (
                *(key, NAME, "1", "d" * 64, "a" * 64, patient, "client", False, "json", ""),
                *(moment, moment, "final", True, pool.features[pick], pool.X[pick].tobytes()),
                *(pool.contributions[pick].tobytes(), -1.0, float(pool.margin[pick]), risk),
                *(definition.band(risk).name, "[]", "[]", "e" * 64, *chain),
            ),
            (
                *(key, NAME, "", did, _moment(at + timedelta(days=1)), _moment(at), "client"),
                *(False, *chain),
            ),
        )


def _moment(at: datetime) -> str:
    return at.isoformat(" ").removesuffix("+00:00")


def _analyse() -> None:
    """Let PostgreSQL see how its tables are filled, as it does in time, which SQLite doesn't."""
    from django.db import connection

    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


def _insert(settings: Settings, table: str, columns: Any, rows: list[tuple[Any, ...]]) -> None:
    from django.db import connection

    connection.ensure_connection()
    names = ", ".join(columns)
    if settings.database.startswith("postgresql://"):
        with (
            connection.cursor() as cursor,
            cursor.cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row(row)
        return
    marks = ", ".join("?" * len(columns))
    raw = connection.connection
    raw.execute("BEGIN")
    raw.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)  # noqa: S608
    raw.execute("COMMIT")
