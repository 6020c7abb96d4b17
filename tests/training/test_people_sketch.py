import base64
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import RegistryError
from training.people_sketch import shared_share, sketch_of


def _ids(first: int, last: int) -> list[str]:
    return [f"MRN{number:07d}" for number in range(first, last)]


@pytest.mark.parametrize(
    ("people", "known", "shared"),
    [(400, 400, 400), (1000, 300, 300), (2000, 5000, 1000), (20_000, 100_000, 4000), (50, 50, 40)],
)
def test_the_share_of_people_who_are_known_is_found(people: int, known: int, shared: int) -> None:
    sketch = sketch_of(_ids(0, known), salt="a" * 64)

    found = shared_share(_ids(known - shared, known - shared + people), sketch, salt="a" * 64)

    assert found == pytest.approx(shared / people, abs=0.09)


@given(
    people=st.integers(1, 400),
    known=st.integers(1, 400),
    salt=st.text("0123456789abcdef", min_size=8, max_size=8),
)
def test_other_people_are_not_taken_for_known_ones(people: int, known: int, salt: str) -> None:
    sketch = sketch_of(_ids(0, known), salt=salt)

    assert shared_share(_ids(known, known + people), sketch, salt=salt) == 0.0


@pytest.mark.parametrize("people", [1, 2, 3, 20, 31, 33, 700, 2047, 40_000])
def test_at_least_one_id_in_five_of_elsewhere_seems_to_be_among_them(people: int) -> None:
    """So whoever tries all ids learns nothing of one of them."""
    bits, text = sketch_of(_ids(0, people), salt="b" * 64).split(":")
    kept = min(1 << int(bits), 1 << 14)
    taken = np.unpackbits(np.frombuffer(base64.b64decode(text), dtype=np.uint8))

    assert taken[kept:].sum() == 0
    assert taken.sum() / kept == pytest.approx(-np.expm1(-people / (1 << int(bits))), abs=0.08)
    assert taken.sum() / kept > 0.2
    assert len(text) < 3000


def test_order_repetitions_and_salt() -> None:
    ids = _ids(0, 90)

    assert sketch_of([*reversed(ids), *ids], salt="c") == sketch_of(ids, salt="c")
    assert sketch_of(ids, salt="d") != sketch_of(ids, salt="c")
    assert shared_share(ids, sketch_of(ids, salt="c"), salt="c") == pytest.approx(1.0)
    assert shared_share([], sketch_of(ids, salt="c"), salt="c") == 0.0


@pytest.mark.parametrize("text", ["", "x", "9:?", "many:AAAA"])
def test_what_is_no_sketch_is_refused_by_name(text: str) -> None:
    with pytest.raises(RegistryError, match=re.escape(f"{text!r} is no sketch of people")):
        shared_share(_ids(0, 9), text, salt="e")
