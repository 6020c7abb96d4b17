"""What the compiled writer joins is what Python's own formatting gives."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.scoring import sentences
from models.scoring.sentences import FIRST_CATEGORY, MISSING, FeatureText, Sentences

NUMBER = (b"{", b" of ", b": ", b" mmol/L, ")
NONE = (b"{none", b" of ", b": no value, ", b"")
CATEGORY = (b"{female", b" of ", b": Female, ", b"")
SMALL = st.floats(-1e9, 1e9) | st.decimals(-10_000, 10_000, places=3).map(float)
AMOUNTS = st.floats(-50, 50) | st.decimals(-9, 9, places=3).map(float)


def joined(rows, decimals):
    """Return what is wanted, by Python's own means."""
    parts = []
    for value, variant, amount in sorted(rows, key=lambda row: abs(row[2]), reverse=True):
        head, middle, words, end = (piece.decode() for piece in (NUMBER, NONE, CATEGORY)[variant])
        plain, fixed = (repr(value), f"{value:.{decimals}f}") if variant == 0 else ("", "")
        parts.append(f"{head}{plain}{middle}{amount!r}{words}{fixed}{end}{amount:+.2f}}}")
    return f"[{','.join(parts)}]"


def written(rows, decimals):
    values, variants, amounts = (np.array(column) for column in zip(*rows, strict=True))
    one = FeatureText(decimals, (NUMBER, NONE, CATEGORY))
    texts = "".join(f"{number!r}," for number in [*values.tolist(), *amounts.tolist()])
    row = Sentences([one] * len(rows), end=b"}", frame=(b"[", b",", b"]"))
    return row.write(values, variants, amounts, texts.encode())


@given(
    st.lists(
        st.tuples(SMALL, st.sampled_from([0, MISSING, FIRST_CATEGORY]), AMOUNTS),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 6),
)
@example([(2.5, 0, 0.125), (3.5, 0, -0.375)], 0)  # halves go to the even digit
@example([(1.115, 0, 1.005), (2.675, 0, -1.115)], 2)  # nearly halves
@example([(-0.0, 0, -0.0), (-0.04, 0, 0.0)], 1)
@example([(9.96, 0, 9.996), (99.95, 0, -99.996)], 1)  # one digit more
def test_numbers_are_written_as_python_writes_them(rows, decimals):
    assert written(rows, decimals).decode() == joined(rows, decimals)


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 6))
def test_a_number_of_any_size_is_written_exactly_or_not_at_all(value, decimals):
    text = written([(value, 0, 0.5)], decimals)
    if text is None:
        assert abs(value) * 10**decimals >= 2**52
    else:
        assert text.decode() == joined([(value, 0, 0.5)], decimals)


@pytest.mark.parametrize("amount", [math.inf, -math.inf, math.nan, 1e15])
def test_an_amount_that_has_no_hundredths_is_not_written(amount):
    assert written([(1.0, 0, amount)], 1) is None


def test_of_equal_contributions_the_first_feature_stays_first():
    rows = [(float(i), 0, amount) for i, amount in enumerate([0.5, -0.5, 1.0, 0.5])]
    assert written(rows, 0).decode() == joined(rows, 0)


def test_nan_is_written_as_no_value():
    rows = [(math.nan, 0, 0.5), (2.0, 0, 0.25)]
    assert written(rows, 0).decode() == joined([(0.0, MISSING, 0.5), (2.0, 0, 0.25)], 0)


def test_what_was_warmed_is_all_that_a_request_needs():
    sentences.warm()
    compiled = list(sentences._write.signatures)
    assert written([(1.5, 0, 0.5), (2.0, FIRST_CATEGORY, -0.5)], 1) is not None
    assert sentences._write.signatures == compiled
