"""What the compiled writer joins is what Python's own formatting gives."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.scoring import sentences
from models.scoring.sentences import FIRST_CATEGORY, MISSING, FeatureText, Sentences

NUMBER = (b"{", b" of ", b": ", b" days, ", b" day, ")
NONE = (b"{none", b" of ", b": no value, ", b"", b"")
CATEGORY = (b"{female", b" of ", b": Female, ", b"", b"")
SMALL_WORDS = (b"nothing", b"almost nothing")
SMALL = st.floats(-1e9, 1e9) | st.decimals(-10_000, 10_000, places=3).map(float)
AMOUNTS = st.floats(-50, 50) | st.decimals(-9, 9, places=3).map(float)


def joined(rows, decimals):
    """Return what is wanted, by Python's own means."""
    parts = []
    for value, variant, amount in sorted(rows, key=lambda row: abs(row[2]), reverse=True):
        pieces = (piece.decode() for piece in (NUMBER, NONE, CATEGORY)[variant])
        head, middle, words, end, end_of_one = pieces
        plain, fixed = (repr(value), f"{value:z.{decimals}f}") if variant == 0 else ("", "")
        end = end_of_one if fixed == "1" else end
        said = f"{amount:+.2f}"
        if float(said) == 0:
            said = SMALL_WORDS[amount != 0].decode()
        parts.append(f"{head}{plain}{middle}{amount!r}{words}{fixed}{end}{said}}}")
    return f"[{','.join(parts)}]"


def written(rows, decimals):
    values, variants, amounts = (np.array(column) for column in zip(*rows, strict=True))
    one = FeatureText(decimals, (NUMBER, NONE, CATEGORY))
    texts = "".join(f"{number!r}," for number in [*values.tolist(), *amounts.tolist()])
    row = Sentences([one] * len(rows), end=b"}", frame=(b"[", b",", b"]"), small=SMALL_WORDS)
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
@example([(-0.0, 0, -0.0), (-0.04, 0, 0.0), (1.0, 0, 0.004), (-1.0, 0, -0.0049)], 1)
@example([(1.0, 0, 0.005), (0.6, 0, -0.005), (-1.0, 0, 0.0050001), (11.0, 0, 0.1)], 0)
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
