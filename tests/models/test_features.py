"""From readings to features: unusable is not missing, and every choice is stated."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.definition import Definition, parse_definition
from models.errors import InputError, MalformedInput, OutOfScope, TooLittleData, UnusableValue
from models.features import FeatureSet, assemble, encode, encode_table
from models.formulas import ckd_epi_2021
from models.readings import Reading, Readings
from models.values import completed_years
from tests.models.ward import WARD

NOW = datetime(2026, 1, 5, 10, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)
WARD_DEFINITION = parse_definition(WARD.encode(), source="ward")
GOOD: Mapping[str, Sequence[Reading]] = {
    "age": [Reading(71.0)],
    "sex": [Reading("female")],
    "ward": [Reading("surgery")],
    "creatinine": [Reading(1.4)],
    "glucose": [Reading(120.0)],
    "kappa": [Reading(1.5, "mg/dL")],
    "systolic": [Reading(120.0)],
}


def ask(definition: Definition, **changes: Sequence[Reading]) -> FeatureSet:
    return assemble(definition, {**GOOD, **changes}, NOW)


def findings(features: FeatureSet) -> list[tuple[str, str, str]]:
    return [(found.feature, found.kind, found.reason) for found in features.findings]


def test_a_good_request_becomes_a_vector_without_findings(ward: Definition) -> None:
    features = ask(ward)
    egfr = ckd_epi_2021(1.4, 71, "female")
    assert features.findings == ()
    assert features.values["egfr"] == egfr
    assert ward.columns[:5] == (
        "age",
        "sex=male",
        "ward=surgery",
        "ward=medicine",
        "ward=maternity",
    )
    np.testing.assert_array_equal(
        features.vector, [71, 0, 1, 0, 0, 1.4, 120, 1.5, 120, egfr], strict=True
    )


@pytest.mark.parametrize(
    ("feature", "reading", "reason", "words"),
    [
        ("creatinine", Reading(1.4, "furlong"), "unknown_unit", "give one of mg/dL"),
        ("creatinine", Reading(1.4, "kPa"), "unit_not_convertible", "umol/L"),
        ("creatinine", Reading("1.4"), "text_value", "a text stands"),
        ("creatinine", Reading(True), "not_a_value", "can't be used"),
        ("creatinine", Reading(math.nan), "not_finite", "finite"),
        ("creatinine", Reading(math.inf), "not_finite", "finite"),
        (
            "creatinine",
            Reading(88.0),
            "implausible",
            "88 mg/dL is above the plausible range 0.1-30",
        ),
        ("creatinine", Reading(-1.0), "implausible", "below"),
        ("creatinine", Reading(1.4, comparator="<"), "censored", "< 1.4 mg/dL"),
        ("creatinine", Reading(1.4, taken_at=NOW + HOUR), "in_the_future", "after the prediction"),
        ("creatinine", Reading(1.4, fault="undated"), "undated", "no time"),
        ("creatinine", Reading(1.4, fault="partial_time"), "partial_time", "time of day"),
        ("creatinine", Reading(1.4, fault="no_unit"), "no_unit", "no unit"),
        ("creatinine", Reading(None, absent_because="masked"), "masked", "withheld"),
        ("sex", Reading("other"), "unseen_category", "female, male"),
        ("sex", Reading(1.0), "unseen_category", "female, male"),
        ("age", Reading("2026-02-01"), "in_the_future", "after the prediction time"),
        ("age", Reading("1950"), "partial_date", "full date"),
        ("age", Reading("1950-02-30"), "not_a_date", "not a date"),
        ("age", Reading(60.0, taken_at=NOW - 400 * 24 * HOUR), "stale_age", "date of birth"),
        ("age", Reading("1850-01-01"), "implausible", "176 years"),
    ],
)
def test_a_value_that_can_not_be_right_is_refused_by_name(
    ward: Definition, feature: str, reading: Reading, reason: str, words: str
) -> None:
    with pytest.raises(UnusableValue) as caught:
        ask(ward, **{feature: [reading]})
    assert caught.value.field == feature
    assert caught.value.reason == reason
    assert words in str(caught.value)


def test_a_unit_that_must_be_given_is_asked_for(ward: Definition) -> None:
    text = ward.model_dump()
    text["features"] = [
        {**f, "if_unusable": "refuse"} if f["name"] == "kappa" else f for f in text["features"]
    ]
    with pytest.raises(UnusableValue, match="no unit; give one of mg/dL, mg/L"):
        assemble(Definition.model_validate(text), {**GOOD, "kappa": [Reading(1.5)]}, NOW)


def test_an_unusable_value_is_left_out_by_name_where_the_definition_permits(
    ward: Definition,
) -> None:
    features = ask(ward, kappa=[Reading(1.5, "furlong")])
    assert features.values["kappa"] is None
    assert findings(features) == [("kappa", "excluded", "unknown_unit")]
    assert "the score does without it" in features.findings[0].words
    assert math.isnan(features.vector[ward.columns.index("kappa")])


def test_a_limit_is_used_and_flagged_where_the_definition_permits(ward: Definition) -> None:
    features = ask(ward, kappa=[Reading(5.0, "mg/L", comparator="<")])
    assert features.values["kappa"] == 0.5
    assert ("kappa", "flagged", "censored") in findings(features)
    unknown = ask(ward, kappa=[Reading(5.0, "mg/L", comparator="~")])
    assert findings(unknown)[-1] == ("kappa", "excluded", "comparator")


@pytest.mark.parametrize(
    ("readings", "reason", "words"),
    [
        ([], "no_value", "Systolic blood pressure: no value in the last 24 hours"),
        ([Reading(None)], "no_value", "no value"),
        ([Reading(120.0, taken_at=NOW - 30 * HOUR)], "outside_look_back", "in the last 24 hours"),
        ([Reading(120.0, issued_at=NOW + HOUR)], "not_yet_issued", "issued by the prediction"),
        (
            [Reading(120.0, status="entered-in-error")],
            "entered_in_error",
            "but what was entered in error",
        ),
        ([Reading(120.0, status="cancelled")], "cancelled", "cancelled"),
        ([Reading(120.0, status="preliminary")], "preliminary", "preliminary"),
        ([Reading(120.0, status="registered")], "not_final", "final"),
        ([Reading(None, absent_because="not-performed")], "reported_absent", "not-performed"),
    ],
)
def test_what_is_missing_is_said_in_clinical_words(
    ward: Definition, readings: list[Reading], reason: str, words: str
) -> None:
    features = ask(ward, systolic=readings)
    assert features.values["systolic"] is None
    assert findings(features) == [("systolic", "missing", reason)]
    assert words in features.findings[0].words


def test_what_lies_outside_the_look_back_is_not_held_against_a_request(ward: Definition) -> None:
    old = NOW - 30 * HOUR
    for reading in (
        Reading(None, taken_at=old, absent_because="masked"),
        Reading(120.0, taken_at=old, fault="no_subject"),
        Reading(120.0, "furlong", old),
    ):
        features = ask(ward, systolic=[reading])
        assert findings(features) == [("systolic", "missing", "outside_look_back")]
    later = Reading(None, taken_at=NOW + HOUR, absent_because="unknown")
    assert findings(ask(ward, systolic=[later])) == [("systolic", "missing", "reported_absent")]


def test_a_missing_category_leaves_all_its_columns_unknown(ward: Definition) -> None:
    row = encode(ward, {**ask(ward).values, "ward": None, "sex": None})
    assert np.isnan(row[1:5]).all()
    assert not np.isnan(row[[0, 5, 6, 7, 8, 9]]).any()


def test_the_latest_final_value_is_used_and_an_older_or_withdrawn_one_is_not(
    ward: Definition,
) -> None:
    def read(*readings: Reading) -> object:
        return ask(ward, creatinine=readings).values["creatinine"]

    older = Reading(1.0, taken_at=NOW - 5 * HOUR)
    newer = Reading(2.0, taken_at=NOW - 4 * HOUR)
    assert read(older, newer) == read(newer, older) == 2.0
    assert read(older, Reading(9.0, taken_at=NOW - HOUR, status="entered-in-error")) == 1.0
    assert read(older, Reading(9.0, taken_at=NOW - HOUR, status="preliminary")) == 1.0
    assert read(older, Reading(9.0, taken_at=NOW - HOUR, status="amended")) == 9.0
    assert read(older, Reading(9.0, taken_at=NOW + HOUR)) == 1.0
    assert read(older, Reading(9.0, taken_at=NOW - HOUR, issued_at=NOW + HOUR)) == 1.0
    assert read(older, Reading(9.0, fault="undated")) == 1.0
    assert read(older, Reading(None, taken_at=NOW - HOUR)) == 1.0
    at_once = [
        Reading(value, taken_at=older.taken_at, issued_at=NOW - n * HOUR)
        for value, n in ((3.0, 3), (4.0, 2))
    ]
    assert read(*at_once) == read(*reversed(at_once)) == 4.0


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (Reading(2.0, fault="undated"), "so it can't be told whether it's current"),
        (Reading(2.0, taken_at=NOW, fault="no_subject"), "it can't be told whose value it is"),
        (Reading(None, taken_at=NOW, absent_because="masked"), "withheld for privacy"),
        (Reading(2.0, taken_at=NOW + HOUR), ""),
        (Reading(2.0, taken_at=NOW - HOUR, status="preliminary"), ""),
        (Reading(None, taken_at=NOW), ""),
    ],
)
def test_a_value_that_might_have_counted_had_more_been_known_is_named(
    ward: Definition, other: Reading, words: str
) -> None:
    used = Reading(1.0, taken_at=NOW - HOUR)
    found = ask(ward, creatinine=[used, other])
    said = [one for one in found.findings if one.feature == "creatinine"]
    assert found.values["creatinine"] == 1.0
    assert [one.reason for one in said] == ["set_aside"] * bool(words)
    assert all(words in one.words and one.kind == "excluded" for one in said)


LATER, EARLIER = NOW - HOUR / 2, NOW - 2 * HOUR


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ([("error", LATER)], "a later result has no value (error)"),
        ([("unknown", None)], "a result without a time has no value (unknown)"),
        (
            [("not-performed", LATER), ("error", LATER), ("unsupported", EARLIER)],
            "2 results, later or without a time, have no value (error, not-performed)",
        ),
        ([("error", EARLIER)], None),
        ([("error", NOW - HOUR)], None),
        ([("error", NOW + HOUR)], None),
    ],
)
@pytest.mark.parametrize("reduce", ["latest", "maximum"])
def test_a_later_result_without_a_value_is_named_with_its_reason(
    others: list[tuple[str, datetime | None]], words: str | None, reduce: str
) -> None:
    """FHIR-16."""
    text = WARD.replace("plausible = [0.1, 30]\n", f'plausible = [0.1, 30]\nreduce = "{reduce}"\n')
    asked = parse_definition(text.encode(), source="ward")
    used = Reading(1.0, taken_at=NOW - HOUR)
    absent = [Reading(None, taken_at=at, absent_because=because) for because, at in others]
    for readings in ([used, *absent], [*absent, used]):
        found = ask(asked, creatinine=readings)
        said = [one for one in found.findings if one.feature == "creatinine"]
        assert found.values["creatinine"] == 1.0
        assert [(one.kind, one.reason) for one in said] == [("flagged", "newer_absent")] * bool(
            words
        )
        assert not words or said[0].words == f"Creatinine in serum: {words}; another result is used"


def test_a_later_result_that_was_cancelled_is_not_one_without_a_value(ward: Definition) -> None:
    used = Reading(1.0, taken_at=NOW - HOUR)
    other = Reading(None, taken_at=LATER, absent_because="error", status="cancelled")
    found = ask(ward, creatinine=[used, other])
    assert not [one for one in found.findings if one.feature == "creatinine"]


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (Reading(2.0, taken_at=NOW - HOUR), "another value of the same time is 2 mg/dL"),
        (Reading(88.4, "umol/L", NOW - HOUR), None),
        (Reading(1.009, taken_at=NOW - HOUR), None),
        (Reading(1.02, taken_at=NOW - HOUR), "another value of the same time is 1.02 mg/dL"),
        (Reading("clotted", taken_at=NOW - HOUR), "another value of the same time can't be used"),
        (Reading(2.0, taken_at=NOW - 2 * HOUR), None),
        (Reading(2.0, taken_at=NOW - HOUR, status="entered-in-error"), None),
        (Reading(None, taken_at=NOW - HOUR), None),
    ],
)
def test_a_value_that_another_of_the_same_time_contradicts_is_flagged(
    ward: Definition, other: Reading, words: str | None
) -> None:
    used = Reading(1.0, taken_at=NOW - HOUR, issued_at=NOW - HOUR)
    for readings in ([used, other], [other, used]):
        found = ask(ward, creatinine=readings)
        said = [one for one in found.findings if one.feature == "creatinine"]
        assert found.values["creatinine"] == 1.0
        assert [(one.kind, one.reason) for one in said] == [("flagged", "contradictory")] * bool(
            words
        )
        assert not words or said[0].words == f"Creatinine in serum: {words}; 1 mg/dL is used"


def test_the_latest_value_is_not_passed_over_because_it_is_implausible(ward: Definition) -> None:
    readings = [Reading(1.0, taken_at=NOW - 5 * HOUR), Reading(88.0, taken_at=NOW - HOUR)]
    with pytest.raises(UnusableValue, match="88 mg/dL is above"):
        ask(ward, creatinine=readings)


def test_several_values_are_reduced_as_the_definition_says(ward: Definition) -> None:
    pressures = [Reading(v, taken_at=NOW - HOUR, source=f"Observation/{v:g}") for v in (110, 130)]
    pressures.append(Reading(16.0, "kPa", NOW - HOUR))
    withdrawn = Reading(250.0, taken_at=NOW - HOUR, status="entered-in-error")
    sugars = [Reading(10.0, "mmol/L", NOW - HOUR), Reading(150.0, "mg/dL", NOW - 2 * HOUR)]
    features = ask(ward, systolic=[*pressures, withdrawn], glucose=sugars)
    assert features.values["systolic"] == math.fsum([110, 130, 16 * 7.50062]) / 3
    assert features.values["glucose"] == 10 * 18.0156
    assert features.sources == ("Observation/110", "Observation/130")


@pytest.mark.parametrize(
    ("reduce", "expected"),
    [("latest", 3.0), ("earliest", 2.0), ("maximum", 9.0), ("minimum", 2.0), ("median", 3.0)],
)
def test_every_reduction_does_what_its_name_says(reduce: str, expected: float) -> None:
    text = WARD.replace("plausible = [0.1, 30]\n", f'plausible = [0.1, 30]\nreduce = "{reduce}"\n')
    definition = parse_definition(text.encode(), source="test")
    readings = [
        Reading(value, taken_at=NOW - hours * HOUR) for value, hours in ((2, 9), (9, 5), (3, 1))
    ]
    features = assemble(definition, {**GOOD, "creatinine": readings}, NOW)
    assert features.values["creatinine"] == expected


def test_a_preliminary_value_counts_only_where_the_definition_says_so(ward: Definition) -> None:
    early = Reading(200.0, taken_at=NOW - HOUR, status="preliminary")
    features = ask(ward, glucose=[early])
    assert features.values["glucose"] == 200.0
    (found,) = [one for one in features.findings if one.feature == "glucose"]
    assert (found.kind, found.reason) == ("flagged", "preliminary_used")
    assert found.words == "Glucose: its value is preliminary and may still change"


@pytest.mark.parametrize(("minutes", "is_flagged"), [(16, True), (15, False), (-30, False)])
def test_a_result_that_was_issued_before_it_was_taken_is_flagged(
    ward: Definition, minutes: float, is_flagged: bool
) -> None:
    taken_at = NOW - HOUR
    one = Reading(
        3.0, "mg/dL", taken_at, "2160-0", "Observation/a", taken_at - timedelta(minutes=minutes)
    )
    for more in ([], [Reading(2.0, "mg/dL", taken_at - HOUR, "2160-0", "Observation/b")]):
        features = ask(ward, creatinine=[one, *more])
        assert features.values["creatinine"] == 3.0
        found = [said for said in features.findings if said.feature == "creatinine"]
        reasons = [(said.kind, said.reason) for said in found]
        assert reasons == ([("flagged", "issued_before_taken")] if is_flagged else [])


def test_a_result_of_the_first_day_there_is_needs_no_earlier_one(ward: Definition) -> None:
    first = datetime.min.replace(tzinfo=UTC)
    reading = Reading(3.0, "mg/dL", first, "2160-0", "Observation/a", first)
    assert ask(ward, creatinine=[reading]).values["creatinine"] is None


def test_a_result_that_came_twice_is_flagged_where_it_counts_twice(ward: Definition) -> None:
    twice = [Reading(110, taken_at=NOW - HOUR, source=f"Observation/{n}") for n in "ab"]
    other = Reading(140, taken_at=NOW - 2 * HOUR)
    features = ask(ward, systolic=[*twice, other])
    assert features.values["systolic"] == 120
    (found,) = [one for one in features.findings if one.feature == "systolic"]
    assert (found.kind, found.reason) == ("flagged", "repeated")
    assert "1 of its 3 values is the same as another of the same time" in found.words
    differing = (
        [twice[0], Reading(111, taken_at=NOW - HOUR), other],
        [twice[0], Reading(110, taken_at=NOW - 2 * HOUR)],
    )
    for readings in differing:
        assert not [
            one for one in ask(ward, systolic=readings).findings if one.feature == "systolic"
        ]
    # one maximum of two is the same as of one
    sugars = [Reading(150.0, taken_at=NOW - HOUR) for _ in range(2)]
    assert not [one for one in ask(ward, glucose=sugars).findings if one.feature == "glucose"]


def test_a_unit_that_contradicts_its_code_is_taken_and_flagged(ward: Definition) -> None:
    features = ask(ward, glucose=[Reading(10.0, "mmol/L", NOW - HOUR, "2345-7")])
    assert features.values["glucose"] == 180.156
    assert ("glucose", "flagged", "code_unit_mismatch") in findings(features)
    assert "Glucose: 10 mmol/L is 180.156 mg/dL" in [f.words for f in features.findings]


def test_too_little_data_names_all_that_is_missing(ward: Definition) -> None:
    with pytest.raises(TooLittleData) as caught:
        ask(ward, age=[], creatinine=[], glucose=[])
    assert caught.value.missing == ("age", "glucose", "creatinine")
    assert "Glucose: no value in the last 2 days" in str(caught.value)
    assert ask(ward, glucose=[]).values["glucose"] is None


def test_a_patient_outside_the_limits_is_refused_with_the_rule(ward: Definition) -> None:
    with pytest.raises(OutOfScope, match="Age 18 years or more; Age is 17 years"):
        ask(ward, age=[Reading("2008-01-06")])
    with pytest.raises(OutOfScope, match="surgery and medicine"):
        ask(ward, ward=[Reading("maternity")])
    with pytest.raises(TooLittleData, match="Ward"):
        ask(ward, ward=[])


def test_a_derived_feature_says_what_it_lacks_and_where_its_formula_ends(ward: Definition) -> None:
    features = ask(ward, creatinine=[])
    assert findings(features)[-1] == ("egfr", "missing", "inputs_missing")
    assert "without Creatinine in serum" in features.findings[-1].words
    infant = parse_definition(WARD.replace("at_least = 18", "at_least = 0").encode(), source="x")
    with pytest.raises(UnusableValue) as caught:
        ask(infant, age=[Reading(17.0)])
    assert (caught.value.field, caught.value.reason) == ("egfr", "formula")
    with pytest.raises(MalformedInput, match="give creatinine, age, sex"):
        ask(ward, egfr=[Reading(60.0)])


def test_a_time_without_an_offset_is_malformed(ward: Definition) -> None:
    naive = datetime(2026, 1, 5, 9)  # noqa: DTZ001 - what is tested
    with pytest.raises(MalformedInput, match="offset"):
        ask(ward, creatinine=[Reading(1.4, taken_at=naive)])
    with pytest.raises(MalformedInput, match="offset"):
        ask(ward, creatinine=[Reading(1.4, issued_at=naive)])
    with pytest.raises(MalformedInput, match="prediction time"):
        assemble(ward, GOOD, naive)


def test_an_unknown_feature_is_refused_with_those_that_are_known(ward: Definition) -> None:
    with pytest.raises(MalformedInput, match="creatinine") as caught:
        ask(ward, creatinin=[Reading(1.4)])
    assert caught.value.field == "creatinin"
    with pytest.raises(MalformedInput) as caught:
        assemble(ward, {**GOOD, "Jane Doe": [Reading(1.4)]}, NOW)
    assert caught.value.field == "values"


@pytest.mark.parametrize(
    "secret", ["Doe, Jane; born 1850-02-03", "Jane Doe", "4711-0815", "18500203"]
)
def test_no_refusal_repeats_a_text_that_could_identify_someone(
    ward: Definition, secret: str
) -> None:
    for feature, reading in (
        ("creatinine", Reading(secret)),
        ("creatinine", Reading(1.4, secret)),
        ("sex", Reading(secret)),
        ("age", Reading("1850-02-03")),
        ("age", Reading(secret)),
    ):
        with pytest.raises(InputError) as caught:
            ask(ward, **{feature: [reading]})
        assert secret not in str(caught.value)
        assert "1850" not in str(caught.value)


@pytest.mark.parametrize(
    ("birth", "at", "years"),
    [
        (date(2000, 2, 29), datetime(2026, 2, 28, 12, tzinfo=UTC), 25),
        (date(2000, 2, 29), datetime(2026, 3, 1, 0, tzinfo=UTC), 26),
        (date(2000, 2, 29), datetime(2024, 2, 29, 0, tzinfo=UTC), 24),
        (date(1976, 1, 5), datetime(2026, 1, 4, 23, 59, tzinfo=UTC), 49),
        (date(1976, 1, 5), datetime(2026, 1, 5, 0, 0, tzinfo=UTC), 50),
        (date(1976, 1, 5), datetime(2026, 1, 5, 1, 0, tzinfo=timezone(2 * HOUR)), 49),
    ],
)
def test_age_is_in_years_completed_on_the_utc_date(birth: date, at: datetime, years: int) -> None:
    assert completed_years(birth, at) == years


@given(
    creatinine=st.none() | st.floats(0.05, 31),
    glucose=st.none() | st.floats(9, 2010),
    sex=st.sampled_from(["female", "male", "other", None]),
    ward=st.sampled_from(["surgery", "medicine", "maternity", "attic", None]),
    age=st.none() | st.integers(10, 130),
)
def test_a_table_and_a_request_give_the_same_bits_or_the_same_refusal(
    creatinine: float | None,
    glucose: float | None,
    sex: str | None,
    ward: str | None,
    age: int | None,
) -> None:
    values = {"age": age, "sex": sex, "ward": ward, "creatinine": creatinine, "glucose": glucose}
    values |= {"kappa": None, "systolic": None}
    columns = {
        name: np.array([value], dtype=object if name in ("sex", "ward") else np.float64)
        for name, value in values.items()
    }
    readings = {
        name: [Reading(float(value) if isinstance(value, int) else value)]
        for name, value in values.items()
    }
    by_request = _outcome(lambda: assemble(WARD_DEFINITION, readings, NOW).vector)
    by_table = _outcome(lambda: encode_table(WARD_DEFINITION, columns)[0])
    assert by_request == by_table


def _outcome(encoded: Callable[[], np.ndarray]) -> bytes | str:
    try:
        return encoded().tobytes()
    except InputError as refusal:
        return refusal.reason


def outcome(readings: Readings, definition: Definition) -> object:
    """Return what a request comes to: its features, or the refusal's words."""
    try:
        features = assemble(definition, readings, NOW)
    except InputError as error:
        return type(error), str(error), error.field, error.reason
    vector = [repr(value) for value in features.vector.tolist()]
    return dict(features.values), vector, features.findings, features.sources


@given(
    st.sampled_from([name for name in GOOD if name not in ("sex", "ward")]),
    st.floats() | st.floats(-1, 150) | st.integers(-1, 150).map(float),
    st.booleans(),
)
def test_a_bare_number_is_what_its_reading_would_be(
    name: str, number: float, endless: bool
) -> None:
    plain = WARD_DEFINITION.model_dump()
    (feature,) = (one for one in plain["features"] if one["name"] == name)
    if endless:
        feature["plausible"] = (-math.inf, math.inf)
    definition = Definition.model_validate(plain)
    bare = outcome({**GOOD, name: number}, definition)
    assert bare == outcome({**GOOD, name: (Reading(number),)}, definition)


@pytest.mark.parametrize("name", [*GOOD, "potassium"])
def test_a_feature_that_is_not_given_is_one_without_readings(name: str) -> None:
    given = {key: value for key, value in GOOD.items() if key != name}
    if name in WARD_DEFINITION.given:
        assert outcome(given, WARD_DEFINITION) == outcome({**given, name: ()}, WARD_DEFINITION)
