"""How good or bad performance can be, whatever the outcomes are that nobody knows."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]
Bounds = tuple[float, float]


def bounds(
    risk: Floats, happened: NDArray[np.bool_], known: NDArray[np.bool_]
) -> dict[str, Bounds]:
    """Return the lowest and highest value of each figure over all outcomes of unknown rows."""
    events, unknown = int((happened & known).sum()), int((~known).sum())
    rows, expected = risk.size, float(risk.sum())
    squares = np.stack([risk**2, (1 - risk) ** 2])
    certain = float(np.where(happened, squares[1], squares[0])[known].sum())
    found = {
        "event_rate": (events / rows, (events + unknown) / rows),
        "observed_expected": (events / expected, (events + unknown) / expected),
        "brier": (
            (certain + float(squares.min(axis=0)[~known].sum())) / rows,
            (certain + float(squares.max(axis=0)[~known].sum())) / rows,
        ),
    }
    auroc = _auroc(risk, happened, known)
    return {**found, "auroc": auroc} if auroc else found


def _auroc(risk: Floats, happened: NDArray[np.bool_], known: NDArray[np.bool_]) -> Bounds | None:
    """Return the bounds of the AUROC.

    With k events among the unknown rows it is highest if these have the k highest risks, and
    lowest if they have the k lowest; so all k are tried.
    """
    ranks = rankdata(risk)
    fixed = happened & known
    unknown = np.sort(ranks[~known])
    events = int(fixed.sum()) + np.arange(unknown.size + 1)
    others = risk.size - events
    usable = (events > 0) & (others > 0)
    if not usable.any():
        return None

    def best(ordered: Floats) -> Floats:
        sums = ranks[fixed].sum() + np.concatenate([[0.0], np.cumsum(ordered)])
        concordant = sums - events * (events + 1) / 2
        return np.asarray((concordant[usable] / (events * others)[usable]), dtype=np.float64)

    return float(best(unknown).min()), float(best(unknown[::-1]).max())
