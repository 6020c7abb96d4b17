import pytest

from models.definition import Definition
from models.errors import ModelNotSupported
from training import elastic_net, search
from training.candidate import Making, make
from training.population import Population
from training.search import search_baseline, search_booster


def test_the_same_seed_finds_the_same_trees(
    definition: Definition, population: Population, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MOST_ROUNDS", 40)
    steps: list[tuple[int, int]] = []

    found = [
        search_booster(
            definition,
            population,
            trials=4,
            seed=5,
            step=lambda done, total: steps.append((done, total)),
        )
        for _ in range(2)
    ]

    assert found[0] == found[1]
    parameters, trials = found[0]
    assert steps[:4] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert 1 <= parameters.rounds <= 40
    assert 2 <= parameters.max_depth <= 6
    finished = [trial for trial in trials if trial.log_loss is not None]
    best = min(finished, key=lambda trial: trial.log_loss or 0)
    assert best.parameters == {k: v for k, v in parameters.to_dict().items() if k != "rounds"}


def test_the_baseline_takes_the_penalty_of_least_log_loss(population: Population) -> None:
    parameters, trials = search_baseline(population, seed=5, step=lambda *_: None)

    finished = [trial for trial in trials if trial.log_loss is not None]
    least = min(finished, key=lambda trial: trial.log_loss or 0)
    assert parameters.to_dict() == least.parameters
    assert {trial.parameters["l1_ratio"] for trial in trials} == {0.0, 0.5}


def test_a_penalty_whose_fit_does_not_converge_is_a_trial_without_a_result(
    population: Population, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elastic_net, "_MOST_STEPS", 5)
    monkeypatch.setattr(search, "_STRENGTHS", (1e-6, 1e4))

    parameters, trials = search_baseline(population, seed=5, step=lambda *_: None)

    weak = [trial.log_loss for trial in trials if trial.parameters["strength"] == 1e-6]
    assert weak == [None, None]
    assert parameters.strength == 1e4


def test_a_baseline_that_never_converges_is_an_error(
    population: Population, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elastic_net, "_MOST_STEPS", 1)

    with pytest.raises(ModelNotSupported, match="converges with no penalty"):
        search_baseline(population, seed=5, step=lambda *_: None)


def test_folds_on_one_core_or_two_find_the_same_trees(
    definition: Definition, population: Population, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MOST_ROUNDS", 20)
    found = []
    for cores in (1, 2):
        monkeypatch.setattr(search, "_cores", lambda cores=cores: cores)
        found.append(search_booster(definition, population, trials=8, seed=5, step=lambda *_: None))

    assert found[0] == found[1]


def test_searched_trees_keep_their_trials_and_report_each_step(
    definition: Definition, population: Population, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MOST_ROUNDS", 20)
    stages: list[tuple[str, int, int]] = []

    candidate = make(
        Making(definition, trials=2, seed=5), population, lambda *stage: stages.append(stage)
    ).trees

    assert len(candidate.trials) == 2
    assert candidate.parameters["rounds"] <= 20
    searched = [stage for stage in stages if stage[0] == "Searching how trees grow"]
    assert searched[0] == ("Searching how trees grow", 1, 2)
    assert searched[-1] == ("Searching how trees grow", 2, 2)
    assert ("Fitting trees", 6, 6) in stages
    assert stages[-1] == ("Fitting the baseline", 6, 6)


def test_a_search_ended_by_time_says_that_it_is_over(
    definition: Definition, population: Population, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MOST_ROUNDS", 20)
    steps: list[tuple[int, int]] = []

    _, trials = search_booster(
        definition,
        population,
        trials=50,
        seconds=1e-6,
        seed=5,
        step=lambda done, total: steps.append((done, total)),
    )

    assert 1 <= len(trials) < 50
    assert steps[-1] == (50, 50)
