from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.definition import Definition
from models.encoding import encode
from models.errors import CohortError
from models.formulas import ckd_epi_2021
from tests.training.readmissions import DEFINITION, cohort, followed, people, write_definition
from training.population import Population, admit

EGFR = """
[[features]]
name = "egfr"
title = "Estimated glomerular filtration rate"
kind = "numeric"
unit = "mL/min/{1.73_m2}"
plausible = [0, 250]
derived = { formula = "ckd_epi_2021", inputs = ["creatinine", "age", "sex"] }
"""


def test_rows_that_serving_would_refuse_are_left_out_and_counted(
    definition: Definition, now: datetime
) -> None:
    frame = people()
    frame.loc[:3, "age"] = 17
    frame.loc[4:6, "age"] = np.nan
    frame.loc[7:8, "creatinine"] = 45

    population, not_as_given = admit(cohort(frame), definition, now)

    assert len(population) == 691
    assert not_as_given.set_to_missing == ()
    assert dict(not_as_given.left_out) == {
        "Outside the rule 'Age 18 years or more'": 4,
        "Age is required and missing": 3,
        "Creatinine in serum is outside the plausible range 0.1-30 mg/dL": 2,
    }


def test_an_implausible_value_is_emptied_where_the_definition_scores_without_it(
    definition: Definition, now: datetime
) -> None:
    frame = people()
    frame.loc[:4, "crp"] = 900
    frame.loc[4, "age"] = 17  # so that this row isn't kept

    population, not_as_given = admit(cohort(frame), definition, now)

    assert len(population) == 699
    assert np.isnan(population.columns["crp"][:4].astype(float)).all()
    assert not_as_given.left_out == (("Outside the rule 'Age 18 years or more'", 1),)
    assert not_as_given.set_to_missing == (("C-reactive protein", 4),)


def test_a_cohort_of_nobody_in_scope_is_refused_with_the_counts(
    definition: Definition, now: datetime
) -> None:
    frame = people()
    frame["age"] = frame["age"] % 17 + 1

    with pytest.raises(CohortError, match=r"no row is left .*18 years or more': 700"):
        admit(cohort(frame), definition, now)


def test_the_inputs_are_those_that_serving_makes_of_each_row(
    definition: Definition, population: Population
) -> None:
    for row in range(0, len(population), 50):
        values = {
            name: None if column[row] is None or column[row] != column[row] else column[row]
            for name, column in population.columns.items()
        }
        served = encode(definition, values)
        assert served.tobytes() == population.inputs[row].tobytes()


def test_the_weights_are_the_inverse_of_the_chance_to_be_still_followed(
    definition: Definition, now: datetime
) -> None:
    # of 100: 10 are lost on day 10, 9 of the rest have the event on day 20, 81 reach day 30;
    # so the chance of still being followed falls once, to 90 / 100
    frame = people(100).assign(
        outcome=[0] * 10 + [1] * 9 + [0] * 81,
        follow_up_days=[10.0] * 10 + [20.0] * 9 + [45.0] * 81,
    )

    population, _ = admit(cohort(frame), definition, now)

    expected = [0.0] * 10 + [1 / 0.9] * 90
    assert population.weights().tolist() == pytest.approx(expected)


def test_a_derived_feature_is_computed_and_not_asked_of_the_table(
    now: datetime, tmp_path: Path
) -> None:
    file = write_definition(tmp_path, DEFINITION + EGFR)
    frame = people()

    population, _ = admit(cohort(frame), file.definition, now)

    known = frame["creatinine"].notna()
    expected = [ckd_epi_2021(row.creatinine, row.age, row.sex) for row in frame[known].itertuples()]
    column = file.definition.columns.index("egfr")
    assert population.inputs[known, column].tolist() == pytest.approx(expected)
    assert np.isnan(population.inputs[~known, column]).all()


def test_without_follow_up_everyone_counts_once(population: Population) -> None:
    assert population.censoring() is None
    assert (population.weights() == 1).all()


def test_the_censoring_is_estimated_in_each_stratum_by_itself(
    definition: Definition, now: datetime
) -> None:
    frame = people(200).assign(
        outcome=([0] * 10 + [1] * 10 + [0] * 80) + ([1] * 20 + [0] * 80),
        follow_up_days=([10.0] * 10 + [20.0] * 10 + [45.0] * 80) + [25.0] * 20 + [45.0] * 80,
        stratum=[1995] * 100 + [1996] * 100,
    )

    weights = admit(cohort(frame), definition, now)[0].weights()

    assert weights[10:100] == pytest.approx(1 / 0.9)
    assert weights[100:] == pytest.approx(1.0)


def test_parts_joined_are_the_whole(censored_population: Population) -> None:
    rows = np.arange(len(censored_population))
    joined = censored_population.part(rows < 200).joined(censored_population.part(rows >= 200))

    assert joined.inputs.tobytes() == censored_population.inputs.tobytes()
    assert joined.patient.tolist() == censored_population.patient.tolist()
    assert joined.follow_up_days is not None
    assert joined.columns["ward"].tolist() == censored_population.columns["ward"].tolist()


def test_times_are_ordered_in_utc_whatever_their_offset(
    definition: Definition, now: datetime
) -> None:
    times = ["2025-01-01T10:00:00+02:00", "2025-01-01T09:30:00Z"]
    frame = people(100).assign(time=times + ["2025-02-01T00:00:00Z"] * 98)

    population, _ = admit(cohort(frame), definition, now)

    assert population.time is not None
    assert population.time[0] < population.time[1]
    assert pd.Timestamp(population.time[0]) == pd.Timestamp("2025-01-01T08:00:00")


def test_a_cohort_that_was_followed_keeps_its_follow_up(definition: Definition) -> None:
    frame = followed(200)
    population, _ = admit(cohort(frame), definition, datetime.fromisoformat("2026-05-01T00:00Z"))

    assert population.follow_up_days is not None
    assert population.follow_up_days.tolist() == frame["follow_up_days"].tolist()
