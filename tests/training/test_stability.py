import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from auscult.summary import show_trained
from models.definition import Definition, DefinitionFile
from records.settings import Settings
from tests.training.conftest import NOW
from tests.training.readmissions import cohort, people
from training import search
from training.booster import Trees
from training.candidate import Candidate, Making, make_trees
from training.fitting import Calibrated
from training.options import TrainOptions
from training.population import FloatArray, Population
from training.run import train
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


def test_the_command_says_how_far_risks_depend_on_who_was_in_the_table(
    definition_file: DefinitionFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = people(700)
    frame["time"] = pd.date_range("2024-01-01", periods=len(frame), freq="h", tz="UTC")
    options = TrainOptions(trained_by="Ada", trials=2, draws=50, stability=2, stability_trials=1)

    trained = train(
        definition_file,
        cohort(frame),
        options,
        settings=Settings(home=tmp_path),
        progress=lambda *_: None,
        now=NOW,
    )
    show_trained(trained)

    shown = " ".join(capsys.readouterr().out.split())
    found = json.loads((trained.directory / "evidence.json").read_bytes())["stability"]
    assert "How it is judged: " in shown
    assert (
        "Stability: made again from 2 bootstrap samples of the training patients, each person's "
        f"risk differs by {found['mape']:.3f} on average (mean absolute prediction error, over "
        f"{found['people']} rows); for one in ten by more than {found['mape_quantiles']['0.9']:.3f}"
    ) in shown
    assert "Each sample's search had 1 trial and the model's 2, so a repetition may differ" in shown
    assert "Fewer than 200 samples are a quick look: rely on neither figure." in shown
