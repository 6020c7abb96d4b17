"""The later samples, told as an EHR would tell them."""

from datetime import UTC, date, datetime

import orjson
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from auscult.demo.visits import birth_date, visits
from models.catalogue import find_definition
from models.features import assemble
from models.fhir import read_bundle
from models.values import completed_years


def people(**changes):
    row = {
        "person": 4711,
        "sample_year": 2000,
        "age": 71.0,
        "sex": "male",
        "kappa": 1.36,
        "lambda": 1.1,
        "creatinine": 0.9,
        "follow_up_days": 900,
        "died": 1,
    }
    return pd.DataFrame([row | changes])


@given(
    on=st.dates(date(1997, 1, 1), date(2003, 12, 31)),
    age=st.integers(50, 101),
    days=st.integers(0, 364),
)
def test_a_made_up_birth_date_gives_exactly_the_age_that_the_cohort_states(on, age, days):
    at = datetime(on.year, on.month, on.day, 12, tzinfo=UTC)
    assert completed_years(birth_date(on, age, days), at) == age


def test_a_visits_bundle_gives_exactly_the_values_of_the_cohort():
    visit = visits(people())[0]
    definition = find_definition("mortality_5y", ()).definition
    read = read_bundle(visit.bundle, definition, visit.at)
    values = assemble(definition, read.readings, visit.at).values
    assert values == {"age": 71, "sex": "male", "kappa": 1.36, "lambda": 1.1, "creatinine": 0.9}


def test_a_missing_creatinine_is_left_out_of_the_bundle():
    visit = visits(people(creatinine=float("nan")))[0]
    codes = [
        entry["resource"]["code"]["coding"][0]["code"]
        for entry in orjson.loads(visit.bundle)["entry"]
        if entry["resource"]["resourceType"] == "Observation"
    ]
    assert codes == ["36916-5", "33944-0"]


def test_people_are_spread_over_their_own_year_in_the_order_of_time_and_always_alike():
    frame = pd.concat([people(person=n, sample_year=1997 + n % 7) for n in range(70)])
    made = visits(frame)
    assert made == visits(frame)
    assert [visit.at for visit in made] == sorted(visit.at for visit in made)
    assert len({visit.at.timetuple().tm_yday for visit in made}) > 50
    first = datetime(1997, 1, 1, tzinfo=UTC)
    assert all(first <= visit.at < datetime(2004, 1, 1, tzinfo=UTC) for visit in made)
