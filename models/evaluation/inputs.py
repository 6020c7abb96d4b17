"""The checks that outcomes, risks and weights pass before any figure is computed from them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.errors import StatisticsError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def check_outcomes(y: npt.ArrayLike, argument: str = "y") -> FloatArray:
    """Return outcomes as floats of 0 and 1, or raise StatisticsError naming what is wrong."""
    outcomes = check_numbers(y, argument)
    wrong = (outcomes != 0) & (outcomes != 1)
    if wrong.any():
        raise StatisticsError(
            f"{argument} must hold only 0 and 1: {int(wrong.sum())} of {outcomes.size} values are "
            f"something else, the first is {outcomes[wrong][0]:g}"
        )
    return outcomes


def check_risks(risk: npt.ArrayLike, rows: int, argument: str = "risk") -> FloatArray:
    """Return risks as floats within [0, 1], one for each of `rows` outcomes."""
    risks = check_numbers(risk, argument)
    check_length(risks, rows, argument)
    outside = (risks < 0) | (risks > 1)
    if outside.any():
        raise StatisticsError(
            f"{argument} must lie within 0 and 1: {int(outside.sum())} of {rows} values lie "
            f"outside, the first is {risks[outside][0]:g}; give probabilities, not margins"
        )
    return risks


def check_weights(weights: npt.ArrayLike | None, rows: int) -> FloatArray:
    """Return case weights (draws, rows); None is one draw in which each row counts once."""
    if weights is None:
        return np.ones((1, rows))
    cases = np.atleast_2d(_as_floats(weights, "weights"))
    if cases.ndim != 2 or cases.shape[1] != rows:
        raise StatisticsError(
            f"weights must have shape ({rows},) or (draws, {rows}), not {np.shape(weights)}"
        )
    wrong = ~np.isfinite(cases) | (cases < 0)
    if wrong.any():
        raise StatisticsError(
            f"weights must be finite and not negative: {int(wrong.sum())} of {cases.size} are not"
        )
    return cases


def check_numbers(values: npt.ArrayLike, argument: str) -> FloatArray:
    """Return a non-empty, finite, one-dimensional float array."""
    numbers = _as_floats(values, argument)
    if numbers.ndim != 1:
        raise StatisticsError(f"{argument} must have one dimension, not shape {numbers.shape}")
    if numbers.size == 0:
        raise StatisticsError(f"{argument} is empty: 0 rows can't be evaluated")
    unusable = ~np.isfinite(numbers)
    if unusable.any():
        raise StatisticsError(
            f"{argument} must be finite: {int(unusable.sum())} of {numbers.size} values are "
            "missing or infinite; drop or impute those rows first, and count them"
        )
    return numbers


def check_labels(values: npt.ArrayLike, rows: int, argument: str) -> IntArray:
    """Return which of the distinct labels each row has, as 0, 1, ..., none being missing."""
    labels = np.asarray(values)
    check_length(labels, rows, argument)
    if labels.dtype.kind in "iu" and labels.min() >= 0 and labels.max() <= 4 * rows:
        return _ranked(labels)
    missing = np.array([label is None or label != label for label in labels.tolist()])
    if missing.any():
        raise StatisticsError(f"{argument} must be known: {int(missing.sum())} of {rows} are not")
    try:
        codes = np.unique(labels, return_inverse=True)[1]
    except TypeError as error:
        raise StatisticsError(
            f"{argument} mixes kinds of value: give all as text or all as numbers"
        ) from error
    return np.asarray(codes, dtype=np.int64)


def _ranked(labels: npt.NDArray[np.integer]) -> IntArray:
    """Rank small numbers without sorting them, which would take several times their memory."""
    present = np.zeros(int(labels.max()) + 1, dtype=np.bool_)
    present[labels] = True
    return np.asarray((np.cumsum(present) - 1)[labels], dtype=np.int64)


def check_length(values: npt.NDArray[np.generic], rows: int, argument: str) -> None:
    """Raise StatisticsError unless `values` has one entry for each row."""
    if values.shape != (rows,):
        raise StatisticsError(
            f"{argument} has shape {values.shape}, but there are {rows} rows: give one value a row"
        )


def check_both_outcomes(y: FloatArray, weights: FloatArray) -> None:
    """Raise StatisticsError unless rows of positive weight hold both events and non-events."""
    counted = weights > 0
    events = int(((y == 1) & counted).sum())
    non_events = int(((y == 0) & counted).sum())
    if events == 0 or non_events == 0:
        raise StatisticsError(
            f"y must hold both outcomes among the rows that count: {events} events and "
            f"{non_events} non-events of {y.size} rows"
        )


def check_thresholds(thresholds: Sequence[float] | FloatArray) -> FloatArray:
    """Return risk thresholds, each strictly between 0 and 1."""
    values = check_numbers(thresholds, "thresholds")
    outside = (values <= 0) | (values >= 1)
    if outside.any():
        raise StatisticsError(
            f"thresholds must lie strictly between 0 and 1: {values[outside][0]:g} does not"
        )
    return values


def ratio(numerator: FloatArray, divisor: FloatArray, otherwise: float = np.nan) -> FloatArray:
    """Divide elementwise, giving `otherwise` where the divisor isn't positive."""
    quotient = np.full(np.broadcast_shapes(numerator.shape, divisor.shape), otherwise)
    np.divide(numerator, divisor, out=quotient, where=divisor > 0)
    return quotient


def _as_floats(values: npt.ArrayLike, argument: str) -> FloatArray:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise StatisticsError(f"{argument} must be numbers: {error}") from error
