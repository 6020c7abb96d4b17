"""Logistic regression with an elastic-net penalty, by Newton steps on the matrix of cross products.

The rows are passed over once a step, however many columns there are to choose from, where a
stochastic solver passes over them hundreds of times (Friedman, Hastie and Tibshirani, J Stat Softw
2010;33:1; Lee, Sun and Saunders, SIAM J Optim 2014;24:1420).
"""

import numpy as np
from numba import njit

from models.errors import ModelNotSupported
from models.evaluation.logistic import expit
from training.population import FloatArray

_MOST_STEPS = 60
_MOST_ROUNDS = 200  # each of some sweeps over the coordinates
_SWEEPS = 25
_SMALLEST_STEP = 1e-7  # Newton's error is then of the order of its square
_MOST_HALVINGS = 30


def fit_elastic_net(
    matrix: FloatArray,
    outcome: FloatArray,
    weights: FloatArray,
    *,
    strength: float,
    l1_ratio: float,
) -> tuple[float, FloatArray]:
    """Return intercept and coefficients (columns,) of least penalised loss.

    The loss is sum w log(1 + exp(-m)) + strength (l1_ratio |b|_1 + (1 - l1_ratio) |b|_2^2 / 2), the
    intercept unpenalised, as scikit-learn's with C = 1 / strength. Raises ModelNotSupported if it
    doesn't converge.
    """
    design = np.column_stack([np.ones(len(matrix)), matrix])
    lasso = np.full(design.shape[1], strength * l1_ratio)
    ridge = np.full(design.shape[1], strength * (1.0 - l1_ratio))
    lasso[0] = ridge[0] = 0.0
    at = np.zeros(design.shape[1])
    at[0] = _logit(float(np.average(outcome, weights=weights)))
    value = _loss(design, outcome, weights, at, lasso, ridge)
    for _ in range(_MOST_STEPS):
        risk = expit(design @ at)
        gradient = design.T @ (weights * (outcome - risk)) - ridge * at
        root = design * np.sqrt(weights * risk * (1.0 - risk))[:, None]
        information = root.T @ root + np.diag(ridge)
        step = _descend(information, gradient, at, lasso)
        for _ in range(_MOST_HALVINGS):
            new = _loss(design, outcome, weights, at + step, lasso, ridge)
            if new <= value + 1e-12 * abs(value):
                break
            step /= 2
        at, value = at + step, new
        if np.abs(step).max() < _SMALLEST_STEP * max(1.0, float(np.abs(at).max())):
            return float(at[0]), at[1:]
    raise ModelNotSupported(
        f"the baseline with strength {strength:g} and l1_ratio {l1_ratio:g} doesn't converge in "
        f"{_MOST_STEPS} steps"
    )


def _descend(
    information: FloatArray, gradient: FloatArray, at: FloatArray, lasso: FloatArray
) -> FloatArray:
    """Return the step that minimises the penalised quadratic around `at`."""
    if not lasso.any():
        return _solve(information, gradient)
    pull = gradient + information @ at
    found = at.copy()
    for _ in range(_MOST_ROUNDS):
        _sweep(information, pull, found, lasso)
        exact = _solve_active(information, pull, found, lasso)
        if exact is not None:
            return exact - at
    return found - at


def _solve_active(
    information: FloatArray, pull: FloatArray, found: FloatArray, lasso: FloatArray
) -> FloatArray | None:
    """Return the minimum if it has the zeros and signs of `found`, else None.

    With zeros and signs known, the minimum is a linear system in the coefficients that aren't zero.
    """
    active = (found != 0) | (lasso == 0)
    signs = np.sign(found[active])
    inner = information[np.ix_(active, active)]
    exact = np.zeros_like(found)
    exact[active] = _solve(inner, pull[active] - lasso[active] * signs)
    kept = (np.sign(exact[active]) == signs) | (lasso[active] == 0)
    slope = np.abs(pull - information @ exact)[~active]
    if kept.all() and (slope <= lasso[~active] * (1 + 1e-9) + 1e-9).all():
        return exact
    return None


def _solve(matrix: FloatArray, right: FloatArray) -> FloatArray:
    """Solve a system that a column without any variation may leave singular."""
    try:
        return np.asarray(np.linalg.solve(matrix, right))
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.lstsq(matrix, right, rcond=None)[0])


@njit(cache=True, nogil=True)
def _sweep(information: np.ndarray, pull: np.ndarray, found: np.ndarray, lasso: np.ndarray) -> None:
    """Descend in place, by one coordinate after another, for some sweeps."""
    slope = pull - information @ found
    for _ in range(_SWEEPS):
        for column in range(len(found)):
            steepness = information[column, column]
            if steepness <= 0:
                continue
            free = found[column] + slope[column] / steepness
            shrunk = max(abs(free) - lasso[column] / steepness, 0.0)
            move = (shrunk if free > 0 else -shrunk) - found[column]
            if move != 0:
                found[column] += move
                slope -= move * information[column]


def _loss(
    design: FloatArray,
    outcome: FloatArray,
    weights: FloatArray,
    at: FloatArray,
    lasso: FloatArray,
    ridge: FloatArray,
) -> float:
    log_odds = design @ at
    losses = np.logaddexp(0.0, log_odds) - outcome * log_odds
    return float(weights @ losses + lasso @ np.abs(at) + 0.5 * ridge @ at**2)


def _logit(share: float) -> float:
    return float(np.log(share) - np.log1p(-share))
