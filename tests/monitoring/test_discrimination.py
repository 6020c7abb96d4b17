from datetime import timedelta
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bernoulli

from monitoring.discrimination import (
    WORTH,
    Pairs,
    log_ratio,
    paired,
)
from monitoring.evidence.detector import Budget
from monitoring.independence import Outcomes
from monitoring.outcome_alarms import LOOKS, find
from monitoring.outcome_bets import Raised, Standing
from records.models import Alarm
from tests.monitoring.clinic import FIRST, Clinic

START = np.datetime64("2024-01-01")
BUDGET = Budget(5, 21)


def simulated(
    seed: int, slope: float, shift: float = 0.0, days: int = 90, rows: int = 30
) -> Outcomes:
    """Outcomes whose log-odds are the risks' own, sloped about their mean and shifted."""
    generator = np.random.default_rng(seed)
    odds = generator.normal(-1.5, 1.2, days * rows)
    true = -1.5 + slope * (odds + 1.5) + shift
    return Outcomes(
        predicted_on=START + np.repeat(np.arange(days), rows),
        patients=np.arange(odds.size),
        risk=1 / (1 + np.exp(-odds)),
        happened=generator.random(odds.size) < 1 / (1 + np.exp(-true)),
        known=np.ones(odds.size, dtype=np.bool_),
        weights=np.ones(odds.size),
    )


def alarm(outcomes: Outcomes, standing: Standing | None = None) -> Raised | None:
    return find(LOOKS[1], [outcomes], BUDGET, 30, standing)


def pair(difference: float, happened: tuple[bool, bool], known: tuple[bool, bool]) -> Pairs:
    day = np.array(["2024-01-01"], dtype="datetime64[D]")
    return Pairs(day, np.array([difference]), np.array([happened]), np.array([known]), np.ones(1))


@given(
    st.lists(
        st.tuples(st.floats(0.01, 0.99), st.integers(0, 40), st.booleans(), st.booleans()),
        min_size=1,
        max_size=25,
    )
)
def test_every_row_is_in_one_pair_at_most_whatever_the_outcomes(
    rows: list[tuple[float, int, bool, bool]],
) -> None:
    risk, days, happened, known = (np.array(column) for column in zip(*rows, strict=True))
    everyone = np.ones(risk.size, dtype=np.bool_)
    cut = 0.5 * days.max()
    patients, whole = np.arange(risk.size), np.ones(risk.size)
    outcomes = Outcomes(START + days, patients, risk, happened, known, whole)
    others = Outcomes(START + days, patients, risk, ~happened, everyone, whole)
    (pairs,) = paired([outcomes])
    weeks, sizes = np.unique((days // 7), return_counts=True)
    assert pairs.day.size == (sizes // 2).sum()
    (same,) = paired([others])
    assert (pairs.difference == same.difference).all()
    halves = list(paired([outcomes.part(days <= cut), outcomes.part(days > cut)]))
    assert sum(part.day.size for part in halves) == pairs.day.size
    ordered = np.argsort(days, kind="stable")
    (apart,) = paired([outcomes.part(ordered)])
    assert np.concatenate([p.difference for p in halves]).tolist() == apart.difference.tolist()
    assert set(((pairs.day - START).astype(int) // 7).tolist()) <= set(weeks.tolist())


def test_the_likelihood_ratio_is_that_of_scipy() -> None:
    for difference, happened in ((0.7, (True, False)), (-1.2, (True, False)), (2.0, (False, True))):
        found = log_ratio(pair(difference, happened, (True, True)))
        for worth, value in zip(WORTH, found, strict=True):
            other, claimed = (1 / (1 + np.exp(-b * difference)) for b in (worth, 1.0))
            ratio = bernoulli.logpmf(happened[0], other) - bernoulli.logpmf(happened[0], claimed)
            assert value == pytest.approx(ratio)


@given(st.floats(-4, 3), st.floats(-4, 3), st.floats(-3, 3))
def test_evidence_has_mean_one_while_differences_hold_whatever_all_share(
    first: float, other: float, shift: float
) -> None:
    chances = 1 / (1 + np.exp(-(np.array([first, other]) + shift)))
    total = np.zeros(len(WORTH))
    for happened in product((True, False), repeat=2):
        chance = np.where(happened, chances, 1 - chances).prod()
        total += chance * np.exp(log_ratio(pair(first - other, happened, (True, True))))
    assert total == pytest.approx(1.0)


@given(st.floats(-4, 4), st.tuples(st.booleans(), st.booleans()))
def test_an_unknown_outcome_never_speaks_for_a_bet(
    difference: float, known: tuple[bool, bool]
) -> None:
    unknown = log_ratio(pair(difference, (False, False), known))
    assert (unknown <= 0).all()
    for happened in product((True, False), repeat=2):
        masked = tuple(what and sure for what, sure in zip(happened, known, strict=True))
        told = log_ratio(pair(difference, (masked[0], masked[1]), known))
        truth = log_ratio(pair(difference, happened, (True, True)))
        assert (told <= truth + 1e-12).all()


def test_years_of_risks_that_hold_raise_next_to_no_alarm() -> None:
    alarms = [alarm(simulated(seed, 1.0, days=180, rows=20)) for seed in range(20)]
    assert sum(found is not None for found in alarms) <= 1


def test_more_events_than_before_are_no_loss_of_discrimination() -> None:
    assert all(alarm(simulated(seed, 1.0, shift=1.0)) is None for seed in range(5))


@pytest.mark.parametrize(("slope", "direction"), [(0.3, "less"), (2.2, "more")])
def test_a_lasting_change_is_found_and_its_direction_said(slope: float, direction: str) -> None:
    found = alarm(simulated(1, slope))
    assert found is not None
    assert found.direction == direction
    assert (found.seen.observed < found.seen.expected) == (direction == "less")
    assert found.seen.low < found.seen.observed < found.seen.high
    words = LOOKS[1].sentence(found.direction, found.seen, found.later, None)
    assert words.startswith(f"Risks tell patients apart {direction} than they claim")


def test_a_slope_of_six_tenths_is_found_within_two_months_at_a_hundred_a_day() -> None:
    for seed in range(5):
        found = alarm(simulated(seed, 0.6, days=60, rows=100))
        assert found is not None
        assert found.direction == "less"


def test_after_an_alarm_evidence_begins_anew() -> None:
    outcomes = simulated(1, 0.0)
    first = alarm(outcomes)
    assert first is not None
    second = alarm(outcomes, Standing(first.direction, first.seen.last, first.seen.last))
    assert second is None or second.seen.first > first.seen.last
    long_after = first.seen.last + timedelta(days=400)
    assert alarm(outcomes, Standing(first.direction, long_after, long_after)) is None


def test_risks_that_no_longer_sort_patients_raise_an_alarm(clinic: Clinic) -> None:
    for step in range(20):
        made = clinic.record(FIRST + timedelta(days=step), 60)
        risk = np.array([prediction.risk for prediction in made])
        events = round(risk.sum())
        happened = risk.argsort().argsort() < events  # those who were said to be at least risk
        clinic.report_outcomes(made, [bool(one) for one in happened], days=90)
    for _ in range(2):
        clinic.watch(FIRST + timedelta(days=19))
    found = Alarm.objects.get(stream="discrimination")
    assert (found.kind, found.severity) == ("discrimination", "critical")
    assert found.details["size"]["high"] < found.details["size"]["before"]
    assert "were expected" in found.summary
