from dataclasses import asdict

import pytest

from models.definition import parse_definition
from models.gate import Gate, gates_asked
from tests.training.conftest import Trained
from tests.training.readmissions import DEFINITION
from training.against_baseline import (
    BaselineMetrics,
    against_baseline,
    baseline_metrics,
    of_trees,
)
from training.gates import ChampionMetrics, check_gates, shown_only
from training.metrics import flat_metrics

AUROC = Gate(metric="auroc", at_least=0.75)
ENDS = ("", "_low", "_high")
SLOPE = Gate(metric="calibration_slope", at_least=0.8, at_most=1.2)


@pytest.mark.parametrize(
    ("gate", "figures", "result"),
    [
        (AUROC, (0.80, 0.76, 0.84), "passed"),
        (AUROC, (0.80, 0.75, 0.84), "passed"),
        (AUROC, (0.80, 0.74, 0.84), "insufficient evidence"),
        (AUROC, (0.74, 0.70, 0.78), "failed"),
        (AUROC, (0.70, 0.66, 0.74), "failed"),
        (SLOPE, (1.00, 0.85, 1.15), "passed"),
        (SLOPE, (1.00, 0.85, 1.25), "insufficient evidence"),
        (SLOPE, (1.30, 1.10, 1.50), "failed"),
    ],
)
def test_a_gate_passes_only_with_its_whole_interval_inside(
    gate: Gate, figures: tuple[float, float, float], result: str
) -> None:
    named = zip(("", "_low", "_high"), figures, strict=True)

    (found,) = check_gates([gate], {gate.metric + end: value for end, value in named})

    assert found.result == result
    assert found.passed == (result == "passed")
    assert f"{figures[0]:.3f} ({figures[1]:.3f} to {figures[2]:.3f})" in found.words


@pytest.mark.parametrize("figures", [{}, {"auroc": 0.9}, {"auroc": 0.9, "auroc_low": 0.8}])
def test_a_figure_without_an_interval_is_no_evidence(figures: dict[str, float]) -> None:
    (found,) = check_gates([AUROC], figures)

    assert found.result == "insufficient evidence"
    assert found.words.startswith("AUROC [auroc]: the run has no such figure")


def test_a_definition_without_gates_has_none_to_pass() -> None:
    assert check_gates([], {"auroc": 0.5}) == ()


GROUPS = [
    {
        "characteristic": "sex",
        "group": "Female",
        "events": 100,
        "non_events": 250,
        "assessable": True,
        "reason": None,
        "figures": {"auroc": {"value": 0.8, "simultaneous_low": 0.76, "simultaneous_high": 0.84}},
    },
    {
        "characteristic": "sex",
        "group": "Male",
        "events": 30,
        "non_events": 900,
        "assessable": False,
        "reason": "not assessable: 30 events and 900 non-events, where 100 and 100 are needed",
        "figures": {},
    },
]
EVERY = Gate(metric="auroc", at_least=0.75, every_subgroup=True)


def test_a_gate_for_every_subgroup_cannot_pass_on_one_that_is_not_assessable() -> None:
    female, male = check_gates([EVERY], {"auroc": 0.9}, GROUPS)

    assert female.passed
    assert female.metric == "auroc of sex: Female"
    assert female.words.startswith("AUROC of sex: Female [auroc] 0.800 (0.760 to 0.840)")
    assert male.result == "insufficient evidence"
    assert "30 events" in male.words


def test_a_gate_for_every_subgroup_takes_the_interval_that_holds_for_all() -> None:
    narrow = {"value": 0.8, "low": 0.77, "high": 0.83, "simultaneous_low": 0.74}
    group = {**GROUPS[0], "figures": {"auroc": {**narrow, "simultaneous_high": 0.86}}}

    (found,) = check_gates([EVERY], {}, [group])

    assert found.result == "insufficient evidence"
    assert check_gates([EVERY], {}, [])[0].result == "insufficient evidence"


@pytest.mark.parametrize("few", ["events", "non_events"])
def test_no_gate_passes_on_a_group_of_fewer_than_100_that_the_definition_lets_be_shown(
    few: str,
) -> None:
    group = {**GROUPS[0], few: 99}
    one = Gate(metric="auroc/sex/Female", at_least=0.75)
    figures = {f"auroc/sex/Female{end}": 0.8 for end in ("", "_low", "_high")}

    found = check_gates([EVERY, one], figures, [group])
    enough = check_gates([EVERY, one], figures, GROUPS[:1])

    assert [result.result for result in found] == ["insufficient evidence"] * 2
    assert all("100 events and non-events, of which the group has" in one.words for one in found)
    assert [result.passed for result in enough] == [True, True]


@pytest.mark.parametrize("few", ["patients_with_event", "patients_without_event"])
def test_no_gate_passes_on_many_rows_of_few_patients(few: str) -> None:
    people = {"patients": 340, "patients_with_event": 100, "patients_without_event": 240}
    enough = {**GROUPS[0], "n": 350, **people}
    group = {**enough, few: 1}
    asked = [EVERY, Gate(metric="auroc/sex/Female", at_least=0.75), AUROC]
    figures = {f"{name}{end}": 0.8 for name in ("auroc", "auroc/sex/Female") for end in ENDS}

    found = check_gates(asked, figures, [group], judged=group)

    assert [result.result for result in found] == ["insufficient evidence"] * 3
    assert "100 patients with and without an event, of which the group has" in found[0].words
    assert "of which all who were judged have" in found[2].words
    assert " of 1 patient" in str(shown_only(group))
    assert all(one.passed for one in check_gates(asked, figures, [enough], judged=enough))


def test_evidence_from_before_patients_were_counted_by_outcome_has_no_more_than_all_of_them() -> (
    None
):
    figures = {f"auroc{end}": 0.8 for end in ENDS}
    earlier = {"n": 1000, "events": 500, "non_events": 500}

    (ten,) = check_gates([AUROC], figures, judged={**earlier, "patients": 10})
    (many,) = check_gates([AUROC], figures, judged={**earlier, "patients": 300})

    assert ten.result == "insufficient evidence"
    assert "of which all who were judged have 10 and 10" in ten.words
    assert many.passed


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("net_benefit_at_0.25", "Net benefit at a risk of 25 % [net_benefit_at_0.25] 0.500"),
        ("ici", "Integrated calibration index [ici] 0.500"),
        ("data_suspicions", "Suspicions about the data [data_suspicions] 0.500"),
    ],
)
def test_a_gate_is_named_in_a_readers_words_with_its_name_in_brackets(
    metric: str, words: str
) -> None:
    figures = {f"{metric}{end}": 0.5 for end in ("", "_low", "_high")}

    (found,) = check_gates([Gate(metric=metric, at_least=0.1)], figures)

    assert found.words.startswith(words)
    assert found.metric == metric


@pytest.mark.parametrize("written", ["80 or more", "80_or_more"])
def test_so_is_one_of_a_group_whether_it_is_written_by_its_title_or_as_metrics_have_it(
    written: str,
) -> None:
    old = {**GROUPS[0], "characteristic": "age_band", "group": "80 or more"}
    figures = {f"ici/age_band/80_or_more{end}": 0.5 for end in ENDS}

    (found,) = check_gates([Gate(metric=f"ici/age_band/{written}", at_least=0.1)], figures, [old])

    assert found.passed
    assert found.metric == "ici/age_band/80_or_more"
    assert found.words.startswith(
        "Integrated calibration index of age band: 80 or more [ici/age_band/80_or_more] 0.500"
    )


def test_of_two_groups_whose_metrics_would_be_named_alike_the_title_tells_which_is_meant() -> None:
    titles = ("Failure, or sepsis", "Failure; or sepsis")
    groups = [{**GROUPS[0], "characteristic": "diagnosis", "group": title} for title in titles]
    names = ("Failure__or_sepsis", "Failure__or_sepsis:2")
    figures = {
        f"ici/diagnosis/{name}{end}": value
        for name, value in zip(names, (0.1, 0.9), strict=True)
        for end in ENDS
    }
    gates = [Gate(metric=f"ici/diagnosis/{one}", at_most=0.5) for one in (*titles, *names)]

    found = check_gates(gates, figures, groups)

    assert [one.result for one in found] == ["passed", "failed"] * 2
    assert [one.metric for one in found] == [f"ici/diagnosis/{name}" for name in names] * 2


def test_a_group_that_the_run_lacks_is_no_evidence_by_the_name_that_its_metric_would_have() -> None:
    gate = Gate(metric="auroc/race/Not said", at_least=0.5)

    (found,) = check_gates([gate], {"auroc": 0.9}, GROUPS)

    assert (found.result, found.metric) == ("insufficient evidence", "auroc/race/Not_said")
    assert found.words.startswith("AUROC of race: Not said [auroc/race/Not_said]: the run has no")


def test_every_group_of_a_run_can_be_asked_as_its_definition_may_write_it(
    trained: Trained,
) -> None:
    judged = asdict(trained.version.evaluation)
    shown = [f"{one['characteristic']}/{one['group']}" for one in judged["subgroups"]]
    written = [*shown, *(one.replace(" ", "_") for one in shown), "sex/female", "sex/male"]
    gates = ", ".join(f'{{ metric = "event_rate/{one}", at_least = 0 }}' for one in written)
    text = DEFINITION.replace("gates = [", f"gates = [{gates},", 1)

    asked = gates_asked(parse_definition(text.encode(), source="readmission"))[: len(written)]
    found = check_gates(asked, flat_metrics(trained.version.evaluation), judged["subgroups"])

    without = {
        f"{one['characteristic']}/{one['group']}"
        for one in judged["subgroups"]
        if not one["figures"]
    }
    assert "age_band/65 to under 110" in shown
    assert len(without) < len(shown)
    for one, result in zip(written, found, strict=True):
        lacks = one.replace("_", " ").replace("age band", "age_band") in without
        assert ("the run has no such figure" in result.words) == lacks, one
    assert found[-2].metric == "event_rate/sex/Female"


def test_so_is_one_on_the_difference_to_the_champion() -> None:
    gate = Gate(metric="brier_minus_champion", at_most=0.01)

    (found,) = check_gates([gate], {})

    assert found.words.startswith("Brier score minus the champion's [brier_minus_champion]: held")


@pytest.mark.parametrize("few", ["events", "non_events"])
def test_a_group_whose_figures_are_shown_says_that_no_gate_can_pass_on_it(few: str) -> None:
    group = {**GROUPS[0], "events": 100, "non_events": 100}

    assert shown_only(group) is None
    assert shown_only(GROUPS[1]) is None  # its reason stands where the figures would
    words = shown_only({**group, few: 1})
    assert words is not None
    assert words.startswith("shown, not assessable: ")
    assert words.endswith(", where a gate needs 100 of each")
    assert ("1 event and 100 non-events" if few == "events" else "100 events and 1 non-") in words


def test_a_gate_fails_on_a_small_group_whose_figure_lies_outside() -> None:
    figure = {"value": 0.6, "simultaneous_low": 0.5, "simultaneous_high": 0.7}

    (found,) = check_gates([EVERY], {}, [{**GROUPS[0], "events": 9, "figures": {"auroc": figure}}])

    assert found.result == "failed"


def test_a_gate_for_every_subgroup_may_ask_of_a_threshold() -> None:
    figure = {"value": 0.02, "simultaneous_low": 0.01, "simultaneous_high": 0.03}
    at = [{"threshold": 0.2, "figures": {"net_benefit": figure}}]
    gate = Gate(metric="net_benefit_at_0.2", at_least=0.0, every_subgroup=True)

    (found,) = check_gates([gate], {}, [{**GROUPS[0], "at_thresholds": at}])

    assert found.passed
    assert "0.020 (0.010 to 0.030)" in found.words


def test_a_gate_on_the_difference_to_the_champion_reads_that_comparison_alone() -> None:
    gate = Gate(metric="auroc_minus_champion", at_least=-0.02)
    figures = {f"auroc_minus_champion{end}": 0.01 for end in ("", "_low", "_high")}

    (not_compared,) = check_gates([gate], figures)
    (compared,) = check_gates([gate], {}, champion=ChampionMetrics(figures, "version 3"))
    (worse,) = check_gates(
        [gate], {}, champion=ChampionMetrics(dict.fromkeys(figures, -0.1), "version 3")
    )
    (first,) = check_gates([gate], {}, champion=ChampionMetrics({}, "none", needed=False))

    assert not_compared.result == "insufficient evidence"
    assert compared.passed
    assert compared.words.endswith("(version 3)")
    assert worse.result == "failed"
    assert first.passed


BESIDE = Gate(metric="auroc_minus_baseline", at_least=-0.01, because="Agreed beforehand")


def beside(value: float, low: float, high: float, events: int = 500) -> BaselineMetrics:
    difference = {
        "differences": {"auroc": {"value": value, "low": low, "high": high}},
        "at_thresholds": [
            {"threshold": 0.2, "figures": {"net_benefit": {"value": 0, "low": -0.1, "high": 0.1}}}
        ],
    }
    return baseline_metrics(difference, {"events": events, "non_events": 500})


@pytest.mark.parametrize(
    ("figures", "result"),
    [
        ((0.01, -0.01, 0.03), "passed"),
        ((0.01, -0.011, 0.03), "insufficient evidence"),
        ((-0.02, -0.03, 0.0), "failed"),
    ],
)
def test_a_gate_beside_the_regression_asks_the_whole_interval_not_to_be_worse_than_its_margin(
    figures: tuple[float, float, float], result: str
) -> None:
    (found,) = check_gates([BESIDE], {}, baseline=beside(*figures))

    assert found.result == result
    assert found.words.startswith("AUROC minus the regression's [auroc_minus_baseline]")
    assert found.words.endswith("(these limits: Agreed beforehand)")


def test_it_takes_as_many_people_as_any_other_and_never_passes_without_a_comparison() -> None:
    at = Gate(metric="net_benefit_at_0.2_minus_baseline", at_least=-0.1, because="Agreed so far")

    (few,) = check_gates([BESIDE], {}, baseline=beside(0.1, 0.05, 0.15, events=99))
    (nothing,) = check_gates([BESIDE], {f"auroc_minus_baseline{end}": 1 for end in ENDS})
    (threshold,) = check_gates([at], {}, baseline=beside(0.1, 0.05, 0.15))

    assert [few.result, nothing.result] == ["insufficient evidence"] * 2
    assert threshold.passed
    assert "at a risk of 20 % minus the regression's" in threshold.words


def test_the_trees_of_a_recalibrated_version_stand_beside_the_regression_as_they_were_judged() -> (
    None
):
    sigma = {"value": 0.02, "low": 0.01, "high": 0.03}
    made = {
        "difference_to_baseline": {"differences": {"auroc": sigma}, "at_thresholds": []},
        "model_evidence": {"evaluation": {"events": 200, "non_events": 300, "n": 500}},
    }
    worse = {"differences": {"auroc": {**sigma, "low": -0.5}}, "at_thresholds": []}
    renewed = {
        **made,
        "difference_to_baseline": worse,
        "trees_against_baseline": of_trees("3", made),
    }

    (found,) = check_gates([BESIDE], {}, baseline=against_baseline(renewed))

    assert found.passed
    assert "of version 3, whose trees these are, as it was judged" in found.words
    assert check_gates([BESIDE], {}, baseline=against_baseline(made))[0].passed


@pytest.mark.parametrize("counts", [(40, 800), (800, 99)])
def test_no_gate_passes_on_few_people_with_or_without_the_event(counts: tuple[int, int]) -> None:
    judged = dict(zip(("events", "non_events"), counts, strict=True))
    figures = {"auroc": 0.9, "auroc_low": 0.85, "auroc_high": 0.94}
    exact = {f"data_suspicions{end}": 0.0 for end in ("", "_low", "_high")}
    gates = [AUROC, Gate(metric="data_suspicions", at_most=0)]

    few, counted = check_gates(gates, figures | exact, judged=judged)
    (enough,) = check_gates([AUROC], figures, judged={"events": 100, "non_events": 100})

    assert few.result == "insufficient evidence"
    assert f"all who were judged have {counts[0]} and {counts[1]}" in few.words
    assert counted.passed
    assert enough.passed
