import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.definition import Definition
from tests.training.conftest import NOW
from tests.training.readmissions import DEFINITION, cohort, people, write_definition
from training.data_quality import assess_quality, check_data_quality
from training.mixed_units import mixtures
from training.population import admit

GLUCOSE = """
[[features]]
name = "glucose"
title = "Glucose in blood"
kind = "numeric"
unit = "mg/dL"
analyte = "glucose"
loinc = ["2345-7"]
plausible = [1, 2000]
look_back_days = 7
"""


@pytest.fixture(scope="module")
def with_glucose(tmp_path_factory: pytest.TempPathFactory) -> Definition:
    text = DEFINITION.replace("[[subgroups]]", GLUCOSE + "\n[[subgroups]]", 1)
    return write_definition(tmp_path_factory.mktemp("glucose"), text).definition


def _mixed(column: str, factor: float, rows: int, total: int = 1000) -> pd.DataFrame:
    frame = people(total)
    known = frame.index[frame[column].notna()][:rows]
    frame.loc[known, column] = (frame.loc[known, column] * factor).round(2)
    return frame


@pytest.mark.parametrize("rows", [10, 30, 45])
def test_few_rows_in_another_unit_are_suspected(rows: int, definition: Definition) -> None:
    (words,) = mixtures(_mixed("creatinine", 88.42, rows), definition)

    found = int(words.removeprefix("Creatinine in serum: ").partition(" of ")[0])
    assert 0.9 * rows <= found <= rows
    assert "look like umol/L among mg/dL" in words


def test_of_very_few_rows_neither_count_nor_median_is_told(definition: Definition) -> None:
    stricter = definition.model_copy(
        update={"smallest_group": definition.smallest_group.model_copy(update={"people": 20})}
    )

    (words,) = mixtures(_mixed("creatinine", 88.42, 12), stricter)

    assert words == "Creatinine in serum: fewer than 20 values look like umol/L among mg/dL"


@pytest.mark.parametrize("share", [0.02, 0.05, 0.3])
def test_rows_that_are_plausible_in_either_unit_are_suspected_too(
    share: float, with_glucose: Definition
) -> None:
    generator = np.random.default_rng(5)
    glucose = np.exp(generator.normal(np.log(110), 0.25, 1500))
    glucose[: round(share * 1500)] /= 18.0156

    (words,) = mixtures(people(1500).assign(glucose=glucose.round(1)), with_glucose)

    assert "look like mmol/L among mg/dL" in words


def test_a_placeholder_is_no_other_unit(definition: Definition) -> None:
    frame = people(1000)
    frame.loc[:39, "creatinine"] = 99.0

    assert mixtures(frame, definition) == ()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    spread=st.floats(0.05, 1.5),
    shape=st.sampled_from(["normal", "laplace", "gumbel", "pareto"]),
)
def test_a_skewed_tail_is_no_other_unit(
    seed: int, spread: float, shape: str, with_glucose: Definition
) -> None:
    generator = np.random.default_rng(seed)
    draw = {
        "normal": generator.normal,
        "laplace": generator.laplace,
        "gumbel": generator.gumbel,
        "pareto": lambda *arguments: generator.exponential(arguments[1], arguments[2]),
    }[shape]
    values = np.exp(np.log(100) + draw(0.0, spread, 800))
    frame = people(800).assign(
        glucose=values.clip(1, 2000), creatinine=(values / 100).clip(0.1, 30)
    )

    assert mixtures(frame, with_glucose) == ()


def test_mixed_units_fail_the_gate_of_data_quality(definition: Definition) -> None:
    table = cohort(_mixed("creatinine", 88.42, 30))
    population, not_as_given = admit(table, definition, NOW)

    quality = assess_quality(definition, population, not_as_given, table)
    gate = check_data_quality(quality.to_dict())

    assert gate.result == "failed"
    assert "look like umol/L" in gate.words


def test_how_many_values_of_few_people_look_so_is_withheld(definition: Definition) -> None:
    mixed = _mixed("creatinine", 88.42, 30)
    changed = mixed["creatinine"] > 20

    (words,) = mixtures(mixed, definition)
    (few,) = mixtures(mixed.assign(patient_id=mixed["patient_id"].mask(changed, "P0")), definition)

    assert " values look like umol/L among mg/dL (median " in words
    assert few == ("Creatinine in serum: fewer than 5 people's values look like umol/L among mg/dL")


def test_few_rows_or_none_known_are_not_judged(definition: Definition) -> None:
    assert mixtures(_mixed("creatinine", 88.42, 5, total=40), definition) == ()
    assert mixtures(people(200).assign(creatinine=np.nan), definition) == ()
