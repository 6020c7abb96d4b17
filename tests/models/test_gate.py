from dataclasses import fields

import pytest

from models.definition import parse_definition
from models.errors import DefinitionError
from models.evaluation.net_benefit import Decisions
from models.figure_names import AT_THRESHOLDS
from tests.models.ward import WARD


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
        "brier/site/north",
        "data_suspicions",
    ],
)
def test_a_gate_may_ask_for_any_figure_that_a_run_has(metric: str) -> None:
    assert parse_definition(_with_gate(metric), source="ward").gates[0].metric == metric


@pytest.mark.parametrize("metric", ["accuracy", "net_benefit_at_0.3", "brier/shoe_size/44"])
def test_a_gate_on_what_no_run_has_is_refused_with_file_and_key(metric: str) -> None:
    with pytest.raises(DefinitionError, match=r"ward: .*gates\.0\.metric: .* is no figure; name"):
        parse_definition(_with_gate(metric), source="ward")


def test_a_gate_in_every_subgroup_asks_for_a_figure_of_subgroups() -> None:
    every = ", every_subgroup = true"
    assert parse_definition(_with_gate("net_benefit_at_0.2", every), source="ward").gates
    with pytest.raises(DefinitionError, match="'auroc_minus_champion' is no figure of a subgroup"):
        parse_definition(_with_gate("auroc_minus_champion", every), source="ward")
