from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from monitoring import ledger as books
from monitoring.assurance import Assurance, assurances, overall_claim
from monitoring.evidence.detector import Budget, close_day, open_stream
from monitoring.watchlist import budget_of, watched_streams
from records.models import Alarm
from tests.monitoring.clinic import FIRST, Clinic, without_creatinine

BUDGET = Budget(5, 16)


def assured(clinic: Clinic, days: int, *keys: str) -> dict[str, Assurance]:
    watched = watched_streams(clinic.definition, clinic.profile)
    ledger = books.load(clinic.model, clinic.version, watched)
    through = FIRST + timedelta(days=days - 1)
    chosen = [one for one in watched if one.base in keys or not keys]
    return assurances(chosen, ledger, budget_of(clinic.definition, watched), through)


def test_weeks_of_calm_days_leave_only_the_season_open(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 18)
    clinic.watch(FIRST + timedelta(days=17))
    found = assured(clinic, 18)
    assert [name for name, _ in found["value:age"].unmet] == ["season"]
    assert found["value:age"].claim.startswith("No budget claimed, because season")
    assert found["value:age"].rows_a_day == 60
    watched = watched_streams(clinic.definition, clinic.profile)
    # nobody has reported what was done
    assert set(found) == {one.key for one in watched if not one.is_twin} - {"overrides"}
    assert found["flags:doubtful"].unmet[0][0] == "values that vary"
    week = found["flags:doubtful"].smallest[0][1]
    assert week.startswith("a rise from none in 1,080 (so at most 0.28 %) to ")


def test_days_that_vary_cost_power_and_it_is_said(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 18)
    clinic.watch(FIRST + timedelta(days=17))
    watched = watched_streams(clinic.definition, clinic.profile)
    age = [one for one in watched if one.key == "value:age"]
    ledger = books.load(clinic.model, clinic.version, watched)
    through = FIRST + timedelta(days=17)
    calm = assurances(age, ledger, BUDGET, through)["value:age"]
    state = ledger.states["value:age"]
    varied = replace(state.dispersion, total=420.0, pairs=100)
    ledger.states["value:age"] = replace(state, dispersion=varied)
    found = assurances(age, ledger, BUDGET, through)["value:age"]
    assert (calm.divisor, found.divisor) == (1.0, pytest.approx(3.0))
    assert "divided" not in calm.claim
    assert found.claim.endswith("divided by 3: days vary more than their rows explain.")
    shifts = [float(each.smallest[1][1].split()[3]) for each in (calm, found)]
    assert shifts[1] > 1.3 * shifts[0]


def test_a_fortnight_is_needed_to_judge_by(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 5)
    clinic.watch(FIRST + timedelta(days=4))
    ((name, measured),) = assured(clinic, 5, "score")["score"].unmet
    assert name == "days to judge by"
    assert "fewer than 14 days" in measured


def test_predictions_without_a_patient_may_be_of_one_stay(clinic: Clinic) -> None:
    for step in range(15):
        clinic.record(FIRST + timedelta(days=step), 20, patient="")
        clinic.record(FIRST + timedelta(days=step), 20)
    clinic.watch(FIRST + timedelta(days=14))
    unmet = dict(assured(clinic, 15, "score")["score"].unmet)
    assert unmet["one row a stay"] == "2.00 rows a stay"


def test_days_of_an_alarm_are_not_held_against_the_days_before(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 18)
    clinic.record_days(FIRST + timedelta(days=18), 4, change=without_creatinine(0.9))
    clinic.watch(FIRST + timedelta(days=21))
    assert Alarm.objects.filter(stream="missing:creatinine").exists()
    assert [
        name for name, _ in assured(clinic, 22, "missing:creatinine")["missing:creatinine"].unmet
    ] == ["season"]


def test_the_change_that_is_promised_within_a_week_is_seen_within_a_week(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 14)
    clinic.watch(FIRST + timedelta(days=13))
    stream = {one.key: one for one in watched_streams(clinic.definition, clinic.profile)}
    one = stream["missing:creatinine"]
    (days, reading), *_ = assured(clinic, 14, "missing:creatinine")["missing:creatinine"].smallest
    before, after = (float(part.split(" %")[0]) / 100 for part in reading[12:].split(" to "))
    assert (days, before) == (7, pytest.approx(0.15, abs=0.02))
    generator, seen = np.random.default_rng(4), []
    for _ in range(60):
        state = open_stream(one.stream, one.reference)
        for day in range(7):
            missing = generator.binomial(60, after)
            closing = close_day(
                one.stream,
                state.observe([60 - missing, missing]),
                FIRST + timedelta(day),
                budget_of(clinic.definition, watched_streams(clinic.definition, clinic.profile)),
            )
            state = closing.state
            if closing.alarm:
                break
        seen.append(closing.alarm)
    assert 0.3 < np.mean(seen) < 0.8


@pytest.mark.parametrize(
    ("rows", "has_rows", "horizon"),
    [
        (60, lambda day: day.weekday() < 5, 7),
        (60, lambda day: day.weekday() < 5, 30),
        (2, lambda day: (day - FIRST).days % 10 == 0, 90),
    ],
)
def test_days_without_rows_count_towards_what_is_seen_in_time(
    clinic: Clinic, rows: int, has_rows: Callable[[date], bool], horizon: int
) -> None:
    for step in range(56):
        if has_rows(FIRST + timedelta(days=step)):
            clinic.record(FIRST + timedelta(days=step), rows)
    clinic.watch(FIRST + timedelta(days=55))
    found = assured(clinic, 56, "missing:creatinine")["missing:creatinine"]
    latest = [FIRST + timedelta(days=step) for step in range(28, 56)]
    assert found.rows_a_day == pytest.approx(rows * sum(map(has_rows, latest)) / 28)
    after = float(dict(found.smallest)[horizon].split(" to ")[1].split(" %")[0]) / 100
    watched = watched_streams(clinic.definition, clinic.profile)
    budget = budget_of(clinic.definition, watched)
    one = next(one for one in watched if one.key == "missing:creatinine")
    before = books.load(clinic.model, clinic.version, watched).states[one.key].reference.sum(axis=0)
    generator, seen = np.random.default_rng(11), []
    for run in range(150):
        state = open_stream(one.stream, before)
        begun = FIRST + timedelta(days=70 + run)
        for day in (begun + timedelta(days=step) for step in range(horizon)):
            if not has_rows(day):
                continue
            missing = generator.binomial(rows, after)
            counts = [rows - missing, missing]
            closing = close_day(one.stream, state.observe(counts), day, budget)
            state = closing.state
            if closing.alarm:
                break
        seen.append(closing.alarm)
    assert 0.3 < np.mean(seen) < 0.75


def test_days_before_the_version_was_watched_are_no_days_without_rows(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 9, 20)
    clinic.watch(FIRST + timedelta(days=9))  # on the tenth day nobody came
    assert assured(clinic, 10, "score")["score"].rows_a_day == 18


def test_days_of_an_alarm_are_part_of_the_volume(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 18)
    clinic.record_days(FIRST + timedelta(days=18), 10, 20, change=without_creatinine(0.9))
    clinic.watch(FIRST + timedelta(days=27))
    assert Alarm.objects.filter(stream="missing:creatinine").exists()
    found = assured(clinic, 28, "missing:creatinine")["missing:creatinine"]
    assert found.rows_a_day == pytest.approx((18 * 60 + 10 * 20) / 28)


def test_a_stream_without_rows_for_four_weeks_claims_to_see_nothing(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 20)
    clinic.watch(FIRST + timedelta(days=47))
    found = assured(clinic, 48, "score")["score"]
    assert (found.rows_a_day, found.smallest) == (0, ())
    assert found.no_power == "no row in the latest 28 days"
    earlier = assured(clinic, 47, "score")["score"]
    assert (earlier.rows_a_day, earlier.no_power) == (pytest.approx(60 / 28), "")


def stream(unmet: tuple[tuple[str, str], ...]) -> Assurance:
    return Assurance("Age", "value", "", unmet, 10.0, (), 1.0)


def test_a_models_budget_is_claimed_only_if_every_stream_meets_every_assumption() -> None:
    assert overall_claim([stream(()), stream(())], BUDGET).startswith("Simulated, not proved")
    claim = overall_claim([stream(()), stream((("season", "0.3 SD"),))], BUDGET)
    assert "No budget claimed" in claim
    assert "season (1 of 2)" in claim
    assert "no day was watched yet" in overall_claim([], BUDGET)
