import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.definition import DefinitionFile
from models.evaluation.bootstrap import Estimate
from records.settings import Settings
from tests.training.conftest import NOW, Trained
from tests.training.readmissions import DEFINITION, cohort, people, write_definition
from training.card import card_files, quality_page
from training.cohort import Cohort
from training.gates import shown_only
from training.options import TrainOptions
from training.run import train


@pytest.fixture(scope="module")
def page(artefact: Path) -> str:
    return (artefact / "card.html").read_text(encoding="utf-8")


def test_a_demonstration_says_that_it_is_not_for_clinical_use(page: str, artefact: Path) -> None:
    assert "Not for clinical use." in page
    assert json.loads((artefact / "card.json").read_bytes())["for_clinical_use"] is False


def test_a_quick_training_says_so_with_its_draws(page: str) -> None:
    assert "Quick training:" in page
    assert "40 bootstrap draws" in page
    assert (
        "Left out: the regression without indicators of missing values and the comparison of "
        "contributions with shap&#39;s.</p>" in page
    )


def test_the_figures_on_the_card_are_those_of_the_run(page: str, trained: Trained) -> None:
    def shown(estimate: Estimate) -> str:
        return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"

    for name in ("auroc", "brier", "calibration_slope"):
        assert shown(trained.version.evaluation.figures[name]) in page
    for threshold in trained.version.evaluation.at_thresholds:
        assert shown(threshold.figures["net_benefit"]) in page


def test_each_groups_calibration_and_precision_are_on_the_card(page: str, artefact: Path) -> None:
    evidence = json.loads((artefact / "evidence.json").read_bytes())
    groups = evidence["model_evidence"]["evaluation"]["subgroups"]
    shown_groups = [group for group in groups if group["figures"]]
    assert shown_groups
    for group in shown_groups:
        for name in ("calibration_slope", "observed_expected", "ici", "brier", "auprc"):
            one = group["figures"][name]
            low, high = one["simultaneous_low"], one["simultaneous_high"]
            assert f"{one['value']:.3f} ({low:.3f} to {high:.3f})" in page


def test_what_is_not_known_is_said_to_be_unknown(page: str) -> None:
    assert "not assessed: The table doesn&#39;t record it" in page
    assert "external validation on another population" in page


def test_exclusions_censoring_and_gates_are_on_the_card(page: str) -> None:
    assert "No row was left out." in page
    assert re.search(r"with an outcome unknown at the horizon", page)
    assert re.search(r"AUROC \[auroc\] 0\.\d+ \(.*\); at least 0.6 is wanted</td><td>passed", page)


def test_the_authors_text_cannot_smuggle_html_in(page: str) -> None:
    assert "&lt;b&gt;tests&lt;/b&gt;" in page
    assert "<b>tests" not in page
    assert re.search(r"<h3[^>]*>Readmission</h3>", page)


def test_what_rounds_to_nothing_has_no_sign(page: str) -> None:
    assert not re.search(r"-0\.0+(?!\d)", page)


def test_units_plots_and_the_calibration_are_in_a_readers_words(page: str) -> None:
    assert "Decision curve</figcaption>" in page
    assert re.search(r"contributed</figcaption>", page)
    assert re.search(r"× margin [+-] \d\.\d{3}", page)
    assert "<td>a</td>" not in page


def test_the_page_needs_nothing_from_elsewhere(page: str) -> None:
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "<script" not in page


def test_a_figure_that_cannot_be_estimated_says_so(trained: Trained, artefact: Path) -> None:
    evidence = json.loads((artefact / "evidence.json").read_bytes())
    evaluation = evidence["model_evidence"]["evaluation"]
    evaluation["figures"]["auroc"].update(value=None, low=None, high=None)
    evaluation["figures"]["brier"].update(low=None, high=None)

    page = card_files(trained.file, evidence, {})["card.html"].decode()

    assert 'AUROC</td><td class="number">not estimable' in page
    assert re.search(r'Brier score</td><td class="number">0\.\d{3} \(no interval\)', page)


@pytest.mark.parametrize(
    ("trials", "words"),
    [
        (0, "with the fixed parameters of a run without a search"),
        (10, "each search had 10 trials, and that of the model 50, so a repetition may differ"),
        (50, "each search had 50 trials, and that of the model 50. The risks"),
    ],
)
def test_a_stability_that_was_measured_says_what_was_repeated(
    trials: int, words: str, trained: Trained, artefact: Path
) -> None:
    evidence = json.loads((artefact / "evidence.json").read_bytes())
    assert "instability of individual predictions" in (artefact / "card.html").read_text()
    evidence["model_evidence"]["trials"] = 50
    evidence["stability"] = {
        "runs": 20,
        "people": 700,
        "quick_look": True,
        "trials": trials,
        "mape": 0.0123,
        "mape_quantiles": {"0.5": 0.01, "0.9": 0.02, "0.95": 0.03},
    }

    page = card_files(trained.file, evidence, {})["card.html"].decode()

    assert "instability of individual predictions" not in page
    assert words in page
    assert "Fewer than 200 repetitions are a quick look." in page


def test_sample_size_learning_curve_and_calibrations_are_on_the_card(page: str) -> None:
    assert re.search(r"candidate parameters.* they need [\d,]+ people", page)
    assert "<th>Log loss</th>" in page
    assert "sigmoid (served)" in page
    assert "<td>isotonic</td>" in page


def test_the_differences_of_a_group_to_everybody_else_are_on_the_card(
    page: str, artefact: Path
) -> None:
    evidence = json.loads((artefact / "evidence.json").read_bytes())
    groups = evidence["model_evidence"]["evaluation"]["subgroups"]
    told = [group for group in groups if group["differences"]]
    assert told

    for group in told:
        found = group["differences_at_thresholds"][0]["figures"]["sensitivity"]
        interval = found["simultaneous_low"], found["simultaneous_high"]
        assert f"{found['value']:.3f} ({interval[0]:.3f} to {interval[1]:.3f})" in page
    assert "equal-opportunity difference" in page


def test_the_data_quality_page_shows_no_single_persons_value(
    trained: Trained, artefact: Path
) -> None:
    evidence = json.loads((artefact / "evidence.json").read_bytes())
    column = evidence["data_quality"]["features"][0]
    column |= {"quantiles": {"q01": None, "q25": 20.0, "median": 55.5, "q75": 70.0, "q99": None}}
    page = quality_page(trained.file, evidence).decode()
    assert "1st percentile, median, 99th percentile" in page
    assert '<td class="number">withheld, 55.5, withheld</td>' in page
    assert not re.search("minimum|maximum", page, re.IGNORECASE)
    column |= {"quantiles": None, "categories": None}
    assert '<td class="number"></td>' in quality_page(trained.file, evidence).decode()


def test_the_gate_that_no_definition_states_stands_among_the_others(
    page: str, artefact: Path
) -> None:
    evidence = json.loads((artefact / "evidence.json").read_bytes())

    assert [gate["metric"] for gate in evidence["gates"]][-1] == "data quality"
    words = "data quality: no feature tells the outcome alone, none has mixed units"
    assert f"<td>{words}</td><td>passed</td>" in page


def test_each_group_that_is_shown_on_few_people_says_that_it_is_not_assessable(
    page: str, artefact: Path
) -> None:
    evidence = json.loads((artefact / "evidence.json").read_bytes())
    groups = evidence["model_evidence"]["evaluation"]["subgroups"]
    shown = [group for group in groups if group["figures"]]
    few = [one for one in shown if not one["assessable"]]
    assert few == [one for one in shown if min(one["events"], one["non_events"]) < 100]
    assert few
    assert len(few) < len(shown)

    # in the table of each group, and in that of its other figures
    assert page.count("<em>shown, not assessable: ") == 2 * len(few)
    for group in few:
        assert group["reason"] == shown_only(group)
        assert (
            f"{group['group']}<br><em>shown, not assessable: {group['events']} events and "
            f"{group['non_events']} non-events, where a gate needs 100 of each</em></td>"
        ) in page
    assert "has too few people with or without the event for any conclusion" in page


@pytest.fixture(scope="module")
def of_visits(
    definition_file: DefinitionFile, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, Any]]:
    """The card and the evidence of a version that was trained on two visits of each patient."""
    frame = people(1000)
    visits = cohort(frame.assign(patient_id=[f"P{number // 2}" for number in frame.index]))
    version = train(
        definition_file,
        visits,
        TrainOptions(trained_by="Ada", quick=True, draws=40, seed=7),
        settings=Settings(home=tmp_path_factory.mktemp("visits")),
        progress=lambda *_: None,
        now=NOW,
    )
    evidence = json.loads((version.directory / "evidence.json").read_bytes())
    return (version.directory / "card.html").read_text(encoding="utf-8"), evidence


def test_where_patients_have_several_rows_the_card_tells_people_from_rows(
    page: str, of_visits: tuple[str, dict[str, Any]]
) -> None:
    card, evidence = of_visits
    size = evidence["sample_size"]
    women = evidence["model_evidence"]["evaluation"]["subgroups"]
    woman = next(one for one in women if one["group"] == "Female")
    rows, patients = woman["n"], woman["patients"]

    assert size["available"] == 500
    assert size["enough"] == (size["needed"] <= 500)
    assert "There are 500 (in 1,000 rows): " in card
    assert "people; there are 500 (in 1,000 rows) (Riley 2020)" in card
    assert "<th>Group</th><th>Rows</th><th>Patients</th><th>Events</th>" in card
    assert f'<td class="number">{rows}</td><td class="number">{patients}</td>' in card
    assert f"Female {rows} rows of {patients} patients" in card
    assert page.count("<th>People</th><th>Events</th>") == 2  # and the learning curve
    assert "rows of" not in page.partition("Groups among the judged: ")[2].partition("</td>")[0]


def test_a_card_of_evidence_from_before_patients_were_counted_says_so(
    definition_file: DefinitionFile, of_visits: tuple[str, dict[str, Any]]
) -> None:
    _, evidence = of_visits
    judged = evidence["model_evidence"]["evaluation"]
    earlier = [
        {name: value for name, value in group.items() if not name.startswith("patients")}
        for group in judged["subgroups"]
    ]
    evaluation = {**judged, "subgroups": earlier}

    files = card_files(
        definition_file,
        {**evidence, "model_evidence": {**evidence["model_evidence"], "evaluation": evaluation}},
        {},
    )

    assert '<td class="number">not counted</td>' in files["card.html"].decode()


PLAIN = (
    DEFINITION.split('[[features]]\nname = "age"')[0].replace(
        'inclusion = [{ feature = "age", at_least = 18, rule = "Age 18 years or more" }]\n', ""
    )
    + """[[features]]
name = "sex"
title = "Sex"
kind = "categorical"
source = "gender"
categories = { female = "Female", male = "Male" }
required = true

[[features]]
name = "ward"
title = "Ward"
kind = "categorical"
categories = { medicine = "Medicine", surgery = "Surgery", geriatrics = "Geriatrics" }
look_back_days = 30
"""
)


def test_a_card_says_only_what_its_own_fits_had(tmp_path: Path) -> None:
    file = write_definition(tmp_path / "plain", PLAIN)
    frame = people(1200).fillna({"ward": "medicine"})

    page, known = _card_of_quick_run(file, cohort(frame), tmp_path)

    assert "Baseline: penalised logistic regression, calibrated likewise." in page
    assert "the regression without indicators of missing values" not in page
    assert "judges the whole making of the model, calibration (no trials were searched)" in page
    assert "from a making of the model, calibration included, that had not seen" in page
    assert "search and calibration" not in page
    assert "The definition names none, so nothing is known of how the model serves" in page
    assert "Read calibration and net benefit first" not in page
    assert known["12b"] == ("Trees: categories as 0 and 1. Regression: all columns standardised")
    assert known["11"].endswith(
        "which met none in training, has no indicators and takes of each category the commoner of "
        "0 and 1"
    )
    assert "onotone" not in page


def test_the_card_tells_of_splines_indicators_and_directions_where_there_are_such(
    tmp_path: Path, definition_file: DefinitionFile
) -> None:
    frame = people(1200).assign(time=np.arange(1200))
    frame.loc[800:, "crp"] = np.nan
    frame.loc[800:, "outcome"] = (np.arange(400) % 2 == 0).astype(int)

    page, known = _card_of_quick_run(definition_file, cohort(frame), tmp_path)

    assert "with splines and indicators of missing values, calibrated likewise" in page
    assert known["12b"] == (
        "Trees: numbers as they are, categories as 0 and 1. Regression: numbers by restricted "
        "cubic splines; all columns standardised"
    )
    held = "Monotone constraints hold that the risk never falls as any of these rises: Age"
    assert held in known["12c"]
    assert f"<p>{held}.</p>" in page
    crp = page[page.index("<td>C-reactive protein</td>") :]
    assert '<td class="number">0 %</td></tr>' in crp[: crp.index("</tr>") + 5]
    training = frame["outcome"].iloc[:720].mean()
    assert f"At an event rate of {100 * training:.3g} %" in page


@pytest.mark.parametrize("release", ["this one", "an earlier one"])
def test_values_set_to_missing_are_no_rows_left_out_and_no_criterion_of_eligibility(
    trained: Trained, artefact: Path, release: str
) -> None:
    evidence = json.loads((artefact / "evidence.json").read_bytes())
    quality = evidence["data_quality"]
    quality["exclusions"] = [["Fewer than 4 of the features are known", 35]]
    if release == "this one":
        quality["set_to_missing"] = [["Glucose", 1_234]]
    else:
        kept = "Glucose: implausible, taken as unknown (the rows are kept)"
        quality["exclusions"].append([kept, 1_234])
        del quality["set_to_missing"]

    files = card_files(trained.file, evidence, {})

    said = {
        report["key"]: {one["item"]: one["answer"] for one in report["answers"]}
        for report in json.loads(files["card.json"])["reporting"]
    }
    tripod, page = said["tripod_ai"], files["card.html"].decode()
    out = "left out: Fewer than 4 of the features are known: 35"
    emptied = "implausible values set to missing, the rows being kept: Glucose 1,234"
    assert tripod["6b"] == f"Age 18 years or more; {out}"
    assert said["hti_1"]["Development and inputs 1"] == tripod["6b"]
    assert tripod["20a"].endswith(f" events; {out}")
    assert f"Rows are checked as requests are; {emptied}; what is suspicious" in tripod["7"]
    assert f"; among these, {emptied}. Trees" in tripod["11"]
    for shown in (page, quality_page(trained.file, evidence).decode()):
        assert '<td>Fewer than 4 of the features are known</td><td class="number">35<' in shown
        before, _, after = shown.partition("Set to missing as implausible")
        assert '<td>Glucose</td><td class="number">1,234</td>' in after
        assert "Glucose" not in before


def test_where_nothing_was_set_to_missing_only_the_preparation_says_so(page: str) -> None:
    assert "Rows are checked as requests are; no value was set to missing; what is" in page
    assert "Set to missing as implausible" not in page
    assert "among these, implausible values" not in page


def test_a_rare_gap_is_not_said_to_be_none_and_units_are_those_that_people_read(
    trained: Trained, artefact: Path
) -> None:
    evidence = json.loads((artefact / "evidence.json").read_bytes())
    quality = evidence["data_quality"]
    (crp,) = (one for one in quality["features"] if one["feature"] == "crp")
    crp |= {"missing": 1, "missing_share": 0.0001}

    files = card_files(trained.file, evidence, {})

    (tripod,) = (
        one for one in json.loads(files["card.json"])["reporting"] if one["key"] == "tripod_ai"
    )
    said = {one["item"]: one["answer"] for one in tripod["answers"]}
    assert "C-reactive protein under 0.1%" in said["11"]
    assert "Age (years); Sex; Creatinine in serum (mg/dL)" in said["9b"]


def test_fits_without_each_site_are_said_to_be_left_out_only_where_there_are_sites_to_leave(
    trained: Trained, artefact: Path
) -> None:
    evidence = json.loads((artefact / "evidence.json").read_bytes())

    def said(names: list[str], nested_folds: int) -> bool:
        sites = [{"characteristic": "site", "group": name, "n": 300} for name in names]
        split = {**evidence["split"], "nested_folds": nested_folds}
        changed = {**evidence, "training_groups": sites, "split": split}
        page = card_files(trained.file, changed, {})["card.html"].decode()
        return "values, fits without each site and the comparison" in page

    assert said(["North", "South"], 0)
    assert not said(["North"], 0)
    assert not said(["North", "South"], 2)  # each site was left out of the whole making


def test_the_median_and_the_commoner_of_0_and_1_are_told_of_what_has_them(
    trained: Trained, artefact: Path
) -> None:
    values = json.loads((artefact / "card.json").read_bytes())
    (tripod,) = (one for one in values["reporting"] if one["key"] == "tripod_ai")
    (missing,) = (one["answer"] for one in tripod["answers"] if one["item"] == "11")

    assert missing.endswith(
        "the regression takes the median, of each category the commoner of 0 and 1, and an "
        "indicator"
    )


def test_without_a_subgroup_fairness_is_not_said_to_be_reported_by_subgroups(
    trained: Trained, artefact: Path
) -> None:
    evidence = json.loads((artefact / "evidence.json").read_bytes())
    evidence["model_evidence"]["evaluation"]["subgroups"] = []

    values = json.loads(card_files(trained.file, evidence, {})["card.json"])

    answers = [one["answer"] for report in values["reporting"] for one in report["answers"]]
    assert not [answer for answer in answers if "Every subgroup" in answer]
    assert [answer for answer in answers if answer.startswith("No subgroup has figures")]


def _card_of_quick_run(
    file: DefinitionFile, table: Cohort, home: Path
) -> tuple[str, dict[str, str]]:
    """Return a quick run's sealed card, and its answers to TRIPOD+AI by item."""
    run = train(
        file,
        table,
        TrainOptions(trained_by="Ada", quick=True, draws=40, seed=7),
        settings=Settings(home=home / "home"),
        progress=lambda *_: None,
        now=NOW,
    )
    values = json.loads((run.directory / "card.json").read_bytes())
    (tripod,) = (one for one in values["reporting"] if one["key"] == "tripod_ai")
    answers = {one["item"]: one["answer"] for one in tripod["answers"]}
    return (run.directory / "card.html").read_text(encoding="utf-8"), answers
