import math
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.candidates import choose
from models.errors import InputError
from models.feature import Feature
from models.readings import Reading
from models.values import plain_value, value_of

NOW = datetime(2026, 3, 2, 10, 15, tzinfo=UTC)
NUMBERS = st.floats() | st.floats(0, 12) | st.sampled_from([0.1, 10.0, math.nextafter(10.0, 11.0)])
FEATURES = st.builds(
    lambda mandatory, plausible: Feature(
        name="lactate",
        title="Lactate in blood",
        kind="numeric",
        unit="mmol/L",
        analyte="lactate",
        loinc=("2524-7", "14118-4"),
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
    code=st.sampled_from([None, "2524-7", "14118-4"]),
    source=st.sampled_from([None, "Observation/o1"]),
    issued_at=st.sampled_from([None, NOW, NOW + timedelta(hours=1)]),
    comparator=st.sampled_from([None, "<"]),
    status=st.sampled_from(["final", "cancelled"]),
    absent_because=st.sampled_from([None, "masked"]),
    fault=st.sampled_from([None, "no_unit"]),
)
PLAIN = st.builds(Reading, value=NUMBERS, unit=st.sampled_from([None, "mmol/L", "mg/dL"]))


USABLE = {"unit": "mmol/L", "taken_at": NOW, "code": "2524-7", "source": "Observation/o1"}
RESULTS = st.builds(
    Reading,
    value=NUMBERS,
    unit=st.sampled_from([None, "mmol/L"]),
    taken_at=st.sampled_from([NOW, NOW - timedelta(days=1), NOW - timedelta(days=1, seconds=1)]),
    code=st.just("2524-7"),
    source=st.just("Observation/o1"),
)


@given(FEATURES, READINGS | RESULTS | PLAIN)
def test_a_plain_value_is_what_a_closer_look_would_give(feature, reading):
    number = plain_value(feature.plain, reading, NOW)
    if number is not None:
        findings: list = []
        kept, _ = choose(feature, [reading], NOW)
        assert kept == [reading]
        assert value_of(feature, reading, NOW, findings) == number
        assert findings == []


@given(FEATURES, PLAIN | RESULTS)
def test_a_number_that_is_refused_is_no_plain_one(feature, reading):
    kept, _ = choose(feature, [reading], NOW)
    try:
        value = value_of(feature, reading, NOW, [])
    except InputError:
        assert plain_value(feature.plain, reading, NOW) is None
    else:
        converted = reading.unit == "mg/dL"
        expected = value if kept and not converted else None
        assert plain_value(feature.plain, reading, NOW) == expected


AGE = Feature(
    name="age", title="Age", kind="numeric", source="birth_date", unit="a", plausible=(18, 110)
)
BIRTHS = st.builds(
    Reading,
    value=st.dates(date(1890, 1, 1), date(2026, 4, 1)).map(str)
    | st.sampled_from(["1950", "1950-02", "1950-02-30", "19500203", "", "2008-03-02", None, 70.0]),
    unit=st.sampled_from([None, None, "a"]),
    taken_at=st.sampled_from([None, None, NOW]),
    comparator=st.sampled_from([None, None, "<"]),
    status=st.sampled_from(["final", "final", "cancelled"]),
    absent_because=st.sampled_from([None, None, "masked"]),
    source=st.sampled_from([None, None, "Patient/p1"]),
)


@given(BIRTHS)
def test_the_plain_age_of_a_date_of_birth_is_what_a_closer_look_would_give(reading):
    years, findings = plain_value(AGE.plain, reading, NOW), []
    if years is not None:
        assert choose(AGE, [reading], NOW)[0] == [reading]
        assert value_of(AGE, reading, NOW, findings) == years
        assert findings == []


@given(st.dates(date(1890, 1, 1), date(2026, 4, 1)))
def test_a_date_of_birth_is_plain_unless_the_age_is_refused(born):
    reading = Reading(born.isoformat())
    try:
        age = value_of(AGE, reading, NOW, [])
    except InputError:
        age = None
    assert plain_value(AGE.plain, reading, NOW) == age


@pytest.mark.parametrize(
    "change",
    [
        {"status": "amended"},
        {"status": "preliminary"},
        {"comparator": "<"},
        {"issued_at": NOW + timedelta(seconds=1)},
        {"issued_at": NOW.replace(tzinfo=None)},
        {"issued_at": NOW - timedelta(days=2)},
        {"fault": "unknown_modifier"},
        {"taken_at": NOW + timedelta(seconds=1)},
        {"taken_at": NOW.replace(tzinfo=None)},
        {"taken_at": None},
        {"unit": "mg/dL"},
        {"value": 30.1},
        {"value": "3.1"},
        {"code": "0000-0"},
    ],
)
def test_a_result_that_anything_speaks_against_needs_a_closer_look(change):
    feature = Feature(
        name="lactate",
        title="Lactate in blood",
        kind="numeric",
        unit="mmol/L",
        analyte="lactate",
        loinc=("2524-7",),
        plausible=(0.1, 30.0),
        look_back_days=1,
    )
    assert plain_value(feature.plain, Reading(3.1, **USABLE), NOW) == 3.1
    assert plain_value(feature.plain, Reading(3.1, **USABLE, issued_at=NOW), NOW) == 3.1
    assert plain_value(feature.plain, Reading(**{"value": 3.1, **USABLE, **change}), NOW) is None


@pytest.mark.parametrize(
    ("reading", "value"),
    [
        (Reading("surgery"), "surgery"),
        (Reading("surgery", taken_at=NOW, code="56816-2", source="Observation/w"), "surgery"),
        (Reading("surgery", taken_at=NOW, code="56816-2", status="cancelled"), None),
        (Reading("surgery", taken_at=NOW - timedelta(days=2), code="56816-2"), None),
        (Reading("surgery", taken_at=NOW), None),
        (Reading("SURGERY"), None),
        (Reading(1.0), None),
        (Reading(None, absent_because="masked"), None),
    ],
)
def test_a_known_category_that_nothing_speaks_against_is_plain(reading, value):
    ward = Feature(
        name="ward",
        title="Ward",
        kind="categorical",
        loinc=("56816-2",),
        categories={"surgery": "Surgery", "medicine": "Medicine"},
        look_back_days=1,
    )
    assert plain_value(ward.plain, reading, NOW) == value
    if value is not None:
        assert choose(ward, [reading], NOW) == ([reading], "")
        assert value_of(ward, reading, NOW, []) == value


def test_a_code_that_states_another_substance_or_kind_of_amount_needs_a_closer_look():
    urea = Feature(
        name="urea_nitrogen",
        title="Urea nitrogen in serum",
        kind="numeric",
        unit="mg/dL",
        analyte="urea_nitrogen",
        loinc=("3094-0", "22664-7"),
        plausible=(1.0, 200.0),
        look_back_days=1,
    )
    assert urea.plain.codes == {"3094-0"}


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
    assert plain_value(feature.plain, Reading(value), NOW) is None
    assert plain_value(feature.plain, Reading(3.0), NOW) == 3.0
