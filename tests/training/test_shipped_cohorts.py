import gzip
import os
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from models.catalogue import find_definition
from models.errors import CohortError
from models.evaluation.discrimination import RankedScores
from models.scoring.calibration import risk_of_margin
from records.settings import Settings
from tests.training.conftest import NOW
from training.booster import BoosterParameters, fit_trees
from training.candidate import Making, make
from training.cohort import Cohort
from training.cohorts import SHIPPED, diabetes130, support2
from training.evaluation import evaluate_on
from training.mixed_units import mixtures
from training.population import Population, admit
from training.split import split

LEAKING = {
    *("sps", "aps", "surv2m", "surv6m", "prg2m", "prg6m", "dnr", "dnrday", "charges", "totcst"),
    *("totmcst", "avtisst", "slos", "d.time", "sfdm2", "adlp", "adls", "adlsc"),
}


def _development(module: ModuleType) -> Cohort:
    """Read the real file, where it was fetched before; the tests themselves fetch nothing."""
    settings = Settings(home=Path(".auscult"), data_dir=_data_dir())
    known = [place for place in _places(module, settings) if place.is_file()]
    if not known:
        pytest.skip(f"{module.ORIGIN.file} is neither in AUSCULT_DATA_DIR nor in the cache")
    cohort = module.development(module.fetch(settings, lambda *_: None))
    assert isinstance(cohort, Cohort)
    return cohort


def _data_dir() -> Path | None:
    named = os.environ.get("AUSCULT_DATA_DIR")
    return None if named is None else Path(named)


def _places(module: ModuleType, settings: Settings) -> list[Path]:
    file = module.ORIGIN.file
    near = (
        []
        if settings.data_dir is None
        else [settings.data_dir, settings.data_dir / module.ORIGIN.name]
    )
    return [place / file for place in (*near, settings.cache)]


@pytest.fixture(scope="module")
def stays() -> Cohort:
    return _development(diabetes130)


@pytest.fixture(scope="module")
def seriously_ill() -> Cohort:
    return _development(support2)


@pytest.fixture(scope="module")
def admitted_stays(stays: Cohort) -> Population:
    return admit(stays, find_definition("readmission_30d", []).definition, NOW)[0]


def test_no_shipped_table_is_suspected_of_mixed_units(stays: Cohort, seriously_ill: Cohort) -> None:
    for name, cohort in (("readmission_30d", stays), ("hospital_mortality", seriously_ill)):
        assert mixtures(cohort.frame, find_definition(name, []).definition) == ()


def test_every_stay_that_ended_alive_and_outside_a_hospice_is_admitted(
    stays: Cohort, admitted_stays: Population
) -> None:
    assert stays.exclusions == (("Died in hospital, or left to a hospice", 2423),)
    assert len(admitted_stays) == len(stays.frame) == 101_766 - 2423
    assert stays.frame["outcome"].mean() == pytest.approx(0.114, abs=0.001)
    assert stays.frame["main_diagnosis"].value_counts(normalize=True)["circulatory"] == (
        pytest.approx(0.30, abs=0.01)  # Strack et al., table 3
    )
    assert sorted(stays.frame["age"].unique()) == list(range(0, 100, 10))


def test_the_latest_fifth_of_the_stays_tests_on_people_not_learnt_from(
    stays: Cohort, admitted_stays: Population
) -> None:
    parts = split(admitted_stays, 1, test_share=stays.test_share)

    assert len(parts.test) + parts.left_out == pytest.approx(0.2 * len(admitted_stays), abs=1)
    assert parts.left_out == 5059
    assert not set(admitted_stays.patient[parts.training]) & set(admitted_stays.patient[parts.test])


def test_trees_learn_readmission_from_a_sample_and_divide_ages_at_decades(
    stays: Cohort, admitted_stays: Population
) -> None:
    definition = find_definition("readmission_30d", []).definition
    generator = np.random.default_rng(1)
    learning = generator.permutation(len(admitted_stays))[:12_000]
    sample = admitted_stays.part(learning)
    others = ~np.isin(admitted_stays.patient, sample.patient)
    judged = admitted_stays.part(np.flatnonzero(others)[::8])

    trees = fit_trees(definition, sample, BoosterParameters(rounds=60, eta=0.1), seed=1)

    risk = risk_of_margin(trees.margins(judged.inputs))
    assert RankedScores(judged.outcome, risk).auroc()[0] > 0.58
    table = trees.booster.trees_to_dataframe()
    at = table.loc[table["Feature"] == f"f{definition.columns.index('age')}", "Split"]
    assert len(at) > 5
    assert set(at % 10) == {0.0}


def test_nothing_that_leaks_the_outcome_is_a_feature(seriously_ill: Cohort) -> None:
    definition = find_definition("hospital_mortality", []).definition

    assert not LEAKING & {*seriously_ill.frame.columns, *support2._NUMBERS.values()}
    assert {"time", "site"}.isdisjoint(seriously_ill.frame.columns)
    assert "race" not in definition.columns
    assert seriously_ill.frame["outcome"].sum() == 2360 - 2
    assert "nested cross-validation" in split(admit(seriously_ill, definition, NOW)[0], 1).method


def test_the_smallest_set_leaves_few_of_the_seriously_ill_out(seriously_ill: Cohort) -> None:
    definition = find_definition("hospital_mortality", []).definition
    population, not_as_given = admit(seriously_ill, definition, NOW)

    few = {words[:12]: rows for words, rows in not_as_given.left_out}
    assert few == {"Fewer than 4": 35, "Fewer than 2": 42}
    assert len(population) == 9105 - 35 - 42


def test_trees_learn_death_in_hospital_calibrated_on_people_they_had_not_seen(
    seriously_ill: Cohort,
) -> None:
    definition = find_definition("hospital_mortality", []).definition
    half = replace(seriously_ill, frame=seriously_ill.frame.iloc[::2])
    population, not_as_given = admit(half, definition, NOW)
    learning, held_out = split(population, 1).outer[0]
    judged = population.part(held_out)

    pair = make(Making(definition, trials=0, seed=1), population.part(learning), lambda *_: None)
    found = evaluate_on(judged, pair.trees.fitted.risk(judged.inputs), definition, draws=50, seed=1)

    assert dict(not_as_given.set_to_missing)["Heart rate"] > 20
    assert found.figures["auroc"].value == pytest.approx(0.81, abs=0.04)
    slope = found.figures["calibration_slope"]
    assert slope.low is not None
    assert slope.high is not None
    assert slope.low < 1 < slope.high
    assert {group.group for group in found.subgroups if group.characteristic == "race"} >= {
        "white",
        "black",
        "not recorded",
    }


@pytest.mark.parametrize("module", [diabetes130, support2])
def test_a_file_that_is_not_the_cohort_is_refused(module: ModuleType, tmp_path: Path) -> None:

    path = tmp_path / module.ORIGIN.file
    path.write_bytes(gzip.compress(b"a,b\n1,2\n"))

    with pytest.raises(CohortError, match="isn't the"):
        module.development(path)


def test_every_shipped_model_has_its_cohort() -> None:
    from models.catalogue import definitions

    assert set(SHIPPED) == set(definitions([]))
