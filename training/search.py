"""The search for how trees should grow and how hard the baseline is penalised."""

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xgboost

from models.definition import Definition
from models.errors import ModelNotSupported
from models.scoring.linear import LinearModel
from training.baseline import BaselineParameters, fit_baseline
from training.booster import ANY_GROWTH, BoosterParameters, Growth, booster_options, table
from training.fitting import out_of_fold, weighted_log_loss
from training.population import Population
from training.split import folds

MOST_ROUNDS = 1000
_PATIENCE = 30
_OWN_FOLDS = 1  # not those of the calibration, to which the search would have adapted
_STRENGTHS = (1.0, 10.0, 100.0)
_L1_RATIOS = (0.0, 0.5)

Step = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Trial:
    """One set of parameters and its cross-validated log loss; a pruned or failed one has none."""

    parameters: dict[str, float]
    log_loss: float | None


def search_booster(
    definition: Definition,
    training: Population,
    *,
    trials: int,
    seed: int,
    step: Step,
    seconds: float | None = None,
    growth: Growth = ANY_GROWTH,
) -> tuple[BoosterParameters, tuple[Trial, ...]]:
    """Return the parameters of least cross-validated log loss, and every trial.

    The number of rounds is the mean of the folds' best ones, fixed before the final fit. A trial
    whose folds so far are worse than the median of earlier trials is pruned; no new one is begun
    after `seconds`.
    """
    import optuna  # only here: slow to import, and --quick needs none of it

    # a trial that fails is raised here; Optuna's own words of it, with a stack, are noise
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    parts = [
        (table(training.part(learning)), table(training.part(held_out)))
        for learning, held_out in folds(training, seed + _OWN_FOLDS)
    ]

    def objective(trial: Any) -> float:
        proposed = _propose(trial, growth)
        options = booster_options(definition, proposed, seed)
        losses, rounds = [], []
        # folds on one core each; their results don't depend on how many there are at once
        with ThreadPoolExecutor(_cores()) as pool:
            running = [pool.submit(_early_stopped, options, *part) for part in parts]
            for number, fold in enumerate(running):
                loss, best = fold.result()
                losses.append(loss)
                rounds.append(best)
                trial.report(float(np.mean(losses)), number)
                if trial.should_prune():
                    pool.shutdown(cancel_futures=True)
                    raise optuna.TrialPruned
        trial.set_user_attr("rounds", max(1, round(float(np.mean(rounds)))))
        return float(np.mean(losses))

    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1),
    )
    callbacks = [lambda _, trial: step(trial.number + 1, trials)]
    study.optimize(objective, n_trials=1, callbacks=callbacks)  # however little time there is
    if trials > 1:
        study.optimize(objective, n_trials=trials - 1, timeout=seconds, callbacks=callbacks)
    step(trials, trials)
    chosen = BoosterParameters(**study.best_params, rounds=study.best_trial.user_attrs["rounds"])
    return chosen, tuple(
        Trial(dict(trial.params), trial.value if trial.state.name == "COMPLETE" else None)
        for trial in study.trials
    )


def search_baseline(
    training: Population, *, seed: int, step: Step
) -> tuple[BaselineParameters, tuple[Trial, ...]]:
    """Return the penalty of least cross-validated log loss on a small grid, and every trial."""
    grid = [
        BaselineParameters(strength, l1_ratio)
        for strength, l1_ratio in itertools.product(_STRENGTHS, _L1_RATIOS)
    ]
    weights = training.weights()
    trials, losses = [], []
    for number, parameters in enumerate(grid):

        def fit(rows: Population, parameters: BaselineParameters = parameters) -> LinearModel:
            return fit_baseline(rows, parameters)

        try:
            held = out_of_fold(fit, training, seed + _OWN_FOLDS, lambda: None)
        except ModelNotSupported:  # kept among the trials, as one without a result
            losses.append(np.inf)
        else:
            losses.append(weighted_log_loss(held, training.outcome, weights))
        finite = losses[-1] if np.isfinite(losses[-1]) else None
        trials.append(Trial(parameters.to_dict(), finite))
        step(number + 1, len(grid))
    best = int(np.argmin(losses))
    if not np.isfinite(losses[best]):
        raise ModelNotSupported("the baseline converges with no penalty; check the features")
    return grid[best], tuple(trials)


def _propose(trial: Any, growth: Growth) -> BoosterParameters:
    return replace(
        BoosterParameters(rounds=MOST_ROUNDS),
        max_depth=trial.suggest_int("max_depth", *growth.max_depth),
        eta=trial.suggest_float("eta", *growth.learning_rate, log=True),
        min_child_weight=trial.suggest_float("min_child_weight", 1.0, 50.0, log=True),
        subsample=trial.suggest_float("subsample", 0.5, 1.0),
        colsample_bytree=trial.suggest_float("colsample_bytree", 0.5, 1.0),
        reg_lambda=trial.suggest_float("reg_lambda", 0.1, 30.0, log=True),
        reg_alpha=trial.suggest_float("reg_alpha", 0.001, 10.0, log=True),
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _early_stopped(
    options: dict[str, Any], learning: xgboost.DMatrix, held_out: xgboost.DMatrix
) -> tuple[float, int]:
    """Return the least held-out log loss and the number of rounds that gave it."""
    booster = xgboost.train(
        options,
        learning,
        MOST_ROUNDS,
        evals=[(held_out, "held_out")],
        early_stopping_rounds=_PATIENCE,
        verbose_eval=False,
    )
    return float(booster.best_score), int(booster.best_iteration) + 1
