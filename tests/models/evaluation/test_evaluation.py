"""A whole evaluation: figures with intervals, subgroups, censoring and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from models.errors import StatisticsError
from models.evaluation.bootstrap import Estimate
from models.evaluation.censoring import CensoringWeighter
from models.evaluation.evaluation import evaluate, evaluate_beside
from models.evaluation.logistic import expit
from models.evaluation.subgroups import NOT_RECORDED
from models.evaluation.suppression import ReportingLimits
from models.figure_names import AT_THRESHOLDS, SCALARS

ROWS = 1200
LIMITS = ReportingLimits(people=20, events=40, non_events=40, cell=5)


@pytest.fixture(scope="module")
def cohort():
    rng = np.random.default_rng(31)
    log_odds = rng.normal(-1, 1.2, ROWS)
    y = (rng.random(ROWS) < expit(log_odds)).astype(int)
    sex = rng.choice(["female", "male"], ROWS)
    band = np.repeat(["50-64", "65-74", "75-84", "85+"], [600, 400, 190, 10]).astype(object)
    return y, expit(log_odds), {"sex": sex, "age_band": band}


@pytest.fixture(scope="module")
def found(cohort):
    y, risk, groups = cohort
    return evaluate(
        y,
        risk,
        thresholds=[0.1, 0.3],
        patient_ids=np.arange(ROWS),
        seed=1,
        draws=60,
        groups=groups,
        limits=LIMITS,
    )


def group(found, name):
    return next(one for one in found.subgroups if one.group == name)


def test_every_figure_has_an_interval(found):
    assert set(found.figures) == set(SCALARS)
    assert [one.threshold for one in found.at_thresholds] == [0.1, 0.3]
    shown = [*found.figures.values()]
    for one in found.at_thresholds:
        assert set(one.figures) == set(AT_THRESHOLDS)
        shown += one.figures.values()
    for one in shown:
        assert one.low < one.high
        assert (one.draws, one.failed) == (60, 0)
    auroc = found.figures["auroc"]
    assert auroc.low < auroc.value < auroc.high


def test_figures_agree_with_scikit_learn(cohort, found):
    y, risk, _ = cohort
    assert found.figures["auroc"].value == pytest.approx(roc_auc_score(y, risk))
    assert found.figures["brier"].value == pytest.approx(brier_score_loss(y, risk))
    assert found.figures["event_rate"].value == pytest.approx(y.mean())
    assert (found.n, found.events, found.non_events) == (ROWS, y.sum(), ROWS - y.sum())
    assert found.effective_n == pytest.approx(ROWS)


def test_an_evaluation_becomes_json_and_the_same_seed_gives_the_same(cohort, found):
    y, risk, groups = cohort
    again = evaluate(
        y,
        risk,
        thresholds=[0.1, 0.3],
        patient_ids=np.arange(ROWS),
        seed=1,
        draws=60,
        groups=groups,
        limits=LIMITS,
    )
    text = json.dumps(found.to_dict(), allow_nan=False)
    assert json.loads(text)["figures"]["auroc"]["value"] == found.figures["auroc"].value
    assert json.dumps(again.to_dict(), allow_nan=False) == text


def test_a_groups_figures_are_those_of_its_rows_and_differences_are_to_the_rest(cohort, found):
    y, risk, groups = cohort
    young = groups["age_band"] == "50-64"
    shown = group(found, "50-64")
    assert shown.assessable
    inside, outside = roc_auc_score(y[young], risk[young]), roc_auc_score(y[~young], risk[~young])
    assert shown.figures["auroc"].value == pytest.approx(inside)
    assert shown.differences["auroc"].value == pytest.approx(inside - outside)
    at = shown.differences_at_thresholds[1].figures["sensitivity"].value
    alerts = risk >= 0.3
    expected = alerts[young & (y == 1)].mean() - alerts[~young & (y == 1)].mean()
    assert at == pytest.approx(expected)


def test_simultaneous_intervals_are_wider_than_pointwise_ones(found):
    reported = [
        one.figures["calibration_in_the_large"] for one in found.subgroups if one.assessable
    ]
    assert len(reported) == 4
    for one in reported:
        assert one.simultaneous_high - one.simultaneous_low > one.high - one.low


def test_a_small_group_and_the_one_that_gives_it_away_are_withheld(found):
    for name in ("85+", "75-84"):
        shown = group(found, name)
        assert (shown.n, shown.events, shown.non_events) == (None, None, None)
        assert not shown.assessable
        assert shown.reason.startswith("withheld")
        assert not shown.figures
        assert not shown.differences
    assert group(found, "65-74").n == 400


def test_a_group_with_too_few_events_is_not_assessable_and_says_how_many_it_has(cohort):
    y, risk, groups = cohort
    limits = replace(LIMITS, events=200)
    found = evaluate(
        y,
        risk,
        thresholds=[0.2],
        patient_ids=np.arange(ROWS),
        seed=1,
        draws=20,
        groups={"sex": groups["sex"]},
        limits=limits,
    )
    for shown in found.subgroups:
        assert not shown.assessable
        assert f"{shown.events} events" in shown.reason
        assert not shown.figures


@pytest.mark.parametrize("few", [99, 100])
@pytest.mark.parametrize("outcome", [0, 1])
def test_a_group_is_assessable_from_100_events_and_non_events_whatever_may_be_shown(
    few: int, outcome: int
) -> None:
    y = np.where(np.arange(1000) % 2 == 0, 1.0, 0.0)
    small = np.zeros(1000, dtype=bool)
    small[np.flatnonzero(y == outcome)[:few]] = True
    small[np.flatnonzero(y != outcome)[:300]] = True
    found = evaluate(
        y,
        np.random.default_rng(1).uniform(0.1, 0.9, 1000),
        thresholds=[0.2],
        patient_ids=np.arange(1000),
        seed=1,
        draws=20,
        groups={"site": np.where(small, "small", "large")},
        limits=LIMITS,
    )

    shown = group(found, "small")

    assert shown.figures
    assert shown.differences
    assert shown.assessable == (few == 100)
    assert (shown.reason is None) == (few == 100)


def of_patients(patient, group_of, y=None, limits=LIMITS):
    rows = len(patient)
    return evaluate(
        np.arange(rows) % 2 if y is None else y,
        np.random.default_rng(1).uniform(0.1, 0.9, rows),
        thresholds=[0.2],
        patient_ids=patient,
        seed=1,
        draws=20,
        groups={"race": group_of},
        limits=limits,
    )


def test_many_rows_of_one_patient_are_withheld_and_no_evidence():
    one = np.arange(1000) < 260

    found = of_patients(np.where(one, 0, np.arange(1000)), np.where(one, "Z", "A"))

    for shown in found.subgroups:  # the other one would give it away
        assert (shown.n, shown.events, shown.patients, shown.figures) == (None, None, None, {})
        assert not shown.assessable
        assert shown.reason.startswith("withheld: ")


@pytest.mark.parametrize("rows_each", [4, 3])
def test_a_group_is_assessable_by_patients_with_and_without_an_event_not_by_rows(rows_each):
    # of 4 rows each, both kinds: every patient is with an event and without one
    patient = np.arange(1200) // 4
    group_of = np.where(patient < (100 if rows_each == 4 else 99), "few", "many")

    found = of_patients(patient, group_of)

    few, many = group(found, "few"), group(found, "many")
    patients = 100 if rows_each == 4 else 99
    assert (few.n, few.events, few.non_events) == (4 * patients, 2 * patients, 2 * patients)
    assert (few.patients, few.patients_with_event, few.patients_without_event) == (patients,) * 3
    assert many.assessable
    assert few.figures
    assert few.assessable == (patients == 100)
    assert few.reason == (
        None
        if patients == 100
        else "shown, not assessable: 198 events of 99 patients and 198 non-events of 99 patients, "
        "where a gate needs 100 patients of each"
    )


def test_the_whole_counts_its_patients_with_and_without_an_event():
    found = of_patients(np.arange(1000) % 10, np.full(1000, "A"))

    assert (found.n, found.events, found.non_events) == (1000, 500, 500)
    assert (found.patients, found.patients_with_event, found.patients_without_event) == (10, 5, 5)


def test_figures_and_cells_of_groups_count_people():
    patient = np.arange(2400) // 2
    y = patient % 2
    few = (patient < 62) & (y == 1) | (patient >= 62) & (patient < 400)
    limits = replace(LIMITS, events=220)

    found = of_patients(patient, np.where(few, "few", "many"), y, limits)

    shown = group(found, "few")
    assert (shown.events, shown.patients_with_event) == (400, 200)
    assert not shown.figures
    assert shown.reason == (
        "shown, not assessable: 400 events of 200 patients and 338 non-events of 169 patients, "
        "where figures need 220 and 40 patients, and a gate 100 of each"
    )
    cells = of_patients(patient, np.where(patient < 8, "few", "many"), y)
    assert [one.n for one in cells.subgroups] == [None, None]


def test_the_same_people_in_two_withheld_groups_hide_one_another_only_once():
    # 12 patients have a row in each of two small wards; the two together are still 12 people
    patient = np.r_[np.arange(12), np.arange(12), np.arange(12, 1200)]
    ward = np.r_[np.full(12, "a"), np.full(12, "b"), np.arange(12, 1200) % 2 + 1].astype(object)

    found = of_patients(patient, ward)

    hidden = {one.group for one in found.subgroups if one.n is None}
    assert {"a", "b"} < hidden


def test_no_difference_is_given_to_a_rest_that_may_not_be_shown_itself(cohort):
    y, risk, _ = cohort
    few = np.zeros(ROWS, dtype=bool)
    few[np.flatnonzero(y == 1)[:10]] = True
    few[np.flatnonzero(y == 0)[:50]] = True
    found = evaluate(
        y,
        risk,
        thresholds=[0.2],
        patient_ids=np.arange(ROWS),
        seed=1,
        draws=20,
        groups={"site": np.where(few, "small", "large")},
        limits=LIMITS,
    )
    large, small = group(found, "large"), group(found, "small")
    assert large.figures
    assert not large.differences
    assert not large.differences_at_thresholds
    assert (small.n, small.events, small.assessable) == (60, 10, False)


def test_rows_without_a_group_form_one_of_their_own(cohort):
    y, risk, _ = cohort
    site = np.array(["A", "B", None, float("nan"), ""] * (ROWS // 5), dtype=object)
    found = evaluate(
        y,
        risk,
        thresholds=[0.2],
        patient_ids=np.arange(ROWS),
        seed=1,
        draws=20,
        groups={"site": site},
        limits=LIMITS,
    )
    assert [(one.group, one.n) for one in found.subgroups] == [
        ("A", ROWS // 5),
        ("B", ROWS // 5),
        (NOT_RECORDED, 3 * ROWS // 5),
    ]


def test_censored_rows_count_for_nothing_but_the_weights_of_others(cohort):
    _, risk, _ = cohort
    rng = np.random.default_rng(12)
    died_at = rng.exponential(3000 * (1 - risk))
    left_at = rng.exponential(3000, ROWS)
    weighter = CensoringWeighter(np.minimum(died_at, left_at), died_at <= left_at, 1000)
    found = evaluate(
        weighter.y,
        risk,
        thresholds=[0.2],
        patient_ids=np.arange(ROWS),
        seed=1,
        draws=40,
        reweight=weighter.reweight,
    )
    weights = weighter.weights()
    assert found.unknown == weights.censored_before_horizon > 100
    assert found.events + found.non_events + found.unknown == ROWS
    assert found.effective_n == pytest.approx(weights.effective_n)
    expected = roc_auc_score(weighter.y, risk, sample_weight=weights.weights)
    assert found.figures["auroc"].value == pytest.approx(expected)


def test_draws_that_miss_one_outcome_are_counted():
    y = np.r_[np.ones(2), np.zeros(30)]
    risk = np.linspace(0.9, 0.1, 32)
    found = evaluate(y, risk, thresholds=[0.5], patient_ids=np.arange(32), seed=3, draws=200)
    # nobody with the event is drawn with probability (30/32)^32, about 0.127
    assert 10 <= found.figures["auroc"].failed <= 45
    assert found.figures["brier"].failed == 0


def test_undefined_figures_say_so_and_leave_no_curve():
    risk = np.tile([0.0, 1.0, 0.5, 0.4], 20)
    y = np.tile([0, 1, 1, 0, 1, 0, 0, 1], 10)
    found = evaluate(y, risk, thresholds=[0.5], patient_ids=np.arange(80), seed=3, draws=20)
    slope = found.figures["calibration_slope"]
    assert slope.value is None
    assert slope.reason
    assert found.calibration_curve is None
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_curves_carry_their_intervals(cohort, found):
    y, _, _ = cohort
    curve, decisions = found.calibration_curve, found.decision_curve
    assert all(a <= b <= c for a, b, c in zip(curve.low, curve.observed, curve.high, strict=True))
    assert list(curve.risk) == sorted(curve.risk)
    at = decisions.thresholds.index(0.3)
    assert decisions.net_benefit[at] == found.at_thresholds[1].figures["net_benefit"].value
    assert decisions.treat_all[at] == pytest.approx(y.mean() - (1 - y.mean()) * 3 / 7)


def test_a_model_differs_from_itself_in_nothing_and_beats_noise_beyond_doubt(cohort):
    y, risk, _ = cohort
    settings = {"thresholds": [0.3], "patient_ids": np.arange(ROWS), "seed": 5, "draws": 60}
    same = _compare(y, risk, risk, settings)
    assert all((one.value, one.low, one.high) == (0, 0, 0) for one in same.differences.values())
    shuffled = np.random.default_rng(0).permutation(risk)
    better = _compare(y, risk, shuffled, settings)
    assert better.differences["auroc"].low > 0
    assert better.differences["brier"].high < 0
    assert better.at_thresholds[0].figures["net_benefit"].low > 0
    json.dumps(better.to_dict(), allow_nan=False)


def test_pairing_removes_what_both_models_share(cohort):
    y, risk, _ = cohort
    near = expit(np.log(risk / (1 - risk)) + np.random.default_rng(1).normal(0, 0.05, ROWS))
    settings = {"thresholds": [0.3], "patient_ids": np.arange(ROWS), "seed": 5, "draws": 60}
    difference = _compare(y, risk, near, settings).differences["auroc"]
    alone = evaluate(y, risk, **settings).figures["auroc"]
    assert width(difference) < 0.3 * width(alone)


def _compare(y, risk, other, settings):
    return evaluate_beside(y, risk, {"other": other}, **settings).comparisons["other"]


def test_a_model_beside_others_is_evaluated_as_it_is_alone(cohort):
    y, risk, _ = cohort
    other = np.clip(risk * 0.9, 0.01, 0.99)
    groups = {"half": np.arange(ROWS) % 2}
    settings = {"thresholds": [0.3], "patient_ids": np.arange(ROWS), "seed": 5, "draws": 40}
    beside = evaluate_beside(y, risk, {"other": other}, groups=groups, **settings)

    assert beside.own == evaluate(y, risk, groups=groups, **settings)
    assert beside.others["other"] == evaluate(y, other, **settings)


def width(one: Estimate) -> float:
    return one.high - one.low


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": [0] * 40}, "0 events and 40 non-events of 40 rows"),
        ({"weights": [0.0, 1.0] * 20}, "20 events and 0 non-events"),
        ({"y": []}, "y is empty"),
        ({"risk": [2.0] * 40}, "risk must lie within 0 and 1: 40 of 40"),
        ({"patient_ids": [1, 2]}, r"patient_ids has shape \(2,\), but there are 40 rows"),
        ({"groups": {"sex": ["f"]}}, r"groups\['sex'\] has shape \(1,\)"),
        ({"thresholds": []}, "thresholds is empty"),
        ({"thresholds": [1.0]}, "thresholds must lie strictly between 0 and 1"),
        ({"draws": 3}, "draws must be at least 20"),
    ],
)
def test_what_cant_be_evaluated_is_refused_by_name(changes, message):
    given = {
        "y": [0, 1] * 20,
        "risk": np.linspace(0.1, 0.9, 40),
        "thresholds": [0.5],
        "patient_ids": np.arange(40),
        "seed": 1,
        "draws": 20,
        **changes,
    }
    with pytest.raises(StatisticsError, match=message):
        evaluate(given.pop("y"), given.pop("risk"), **given)
