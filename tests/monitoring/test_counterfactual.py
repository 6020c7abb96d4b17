import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.counterfactual import as_in
from monitoring.streams import is_missing

RNG = np.random.default_rng(5)
REFERENCE = np.where(RNG.random(1000) < 0.15, np.nan, RNG.normal(1, 0.3, 1000))


def missing(column: np.ndarray) -> float:
    return float(is_missing(column).mean())


@pytest.mark.parametrize("share", [0.0, 0.15, 0.6, 1.0])
def test_as_many_are_missing_as_in_the_reference(share: float) -> None:
    recent = np.where(np.random.default_rng(1).random(400) < share, np.nan, 5.0)
    restored = as_in(REFERENCE, recent)
    assert missing(restored) == pytest.approx(missing(REFERENCE), abs=1 / 400)


def test_shifted_numbers_keep_their_order_and_take_the_references_distribution() -> None:
    recent = np.random.default_rng(2).normal(9, 2, 500)
    recent[:75] = np.nan
    restored = as_in(REFERENCE, recent)
    known = ~np.isnan(recent) & ~np.isnan(restored)
    order = np.argsort(recent[known])
    assert (np.diff(restored[known][order]) >= 0).all()
    quarters = (0.1, 0.25, 0.5, 0.75, 0.9)
    found, usual = np.nanquantile(restored, quarters), np.nanquantile(REFERENCE, quarters)
    assert found == pytest.approx(usual, abs=0.02)


def test_numbers_like_the_references_hardly_move() -> None:
    recent = np.random.default_rng(3).permutation(REFERENCE)
    restored = as_in(REFERENCE, recent)
    assert np.nanmax(np.abs(restored - recent)) == 0
    assert (np.isnan(restored) == np.isnan(recent)).all()


def test_only_the_surplus_of_a_category_is_exchanged() -> None:
    reference = np.array(["a"] * 60 + ["b"] * 30 + ["c"] * 10, dtype=object)
    recent = np.array(["a"] * 30 + ["b"] * 30 + ["new"] * 40, dtype=object)
    restored = as_in(reference, recent)
    names, counts = np.unique(restored.astype(str), return_counts=True)
    assert dict(zip(names, counts, strict=True)) == {"a": 60, "b": 30, "c": 10}
    assert (restored[:60] == recent[:60]).all()


categories = st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=60)


@given(categories, categories)
def test_categories_have_the_references_shares_to_the_row(old: list, new: list) -> None:
    reference, recent = np.array(old, dtype=object), np.array(new, dtype=object)
    restored = as_in(reference, recent)
    if set(old) == {None}:
        assert restored.tolist() == new
        return
    assert abs(missing(restored) - missing(reference)) <= 1 / len(new)
    known = restored[~is_missing(restored)]
    usual = reference[~is_missing(reference)]
    for name in "abc":
        assert abs((known == name).sum() - (usual == name).mean() * known.size) <= 1


def test_a_choice_among_equals_is_the_same_every_time() -> None:
    recent = np.full(50, 2.0)
    assert np.array_equal(as_in(REFERENCE, recent), as_in(REFERENCE, recent), equal_nan=True)
