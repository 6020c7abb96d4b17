"""The risks by which a model, or the making of it, is judged: of people whom no fit had seen."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.amounts import counted
from models.errors import CohortError
from training.calibration import Separated
from training.candidate import Making, Pair, Progress, make
from training.other_calibrations import otherwise_calibrated
from training.population import FloatArray, Population
from training.split import Fold, shared_words

_STAGE = "Judging by nested cross-validation"


@dataclass(frozen=True, eq=False)
class Judged:
    """The calibrated risks of rows from fits that saw none of their patients.

    `otherwise` holds the risks of the trees under each calibration that is measured and not served,
    `uninformed_risk` those of the baseline that isn't told what was missing, if that was made and
    differs. `trials` counts those of each nested search.
    """

    rows: Population
    risk: FloatArray
    baseline_risk: FloatArray
    otherwise: Mapping[str, FloatArray]
    uninformed_risk: FloatArray | None = None
    trials: tuple[int, ...] = ()


def judge_on_test(
    test: Population, training: Population, pair: Pair, served_risk: FloatArray
) -> Judged:
    """Judge by the test part, whose `served_risk` is what serving will load and say."""
    trees, baseline_risk = pair.trees.fitted, pair.baseline.fitted.risk(test.inputs)
    uninformed = None if pair.uninformed is None else pair.uninformed.risk(test.inputs)
    return Judged(
        rows=test,
        risk=served_risk,
        baseline_risk=baseline_risk,
        otherwise=otherwise_calibrated(trees, training, test.inputs),
        uninformed_risk=_other_than(baseline_risk, uninformed),
    )


def judge_by_folds(
    population: Population, outer: Sequence[Fold], makings: Sequence[Making], progress: Progress
) -> Judged:
    """Repeat the whole making without each fold's rows, and score those."""
    pairs: list[Pair] = []
    risk, baseline_risk, uninformed = (np.full(len(population), np.nan) for _ in range(3))
    otherwise: dict[str, FloatArray] = {}
    for number, ((learning, held_out), making) in enumerate(zip(outer, makings, strict=True)):
        progress(_STAGE, number, len(outer))
        rows, inputs = population.part(learning), population.inputs[held_out]
        with _shared_named(population, rows, len(held_out)):
            pair = make(making, rows, _unheard)
        pairs.append(pair)
        risk[held_out] = pair.trees.fitted.risk(inputs)
        baseline_risk[held_out] = pair.baseline.fitted.risk(inputs)
        if pair.uninformed is not None:
            uninformed[held_out] = pair.uninformed.risk(inputs)
        for name, values in otherwise_calibrated(pair.trees.fitted, rows, inputs).items():
            otherwise.setdefault(name, np.full(len(population), np.nan))[held_out] = values
    progress(_STAGE, len(outer), len(outer))
    return Judged(
        rows=population,
        risk=risk,
        baseline_risk=baseline_risk,
        otherwise=otherwise,
        uninformed_risk=_other_than(baseline_risk, uninformed),
        trials=tuple(len(pair.trees.trials) for pair in pairs),
    )


@contextlib.contextmanager
def _shared_named(population: Population, learning: Population, held_out: int) -> Iterator[None]:
    """Say of a making that fails within how many rows its site took from the others."""
    try:
        yield
    except CohortError as error:
        shared = len(population) - len(learning) - held_out
        if not shared or isinstance(error, Separated):
            raise
        patients = len(np.unique(learning.patient))
        raise CohortError(
            f"without one site {len(learning):,} rows of {counted(patients, 'patient')} are left "
            f"to learn from, and {error}{shared_words(shared)}"
        ) from error


def _other_than(baseline_risk: FloatArray, risk: FloatArray | None) -> FloatArray | None:
    """Return risks that are known and another model's."""
    if risk is None or np.isnan(risk).any() or np.array_equal(risk, baseline_risk):
        return None
    return risk


def _unheard(stage: str, done: int, total: int) -> None:
    """Take no notice: a fold's own stages would end many times over."""
