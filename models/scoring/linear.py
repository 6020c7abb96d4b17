"""A logistic model as plain numbers: its score, and its Shapley values in closed form."""

from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np

from models.errors import ArtefactError


@dataclass(frozen=True)
class LinearTerm:
    """What one input column adds to the log-odds.

    A missing value becomes `imputation` and adds `missing_coefficient`. With `knots` the columns
    of the design are the value and its restricted cubic spline, k - 2 terms for k knots (Harrell,
    Regression Modeling Strategies, 2.4.5; see `spline_terms`). A column of the design is
    (basis - centre) / scale; `means` are the training means of those columns, `missing_mean` is
    the training share that was missing.
    """

    imputation: float
    coefficients: tuple[float, ...]
    centres: tuple[float, ...]
    scales: tuple[float, ...]
    means: tuple[float, ...]
    knots: tuple[float, ...] = ()
    missing_coefficient: float = 0.0
    missing_mean: float = 0.0


@dataclass(frozen=True)
class _Design:
    """The terms as arrays: values, then missing indicators, then spline terms."""

    imputation: np.ndarray  # (columns,)
    spline_column: np.ndarray  # (splines,), and so are knot, before_last, last
    knot: np.ndarray
    before_last: np.ndarray
    last: np.ndarray
    column: np.ndarray  # (2 * columns + splines,), and so are the rest
    centre: np.ndarray
    scale: np.ndarray
    mean: np.ndarray
    coefficient: np.ndarray


@dataclass(frozen=True)
class LinearModel:
    """The log-odds: intercept plus what each term adds, one term an input column."""

    intercept: float
    terms: tuple[LinearTerm, ...]

    def __post_init__(self) -> None:
        _check_finite("intercept", (self.intercept,))
        for index, term in enumerate(self.terms):
            _check_term(f"term {index}", term)

    @property
    def expected(self) -> float:
        """Return the mean log-odds over the training rows, the base of the explanation."""
        return self.intercept + float(self._design.mean @ self._design.coefficient)

    def margins(self, X: np.ndarray) -> np.ndarray:
        """Return the log-odds of each row of X (rows, columns), NaN for missing."""
        # not a matrix product, whose last bits depend on how many rows there are
        added = self.design(X) * self._design.coefficient
        return np.asarray(self.intercept + added.sum(axis=1))

    def contributions(
        self, X: np.ndarray, column_feature: np.ndarray, n_features: int
    ) -> np.ndarray:
        """Return the Shapley values (rows, features) of each row of X, NaN for missing.

        A column of the design contributes beta_j * (x_j - mean_j), the interventional value for
        independent columns (Lundberg and Lee 2017, corollary 1); a feature, the sum over all
        columns made from it.
        """
        phi = (self.design(X) - self._design.mean) * self._design.coefficient
        owner = column_feature[self._design.column]
        order = np.argsort(owner, kind="stable")
        owners, starts = np.unique(owner[order], return_index=True)
        grouped = np.zeros((len(X), n_features))
        grouped[:, owners] = np.add.reduceat(phi.take(order, axis=1), starts, axis=1)
        return grouped

    def design(self, X: np.ndarray) -> np.ndarray:
        """Return the columns of the design: values, missing indicators, spline terms."""
        plan = self._design
        missing = np.isnan(X)
        filled = np.where(missing, plan.imputation, X)
        splines = _spline_terms(
            filled[:, plan.spline_column], plan.knot, plan.before_last, plan.last
        )
        return np.asarray((np.hstack([filled, missing, splines]) - plan.centre) / plan.scale)

    @cached_property
    def _design(self) -> _Design:
        count, terms = len(self.terms), self.terms
        splines = [
            (column, knot, term.knots[-2], term.knots[-1])
            for column, term in enumerate(terms)
            for knot in term.knots[:-2]
        ]
        spline = np.array(splines, np.float64).reshape(-1, 4)
        plain, no_shift, no_scale = range(count), [0.0] * count, [1.0] * count

        def flat(name: str, indicators: list[float]) -> np.ndarray:
            values = [getattr(term, name) for term in terms]
            first = [value[0] for value in values]
            return np.array([*first, *indicators, *(v for value in values for v in value[1:])])

        return _Design(
            imputation=np.array([term.imputation for term in terms]),
            spline_column=spline[:, 0].astype(np.int64),
            knot=spline[:, 1],
            before_last=spline[:, 2],
            last=spline[:, 3],
            column=np.array([*plain, *plain, *spline[:, 0]], np.int64),
            centre=flat("centres", no_shift),
            scale=flat("scales", no_scale),
            mean=flat("means", [term.missing_mean for term in terms]),
            coefficient=flat("coefficients", [term.missing_coefficient for term in terms]),
        )


def spline_terms(values: np.ndarray, knots: tuple[float, ...]) -> np.ndarray:
    """Return the k - 2 restricted cubic spline terms of each value, (values, terms).

    Training computes `centres`, `scales` and `means` of a term from what this returns.
    """
    inner = np.array(knots[:-2])
    return _spline_terms(values[:, np.newaxis], inner, np.array(knots[-2]), np.array(knots[-1]))


def _spline_terms(
    values: np.ndarray, knot: np.ndarray, before_last: np.ndarray, last: np.ndarray
) -> np.ndarray:

    def cubed(at: np.ndarray) -> np.ndarray:
        return np.asarray(np.maximum(values - at, 0.0) ** 3)

    tail = cubed(before_last) * (last - knot) - cubed(last) * (before_last - knot)
    return np.asarray(cubed(knot) - tail / (last - before_last))


def encode_linear(model: LinearModel) -> bytes:
    """Return the model as JSON."""
    return msgspec.json.format(msgspec.json.encode(model), indent=1)


def decode_linear(data: bytes) -> LinearModel:
    """Read a model from JSON; raises ArtefactError if it isn't one."""
    try:
        return msgspec.json.decode(data, type=LinearModel)
    except msgspec.DecodeError as error:
        raise ArtefactError(f"the linear model can't be read: {error}") from error


def _check_term(name: str, term: LinearTerm) -> None:
    width = max(len(term.knots) - 1, 1)
    for part in ("coefficients", "centres", "scales", "means"):
        values = getattr(term, part)
        if len(values) != width:
            raise ArtefactError(f"linear {name}: {len(values)} {part}, {width} expected")
        _check_finite(f"{name}: {part}", values)
    _check_finite(name, (term.imputation, term.missing_coefficient, term.missing_mean))
    if not all(scale > 0 for scale in term.scales):
        raise ArtefactError(f"linear {name}: scales {term.scales} must be above 0")
    _check_finite(f"{name}: knots", term.knots)
    if term.knots and (len(term.knots) < 3 or np.any(np.diff(term.knots) <= 0)):
        raise ArtefactError(f"linear {name}: knots {term.knots} must be 3 or more and increase")


def _check_finite(name: str, values: tuple[float, ...]) -> None:
    if not np.all(np.isfinite(values)):
        raise ArtefactError(f"linear {name}: {values} must be finite")
