from dataclasses import fields

import pytest

from models.definition import parse_definition
from models.errors import DefinitionError
from models.evaluation.net_benefit import Decisions
from models.figure_names import AT_THRESHOLDS
from models.gate import NO_WORSE_THAN_BASELINE, gates_asked
from tests.models.ward import WARD

BECAUSE = ', because = "Agreed with the safety board"'


def _with_gate(metric: str, further: str = "") -> bytes:
    gate = f'gates = [{{ metric = "{metric}", at_least = 0{further} }}]'
    return WARD.replace("schema_version = 1", f"schema_version = 1\n{gate}", 1).encode()


def test_the_names_of_figures_at_a_threshold_are_those_that_are_computed() -> None:
    assert tuple(field.name for field in fields(Decisions)) == AT_THRESHOLDS


@pytest.mark.parametrize(
    "metric",
    [
        "auroc",
        "auroc_minus_champion",
        "net_benefit_at_0.2",
        "net_benefit_at_0.2_minus_champion",
        "net_benefit_at_0.2_minus_baseline",
        "brier/site/north",
        "data_suspicions",
    ],
)
def test_a_gate_may_ask_for_any_figure_that_a_run_has(metric: str) -> None:
    definition = parse_definition(_with_gate(metric, BECAUSE), source="ward")
    assert definition.gates[0].metric == metric


@pytest.mark.parametrize("metric", ["accuracy", "net_benefit_at_0.3", "brier/shoe_size/44"])
def test_a_gate_on_what_no_run_has_is_refused_with_file_and_key(metric: str) -> None:
    with pytest.raises(DefinitionError, match=r"ward: .*gates\.0\.metric: .* is no figure; name"):
        parse_definition(_with_gate(metric), source="ward")


def test_a_gate_in_every_subgroup_asks_for_a_figure_of_subgroups() -> None:
    every = ", every_subgroup = true"
    assert parse_definition(_with_gate("net_benefit_at_0.2", every), source="ward").gates
    with pytest.raises(DefinitionError, match="'auroc_minus_champion' is no figure of a subgroup"):
        parse_definition(_with_gate("auroc_minus_champion", every), source="ward")


def test_a_margin_beside_the_regression_says_why_it_is_so() -> None:
    (gate,) = parse_definition(_with_gate("brier_minus_baseline", BECAUSE), source="ward").gates
    assert gate.because == "Agreed with the safety board"
    with pytest.raises(DefinitionError, match="say in because why brier_minus_baseline may be"):
        parse_definition(_with_gate("brier_minus_baseline"), source="ward")


@pytest.mark.parametrize(
    ("metric", "asked"),
    [
        ("auroc", ["auroc", "auroc_minus_baseline", "scaled_brier_minus_baseline"]),
        ("auroc_minus_baseline", ["auroc_minus_baseline", "scaled_brier_minus_baseline"]),
        ("scaled_brier_minus_baseline", ["scaled_brier_minus_baseline", "auroc_minus_baseline"]),
    ],
)
def test_no_worse_than_the_regression_is_asked_until_the_definition_states_its_own_margin(
    metric: str, asked: list[str]
) -> None:
    definition = parse_definition(_with_gate(metric, BECAUSE), source="ward")

    gates = gates_asked(definition)

    assert [gate.metric for gate in gates] == asked
    assert [gate.at_least for gate in gates] == [0, *[-0.01] * (len(asked) - 1)]


def test_no_definition_gets_round_the_regression_by_having_no_gates() -> None:
    without = parse_definition(WARD.encode(), source="ward").model_copy(update={"gates": ()})

    assert gates_asked(without) == NO_WORSE_THAN_BASELINE
