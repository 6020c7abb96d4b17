"""How well risks agree with observed frequencies: Brier score, slope, in the large, smoothed curve.

The smoothed curve is a weighted logistic regression of the outcome on a restricted cubic spline
(four knots at the 5th, 35th, 65th and 95th percentile) of the log-odds of the risk; ICI, E50 and
E90 are the mean, median and 90th percentile of its distance from the risk (Austin and Steyerberg,
Stat Med 2019;38:4051; with splines and censored follow-up, Austin, Harrell and van Klaveren, Stat
Med 2020;39:2714).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from models.evaluation.inputs import FloatArray, check_outcomes, check_risks, check_weights, ratio
from models.evaluation.logistic import expit, fit_logistic

_KNOT_QUANTILES = (0.05, 0.35, 0.65, 0.95)
_CURVE_POINTS = 50
_CURVE_RANGE = (0.01, 0.99)


@dataclass(frozen=True, slots=True)
class Smoothed:
    """Smoothed calibration of each draw: distances, and the curve at the sample's curve risks."""

    ici: FloatArray
    e50: FloatArray
    e90: FloatArray
    curve: FloatArray


@dataclass(frozen=True, slots=True)
class _Spline:
    """The smoothed curve's design matrix, where its fit starts, and the curve's own points."""

    design: FloatArray
    start: FloatArray | None
    curve_risks: FloatArray
    curve_design: FloatArray


class CalibrationSample:
    """Outcomes and risks prepared once for calibration figures under many sets of case weights.

    `weights` of shape (rows,) are those of the sample itself: they place the spline's knots, which
    then stay the same in every draw. Each figure takes weights of shape (rows,) or (draws, rows)
    and returns shape (draws,), with nan where it isn't defined: a figure on the log-odds scale
    isn't while any row has a risk of exactly 0 or 1. The spline is made when it's first asked for.
    """

    def __init__(
        self, y: npt.ArrayLike, risk: npt.ArrayLike, weights: npt.ArrayLike | None = None
    ) -> None:
        self._y = check_outcomes(y)
        self.rows = self._y.size
        self._risk = check_risks(risk, self.rows)
        self._own = own = check_weights(weights, self.rows)[:1]
        self._squared_error = (self._y - self._risk) ** 2
        self.has_log_odds = bool(((self._risk > 0) & (self._risk < 1)).all())
        if not self.has_log_odds:
            return
        self._log_odds = logit(self._risk)
        self._line = np.column_stack([np.ones(self.rows), self._log_odds])
        self._line_start = _usable(fit_logistic(self._line, self._y, own))
        self._constant_start = _usable(
            fit_logistic(self._line[:, :1], self._y, own, offset=self._log_odds)
        )

    @property
    def curve_risks(self) -> FloatArray:
        """Return the risks at which the smoothed curve is given."""
        return self._spline.curve_risks if self.has_log_odds else np.empty(0)

    @cached_property
    def _spline(self) -> _Spline:
        odds = self._log_odds[None, :]
        knots = np.unique(weighted_quantiles(odds, self._own, _KNOT_QUANTILES)[:, 0])
        design = restricted_cubic_spline(self._log_odds, knots)
        low, high = weighted_quantiles(self._risk[None, :], self._own, _CURVE_RANGE)[:, 0]
        points = np.linspace(low, high, _CURVE_POINTS)
        return _Spline(
            design,
            _usable(fit_logistic(design, self._y, self._own)),
            points,
            restricted_cubic_spline(logit(points), knots),
        )

    def brier(self, weights: npt.ArrayLike | None = None) -> FloatArray:
        """Return the mean squared difference of outcome and risk."""
        cases = check_weights(weights, self.rows)
        return ratio(cases @ self._squared_error, cases.sum(axis=1))

    def scaled_brier(self, weights: npt.ArrayLike | None = None) -> FloatArray:
        """Return 1 - Brier / Brier of the event rate: 1 is perfect, 0 no better than the rate."""
        cases = check_weights(weights, self.rows)
        rate = ratio(cases @ self._y, cases.sum(axis=1))
        return 1.0 - ratio(self.brier(cases), rate * (1.0 - rate))

    def observed_expected(self, weights: npt.ArrayLike | None = None) -> FloatArray:
        """Return observed events over the sum of risks: above 1, risks are too low."""
        cases = check_weights(weights, self.rows)
        return ratio(cases @ self._y, cases @ self._risk)

    def intercept_and_slope(
        self, weights: npt.ArrayLike | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Return a and b of logit P(y = 1) = a + b logit(risk); ideally 0 and 1."""
        cases = check_weights(weights, self.rows)
        if not self.has_log_odds:
            return _undefined(cases), _undefined(cases)
        fitted = fit_logistic(self._line, self._y, cases, start=self._line_start)
        return fitted[:, 0], fitted[:, 1]

    def in_the_large(self, weights: npt.ArrayLike | None = None) -> FloatArray:
        """Return a of logit P(y = 1) = a + logit(risk): above 0, risks are too low."""
        cases = check_weights(weights, self.rows)
        if not self.has_log_odds:
            return _undefined(cases)
        constant = self._line[:, :1]
        return fit_logistic(
            constant, self._y, cases, offset=self._log_odds, start=self._constant_start
        )[:, 0]

    def smoothed(self, weights: npt.ArrayLike | None = None) -> Smoothed:
        """Return ICI, E50, E90 and the smoothed observed frequency at `curve_risks`."""
        cases = check_weights(weights, self.rows)
        if not self.has_log_odds:
            absent = _undefined(cases)
            return Smoothed(absent, absent, absent, np.empty((cases.shape[0], 0)))
        spline = self._spline
        fitted = fit_logistic(spline.design, self._y, cases, start=spline.start)
        distance = np.abs(expit(fitted @ spline.design.T) - self._risk)
        e50, e90 = weighted_quantiles(distance, cases, (0.5, 0.9))
        ici = ratio(np.einsum("ij,ij->i", cases, distance), cases.sum(axis=1))
        return Smoothed(ici, e50, e90, expit(fitted @ spline.curve_design.T))


def logit(risk: FloatArray) -> FloatArray:
    """Return the log-odds of risks strictly between 0 and 1."""
    return np.asarray(np.log(risk) - np.log1p(-risk))


def restricted_cubic_spline(values: FloatArray, knots: FloatArray) -> FloatArray:
    """Return columns 1, x and k - 2 cubic terms, linear beyond the outer knots (Harrell 2015, 2.4).

    With fewer than three distinct knots the columns are 1 and x, and with one only 1.
    """
    if knots.size < 2:
        return np.ones((values.size, 1))
    columns = [np.ones(values.size), values]
    if knots.size > 2:
        last, before = knots[-1], knots[-2]
        width = (last - knots[0]) ** 2
        for knot in knots[:-2]:
            term = _cube(values - knot)
            term -= _cube(values - before) * (last - knot) / (last - before)
            term += _cube(values - last) * (before - knot) / (last - before)
            columns.append(term / width)
    return np.column_stack(columns)


def weighted_quantiles(
    values: FloatArray, weights: FloatArray, levels: tuple[float, ...]
) -> FloatArray:
    """Return, per level and draw, the least value at or below which that share of weight lies.

    `values` and `weights` have shape (draws, rows), the result (levels, draws); a draw without
    weight or with a value that is nan gives nan.
    """
    order = np.argsort(values, axis=1)
    ranked = np.take_along_axis(values, order, axis=1)
    reached = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    usable = (reached[:, -1] > 0) & ~np.isnan(ranked[:, -1])
    rows = np.arange(values.shape[0])
    quantiles = []
    for level in levels:
        target = reached[:, -1:] * (level - 1e-12)
        found = ranked[rows, np.argmax(reached >= target, axis=1)]
        quantiles.append(np.where(usable, found, np.nan))
    return np.stack(quantiles)


def _cube(values: FloatArray) -> FloatArray:
    return np.asarray(np.maximum(values, 0.0) ** 3)


def _usable(coefficients: FloatArray) -> FloatArray | None:
    return coefficients if np.isfinite(coefficients).all() else None


def _undefined(cases: FloatArray) -> FloatArray:
    return np.full(cases.shape[0], np.nan)
