"""Maximum-likelihood logistic regression for many sets of case weights at once."""

import numpy as np

from models.evaluation.inputs import FloatArray
from models.evaluation.likelihood import sum_likelihood

_MAX_ITERATIONS = 60
_STEP_TOLERANCE = 1e-6  # Newton's error after such a step is of the order of its square
_LEAST_CURVATURE = 1e-11


def fit_logistic(
    design: FloatArray,
    y: FloatArray,
    weights: FloatArray,
    *,
    offset: FloatArray | None = None,
    start: FloatArray | None = None,
) -> FloatArray:
    """Return coefficients (draws, k) for a design (rows, k) and weights (draws, rows).

    Newton-Raphson with step halving. A draw without a finite maximum (one outcome, separation,
    a column that doesn't vary) gets nan coefficients.
    """
    draws, columns = weights.shape[0], design.shape[1]
    rows = np.ascontiguousarray(design)
    fixed = np.zeros(design.shape[0]) if offset is None else offset
    solution = np.full((draws, columns), np.nan)
    events = weights @ y
    total = weights.sum(axis=1)
    active = np.flatnonzero((events > 0) & (total > events))
    cases = weights[active]
    accepted = np.zeros((active.size, columns))
    if start is not None:
        accepted += start
    step = np.zeros_like(accepted)
    value = np.full(active.size, -np.inf)
    for _ in range(_MAX_ITERATIONS):
        if not active.size:
            break
        candidate = accepted + step
        likelihood, gradient, information = sum_likelihood(rows, y, fixed, cases, candidate)
        better = likelihood >= value - 1e-11 * np.abs(value)
        better |= ~np.isfinite(value)
        newton, singular = _newton_step(gradient, information, total[active])
        accepted = np.where(better[:, None], candidate, accepted)
        value = np.where(better, likelihood, value)
        step = np.where(better[:, None], newton, step / 2)
        done = better & ~singular & (np.abs(step).max(axis=1) < _STEP_TOLERANCE)
        solution[active[done]] = accepted[done] + step[done]
        going = ~done & ~(better & singular)
        if not going.all():
            active, cases, value = active[going], cases[going], value[going]
            accepted, step = accepted[going], step[going]
    return solution


def expit(log_odds: FloatArray) -> FloatArray:
    """Return the probability of given log-odds without overflow."""
    small = np.exp(-np.abs(log_odds))
    return np.asarray(np.where(log_odds >= 0, 1.0, small) / (1.0 + small))


def _newton_step(
    gradient: FloatArray, information: FloatArray, total: FloatArray
) -> tuple[FloatArray, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Return the Newton step of each draw, and which draws have no usable curvature."""
    diagonal = np.sqrt(np.maximum(np.diagonal(information, axis1=1, axis2=2), 0.0))
    flat = (diagonal**2).min(axis=1) <= _LEAST_CURVATURE * total
    scale = np.where(diagonal > 0, diagonal, 1.0)
    correlation = information / (scale[:, :, None] * scale[:, None, :])
    singular = flat | (np.linalg.eigvalsh(correlation)[:, 0] < _LEAST_CURVATURE)
    correlation[singular] = np.eye(gradient.shape[1])
    scaled = np.linalg.solve(correlation, (gradient / scale)[:, :, None])[:, :, 0]
    return scaled / scale, np.asarray(singular)
