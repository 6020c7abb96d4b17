"""Linear models against SHAP, scikit-learn and their own formula."""

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ArtefactError
from models.scoring.linear import (
    LinearModel,
    LinearTerm,
    decode_linear,
    encode_linear,
    spline_terms,
)
from tests.models.scoring.boosters import patients

KNOTS = (-1.2, -0.3, 0.4, 1.3)


def fitted_terms(X: np.ndarray) -> LinearModel:
    """A model whose centres, scales and means come from X, as training would make them."""
    rng = np.random.default_rng(3)
    terms = []
    for column in range(X.shape[1]):
        knots = KNOTS if column == 1 else ()
        imputation = float(np.nanmedian(X[:, column]))
        filled = np.where(np.isnan(X[:, column]), imputation, X[:, column])
        basis = np.column_stack([filled, spline_terms(filled, knots)]) if knots else filled[:, None]
        centres, scales = basis.mean(axis=0), basis.std(axis=0)
        terms.append(
            LinearTerm(
                imputation=imputation,
                coefficients=tuple(rng.normal(size=basis.shape[1])),
                centres=tuple(centres),
                scales=tuple(scales),
                means=tuple(((basis - centres) / scales).mean(axis=0)),
                knots=knots,
                missing_coefficient=float(rng.normal()),
                missing_mean=float(np.isnan(X[:, column]).mean()),
            )
        )
    return LinearModel(-0.7, tuple(terms))


def coefficients_of_design(model: LinearModel) -> np.ndarray:
    """In the design's order: values, missing indicators, spline terms."""
    first = [term.coefficients[0] for term in model.terms]
    missing = [term.missing_coefficient for term in model.terms]
    return np.array([*first, *missing, *(c for term in model.terms for c in term.coefficients[1:])])


@pytest.fixture(scope="module")
def shap() -> Any:
    with warnings.catch_warnings():  # its plots use a matplotlib function that will go
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        import shap
    return shap


def test_contributions_are_those_of_shaps_linear_explainer(shap: Any) -> None:
    X = patients(90, 4)
    model = fitted_terms(X)
    design = model.design(X)
    coefficients = coefficients_of_design(model)
    background = shap.maskers.Independent(design, max_samples=len(design))
    explainer = shap.LinearExplainer((coefficients, model.intercept), background)
    theirs = explainer.shap_values(design)
    columns = np.array([0, 1, 2, 3, 0, 1, 2, 3, 1, 1])
    owner = np.array([1, 0, 0, 2])
    grouped = theirs @ (owner[columns][:, None] == np.arange(3))
    np.testing.assert_allclose(model.contributions(X, owner, 3), grouped, atol=1e-9)
    assert model.expected == pytest.approx(explainer.expected_value, abs=1e-9)


def test_base_and_contributions_add_up_to_the_margin() -> None:
    X = patients(60, 4, seed=2)
    model = fitted_terms(X)
    total = model.expected + model.contributions(X, np.arange(4), 4).sum(axis=1)
    np.testing.assert_allclose(total, model.margins(X), atol=1e-12)


def test_the_margin_is_that_of_the_written_formula() -> None:
    plain = LinearTerm(2.0, (0.5,), (1.0,), (4.0,), (0.1,), (), 0.3, 0.2)
    model = LinearModel(-1.0, (plain,))
    margins = model.margins(np.array([[5.0], [np.nan]]))
    assert margins == pytest.approx([-1 + 0.5 * (5 - 1) / 4, -1 + 0.5 * (2 - 1) / 4 + 0.3])


def test_a_spline_is_a_line_beyond_its_outer_knots_and_smooth_within() -> None:
    x = np.array([-9.0, -8.0, -7.0, 7.0, 8.0, 9.0])
    terms = spline_terms(x, KNOTS)
    assert terms.shape == (6, 2)
    assert (terms[:3] == 0).all()
    np.testing.assert_allclose(terms[3] - 2 * terms[4] + terms[5], 0, atol=1e-9)


def test_spline_terms_equal_harrells_formula_term_by_term() -> None:
    x, (t1, t2, t3, t4) = 0.9, KNOTS

    def cubed(value: float) -> float:
        return max(value, 0.0) ** 3

    for column, knot in enumerate((t1, t2)):
        harrell = (
            cubed(x - knot)
            - cubed(x - t3) * (t4 - knot) / (t4 - t3)
            + cubed(x - t4) * (t3 - knot) / (t4 - t3)
        )
        assert spline_terms(np.array([x]), KNOTS)[0, column] == pytest.approx(harrell)


@given(st.floats(-1e6, 1e6), st.floats(-100, 100), st.floats(1e-3, 1e3))
def test_a_model_survives_json_to_the_bit(
    imputation: float, coefficient: float, scale: float
) -> None:
    term = LinearTerm(imputation, (coefficient,), (0.1,), (scale,), (0.0,))
    model = LinearModel(coefficient / 3, (term, term))
    assert decode_linear(encode_linear(model)) == model


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"scales": (0.0,)}, "above 0"),
        ({"coefficients": (1.0, 2.0)}, "2 coefficients, 1 expected"),
        ({"means": (np.nan,)}, "finite"),
        ({"imputation": np.inf}, "finite"),
        (
            {
                "knots": (1.0, 2.0, 2.0),
                **dict.fromkeys(("coefficients", "centres", "scales", "means"), (1.0, 1.0)),
            },
            "increase",
        ),
    ],
)
def test_a_term_that_cannot_be_right_is_refused(change: dict[str, Any], match: str) -> None:
    sound = {
        "imputation": 0.0,
        "coefficients": (1.0,),
        "centres": (0.0,),
        "scales": (1.0,),
        "means": (0.0,),
    }
    with pytest.raises(ArtefactError, match=match):
        LinearModel(0.0, (LinearTerm(**(sound | change)),))


@pytest.mark.parametrize(
    "data", [b"", b"{}", b'{"intercept": 1, "terms": [{}]}', b'{"intercept": "x"}']
)
def test_json_that_is_not_a_linear_model_is_refused(data: bytes) -> None:
    with pytest.raises(ArtefactError, match="linear model"):
        decode_linear(data)
