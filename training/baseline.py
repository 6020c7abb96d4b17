"""The penalised logistic regression that a more complex model has to beat."""

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from models.errors import ModelNotSupported
from models.evaluation.calibration import weighted_quantiles
from models.scoring.linear import LinearModel, LinearTerm, spline_terms
from training.elastic_net import fit_elastic_net
from training.population import FloatArray, Population

_KNOT_LEVELS = (0.05, 0.35, 0.65, 0.95)  # Harrell, Regression Modeling Strategies, table 2.3
_FEWEST_DISTINCT = 10
_TOLERANCE = 1e-8


@dataclass(frozen=True, slots=True)
class BaselineParameters:
    """The penalty: `strength` is 1 / C of scikit-learn, `l1_ratio` 0 is ridge, 1 is lasso."""

    strength: float = 1.0
    l1_ratio: float = 0.0

    def to_dict(self) -> dict[str, float]:
        """Return the parameters by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Design:
    """How one input column becomes columns of the design."""

    imputation: float
    knots: tuple[float, ...]
    centres: FloatArray
    scales: FloatArray
    missing_share: float


def fit_baseline(
    population: Population, parameters: BaselineParameters, *, indicators: bool = True
) -> LinearModel:
    """Return the regression on imputed, splined, scaled columns with indicators of missing ones.

    Without `indicators` it isn't told what was missing, only the value put in its place.

    Raises ModelNotSupported if the fit doesn't converge, or if the plain numbers don't give
    the fit's own margins.
    """
    weights = population.weights()
    counted = weights > 0
    inputs, outcome, weights = (
        population.inputs[counted],
        population.outcome[counted],
        weights[counted],
    )
    designs = [_design(column, weights, indicators) for column in inputs.T]
    parts = [_expand(design, column) for design, column in zip(designs, inputs.T, strict=True)]
    matrix = np.column_stack(parts)
    intercept, coefficients = fit_elastic_net(
        matrix,
        outcome,
        weights,
        strength=parameters.strength,
        l1_ratio=parameters.l1_ratio,
    )
    widths = [part.shape[1] for part in parts]
    shares = np.split(coefficients, np.cumsum(widths)[:-1])
    terms = [_term(design, share) for design, share in zip(designs, shares, strict=True)]
    model = LinearModel(intercept, tuple(terms))
    difference = np.abs(model.margins(inputs) - (matrix @ coefficients + intercept)).max()
    if not difference <= _TOLERANCE:
        raise ModelNotSupported(f"the baseline as plain numbers differs by {difference:g} log-odds")
    return model


def terms_of(model: LinearModel) -> dict[str, bool]:
    """Say whether a regression has splines, and indicators of missing values, to tell readers."""
    return {
        "splines": any(term.knots for term in model.terms),
        "indicators": any(term.missing_mean > 0 for term in model.terms),
    }


def _design(values: FloatArray, weights: FloatArray, indicator: bool) -> _Design:
    known = ~np.isnan(values)
    levels = (0.5, *_KNOT_LEVELS)
    if known.any():
        found = weighted_quantiles(values[None, known], weights[None, known], levels)[:, 0]
    else:
        found = np.zeros(len(levels))
    distinct = np.unique(found[1:])
    splined = len(distinct) >= 3 and len(np.unique(values[known])) >= _FEWEST_DISTINCT
    knots = tuple(float(knot) for knot in distinct) if splined else ()
    basis = _basis(np.where(known, values, found[0]), knots)
    centres = np.average(basis, axis=0, weights=weights)
    spread = np.sqrt(np.average((basis - centres) ** 2, axis=0, weights=weights))
    return _Design(
        imputation=float(found[0]),
        knots=knots,
        centres=centres,
        scales=np.where(spread > 0, spread, 1.0),
        missing_share=float(np.average(~known, weights=weights)) if indicator else 0.0,
    )


def _basis(values: FloatArray, knots: tuple[float, ...]) -> FloatArray:
    return np.column_stack([values, spline_terms(values, knots)]) if knots else values[:, None]


def _expand(design: _Design, values: FloatArray) -> FloatArray:
    """Return the scaled basis, and last the indicator of a missing value where any was missing."""
    missing: npt.NDArray[np.bool_] = np.isnan(values)
    basis = _basis(np.where(missing, design.imputation, values), design.knots)
    scaled = (basis - design.centres) / design.scales
    return np.column_stack([scaled, missing]) if design.missing_share > 0 else scaled


def _term(design: _Design, share: FloatArray) -> LinearTerm:
    width = len(design.centres)
    return LinearTerm(
        imputation=design.imputation,
        coefficients=tuple(share[:width].tolist()),
        centres=tuple(design.centres.tolist()),
        scales=tuple(design.scales.tolist()),
        means=(0.0,) * width,
        knots=design.knots,
        missing_coefficient=float(share[width]) if design.missing_share > 0 else 0.0,
        missing_mean=design.missing_share,
    )
