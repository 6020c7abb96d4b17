"""Requests of any shape: read as they were meant, or refused by name; never another error."""

import json
import math
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.definition import parse_definition
from models.errors import MalformedInput
from serving.contract import Contract, Request
from serving.json_keys import check_keys
from tests.factories import DEFINITION, VALUES

DEFINED = parse_definition(DEFINITION.replace("STATUS", "demonstration").encode(), source="test")
CONTRACT = Contract(DEFINED)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)
NAMES = st.sampled_from([*VALUES, "lactat", "values", ""])
FINITE = st.floats(allow_nan=False, allow_infinity=False)


# what only the readers' own texts have
PHRASES = re.compile(r"`|Expected|Invalid|Object |Input|msgspec|\b(str|int|float|bool|array)\b")


def read(body: bytes) -> Request | MalformedInput:
    try:
        return CONTRACT.read(body)
    except MalformedInput as error:
        return error


@given(st.binary(max_size=60) | ANYTHING.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read_or_refused_by_name(body):
    given_ = read(body)
    if isinstance(given_, MalformedInput):
        assert given_.field
        assert given_.reason
        assert not PHRASES.search(str(given_)), given_


@given(st.dictionaries(NAMES, ANYTHING, max_size=4))
def test_any_values_are_read_or_refused_by_name(values):
    given_ = read(json.dumps({"values": values}).encode())
    if isinstance(given_, MalformedInput):
        assert given_.field == "body" or given_.field.startswith("values")
        assert not PHRASES.search(str(given_)), given_
        return
    assert set(values) <= set(VALUES)
    bare = [one for one in given_.values.values() if isinstance(one, float)]
    listed = [one for one in given_.values.values() if not isinstance(one, float)]
    numbers = bare + [one.value for readings in listed for one in readings]
    assert all(math.isfinite(one) for one in numbers if isinstance(one, float))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            '{"values": {"lactat": 3}}',
            "values.lactat is not known here (did you mean lactate?); taken are age, sex, ward, "
            "lactate, creatinine",
        ),
        ('{"values": {"Jane Doe": 3}}', "values: a key that isn't shown is not known here; taken"),
        ('{"hospital": 1}', "hospital is not known here; taken are values, patient, predicted_at"),
        ("{}", "values: is missing; give it"),
        ('{"values": {"lactate": {}}}', "values.lactate.value: is missing; give it"),
        ('{"values": {"age": "71"}}', "must be a number, an object, a list or null, not a text"),
        ('{"values": {"sex": true}}', "must be a text, an object, a list or null, not true or fal"),
        ('{"values": {"lactate": {"value": 3, "comparator": "~"}}}', "none of the values that are"),
        ('{"values": {"lactate": {"value": 3, "time": "2026-03-02"}}}', "write one as 2026-01-05T"),
        (
            '{"values": {"lactate": {"value": 3, "time": "2026-03-02T01:02:03"}}}',
            "has no offset",
        ),
        ('{"values": {}, "site": "a b"}', "site: must be written as the pattern ^[A-Za-z0-9._-]+$"),
        ('{"values": {}, "site": ""}', "site: must have a length of at least 1"),
        ('{"values": {"age": 1e999}}', "values.age: is beyond what a number can hold"),
        ("[]", "body: must be an object, not a list"),
        ('{"values" {}}', "the body is not JSON: it breaks the rules at byte 10"),
        ('{"values"', "the body is not JSON: it ends too early"),
        ('{"site": "a\\ud800"}', "it has half of a surrogate pair at byte 11"),
        ('{"site": "\\\\\\udbffx"', "it has half of a surrogate pair at byte 12"),
        ('{"site": "\\ud800', "it ends too early"),
        ('{"patient": {"system": "\\\\ud800"', "it ends too early"),
        ('{"site": "\\udc00"}', "it breaks the rules at byte "),
        (
            '{"values": {"lactate": {"value": 3, "time": "2026-03-02T01:02:03+15:00"}}}',
            "values.lactate.time has an offset beyond 14:00",
        ),
        (
            '{"values": {"age": [{"value": 3}, '
            '{"value": 3, "time": "2026-03-02T01:02:03-14:01"}]}}',
            "values.age[1].time has an offset beyond 14:00",
        ),
        (
            '{"values": {"ward": {"value": "medicine", "time": "2026-03-02T01:02:03+23:59"}}}',
            "values.ward.time has an offset beyond 14:00",
        ),
    ],
)
def test_a_refusal_says_what_to_do_in_our_words(body, words):
    refusal = read(body.encode())
    assert isinstance(refusal, MalformedInput)
    assert words in str(refusal)


@given(FINITE)
def test_a_number_is_read_to_the_last_bit(number):
    body = msgspec.json.encode({"values": {"age": number, "creatinine": {"value": number}}})
    values = CONTRACT.read(body).values
    assert values["age"] == values["creatinine"][0].value == number


@pytest.mark.parametrize("comparator", ["<", "<=", ">=", ">"])
def test_a_comparator_is_kept(comparator):
    body = {"values": {"creatinine": {"value": 1.2, "comparator": comparator}}}
    readings = CONTRACT.read(msgspec.json.encode(body)).values["creatinine"]
    assert readings[0].comparator == comparator


@pytest.mark.parametrize(
    "body",
    [
        b'{"values": {"ward": "\xff"}}',
        b'{"values": {"age": ' + b"[" * 900 + b"NaN" + b"]" * 900 + b"}}",
        b"[" * 900 + b"NaN" + b"]" * 900,
        b'{"values": {"ward": "\\ud800"}}',
    ],
)
def test_odd_text_is_refused_as_well(body):
    assert isinstance(read(body), MalformedInput)


def test_what_is_absent_or_null_gives_no_reading():
    assert CONTRACT.read(b'{"values": {"age": null}}').values == {}


def test_the_description_says_what_a_hospital_must_send():
    text = json.dumps(CONTRACT.schema)
    assert "unit mmol/L, to be stated; plausible from 0.1 to 30" in text
    assert "a plain number is in mg/dL" in text
    assert "at most 7 days old, latest value" in text


PARTS = st.sampled_from(
    [
        '"age": 71',
        '"age": 17.5',
        '"sex": "female"',
        '"sex": "fe:male"',
        '"sex": null',
        r'"ward": "sur\u0067ery"',
        '"ward": {"value": "surgery"}',
        '"lactate": {"value": 3.1, "unit": "mmol/L", "unit": "mg/dL"}',
        '"lactate": [{"value": 3.1, "time": "2026-03-02T08:00:00Z"}]',
        '"creatinine": "1.4"',
    ]
)
AROUND = st.sampled_from(
    [
        '"site": "north"',
        '"patient": {"system": "urn:oid:1", "value": "1:2"}',
        '"patient": {"system": "a", "value": "b", "value": "c"}',
        '"patient": null',
        '"predicted_at": "2026-03-02T08:00:00Z"',
        '"values": {"age": 80}',
        '"unknown": 1',
    ]
)


@given(st.lists(PARTS, max_size=5), st.lists(AROUND, max_size=3), st.booleans())
def test_a_doubled_key_is_named_before_any_other_fault(parts, around, last):
    values = f'"values": {{{", ".join(parts)}}}'
    body = f"{{{', '.join([*around, values] if last else [values, *around])}}}".encode()
    found, doubled = read(body), twice(body)
    if doubled or (isinstance(found, MalformedInput) and found.reason == "duplicate_key"):
        assert str(found) == doubled


def twice(body: bytes) -> str:
    """Return what is said of a key that stands twice, or nothing."""
    try:
        check_keys(body)
    except MalformedInput as error:
        return str(error)
    return ""
