import numpy as np
import pytest

from models.definition import Definition
from training import search
from training.booster import Trees
from training.candidate import Candidate, Making, make_trees
from training.fitting import Calibrated
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
        trials=0,
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


def test_the_same_seed_makes_the_same_repetitions_and_searches_in_each(
    definition: Definition, population: Population, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MOST_ROUNDS", 15)
    making, found = Making(definition, trials=3, seed=1), list[Candidate[Trees]]()

    def make_again(rows: Population) -> Calibrated[Trees]:
        found.append(make_trees(making, rows, lambda *_: None))
        return found[-1].fitted

    steps: list[tuple[int, int]] = []
    original = make_trees(making, population, lambda *_: None).fitted
    first, again = (
        stability(
            make_again,
            population,
            original,
            runs=2,
            trials=3,
            seed=4,
            step=lambda done, total: steps.append((done, total)),
        )
        for _ in range(2)
    )

    assert (first.repeated == again.repeated).all()
    assert 0 < first.mape.mean() < 0.2
    assert steps == [(1, 2), (2, 2)] * 2
    assert [len(one.trials) for one in found] == [3] * 4
    assert found[0].parameters != found[1].parameters
    assert first.to_dict()["trials"] == 3
