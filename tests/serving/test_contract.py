"""Requests of any shape: read as they were meant, or refused by name; never another error."""

import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.definition import parse_definition
from models.errors import MalformedInput
from serving.contract import Contract, Request
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


def read(body: bytes) -> Request | MalformedInput:
    try:
        return CONTRACT.read(body)
    except MalformedInput as error:
        return error


@given(st.binary(max_size=60) | ANYTHING.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read_or_refused_by_name(body):
    given_ = read(body)
    assert isinstance(given_, Request) or (given_.field and given_.reason)


@given(st.dictionaries(NAMES, ANYTHING, max_size=4))
def test_any_values_are_read_or_refused_by_name(values):
    given_ = read(json.dumps({"values": values}).encode())
    if isinstance(given_, MalformedInput):
        assert given_.field == "body" or given_.field.startswith("values")
        return
    assert set(values) <= set(VALUES)
    numbers = [one.value for readings in given_.values.values() for one in readings]
    assert all(math.isfinite(one) for one in numbers if isinstance(one, float))


@given(FINITE)
def test_a_number_is_read_to_the_last_bit(number):
    body = msgspec.json.encode({"values": {"age": number, "creatinine": {"value": number}}})
    values = CONTRACT.read(body).values
    assert values["age"][0].value == values["creatinine"][0].value == number


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
