"""The compiled pass over all rows and draws that a logistic regression makes in every step."""

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def sum_likelihood(
    design: np.ndarray, y: np.ndarray, offset: np.ndarray, cases: np.ndarray, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return log-likelihood (draws,), gradient (draws, k) and information (draws, k, k).

    `at` (draws, k) are the coefficients, `cases` (draws, rows) the weights; a row that isn't drawn
    costs nothing.
    """
    draws, columns = at.shape
    value = np.zeros(draws)
    gradient = np.zeros((draws, columns))
    information = np.zeros((draws, columns, columns))
    for draw in range(draws):
        for row in np.flatnonzero(cases[draw]):
            weight, log_odds = cases[draw, row], offset[row]
            for column in range(columns):
                log_odds += design[row, column] * at[draw, column]
            small = math.exp(-abs(log_odds))
            probability = (1.0 if log_odds >= 0 else small) / (1.0 + small)
            loss = math.log(1.0 + small) + max(log_odds, 0.0) - y[row] * log_odds
            value[draw] -= weight * loss
            residual = weight * (y[row] - probability)
            curvature = weight * (probability - probability * probability)
            for column in range(columns):
                gradient[draw, column] += residual * design[row, column]
                share = curvature * design[row, column]
                for other in range(column + 1):
                    information[draw, column, other] += share * design[row, other]
        for column in range(columns):
            for other in range(column):
                information[draw, other, column] = information[draw, column, other]
    return value, gradient, information
