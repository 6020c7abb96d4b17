"""The same patients with a feature as it was in the reference, and what that does to their risk."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.definition import Definition
from models.encoding import complete_columns, encode_columns
from models.scoring.calibration import risk_of_margin
from monitoring.streams import SCORE, is_missing

if TYPE_CHECKING:  # its kernels take seconds to load, which the console doesn't need
    from models.scoring.scorer import Scorer

Column = NDArray[Any]
Floats = NDArray[np.float64]
SEED = 20262


@dataclass(frozen=True, eq=False)
class Scored:
    """Rows of predictions as columns, with the score that these columns give.

    `contributions` are (n, features) in the definition's order, `site` is (n,).
    """

    features: Mapping[str, Column]
    margin: Floats
    risk: Floats
    contributions: Floats
    site: Column


@dataclass(frozen=True, eq=False)
class Counterfactual:
    """The means to put features back: the definition, the reference's rows, and the scorer."""

    definition: Definition
    reference: Callable[[str], Column]
    scorer: "Scorer"

    def rescored(self, rows: Scored, columns: Mapping[str, Column]) -> Scored:
        """Score columns in the definition's units anew, whatever limits their values break."""
        table = complete_columns(self.definition, columns)
        found = self.scorer.explain_batch(encode_columns(self.definition, table))
        return Scored(table, found.margin, found.risk, found.contributions, rows.site)

    def restored(
        self,
        rows: Scored,
        names: Iterable[str],
        changed: NDArray[np.bool_] | slice = slice(None),
        reference: Callable[[str], Column] | None = None,
    ) -> Scored:
        """Return the rows with some features (or the score alone) as in the reference.

        Only `changed` rows are touched. Restoring the score leaves the features as they are.
        `reference` gives the columns to restore from, where they aren't those of training.
        """
        usual = reference or self.reference
        chosen = set(names)
        columns = dict(rows.features)
        for name in sorted(chosen - {SCORE}):
            column = np.array(columns[name])
            column[changed] = as_in(usual(name), column[changed])
            columns[name] = column
        found = self.rescored(rows, columns) if chosen - {SCORE} else rows
        if SCORE not in chosen:
            return found
        margin = found.margin.copy()
        margin[changed] = as_in(usual(SCORE), margin[changed])
        return replace(found, margin=margin, risk=risk_of_margin(margin))


def as_in(reference: Column, recent: Column) -> Column:
    """Return recent values moved as little as gives them the reference's distribution.

    As many are missing as in the reference; the other numbers keep their ranks and take the
    reference's quantiles, categories are exchanged only where there are too many of them. A
    choice among equals is drawn by a fixed seed.
    """
    generator = np.random.default_rng([SEED, recent.size])
    gone = is_missing(recent)
    known = reference[~is_missing(reference)]
    if not known.size or not recent.size:
        return recent.copy()
    target = round(recent.size * (1 - known.size / reference.size))
    filled = np.zeros(recent.size, dtype=np.bool_)
    surplus = int(gone.sum()) - target
    which = generator.permutation(np.flatnonzero(gone if surplus > 0 else ~gone))[: abs(surplus)]
    result = recent.copy()
    if surplus > 0:
        filled[which] = True
    elif surplus < 0:
        result[which] = np.nan if recent.dtype.kind == "f" else None
    kept = ~is_missing(result)
    if recent.dtype.kind == "f":
        result[kept | filled] = _quantiles(known, recent, kept, filled, generator)
    else:
        result[kept | filled] = _exchanged(known, recent[kept | filled], generator)
    return result


def _quantiles(
    known: Column,
    recent: Column,
    kept: NDArray[np.bool_],
    filled: NDArray[np.bool_],
    generator: np.random.Generator,
) -> Floats:
    """Give kept rows the quantiles of their ranks, and filled ones those of drawn ranks."""
    share = generator.random(recent.size)
    order = np.lexsort((share[kept], recent[kept]))
    ranks = np.empty(order.size)
    ranks[order] = (np.arange(order.size) + 0.5) / max(order.size, 1)
    share[kept] = ranks
    chosen = share[kept | filled]
    places = np.empty(chosen.size)
    places[np.argsort(chosen, kind="stable")] = (np.arange(chosen.size) + 0.5) / chosen.size
    found = np.quantile(known.astype(np.float64), places, method="inverted_cdf")
    return np.asarray(found, dtype=np.float64)


def _exchanged(known: Column, recent: Column, generator: np.random.Generator) -> Column:
    """Exchange the surplus of some categories, missing ones first, for those that lack."""
    names, counts = np.unique(known.astype(str), return_counts=True)
    wanted = dict(zip(names.tolist(), np.diff(_whole(counts, recent.size)).tolist(), strict=True))
    result = recent.copy()
    free = np.zeros(recent.size, dtype=np.bool_)
    lacking: list[str] = []
    for name in sorted({*wanted, *(str(value) for value in recent if value is not None)}):
        rows = generator.permutation(np.flatnonzero(recent == name))
        target = wanted.get(name, 0)
        free[rows[target:]] = True
        lacking += [name] * max(target - rows.size, 0)
    free |= is_missing(recent)
    result[free] = generator.permutation(np.array(sorted(lacking), dtype=object))
    return result


def _whole(counts: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return the edges of whole numbers in proportion to counts that sum to `size`."""
    edges = np.rint(np.cumsum(counts) / counts.sum() * size).astype(np.int64)
    return np.concatenate([[0], edges])


def effect_on_risk(definition: Definition, now: Scored, usual: Scored) -> dict[str, Any]:
    """Return the risk as it is beside the risk with a feature as in the reference, in figures."""
    bands = [band.starts_at for band in definition.bands[1:]]
    moved = np.searchsorted(bands, now.risk, "right") - np.searchsorted(bands, usual.risk, "right")
    return {
        "rows": int(now.risk.size),
        "mean": [float(usual.risk.mean()), float(now.risk.mean())],
        "quartiles": [_quartiles(usual.risk), _quartiles(now.risk)],
        "alerts": [
            [t.risk, float((usual.risk >= t.risk).mean()), float((now.risk >= t.risk).mean())]
            for t in definition.thresholds
        ],
        "higher_band": int((moved > 0).sum()),
        "lower_band": int((moved < 0).sum()),
    }


def _quartiles(risk: Floats) -> list[float]:
    return [float(value) for value in np.quantile(risk, [0.25, 0.5, 0.75])]
