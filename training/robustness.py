"""What a version owes to how many people, which of them and which sites it was made from."""

from dataclasses import dataclass, replace

import numpy as np

from models.evaluation.evaluation import Evaluation
from training.booster import BoosterParameters, Trees, fit_trees
from training.candidate import Making, Pair, Progress, make_trees
from training.evaluation import evaluate_on
from training.fitting import Calibrated, fit_calibrated
from training.learning_curve import LearningPoint, learning_curve
from training.left_out_sites import risks_of_left_out_sites
from training.options import TrainOptions
from training.population import Population
from training.split import Split
from training.stability import Stability, stability


@dataclass(frozen=True, eq=False)
class Robustness:
    """The learning curve, and what else was asked for or can be told.

    `left_out_sites` are the figures of later rows by trees that had learnt from no row of their
    site; `sites_not_left_out` says of which there are none, and why.
    """

    learning_curve: tuple[LearningPoint, ...]
    stability: Stability | None
    left_out_sites: Evaluation | None
    sites_not_left_out: tuple[str, ...]


def robustness(
    making: Making,
    divided: Split,
    training: Population,
    test: Population,
    pair: Pair,
    options: TrainOptions,
    progress: Progress,
) -> Robustness:
    """Fit the trees to fewer people, without each site and, if asked for, to bootstrap samples."""
    stage = "Drawing the learning curve"
    parameters = BoosterParameters.from_dict(pair.trees.parameters)
    progress(stage, 0, 1)
    curve = learning_curve(making.definition, training, parameters, making.seed)
    progress(stage, 1, 1)
    repeated = _repeated(making, training, pair, options, progress)
    if divided.outer or options.quick:
        return Robustness(curve, repeated, None, ())
    without = _without_sites(making, training, test, parameters, options, progress)
    return Robustness(curve, repeated, *without)


def _repeated(
    making: Making, training: Population, pair: Pair, options: TrainOptions, progress: Progress
) -> Stability | None:
    """Make the trees again from bootstrap samples, their search included, if that was asked for."""
    if not options.stability:
        return None
    trials = min(len(pair.trees.trials), options.stability_trials)
    again = replace(making, trials=trials, seconds=None)
    return stability(
        lambda rows: make_trees(again, rows, lambda *_: None).fitted,
        training,
        pair.trees.fitted,
        runs=options.stability,
        trials=trials,
        seed=making.seed,
        step=lambda done, total: progress("Repeating on bootstrap samples", done, total),
    )


def _without_sites(
    making: Making,
    training: Population,
    test: Population,
    parameters: BoosterParameters,
    options: TrainOptions,
    progress: Progress,
) -> tuple[Evaluation | None, tuple[str, ...]]:
    """Judge the later rows of each site by trees with the same parameters made without it.

    Return the figures, and why a site has none.
    """

    def fit(rows: Population) -> Calibrated[Trees]:
        return fit_calibrated(
            lambda part: fit_trees(making.definition, part, parameters, making.seed),
            rows,
            making.seed,
            lambda: None,
        )

    found = risks_of_left_out_sites(
        fit,
        training,
        test,
        step=lambda done, total: progress("Leaving out each site", done, total),
    )
    if found is None:
        return None, ()
    judged = ~np.isnan(found.risk)
    rows, risk = test.part(judged), found.risk[judged]
    if len(set(rows.outcome[rows.weights() > 0].tolist() if len(rows) else ())) < 2:
        return None, found.not_left_out
    figures = evaluate_on(
        rows, risk, making.definition, draws=options.bootstrap_draws, seed=making.seed
    )
    return figures, found.not_left_out
