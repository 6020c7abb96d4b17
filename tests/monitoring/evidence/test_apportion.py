import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.edges import Edges, edges_from
from monitoring.evidence.apportion import LEAST_ROWS_BEFORE, apportion, as_fitted, bin_scores
from monitoring.evidence.binary import BinaryStream
from monitoring.evidence.numeric import NumericStream
from monitoring.evidence.state import Counts
from monitoring.placement import placed

MISSING = np.array([[0.0, 1.0], [0.0, 1.0]])
REFERENCE = np.array([[850, 150], [340, 60]])


def rows(without: int, with_event: int) -> Counts:
    return np.array([[without, with_event], [0, 0]])


def share_of(counts: Counts) -> float:
    return float(counts[:, 1].sum() / counts.sum())


def test_a_group_that_alone_changed_holds_all_of_the_change() -> None:
    now = {"x": rows(10, 90), "y": rows(255, 45)}
    before = {"x": rows(850, 150), "y": rows(2550, 450)}
    found = apportion(MISSING, now, before, REFERENCE)
    assert found is not None
    assert not found.by_reference
    x, y = found.parts
    assert (x.share, y.share) == (pytest.approx(1.0), pytest.approx(0.0))
    assert (x.now, x.before) == (pytest.approx(0.9), pytest.approx(0.15))
    assert 0.7 < x.low < 1.0 < x.high < 1.3


def test_a_group_that_became_a_larger_part_adds_what_it_differs_by() -> None:
    before = {"always": rows(100, 900), "never": rows(3000, 0)}
    now = {"always": rows(50, 450), "never": rows(500, 0)}
    found = apportion(MISSING, now, before, REFERENCE)
    assert found is not None
    # neither changed; 500 of 1,000 rows instead of 250 are of the group in which it's missing
    usual = 900 / 4000
    added = {"always": (500 - 250) * (0.9 - usual), "never": (500 - 750) * (0 - usual)}
    total = sum(added.values())
    assert total == pytest.approx(1000 * (0.45 - usual))
    assert {part.group: part.share for part in found.parts} == {
        name: pytest.approx(one / total) for name, one in added.items()
    }


def test_a_new_group_adds_all_that_it_differs_by() -> None:
    before = {"old": rows(1700, 300)}
    now = {"old": rows(850, 150), "new": rows(50, 150)}
    found = apportion(MISSING, now, before, REFERENCE)
    assert found is not None
    new, old = found.parts
    assert new.is_new
    assert new.before is None
    assert new.share == pytest.approx(1.0)
    assert old.share == pytest.approx(0.0)


def test_a_group_that_is_gone_adds_what_it_took_along() -> None:
    before = {"full": rows(3000, 0), "sparse": rows(400, 600)}
    found = apportion(MISSING, {"sparse": rows(200, 300)}, before, REFERENCE)
    assert found is not None
    gone = found.parts[0]
    assert (gone.group, gone.rows, gone.now) == ("full", 0, None)
    assert gone.share == pytest.approx(0.25)


def test_too_few_earlier_rows_are_not_compared_with() -> None:
    few = {"x": rows(LEAST_ROWS_BEFORE - 2, 1)}
    found = apportion(MISSING, {"x": rows(10, 90), "y": rows(170, 30)}, few, REFERENCE)
    assert found is not None
    assert found.by_reference
    assert found.usual == pytest.approx(210 / 1400)
    assert {part.before for part in found.parts} == {None}


def test_earlier_rows_that_differ_from_the_reference_already_are_not_compared_with() -> None:
    now = {"x": rows(10, 90), "y": rows(10, 90)}
    found = apportion(MISSING, now, {"x": rows(100, 900), "y": rows(100, 900)}, REFERENCE)
    assert found is not None
    assert found.by_reference
    assert [part.share for part in found.parts] == [pytest.approx(0.5)] * 2


def test_what_chance_may_have_made_is_not_divided() -> None:
    before = {"x": rows(850, 150), "y": rows(850, 150)}
    assert apportion(MISSING, {"x": rows(85, 15), "y": rows(80, 20)}, before, REFERENCE) is None
    assert apportion(MISSING, {}, before, REFERENCE) is None


COUNTED = st.tuples(st.integers(0, 400), st.integers(0, 400)).map(lambda pair: rows(*pair))


@given(st.lists(st.tuples(COUNTED, COUNTED), min_size=2, max_size=6))
def test_the_parts_make_up_the_whole(held: list[tuple[Counts, Counts]]) -> None:
    now = {f"g{at}": pair[0] for at, pair in enumerate(held)}
    before = {f"g{at}": pair[1] for at, pair in enumerate(held)}
    found = apportion(MISSING, now, before, REFERENCE)
    if found is None:
        return
    assert sum(part.share for part in found.parts) == pytest.approx(1.0)
    all_now, all_before = sum(now.values()), sum(before.values())
    expected = share_of(REFERENCE) if found.by_reference else share_of(all_before)
    assert found.usual == pytest.approx(expected)
    # shares times the change in all are what each group adds, counted one by one
    change = all_now.sum() * (share_of(all_now) - found.usual)
    for part in found.parts:
        mine, past = now[part.group], before[part.group]
        n, m = mine.sum(), 0 if found.by_reference else past.sum()
        own = share_of(past) if m else found.usual
        added = n * ((share_of(mine) if n else own) - own)
        if m:
            added += (n - all_now.sum() * m / all_before.sum()) * (own - found.usual)
        assert part.share * change == pytest.approx(added, abs=1e-6)


def test_intervals_hold_the_true_share_as_often_as_they_say() -> None:
    generator = np.random.default_rng(5)
    sizes, rates = {"x": 300, "y": 500, "z": 200}, {"x": 0.6, "y": 0.3, "z": 0.15}
    excess = {name: sizes[name] * (rates[name] - 0.15) for name in sizes}
    truth = {name: one / sum(excess.values()) for name, one in excess.items()}
    held = runs = 400
    for _ in range(runs):

        def drawn(name: str, size: int, rate: float) -> Counts:
            events = int(generator.binomial(size, rate))
            return rows(size - events, events)

        now = {name: drawn(name, sizes[name], rates[name]) for name in sizes}
        before = {name: drawn(name, 6 * sizes[name], 0.15) for name in sizes}
        found = apportion(MISSING, now, before, REFERENCE)
        assert found is not None
        held -= any(not part.low <= truth[part.group] <= part.high for part in found.parts)
    assert held / runs >= 0.93


def test_scores_are_of_the_kind_that_led() -> None:
    missing = BinaryStream("Creatinine", "missing")
    before = np.array([[90, 10], [40, 10]])
    assert bin_scores(missing, missing.bets[-1], before).tolist() == [[0, 1], [0, 1]]
    stream = NumericStream("Creatinine", Edges((1.0, 2.0, 3.0)))
    counts = np.array([[40, 10, 10, 40], [25, 25, 25, 25]])
    by_family = {bet.family: bin_scores(stream, bet, counts) for bet in stream.bets}
    location = by_family["location"]
    assert np.all(np.diff(location, axis=1) > 0)
    assert by_family["scale"] == pytest.approx((location - location.mean()) ** 2, abs=0.02)
    assert set(np.unique(by_family["tail"])) <= {0.0, 1.0}


@pytest.mark.parametrize(
    ("family", "ratio", "lifted", "told", "beyond"),
    [
        ("scale", 2.5, 0.0, 2.5, False),
        ("location", 1.0, 2.5, 2.5, False),
        ("location", 1.0, 8.0, 3.0, True),
    ],
)
def test_groups_are_told_by_the_shift_and_spread_that_made_their_bins(
    family: str, ratio: float, lifted: float, told: float, beyond: bool
) -> None:
    rng = np.random.default_rng(0)
    stream = NumericStream("sodium", edges_from(rng.normal(size=4_000)))
    bet = next(one for one in stream.bets if one.family == family)

    def drawn(rows: int, place: float = 0.0, spread: float = 1.0) -> Counts:
        return stream.count(rng.normal(place, spread, size=rows))[None, :]

    reference = drawn(20_000)
    now = {"x": drawn(2_000, lifted, ratio), "y": drawn(2_000)}
    before = {"x": drawn(5_000), "y": drawn(5_000)}
    found = apportion(bin_scores(stream, bet, reference), now, before, reference)
    assert found is not None
    x, y = as_fitted(found, bet, now, before, reference).parts
    assert (x.share, y.share) == tuple(one.share for one in found.parts)
    assert (x.beyond, y.beyond) == (beyond, False)
    for part, one in ((x, told), (y, 0.0 if family == "location" else 1.0)):
        assert part.now is not None
        found_now = part.now if family == "location" else part.now**0.5
        assert found_now == pytest.approx(one, abs=0.35 if beyond else 0.1)
    assert placed("site", ["x", "y"], found, bet, {}).verdict == "sits"
    words = placed("site", ["x", "y"], as_fitted(found, bet, now, before, reference), bet, {}).words
    assert (": beyond +" in words) is beyond
