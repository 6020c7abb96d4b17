import json
from pathlib import Path
from typing import Any

import pytest

from models.catalogue import definitions
from tests.training.conftest import Trained
from training.reporting import NOT_COVERED, NOT_PROVIDED, Report, reports


@pytest.fixture(scope="module")
def evidence(artefact: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((artefact / "evidence.json").read_bytes())
    return found


@pytest.fixture(scope="module")
def answered(trained: Trained, evidence: dict[str, Any]) -> dict[str, Report]:
    return {report.key: report for report in reports(trained.file.definition, evidence)}


def _answers(report: Report) -> dict[str, str]:
    return {answer.item: answer.answer for answer in report.answers}


def test_every_item_of_each_guideline_has_one_answer(answered: dict[str, Report]) -> None:
    assert {key: len(report.answers) for key, report in answered.items()} == {
        "tripod_ai": 52,
        "chai": 41,
        "hti_1": 31,
    }
    for report in answered.values():
        assert all(answer.answer.strip() for answer in report.answers)
        assert len(_answers(report)) == len(report.answers)


def test_figures_are_those_of_the_run_with_their_intervals(
    answered: dict[str, Report], trained: Trained
) -> None:
    auroc = trained.version.evaluation.figures["auroc"]
    shown = f"AUROC {auroc.value:.3f} ({auroc.low:.3f} to {auroc.high:.3f})"

    assert shown in _answers(answered["tripod_ai"])["23a"]
    assert shown in _answers(answered["hti_1"])["Quantitative measures 1"]
    assert shown in _answers(answered["chai"])["KeyMetrics/SafetyReliability"]


@pytest.mark.parametrize(
    ("guideline", "item"),
    [
        ("tripod_ai", "17"),
        ("tripod_ai", "18a"),
        ("tripod_ai", "25"),
        ("chai", "TransparencyInformation/FundingSource"),
        ("chai", "ReleaseInfo/RegulatoryApproval"),
        ("hti_1", "Details and output 2"),
        ("hti_1", "External validation 1"),
        ("hti_1", "Maintenance 2"),
    ],
)
def test_what_nobody_stated_is_not_provided(
    guideline: str, item: str, answered: dict[str, Report]
) -> None:
    assert _answers(answered[guideline])[item] == NOT_PROVIDED


def test_the_abstract_has_a_checklist_of_its_own_which_is_not_covered(
    answered: dict[str, Report],
) -> None:
    assert _answers(answered["tripod_ai"])["2"] == NOT_COVERED


def test_a_withheld_group_gives_no_count_away(trained: Trained, evidence: dict[str, Any]) -> None:
    subgroups = evidence["model_evidence"]["evaluation"]["subgroups"]
    hidden = [{**g, "n": None, "figures": {}, "reason": "withheld"} for g in subgroups]
    changed = json.loads(json.dumps(evidence))
    changed["model_evidence"]["evaluation"]["subgroups"] = hidden

    (tripod, _, _) = reports(trained.file.definition, changed)

    assert "Groups among the judged: none" in _answers(tripod)["20b"]


def test_shipped_definitions_answer_without_a_gap_of_their_own(evidence: dict[str, Any]) -> None:
    for file in definitions([]).values():
        for report in reports(file.definition, evidence):
            assert all(answer.answer for answer in report.answers)


def test_race_that_only_divides_people_is_said_to_be_no_input(evidence: dict[str, Any]) -> None:
    definition = definitions([])["readmission_30d"].definition
    (_, _, hti) = reports(definition, evidence)

    said = _answers(hti)["Development and inputs 2"]
    assert "Race, as the hospital recorded it: for the evaluation alone, never an input" in said
    assert "Date of birth: yes, as age; sex: yes" in said


def test_the_card_shows_the_answers_as_a_page_and_as_values(artefact: Path) -> None:
    page = (artefact / "card.html").read_text()
    values = json.loads((artefact / "card.json").read_bytes())

    for title in ("TRIPOD+AI", "CHAI Applied Model Card", "ONC HTI-1 source attributes"):
        assert title in page
    assert [report["key"] for report in values["reporting"]] == ["tripod_ai", "chai", "hti_1"]
