"""The risks by which a model, or the making of it, is judged: of people whom no fit had seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.candidate import Making, Pair, Progress, make
from training.other_calibrations import otherwise_calibrated
from training.population import FloatArray, Population
from training.split import Fold

_STAGE = "Judging by nested cross-validation"


@dataclass(frozen=True, eq=False)
class Judged:
    """The calibrated risks of rows from fits that saw none of their patients.

    `otherwise` holds the risks of the trees under each calibration that is measured and not served.
    `trials` counts those of each nested search.
    """

    rows: Population
    risk: FloatArray
    baseline_risk: FloatArray
    otherwise: Mapping[str, FloatArray]
    trials: tuple[int, ...] = ()


def judge_on_test(
    test: Population, training: Population, pair: Pair, served_risk: FloatArray
) -> Judged:
    """Judge by the test part, whose `served_risk` is what serving will load and say."""
    trees = pair.trees.fitted
    return Judged(
        rows=test,
        risk=served_risk,
        baseline_risk=pair.baseline.fitted.risk(test.inputs),
        otherwise=otherwise_calibrated(trees, training, test.inputs),
    )


def judge_by_folds(
    population: Population, outer: Sequence[Fold], makings: Sequence[Making], progress: Progress
) -> Judged:
    """Repeat the whole making without each fold's rows, and score those."""
    pairs: list[Pair] = []
    risk, baseline_risk = np.full(len(population), np.nan), np.full(len(population), np.nan)
    otherwise: dict[str, FloatArray] = {}
    for number, ((learning, held_out), making) in enumerate(zip(outer, makings, strict=True)):
        progress(_STAGE, number, len(outer))
        rows, inputs = population.part(learning), population.inputs[held_out]
        pair = make(making, rows, _unheard)
        pairs.append(pair)
        risk[held_out] = pair.trees.fitted.risk(inputs)
        baseline_risk[held_out] = pair.baseline.fitted.risk(inputs)
        for name, values in otherwise_calibrated(pair.trees.fitted, rows, inputs).items():
            otherwise.setdefault(name, np.full(len(population), np.nan))[held_out] = values
    progress(_STAGE, len(outer), len(outer))
    return Judged(
        rows=population,
        risk=risk,
        baseline_risk=baseline_risk,
        otherwise=otherwise,
        trials=tuple(len(pair.trees.trials) for pair in pairs),
    )


def _unheard(stage: str, done: int, total: int) -> None:
    """Take no notice: a fold's own stages would end many times over."""
