import numpy as np
import pytest

from models.definition import Definition
from training.booster import BoosterParameters, Trees, fit_trees
from training.fitting import Calibrated, fit_calibrated
from training.population import FloatArray, Population
from training.stability import Stability, stability


class Shifted(Calibrated[Trees]):
    """A model whose risk is the share of events in what it learnt from."""

    def __init__(self, rows: Population) -> None:
        self.rate = float(rows.outcome.mean())

    def risk(self, inputs: FloatArray) -> FloatArray:
        return np.full(len(inputs), self.rate)


def _repeat(population: Population, runs: int) -> Stability:
    return stability(
        Shifted,
        population,
        Shifted(population),
        runs=runs,
        searched=True,
        seed=1,
        step=lambda *_: None,
    )


def test_repetitions_vary_as_the_mean_of_bootstrap_samples_does(population: Population) -> None:
    found = _repeat(population, 400)

    rate = population.outcome.mean()
    expected = np.sqrt(rate * (1 - rate) / len(population))
    assert found.repeated[:, 0].std() == pytest.approx(expected, rel=0.15)
    assert found.mape[0] == pytest.approx(expected * np.sqrt(2 / np.pi), rel=0.15)


def test_fewer_repetitions_than_200_are_called_a_quick_look(population: Population) -> None:
    assert _repeat(population, 3).to_dict()["quick_look"]
    assert not _repeat(population, 200).to_dict()["quick_look"]


def test_the_same_seed_gives_the_same_repetitions_of_real_trees(
    definition: Definition, population: Population
) -> None:
    def fit(rows: Population) -> Calibrated[Trees]:
        small = BoosterParameters(rounds=10)
        return fit_calibrated(
            lambda part: fit_trees(definition, part, small, 1), rows, 1, lambda: None
        )

    steps: list[tuple[int, int]] = []
    first, again = (
        stability(
            fit,
            population,
            fit(population),
            runs=2,
            searched=True,
            seed=4,
            step=lambda done, total: steps.append((done, total)),
        )
        for _ in range(2)
    )

    assert (first.repeated == again.repeated).all()
    assert 0 < first.mape.mean() < 0.2
    assert steps == [(1, 2), (2, 2)] * 2
