"""What a prediction's record keeps of its readings."""

from datetime import UTC, datetime

from models.basis import LONGEST, Basis, keepable, read_basis, unused_sources, written
from models.feature import Feature
from models.readings import Reading

AT = datetime(2026, 3, 2, 8, tzinfo=UTC)
LACTATE = Feature(
    name="lactate",
    title="Lactate in blood",
    kind="numeric",
    unit="mmol/L",
    analyte="lactate",
    loinc=("2524-7",),
    plausible=(0.1, 30),
    look_back_days=1,
)


def test_readings_are_read_as_they_were_written() -> None:
    readings = (Reading(0.1 + 0.2, "mmol/L", AT, "2524-7", "Observation/1", AT),)
    assert keepable(LACTATE, readings) == readings
    basis = Basis({"lactate": readings}, "a" * 64)
    found = read_basis(written(basis))
    assert found is not None
    assert (found.subject, tuple(found.readings["lactate"])) == (basis.subject, readings)


def test_more_readings_than_a_record_should_hold_are_not_kept_at_all() -> None:
    reading = Reading(1.0, "mmol/L", AT, "2524-7", "Observation/1")
    assert written(Basis({"lactate": [reading]}))
    text = written(Basis({"lactate": [reading] * (LONGEST // 100)}))
    assert (text, read_basis(text)) == ("", None)


def test_a_value_that_can_not_be_used_is_kept_as_such_without_what_it_says() -> None:
    text = Reading("Ann Smith", "Ann", AT, "2524-7", "Observation/1", comparator="Ann")
    (kept,) = keepable(LACTATE, (text,))
    assert (kept.value, kept.unit, kept.comparator, kept.fault) == (0.0, None, None, "not_a_value")
    assert (kept.source, kept.taken_at) == ("Observation/1", AT)


def test_sources_of_which_no_reading_was_used_are_named_once() -> None:
    given = {
        "lactate": [Reading(1.0, source=name) for name in ("a", "b", "b", "c")],
        "age": [Reading(71.0), Reading(70.0, source="a")],
    }
    assert unused_sources(given, ("a",)) == ("b", "c")
    assert unused_sources(given, ("a", "b", "c")) == ()
