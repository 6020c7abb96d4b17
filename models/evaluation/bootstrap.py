"""Patient-clustered bootstrap: seeded multiplicities, percentile and simultaneous intervals."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import numpy.typing as npt

from models.errors import StatisticsError
from models.evaluation.inputs import FloatArray, IntArray, check_labels, check_weights

Reweight = Callable[[IntArray], npt.ArrayLike]

LEAST_DRAWS = 20
_BLOCK_ELEMENTS = 1 << 16


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval, and how many draws that rests on.

    `failed` draws gave no figure, as when only one outcome was drawn. Where `value` or the interval
    is None, `reason` says why. The simultaneous interval covers, with the stated confidence, all
    members of the figure's family at once.
    """

    value: float | None
    low: float | None
    high: float | None
    draws: int
    failed: int
    reason: str | None = None
    simultaneous_low: float | None = None
    simultaneous_high: float | None = None


class PatientBootstrap:
    """Draws of whole patients with replacement, as how often each row is taken.

    The same patients and seed give the same draws, however they are divided into blocks, so two
    models evaluated with the same seed are paired.
    """

    def __init__(self, patient_ids: npt.ArrayLike, rows: int, draws: int, seed: int) -> None:
        if draws < LEAST_DRAWS:
            raise StatisticsError(f"draws must be at least {LEAST_DRAWS}, not {draws}")
        self.rows = rows
        self.patient = check_labels(patient_ids, rows, "patient_ids")
        self.patients = int(self.patient.max()) + 1
        self.draws = draws
        self.seed = seed

    def taken(self) -> Iterator[IntArray]:
        """Yield for each draw how often each of `patient`'s numbers is taken, (patients,)."""
        generator = np.random.Generator(np.random.PCG64(self.seed))
        for _ in range(self.draws):
            picks = generator.integers(0, self.patients, size=self.patients)
            yield np.bincount(picks, minlength=self.patients)

    def counts(self) -> Iterator[IntArray]:
        """Yield blocks of multiplicities (some draws, rows) until all draws are given."""
        block = max(1, min(self.draws, _BLOCK_ELEMENTS // self.rows))
        taken = self.taken()
        while drawn := list(islice(taken, block)):
            yield np.array(drawn)[:, self.patient]

    def case_weights(self, case_weighting: "CaseWeighting") -> Iterator[FloatArray]:
        """Yield blocks of case weights (some draws, rows)."""
        for counts in self.counts():
            yield case_weighting.of(counts)


class CaseWeighting:
    """How a row that is drawn n times counts: n times a fixed weight, or as `reweight` decides.

    `reweight` takes multiplicities (draws, rows) and returns case weights of the same shape, such
    as `CensoringWeighter.reweight`, which estimates the censoring anew in each draw.
    """

    def __init__(
        self, rows: int, weights: npt.ArrayLike | None = None, reweight: Reweight | None = None
    ) -> None:
        if weights is not None and reweight is not None:
            raise StatisticsError("give weights or reweight, not both")
        fixed = check_weights(weights, rows)
        if fixed.shape[0] != 1:
            raise StatisticsError(f"weights must have shape ({rows},), not {fixed.shape}")
        self._rows = rows
        self._fixed = fixed
        self._reweight = reweight
        self.own = self.of(np.ones((1, rows), dtype=np.int64))[0]

    def of(self, counts: IntArray) -> FloatArray:
        """Return the case weights (draws, rows) of these multiplicities."""
        if self._reweight is None:
            return counts * self._fixed
        weights = check_weights(self._reweight(counts), self._rows)
        if weights.shape != counts.shape:
            raise StatisticsError(
                f"reweight must return shape {counts.shape}, as it was given, not {weights.shape}"
            )
        return weights


def estimate(value: float, drawn: FloatArray, level: float = 0.95) -> Estimate:
    """Return a figure with the percentile interval of its bootstrap draws.

    An interval is given only when at least half of the draws gave the figure.
    """
    usable = drawn[np.isfinite(drawn)]
    failed = int(drawn.size - usable.size)
    if not np.isfinite(value):
        reason = "it isn't defined for these rows"
        return Estimate(None, None, None, int(drawn.size), failed, reason)
    if 2 * usable.size < drawn.size:
        reason = f"no interval: {failed} of {drawn.size} draws gave no figure"
        return Estimate(float(value), None, None, int(drawn.size), failed, reason)
    low, high = np.quantile(usable, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(value), float(low), float(high), int(drawn.size), failed)


def simultaneous(
    family: Sequence[Estimate],
    drawn: FloatArray,
    level: float = 0.95,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> list[Estimate]:
    """Add to each member of a family the interval that holds for all members at once.

    `drawn` has shape (members, draws). Sup-t: value ± q·se, where q is the `level` quantile over
    the draws of the greatest |draw - value| / se in the family (Montiel Olea and Plagborg-Møller, J
    Appl Econom 2019;34:1), cut off at the figure's own `bounds`. Members without an interval of
    their own stay as they are.
    """
    members = [place for place, one in enumerate(family) if one.low is not None]
    if not members:
        return list(family)
    values = np.array([family[place].value for place in members], dtype=np.float64)
    usable = drawn[members]
    spread = np.nanstd(usable, axis=1, ddof=1)
    scale = np.where(spread > 0, spread, 1.0)
    deviations = np.abs(usable - values[:, None]) / scale[:, None]
    worst = np.where(np.isfinite(deviations), deviations, 0.0).max(axis=0)
    reach = float(np.quantile(worst, level))
    completed = list(family)
    for place, value, error in zip(members, values, spread, strict=True):
        completed[place] = replace(
            family[place],
            simultaneous_low=float(max(value - reach * error, bounds[0])),
            simultaneous_high=float(min(value + reach * error, bounds[1])),
        )
    return completed
