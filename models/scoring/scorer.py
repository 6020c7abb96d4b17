"""A scorer: one model version's files, loaded so that a score costs no more than it must.

It returns, for every row, the calibrated risk with the contribution of each feature, and
`logit(risk) = base + sum(contributions)`.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from models.errors import ArtefactError, ExplanationMismatch
from models.scoring import kernels, sentences
from models.scoring.calibration import Sigmoid
from models.scoring.engines import (
    BoosterContributions,
    Engine,
    LinearEngine,
    TreeLookup,
    booster_margins,
)
from models.scoring.linear import LinearModel, decode_linear, encode_linear
from models.scoring.tables import build_tables, load_tables, save_tables, tables_digest
from models.scoring.trees import read_booster

logger = logging.getLogger(__name__)

FORMAT = 1
_ROWS_A_THREAD = 1024
_MARGIN_TOLERANCE = 1e-5


class Explanation(msgspec.Struct, frozen=True):
    """The risk of one row; margin is its calibrated log-odds, base + contributions.sum()."""

    risk: float
    margin: float
    base: float
    contributions: np.ndarray  # (features,)


@dataclass(frozen=True)
class Explanations:
    """The risks of some rows, as in `Explanation`."""

    risk: np.ndarray  # (rows,)
    margin: np.ndarray  # (rows,)
    base: float
    contributions: np.ndarray  # (rows, features)


class _Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What scorer.json holds."""

    format: int
    kind: Literal["trees", "linear"]
    tables: bool
    features: tuple[str, ...]
    columns: tuple[str, ...]
    column_feature: tuple[int, ...]
    calibration: Sigmoid

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise ArtefactError(f"scorer.json has format {self.format}; this code reads {FORMAT}")
        if not self.columns or len(self.columns) != len(self.column_feature):
            raise ArtefactError(
                f"{len(self.columns)} columns but column_feature has {len(self.column_feature)}"
            )
        if not all(0 <= index < len(self.features) for index in self.column_feature):
            raise ArtefactError(
                f"column_feature {self.column_feature} leaves the {len(self.features)} features"
            )


class Scorer:
    """A loaded model version: explains rows of model inputs (float64, NaN for missing).

    Safe to call from several threads at once.
    """

    def __init__(self, directory: Path, manifest: _Manifest, engine: Engine) -> None:
        self.kind: Literal["trees", "linear"] = manifest.kind
        self.features = manifest.features
        self.columns = manifest.columns
        self.column_feature = np.array(manifest.column_feature, np.int64)
        self.calibration = manifest.calibration
        self.base = self.calibration.a * engine.expected + self.calibration.b
        self._directory = directory
        self._engine = engine

    def explain(self, vector: np.ndarray) -> Explanation:
        """Explain one row (columns,); raises ExplanationMismatch if it doesn't add up."""
        if vector.shape != (len(self.columns),) or vector.dtype != np.float64:
            raise ValueError(
                f"a row of {len(self.columns)} float64 is wanted, not {vector.dtype} {vector.shape}"
            )
        contributions = np.zeros(len(self.features))
        margin, risk = self._engine.explain_row(
            vector, self.calibration.a, self.base, contributions
        )
        if risk != risk:
            self._refuse(margin, contributions)
        return Explanation(risk, margin, self.base, contributions)

    def explain_batch(self, X: np.ndarray, threads: int = 1) -> Explanations:
        """Explain rows (rows, columns); raises ExplanationMismatch if one doesn't add up."""
        if X.ndim != 2 or X.shape[1] != len(self.columns):
            raise ValueError(f"rows of {len(self.columns)} columns are wanted, not {X.shape}")
        X = np.ascontiguousarray(X, np.float64)
        contributions = np.zeros((len(X), len(self.features)))
        margin, risk = np.empty(len(X)), np.empty(len(X))

        def run(part: slice) -> None:
            self._engine.explain_rows(
                X[part], self.calibration.a, self.base, contributions[part], margin[part]
            )
            kernels.close_rows(self.base, contributions[part], margin[part], risk[part])

        parts = min(threads, len(X) // _ROWS_A_THREAD)
        if parts < 2:
            run(slice(None))
        else:
            edges = np.linspace(0, len(X), parts + 1).astype(int)
            with ThreadPoolExecutor(parts) as pool:
                list(pool.map(run, map(slice, edges[:-1], edges[1:])))
        if wrong := np.flatnonzero(np.isnan(risk)).tolist():
            self._refuse(float(margin[wrong[0]]), contributions[wrong[0]])
        return Explanations(risk, margin, self.base, contributions)

    def verify(self, X: np.ndarray) -> None:
        """Compare each way of explaining X with the others and with XGBoost's own margins.

        Raises ExplanationMismatch beyond 1e-5 * max(1, |margin|).
        """
        whole = self.explain_batch(X)
        self._compare("row by row", whole.margin, np.array([self.explain(x).margin for x in X]))
        if self.kind == "trees":
            margins = booster_margins((self._directory / "trees.ubj").read_bytes(), X)
            own = self.calibration.a * margins + self.calibration.b
            self._compare("in XGBoost", whole.margin, own)

    def warm(self) -> None:
        """Compile (or load from the cache) every kernel that a request may need."""
        for rows in (1, 256):
            self.explain_batch(np.full((rows, len(self.columns)), np.nan))
        self.explain(np.full(len(self.columns), np.nan))
        sentences.warm()

    def _compare(self, where: str, margin: np.ndarray, other: np.ndarray) -> None:
        excess = np.abs(margin - other) / np.maximum(1.0, np.abs(other))
        if not np.all(excess <= _MARGIN_TOLERANCE):
            worst = int(np.nanargmax(excess)) if np.isfinite(excess).any() else 0
            raise ExplanationMismatch(
                f"row {worst}: log-odds {margin[worst]} here and {other[worst]} {where};"
                " package the model again"
            )

    def _refuse(self, margin: float, contributions: np.ndarray) -> None:
        raise ExplanationMismatch(
            f"base {self.base} and contributions that sum to {contributions.sum()} aren't the"
            f" log-odds {margin}: nothing is answered; verify the model's files"
        )


def save_scorer(
    directory: Path,
    *,
    features: tuple[str, ...],
    columns: tuple[str, ...],
    column_feature: np.ndarray,
    calibration: Sigmoid,
    booster_ubj: bytes | None,
    linear: LinearModel | None,
    table_budget_mb: float = 64,
) -> None:
    """Write a scorer's files into `directory`; exactly one of booster and linear is given.

    All trees of the booster count: slice it at its best iteration before.
    """
    if (booster_ubj is None) == (linear is None):
        raise ArtefactError("a scorer is made of a booster or of a linear model, one of the two")
    directory.mkdir(parents=True, exist_ok=True)
    owner = np.asarray(column_feature, np.int64)
    manifest = _Manifest(
        FORMAT, "linear", False, tuple(features), tuple(columns), tuple(owner.tolist()), calibration
    )
    if linear is not None:
        _check_terms(linear, columns)
        (directory / "linear.json").write_bytes(encode_linear(linear))
    if booster_ubj is not None:
        ensemble = read_booster(booster_ubj, len(columns))
        digest = tables_digest(booster_ubj, owner)
        tables = build_tables(
            ensemble, owner, n_features=len(features), budget_mb=table_budget_mb, digest=digest
        )
        (directory / "trees.ubj").write_bytes(booster_ubj)
        if tables is not None:
            save_tables(tables, directory / "tables.npz")
        manifest = msgspec.structs.replace(manifest, kind="trees", tables=tables is not None)
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    (directory / "scorer.json").write_bytes(text)


def load_scorer(directory: Path) -> Scorer:
    """Load a scorer and warm it; raises ArtefactError for a missing or damaged file."""
    try:
        manifest = msgspec.json.decode((directory / "scorer.json").read_bytes(), type=_Manifest)
        engine = _load_engine(directory, manifest)
    except FileNotFoundError as error:
        name = Path(error.filename).name
        raise ArtefactError(f"{name} is missing: package the model again") from error
    except msgspec.DecodeError as error:
        raise ArtefactError(f"scorer.json can't be read: {error}") from error
    scorer = Scorer(directory, manifest, engine)
    scorer.warm()
    return scorer


def _load_engine(directory: Path, manifest: _Manifest) -> Engine:
    owner = np.array(manifest.column_feature, np.int64)
    if manifest.kind == "linear":
        linear = decode_linear((directory / "linear.json").read_bytes())
        _check_terms(linear, manifest.columns)
        return LinearEngine(linear, owner)
    booster = (directory / "trees.ubj").read_bytes()
    read_booster(booster, len(manifest.columns))
    if not manifest.tables:
        logger.warning("tables exceed their memory budget: XGBoost explains, and more slowly")
        return BoosterContributions(booster, owner)
    tables = load_tables(directory / "tables.npz")
    if tables.digest != tables_digest(booster, owner):
        raise ArtefactError("tables.npz belongs to another booster: package the model again")
    if (tables.n_columns, tables.n_features) != (len(manifest.columns), len(manifest.features)):
        raise ArtefactError("tables.npz has other columns or features: package the model again")
    return TreeLookup(tables)


def _check_terms(linear: LinearModel, columns: tuple[str, ...]) -> None:
    if len(linear.terms) != len(columns):
        raise ArtefactError(f"the linear model has {len(linear.terms)} terms, not {len(columns)}")
