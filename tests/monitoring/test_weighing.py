"""Who is lost before the horizon: weighted for, as unreported outcomes can't be."""

from datetime import date
from io import BytesIO

import numpy as np
import pytest

from models.definition import parse_definition
from monitoring.due_outcomes import DueOutcomes
from monitoring.evidence.detector import Budget
from monitoring.followed import Followed, FollowedMonths
from monitoring.outcome_alarms import LOOKS, find
from monitoring.outcome_bets import Raised, weighted
from monitoring.weighing import weigh
from tests.monitoring.clinic import DEFINITION

HORIZON = 90
# the budget of five years and as many streams as `mortality_5y` has
BUDGET = Budget(5, 38)
START = np.datetime64("2024-01-01")


def followed(
    seed: int,
    *,
    worth: float = 1.0,
    shift: float = 0.0,
    lost: float = 0.2,
    rows: int = 30,
    days: int = 180,
    unreported: float = 0.0,
    sites: int = 1,
) -> Followed:
    """Predictions of which events come early, and so many are lost at a steady rate by chance."""
    generator = np.random.default_rng(seed)
    count = days * rows
    odds = generator.normal(-1.5, 1.2, count)
    true = -1.5 + worth * (odds + 1.5) + shift
    event = generator.random(count) < 1 / (1 + np.exp(-true))
    # most events come early, when few are lost
    at = HORIZON * generator.random(count) ** 2
    ends = np.full(count, np.inf)
    if lost:
        ends = generator.exponential(-HORIZON / np.log(1 - lost), count)
    last = np.minimum(ends, HORIZON)
    known = np.where(event & (at <= last), at, last)
    known[generator.random(count) < unreported] = np.nan
    return Followed(
        START + np.repeat(np.arange(days), rows),
        1 / (1 + np.exp(-odds)),
        np.arange(count, dtype=np.uint64),
        generator.integers(0, sites, count).astype(np.int32),
        np.ones(count, dtype=np.bool_),
        known,
        event & (at <= last) & ~np.isnan(known),
        np.zeros((count, 0), dtype=np.int8),
    )


def due(rows: Followed) -> DueOutcomes:
    """The outcomes that the alarms weigh of some predictions, by month as they lie on disk."""
    months = FollowedMonths(BytesIO(), HORIZON)
    of_row = rows.predicted_on.astype("datetime64[M]")
    for month in np.unique(of_row):
        months.add(month.astype("datetime64[D]").astype(object), rows.part(of_row == month))
    return DueOutcomes(parse_definition(DEFINITION.encode(), source="t"), months, date(2030, 1, 1))


def alarms(rows: Followed) -> list[Raised | None]:
    found = due(rows)
    return [find(look, found, BUDGET, HORIZON) for look in LOOKS]


def test_one_in_five_lost_by_chance_raises_no_more_alarms_than_the_budget_allows() -> None:
    raised = [alarms(followed(seed)) for seed in range(30)]
    # 15 years of a budget of one alarm in five years over all streams, of which these are two
    assert sum(found is not None for pair in raised for found in pair) <= 1


def test_leaving_out_the_lost_alone_would_call_risks_that_hold_too_low() -> None:
    rows = followed(1, lost=0.6, rows=60)
    settled = rows.settled(HORIZON)
    left = rows.part(settled)
    assert rows.events(HORIZON)[settled].mean() > 1.3 * rows.risk.mean()
    naive, weighted_for = alarms(left)[0], alarms(rows)[0]
    assert naive is not None
    assert naive.direction == "too low"
    assert weighted_for is None


@pytest.mark.parametrize(("shift", "direction"), [(0.5, "too low"), (-0.5, "too high")])
@pytest.mark.parametrize("seed", range(3))
def test_risks_that_no_longer_hold_are_found_though_one_in_five_is_lost(
    shift: float, direction: str, seed: int
) -> None:
    found, _ = alarms(followed(seed, shift=shift))
    assert found is not None
    assert found.direction == direction
    whole, _ = alarms(followed(seed, shift=shift, lost=0))
    assert whole is not None
    assert found.seen.last - whole.seen.last < np.timedelta64(60, "D")
    # what it says of the share of events is that of all, not of those whose end is known
    true = np.mean(1 / (1 + np.exp(-np.random.default_rng(0).normal(-1.5 + shift, 1.2, 100_000))))
    seen = found.later or found.seen
    assert seen.low - 0.02 < true < seen.high + 0.02


@pytest.mark.parametrize("seed", range(3))
def test_risks_that_tell_patients_apart_less_are_found_though_one_in_five_is_lost(
    seed: int,
) -> None:
    _, found = alarms(followed(seed, worth=0.4, rows=60))
    assert found is not None
    assert found.direction == "less"


def test_weights_are_those_of_a_count_by_hand() -> None:
    rows = followed(3, lost=0.4, rows=10, days=20)
    found = weigh(rows, HORIZON)
    days, happened = rows.days, rows.happened

    def goes_on(day: float) -> float:
        """Return the chance of being followed to the horizon for who is followed to a day."""
        chance = 1.0
        for end in sorted(set(days[found.censored & (days >= day)].tolist())):
            ends = int((found.censored & (days == end)).sum())
            there = int((days >= end).sum()) - int((happened & (days == end)).sum())
            chance *= 1 - ends / there
        return chance

    for row in range(days.size):
        if found.censored[row]:
            assert found.weights[row] == 0
        elif happened[row]:
            assert found.weights[row] == pytest.approx(goes_on(days[row]))
        else:
            assert found.weights[row] == 1
    assert found.counts.all()


def test_evidence_has_mean_one_where_events_are_known_before_the_horizon() -> None:
    risk, odds = 0.2, np.array([2.0, 0.5])
    # an event on day 1 or 2 of 3, and follow-up that ends after day 0, 1 or 2 with these chances
    chances, reached = np.array([0.7, 0.3]), np.array([0.9, 0.8])
    horizon = 0.6
    yes = np.log(odds / (1 + risk * (odds - 1)))
    no = -np.log(1 + risk * (odds - 1))
    mean = risk * sum(
        chance * there * np.exp(weighted(yes[None], np.array([horizon / there])))[0]
        for chance, there in zip(chances, reached, strict=True)
    )
    mean += (1 - risk) * horizon * np.exp(weighted(no[None], np.ones(1)))[0]
    lost = 1 - risk * (chances @ reached) - (1 - risk) * horizon
    mean += lost * np.exp(weighted(yes[None], np.zeros(1)))[0]
    assert mean == pytest.approx(1.0)


def test_without_anybody_lost_an_unreported_outcome_counts_as_it_speaks_least() -> None:
    rows = followed(4, lost=0, unreported=0.03)
    found = weigh(rows, HORIZON)
    assert (found.weights == 1).all()
    assert (found.settled == rows.known).all()
    assert found.counts.all()


def test_too_few_followed_to_the_horizon_are_left_out_and_small_sites_weighed_together() -> None:
    small = followed(5, rows=2, days=6)
    assert weigh(small, HORIZON).few.all()
    sites = followed(5, rows=10, days=28, sites=14)
    found = weigh(sites, HORIZON)
    followed_to_it = np.bincount(sites.sites, found.settled & ~found.events)
    assert followed_to_it.max() < 20
    assert found.counts.all()
    assert found.censored.any()
    assert (found.weights[found.censored] == 0).all()


def test_a_feed_that_never_reports_the_end_of_follow_up_leaves_nothing_to_weigh() -> None:
    rows = followed(6, lost=0.999999)
    seen = due(rows).weighed()
    assert seen.unreported == 0
    assert seen.censored > 0.7 * seen.due
    assert seen.weighed == 0
