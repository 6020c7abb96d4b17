import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from models.errors import ModelNotSupported
from training import elastic_net
from training.elastic_net import fit_elastic_net
from training.population import FloatArray


def _rows(
    seed: int, rows: int = 400, columns: int = 6
) -> tuple[FloatArray, FloatArray, FloatArray]:
    generator = np.random.default_rng(seed)
    matrix = generator.normal(size=(rows, columns))
    matrix[:, 1] = matrix[:, 0] + 0.1 * matrix[:, 1]  # as collinear as a spline's terms
    outcome = (generator.random(rows) < expit(matrix[:, 0] - 0.5 * matrix[:, 2] - 1)).astype(float)
    return matrix, outcome, generator.integers(1, 4, rows).astype(float)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 1000),
    strength=st.sampled_from([0.1, 1.0, 10.0, 100.0]),
    l1_ratio=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_the_fit_is_that_of_scikit_learn(seed: int, strength: float, l1_ratio: float) -> None:
    matrix, outcome, weights = _rows(seed)

    intercept, coefficients = fit_elastic_net(
        matrix, outcome, weights, strength=strength, l1_ratio=l1_ratio
    )

    reference = LogisticRegression(
        C=1 / strength,
        l1_ratio=l1_ratio,
        solver="saga" if l1_ratio else "newton-cholesky",
        max_iter=50_000,
        tol=1e-8,
    ).fit(matrix, outcome.astype(int), sample_weight=weights)

    def loss(at: float, slopes: FloatArray) -> float:
        log_odds = matrix @ slopes + at
        penalty = l1_ratio * np.abs(slopes).sum() + (1 - l1_ratio) * (slopes @ slopes) / 2
        return float(
            weights @ (np.logaddexp(0, log_odds) - outcome * log_odds) + strength * penalty
        )

    theirs = loss(float(reference.intercept_[0]), reference.coef_[0])
    assert loss(intercept, coefficients) <= theirs + 1e-8
    assert coefficients == pytest.approx(reference.coef_[0], abs=1e-3)
    assert intercept == pytest.approx(float(reference.intercept_[0]), abs=1e-3)


def test_a_strong_lasso_leaves_nothing_but_the_event_rate() -> None:
    matrix, outcome, weights = _rows(1)
    intercept, coefficients = fit_elastic_net(matrix, outcome, weights, strength=1e5, l1_ratio=1.0)

    assert (coefficients == 0).all()
    assert expit(intercept) == pytest.approx(np.average(outcome, weights=weights))


def test_a_column_that_does_not_vary_has_no_coefficient_of_its_own() -> None:
    matrix, outcome, weights = _rows(2)
    matrix[:, 3] = 0.0

    for l1_ratio in (0.0, 0.5):
        _, coefficients = fit_elastic_net(matrix, outcome, weights, strength=1.0, l1_ratio=l1_ratio)
        assert coefficients[3] == pytest.approx(0.0, abs=1e-12)


def test_a_fit_that_does_not_converge_says_with_which_penalty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(elastic_net, "_MOST_STEPS", 2)
    matrix, outcome, weights = _rows(3)

    with pytest.raises(ModelNotSupported, match=r"strength 0\.1 and l1_ratio 0.5 doesn't converge"):
        fit_elastic_net(matrix, outcome, weights, strength=0.1, l1_ratio=0.5)
