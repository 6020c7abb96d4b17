import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.candidates import choose
from models.errors import InputError
from models.feature import Feature
from models.readings import Reading
from models.values import plain_number, value_of

NOW = datetime(2026, 3, 2, 10, 15, tzinfo=UTC)
NUMBERS = st.floats() | st.floats(0, 12) | st.sampled_from([0.1, 10.0, math.nextafter(10.0, 11.0)])
FEATURES = st.builds(
    lambda mandatory, plausible: Feature(
        name="lactate",
        title="Lactate in blood",
        kind="numeric",
        unit="mmol/L",
        analyte="lactate",
        unit_mandatory=mandatory,
        plausible=plausible,
        look_back_days=1,
    ),
    st.booleans(),
    st.sampled_from([(0.1, 10.0), (-math.inf, math.inf)]),
)
READINGS = st.builds(
    Reading,
    value=NUMBERS | st.sampled_from(["3.1", None, True, 3]),
    unit=st.sampled_from([None, "mmol/L", "mg/dL", "furlong"]),
    taken_at=st.sampled_from([None, NOW - timedelta(hours=1), NOW + timedelta(hours=1)]),
    code=st.sampled_from([None, "2524-7"]),
    source=st.sampled_from([None, "Observation/o1"]),
    issued_at=st.sampled_from([None, NOW + timedelta(hours=1)]),
    comparator=st.sampled_from([None, "<"]),
    status=st.sampled_from(["final", "cancelled"]),
    absent_because=st.sampled_from([None, "masked"]),
    fault=st.sampled_from([None, "no_unit"]),
)
PLAIN = st.builds(Reading, value=NUMBERS, unit=st.sampled_from([None, "mmol/L", "mg/dL"]))


@given(FEATURES, READINGS | PLAIN)
def test_a_plain_number_is_what_a_closer_look_would_give(feature, reading):
    number = plain_number(feature, reading)
    if number is not None:
        findings: list = []
        kept, _ = choose(feature, [reading], NOW)
        assert kept == [reading]
        assert value_of(feature, reading, NOW, findings) == number
        assert (findings, reading.source) == ([], None)


@given(FEATURES, PLAIN)
def test_a_number_that_is_refused_is_no_plain_one(feature, reading):
    try:
        value = value_of(feature, reading, NOW, [])
    except InputError:
        assert plain_number(feature, reading) is None
    else:
        converted = reading.unit == "mg/dL"
        assert plain_number(feature, reading) == (None if converted else value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_an_infinite_number_is_not_plain_even_where_anything_is_plausible(value):
    feature = Feature(
        name="score",
        title="A score",
        kind="numeric",
        unit="1",
        plausible=(-math.inf, math.inf),
        look_back_days=1,
    )
    assert plain_number(feature, Reading(value)) is None
    assert plain_number(feature, Reading(3.0)) == 3.0
