import json
import math
import struct
from collections import OrderedDict
from decimal import Decimal
from enum import StrEnum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import RecordError
from records.canonical import canonical

# RFC 8785, appendix B: IEEE 754 bits and their serialisation
NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(max_codepoint=127), max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(("bits", "text"), NUMBERS.items())
def test_numbers_are_written_as_the_standard_lists_them(bits: str, text: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical(number).decode() == text


def test_the_standards_example_of_an_object() -> None:
    # RFC 8785, section 3.2.2, without its astral key
    given = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": '€$\u000f\nA\'B"\\\\"/',
        "literals": [None, True, False],
    }
    assert canonical(given).decode() == (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


@given(JSON)
def test_what_is_read_back_has_the_same_bytes(value: object) -> None:
    text = canonical(value)
    assert json.loads(text, parse_int=float) == value
    assert canonical(json.loads(text)) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_decimal_database_changes_no_number(value: float) -> None:
    """PostgreSQL keeps JSON's numbers as decimals and writes them without an exponent."""
    kept = format(Decimal(canonical(value).decode()), "f")
    assert canonical(json.loads(kept)) == canonical(value)


class Band(StrEnum):
    LOW = "low"


def test_values_derived_from_jsons_own_are_written_as_those() -> None:
    given = {"risk": np.float64(0.5), "band": Band.LOW, "of": OrderedDict(b=1, a=True)}
    assert canonical(given) == b'{"band":"low","of":{"a":true,"b":1},"risk":0.5}'


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, 10**400, {"ä": 1}, {1: 2}, {1, 2}, b"bytes", "\ud800"]
)
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(RecordError):
        canonical(value)
