import re
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


SUBGROUPS = """
[[subgroups]]
name = "age_band"
title = "Age band"
feature = "age"
cuts = [50, 75]

[[subgroups]]
name = "ward"
title = "Ward"
feature = "ward"

[[subgroups]]
name = "race"
title = "Race"
column = "race"

[[subgroups]]
name = "religion"
title = "Religion"
not_assessed = "Nobody asks"
"""


def _with_group(metric: str) -> bytes:
    return _with_gate(metric) + SUBGROUPS.encode()


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("age_band/75 or more", "age_band/75 or more"),
        ("age_band/75_or_more", "age_band/75 or more"),
        ("ward/Medicine", "ward/Medicine"),
        ("ward/medicine", "ward/Medicine"),
        ("ward/unknown", "ward/unknown"),
        ("race/Not said", "race/Not said"),
        ("site/St Mary's", "site/St Mary's"),
    ],
)
def test_a_group_may_be_written_by_its_title_its_category_or_as_metrics_have_it(
    written: str, asked: str
) -> None:
    definition = parse_definition(_with_group(f"auroc/{written}"), source="ward")

    assert definition.gates[0].metric == f"auroc/{written}"
    assert gates_asked(definition)[0].metric == f"auroc/{asked}"


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        (
            "auroc/age_band/nobody",
            "'auroc/age_band/nobody' names no group of age_band; name one of 'under 50', "
            "'50 to under 75', '75 or more'",
        ),
        ("calibration_slope/age_band/50 to under 70", "names no group of age_band; name one"),
        ("auroc/age_band/unknown", "names no group of age_band"),  # age is required
        ("auroc/age_band", "names no group of age_band"),
        (
            "auroc/ward/medcine",
            "names no group of ward; name one of 'Surgery', 'Medicine', 'Maternity', 'unknown'",
        ),
        ("auroc/race", "names no group of race; name one of the groups that tables have as race"),
        ("auroc/site/", "names no group of site; name one of the groups that tables have as site"),
        ("auroc/religion/none", "is no figure, as religion is not assessed: Nobody asks"),
        ("auroc/shoe_size/44", "name a group of one of age_band, ward, race, religion, site"),
        ("sensitivity_at_0.2/ward/Medicine", "is no figure of a group; name one of auroc, auprc,"),
        ("auroc/", "is no figure; name a group"),
    ],
)
def test_a_group_that_cannot_exist_is_refused_with_those_that_do(metric: str, words: str) -> None:
    with pytest.raises(DefinitionError, match=rf"ward: .*gates\.0\.metric: .*{re.escape(words)}"):
        parse_definition(_with_group(metric), source="ward")


def test_of_categories_that_metrics_would_name_alike_the_title_itself_is_asked_for() -> None:
    alike = 'medicine = "Ward A, left", maternity = "Ward A; left"'
    text = _with_group("auroc/ward/{}").decode()
    text = text.replace('medicine = "Medicine", maternity = "Maternity"', alike)

    for title in ("Ward A, left", "Ward A; left"):
        definition = parse_definition(text.replace("{}", title, 1).encode(), source="ward")
        assert gates_asked(definition)[0].metric == f"auroc/ward/{title}"
    with pytest.raises(DefinitionError, match="'auroc/ward/Ward_A__left' names no group of ward"):
        parse_definition(text.replace("{}", "Ward_A__left", 1).encode(), source="ward")


def test_a_copy_with_other_features_does_not_keep_what_its_gates_asked() -> None:
    definition = parse_definition(_with_group("auroc/ward/Medicine"), source="ward")

    fewer = definition.model_copy(update={"features": definition.features[:2]})

    assert list(fewer.by_name) == ["age", "sex"]


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
