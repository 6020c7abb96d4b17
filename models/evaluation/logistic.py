"""Maximum-likelihood logistic regression for many sets of case weights at once."""

import numpy as np

from models.evaluation.inputs import FloatArray

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
    first, second = np.triu_indices(columns)
    products = design[:, first] * design[:, second]
    fixed = np.zeros(design.shape[0]) if offset is None else offset
    solution = np.full((draws, columns), np.nan)
    events = weights @ y
    active = np.flatnonzero((events > 0) & (weights.sum(axis=1) > events))
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
        likelihood, probability = _likelihood(candidate @ design.T + fixed, y, cases)
        better = likelihood >= value - 1e-11 * np.abs(value)
        better |= ~np.isfinite(value)
        newton, singular = _newton_step(design, products, y, probability, cases)
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


def _likelihood(
    log_odds: FloatArray, y: FloatArray, cases: FloatArray
) -> tuple[FloatArray, FloatArray]:
    small = np.exp(-np.abs(log_odds))
    above = small + 1.0
    probability = np.where(log_odds >= 0, 1.0, small)
    probability /= above
    pointwise = np.log(above, out=above)
    pointwise += np.maximum(log_odds, 0.0)
    pointwise -= y * log_odds
    return -np.einsum("ij,ij->i", cases, pointwise), probability


def _newton_step(
    design: FloatArray,
    products: FloatArray,
    y: FloatArray,
    probability: FloatArray,
    cases: FloatArray,
) -> tuple[FloatArray, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Return the Newton step of each draw, and which draws have no usable curvature."""
    columns = design.shape[1]
    gradient = (cases * (y - probability)) @ design
    packed = (cases * (probability - probability**2)) @ products
    information = np.empty((cases.shape[0], columns, columns))
    first, second = np.triu_indices(columns)
    information[:, first, second] = packed
    information[:, second, first] = packed
    diagonal = np.sqrt(np.maximum(np.diagonal(information, axis1=1, axis2=2), 0.0))
    flat = (diagonal**2).min(axis=1) <= _LEAST_CURVATURE * cases.sum(axis=1)
    scale = np.where(diagonal > 0, diagonal, 1.0)
    correlation = information / (scale[:, :, None] * scale[:, None, :])
    singular = flat | (np.linalg.eigvalsh(correlation)[:, 0] < _LEAST_CURVATURE)
    correlation[singular] = np.eye(columns)
    scaled = np.linalg.solve(correlation, (gradient / scale)[:, :, None])[:, :, 0]
    return scaled / scale, np.asarray(singular)
