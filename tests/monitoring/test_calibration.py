from dataclasses import asdict, replace
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bernoulli

from monitoring.calibration import BETS, log_ratio
from monitoring.evidence.detector import Budget
from monitoring.independence import Outcomes, independent
from monitoring.outcome_alarms import LOOKS, find
from monitoring.outcome_bets import Raised, Standing

START = np.datetime64("2024-01-01")
BUDGET = Budget(5, 21)


def simulated(
    seed: int, shift: float, days: int = 60, rows: int = 40, **fields: object
) -> Outcomes:
    generator = np.random.default_rng(seed)
    odds = generator.normal(-1.5, 1, days * rows)
    happened = generator.random(odds.size) < 1 / (1 + np.exp(-odds - shift))
    columns = {
        "predicted_on": START + np.repeat(np.arange(days), rows),
        "patients": np.arange(odds.size),
        "risk": 1 / (1 + np.exp(-odds)),
        "happened": happened,
        "known": np.ones(odds.size, dtype=np.bool_),
        "weights": np.ones(odds.size),
    }
    return Outcomes(**{**columns, **fields})


def evidence(risk: np.ndarray, happened: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
    """Return each bet's log evidence of some rows, all of them known where it isn't said."""
    everyone = np.ones(risk.size, dtype=np.bool_)
    told = everyone if known is None else known
    days, patients = np.repeat(START, risk.size), np.arange(risk.size)
    return log_ratio(Outcomes(days, patients, risk, happened, told, everyone * 1.0))


def alarm(outcomes: Outcomes, standing: Standing | None = None) -> Raised | None:
    return find(LOOKS[0], [outcomes], BUDGET, 30, standing)


def test_the_likelihood_ratio_is_that_of_scipy() -> None:
    risk, happened = np.array([0.1, 0.4, 0.8]), np.array([True, False, True])
    found = evidence(risk, happened)
    for bet, value in zip(BETS.bets, found, strict=True):
        other = 1 / (1 + np.exp(-np.log(risk / (1 - risk)) - bet.size))
        ratio = bernoulli.logpmf(happened, other) - bernoulli.logpmf(happened, risk)
        assert value == pytest.approx(ratio.sum())


def test_evidence_has_mean_one_while_risks_hold() -> None:
    risk = np.array([0.05, 0.3, 0.7])
    total = np.zeros(len(BETS.bets))
    for code in range(8):
        happened = np.array([bool(code & 1 << row) for row in range(3)])
        chance = np.where(happened, risk, 1 - risk).prod()
        total += chance * np.exp(evidence(risk, happened))
    assert total == pytest.approx(1.0)


def test_an_unknown_outcome_never_speaks_for_a_bet() -> None:
    risk, nobody = np.array([0.3]), np.array([False])
    unknown = evidence(risk, nobody, nobody)
    for what in (True, False):
        assert (unknown <= evidence(risk, np.array([what]))).all()
    assert (unknown < 0).all()


def test_years_of_risks_that_hold_raise_next_to_no_alarm() -> None:
    alarms = [alarm(simulated(seed, 0.0, days=180, rows=20)) for seed in range(20)]
    assert sum(found is not None for found in alarms) <= 1


@pytest.mark.parametrize(("shift", "direction"), [(0.5, "too low"), (-0.6, "too high")])
def test_a_lasting_shift_is_found_and_its_direction_said(shift: float, direction: str) -> None:
    found = alarm(simulated(1, shift))
    assert found is not None
    assert found.direction == direction
    assert (found.seen.observed > found.seen.expected) == (shift > 0)
    assert found.seen.low < found.seen.observed < found.seen.high


def test_a_patient_counts_once_a_horizon() -> None:
    outcomes = simulated(1, 0.5, rows=1, patients=np.ones(60, dtype=np.int32))
    found = find(LOOKS[0], [outcomes], Budget(1e-9, 1), 30)
    assert found is not None
    assert found.seen.rows <= 2


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 40)), max_size=40),
    st.integers(1, 15),
    st.lists(st.integers(0, 40), max_size=3),
)
def test_of_a_patients_rows_the_next_that_counts_is_beyond_the_horizon_whatever_the_parts(
    rows: list[tuple[int, int]], horizon: int, cuts: list[int]
) -> None:
    rows = sorted(rows, key=lambda row: row[1])
    last: dict[int, int] = {}
    counted = []
    for row, (patient, day) in enumerate(rows):
        if patient not in last or day - last[patient] > horizon:
            last[patient] = day
            counted.append(row)
    parts = []
    for low, high in pairwise([0, *sorted(cuts), 41]):
        own = [row for row, (_, day) in enumerate(rows) if low <= day < high]
        dated = np.datetime64("2025-01-01") + np.array([rows[row][1] for row in own], dtype=int)
        patients = np.array([rows[row][0] for row in own], dtype=np.uint64)
        yes = np.ones(len(own), dtype=bool)
        parts.append(Outcomes(dated, patients, np.array(own, dtype=float), yes, yes, yes * 1.0))
    found = [part.risk for part in independent(parts, horizon)]
    assert np.concatenate([[], *found]).astype(int).tolist() == counted


@pytest.mark.parametrize("shift", [0.4, -0.5])
def test_the_parts_in_which_outcomes_come_change_nothing(shift: float) -> None:
    outcomes = simulated(2, shift, patients=np.arange(60 * 40) % 700)
    whole = alarm(outcomes)
    days = outcomes.predicted_on
    cuts = [days.min(), days.min() + 3, days.min() + 17, days.max() + 1]
    parts = [outcomes.part((days >= low) & (days < high)) for low, high in pairwise(cuts)]
    assert whole is not None
    found = find(LOOKS[0], parts, BUDGET, 30)
    assert found is not None
    for one, other in ((found.seen, whole.seen), (found.later, whole.later)):
        assert one is not None
        assert other is not None
        assert asdict(one) == pytest.approx(asdict(other))


def test_after_an_alarm_evidence_begins_anew() -> None:
    outcomes = simulated(1, 0.5)
    first = alarm(outcomes)
    assert first is not None
    second = alarm(outcomes, Standing(first.direction, first.seen.last, first.seen.last))
    assert second is None or second.seen.first > first.seen.last
    long_after = first.seen.last + timedelta(days=400)
    assert alarm(outcomes, Standing(first.direction, long_after, long_after)) is None


def test_what_came_after_an_alarm_is_told_with_it() -> None:
    wrong, right = simulated(1, 0.8, days=30), simulated(2, 0.0, days=30)
    later = replace(right, predicted_on=right.predicted_on + 30, patients=right.patients + 10_000)
    alone, found = alarm(wrong), find(LOOKS[0], [wrong, later], BUDGET, 30)
    assert alone is not None
    assert alone.later is not None
    assert found is not None
    assert found.seen == alone.seen
    assert found.later is not None
    assert found.later.rows == alone.later.rows + later.risk.size
    assert found.later.first == found.seen.last + timedelta(days=1)
    assert found.later.last == date(2024, 2, 29)
    words = LOOKS[0].sentence(found.direction, found.seen, found.later)
    assert f"from {found.seen.first} to {found.seen.last} were events" in words
    assert (
        f"Of the {found.later.rows:,} after that, from {found.later.first} to 2024-02-29" in words
    )


def test_a_risk_that_was_rounded_to_one_is_weighed_too() -> None:
    found = evidence(np.array([1.0]), np.array([True]))
    assert np.isfinite(found).all()


def standing(found: Raised | None) -> Standing:
    assert found is not None
    return Standing(found.direction, found.seen.last, date.max)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_turn_to_the_opposite_is_found_while_an_alarm_stands(sign: int) -> None:
    before, after = simulated(1, 0.6 * sign), simulated(2, -0.6 * sign)
    after = replace(after, predicted_on=after.predicted_on + 60, patients=after.patients + 10_000)
    first = alarm(before)
    turn = find(LOOKS[0], [before, after], BUDGET, 30, standing(first))
    assert turn is not None
    assert turn.direction == ("too high" if sign > 0 else "too low")
    assert abs(turn.seen.first - date(2024, 3, 1)) < timedelta(days=10)


@pytest.mark.parametrize("shift", [0.4, -0.4])
def test_neither_more_of_the_same_nor_risks_that_hold_again_are_a_turn(shift: float) -> None:
    before, graver = simulated(1, shift, days=90), simulated(2, 3 * shift, days=90)
    held = simulated(3, 0.0, days=90)
    graver, held = (
        replace(one, predicted_on=one.predicted_on + days, patients=one.patients + 10_000 * days)
        for one, days in ((graver, 90), (held, 180))
    )
    first = alarm(before)
    assert find(LOOKS[0], [before, graver, held], BUDGET, 30, standing(first)) is None


@given(st.floats(0.001, 0.999), st.floats(0, 5), st.sampled_from([1, -1]))
def test_bets_on_the_opposite_have_mean_one_at_most_while_a_change_lasts(
    risk: float, shift: float, sign: int
) -> None:
    truth = 1 / (1 + np.exp(-np.log(risk / (1 - risk)) - sign * shift))
    yes, no = (evidence(np.array([risk]), np.array([one])) for one in (True, False))
    means = truth * np.exp(yes) + (1 - truth) * np.exp(no)
    assert (means[BETS.sizes * sign < 0] <= 1 + 1e-9).all()
