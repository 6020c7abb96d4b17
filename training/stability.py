"""How far a person's risk depends on who happened to be in the cohort (Riley and Collins 2023).

Biom J 2023;65:2200302. The model is made again from bootstrap samples of patients, from the search
to the calibration; its risks for the same people are set beside the original ones.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from training.booster import Trees
from training.fitting import Calibrated
from training.population import FloatArray, Population

ENOUGH_RUNS: Final = 200
_MOST_PEOPLE = 1000


@dataclass(frozen=True, eq=False)
class Stability:
    """The original risk of some people, and those of each repetition (runs, people).

    `trials` counts those of each repetition's search; without any, the parameters were fixed ones.
    """

    original: FloatArray
    repeated: FloatArray
    trials: int

    @property
    def mape(self) -> FloatArray:
        """Return each person's mean absolute difference from the original risk."""
        return np.asarray(np.abs(self.repeated - self.original).mean(axis=0))

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as plain values that JSON can hold, without any single person."""
        levels = (0.5, 0.9, 0.95)
        return {
            "runs": len(self.repeated),
            "people": len(self.original),
            "quick_look": len(self.repeated) < ENOUGH_RUNS,
            "trials": self.trials,
            "mape": float(self.mape.mean()),
            "mape_quantiles": dict(
                zip(map(str, levels), np.quantile(self.mape, levels).tolist(), strict=True)
            ),
        }


def stability(
    make_again: Callable[[Population], Calibrated[Trees]],
    training: Population,
    original: Calibrated[Trees],
    *,
    runs: int,
    trials: int,
    seed: int,
    step: Callable[[int, int], None],
) -> Stability:
    """Make the calibrated trees again from so many bootstrap samples of the training patients."""
    generator = np.random.Generator(np.random.PCG64(seed))
    shown = np.sort(generator.permutation(len(training))[:_MOST_PEOPLE])
    inputs = training.inputs[shown]
    rows_of = np.split(
        np.argsort(training.patient, kind="stable"),
        np.cumsum(np.unique(training.patient, return_counts=True)[1])[:-1],
    )
    repeated = np.empty((runs, len(shown)))
    for run in range(runs):
        drawn = generator.integers(0, len(rows_of), len(rows_of))
        rows = np.concatenate([rows_of[patient] for patient in drawn])
        repeated[run] = make_again(training.part(rows)).risk(inputs)
        step(run + 1, runs)
    return Stability(original.risk(inputs), repeated, trials)
