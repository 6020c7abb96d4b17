from datetime import date, timedelta

import numpy as np
import pytest

from models.edges import edges_from
from models.errors import EvidenceError
from monitoring import strata
from monitoring.evidence.binary import BinaryStream
from monitoring.evidence.categorical import CategoricalStream
from monitoring.evidence.detector import (
    Budget,
    alike,
    close_alike,
    close_day,
    open_stream,
    own_stratum,
)
from monitoring.evidence.numeric import NumericStream

START, BUDGET, DAYS = date(2026, 1, 1), Budget(5, 41), 420
EDGES = edges_from(np.random.default_rng(0).normal(size=20_000))
KINDS = {
    "numeric": lambda grows: NumericStream("creatinine", EDGES, 0.1, grows),
    "numeric without a zone": lambda grows: NumericStream("lactate", EDGES, 0.0, grows),
    "binary": lambda grows: BinaryStream("creatinine", "missing", 0.1, grows),
    "categorical": lambda grows: CategoricalStream("ward", ("a", "b", "c"), 0.1, grows),
}


def day_of(rng, bins, day, place):
    """Draw a day's counts, [strata, bins]; the last stream changes, some days have no rows."""
    counts = np.zeros((strata.ROWS, bins), dtype=np.int64)
    if rng.random() < 0.1:
        return counts
    shares = np.arange(1, bins + 1) / np.arange(1, bins + 1).sum()
    if place == 2 and day > 200:
        shares = shares[::-1]
    counts[strata.stratum(START + timedelta(day))] = rng.multinomial(40, shares)
    if rng.random() < 0.05:  # late rows of another month
        counts[1 + int(rng.integers(24))] += rng.multinomial(5, shares)
    return counts


def observed(state, counts):
    for stratum, row in enumerate(counts):
        state = state.observe(row, stratum)
    return state


@pytest.mark.parametrize("bag", [strata.bag, own_stratum])
@pytest.mark.parametrize("grows", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_streams_closed_together_stand_as_each_by_itself_to_the_bit(kind, grows, bag):
    rng, stream = np.random.default_rng(1), KINDS[kind](grows)
    streams = [stream] * 3
    reference = strata.opened(rng.multinomial(5_000, np.full(stream.bins, 1 / stream.bins)))
    if bag is own_stratum:
        reference[:] = reference[strata.TRAINING]
    together = apart = [open_stream(one, reference) for one in streams]
    alarms = 0
    for day in range(DAYS):
        when = START + timedelta(day)
        seen = [day_of(rng, stream.bins, day, place) for place in range(3)]
        joins = [True, day % 50 != 7, True]
        rows = [observed(one, counts).open_rows for one, counts in zip(together, seen, strict=True)]
        found = close_alike(streams, together, rows, when, BUDGET, joins=joins, bag=bag)
        alone = [
            close_day(stream, observed(state, counts), when, BUDGET, joins=joined, bag=bag)
            for state, counts, joined in zip(apart, seen, joins, strict=True)
        ]
        for one, other in zip(found, alone, strict=True):
            assert one.state.to_bytes() == other.state.to_bytes()
            assert one.log_evidence.tobytes() == other.log_evidence.tobytes()
            assert (one.log_total, one.alarm, one.leading, one.onset, one.joined) == (
                *(other.log_total, other.alarm, other.leading, other.onset, other.joined),
            )
        together, apart = [one.state for one in found], [one.state for one in alone]
        alarms += sum(one.alarm for one in found)
    assert alarms


def test_streams_of_other_bins_zones_or_growth_are_not_alike():
    streams = [make(grows) for make in KINDS.values() for grows in (True, False)]
    assert len({alike(one) for one in streams}) == len(streams)
    assert alike(NumericStream("sodium", EDGES, 0.1)) == alike(KINDS["numeric"](True))


def test_a_stream_that_is_closed_already_keeps_all_from_being_closed():
    stream = KINDS["binary"](True)
    state = open_stream(stream, [90, 10]).observe([9, 1])
    closed = close_day(stream, state, START, BUDGET).state.observe([9, 1])
    rows = [state.open_rows, closed.open_rows]
    with pytest.raises(EvidenceError, match="already is"):
        close_alike([stream, stream], [state, closed], rows, START, BUDGET, joins=[True, True])
