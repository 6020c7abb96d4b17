"""Who is in a set of rows, and how they differ from others: in the evidence, and on the card."""

import json
import math
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auscult.summary import show_validated
from models.definition import Definition, DefinitionFile
from records.settings import Settings
from tests.training.conftest import NOW, Trained
from tests.training.readmissions import cohort, followed
from training.case_mix import accrual, compare_rows, group_counts, standardised_difference
from training.case_mix_facts import case_mix_facts, comparison, registration_facts
from training.evidence import describe_part
from training.options import TrainOptions
from training.population import Population, admit
from training.recalibration import recalibrate
from training.registry import find_version, read_run_file
from training.reporting import NOT_PROVIDED
from training.reporting_facts import facts
from training.run import TrainedVersion, train
from training.validation import validate

SAMPLES = st.lists(st.integers(-1000, 1000).map(float), min_size=2, max_size=30)


def dated(seed: int = 1, first: str = "2024-01-01", rows: int = 700) -> pd.DataFrame:
    """Return a table with follow-up and times, four predictions a day."""
    times = pd.date_range(first, periods=rows, freq="6h").strftime("%FT%TZ")
    return followed(rows, seed).assign(time=times)


@pytest.fixture(scope="module")
def later(definition_file: DefinitionFile, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A version that later rows judge, and the home that it's in."""
    home = Settings(home=tmp_path_factory.mktemp("later"))
    options = TrainOptions(trained_by="Ada", quick=True, draws=40, seed=7)
    made = train(definition_file, cohort(dated()), options, settings=home, progress=quiet, now=NOW)
    return made, home


def quiet(*_: object) -> None:
    """Take no notice of stages."""


def answers(version: TrainedVersion, settings: Settings | None = None) -> dict[str, str]:
    """Return what the card of a version's artefact answers, or that of its run in a home."""
    if settings is None:
        text = (version.directory / "card.json").read_bytes()
    else:
        found = find_version(version.name, version.version, settings=settings)
        text = read_run_file(found, "card.json", settings=settings) or b""
    return {
        one["item"]: one["answer"]
        for report in json.loads(text)["reporting"]
        for one in report["answers"]
    }


@given(first=SAMPLES, second=SAMPLES)
def test_a_standardised_difference_is_that_of_means_over_the_root_of_the_mean_variance(
    first: list[float], second: list[float]
) -> None:
    spread = math.sqrt((statistics.pvariance(first) + statistics.pvariance(second)) / 2)
    found = standardised_difference(np.array(first), np.array(second))

    if spread == 0:
        assert found is None
    else:
        expected = (statistics.fmean(second) - statistics.fmean(first)) / spread
        assert found == pytest.approx(expected, abs=6e-4)


def test_a_feature_is_compared_in_its_values_and_in_what_is_missing(
    definition: Definition, population: Population
) -> None:
    before = dict(population.columns)
    rows = len(population)
    now = {
        **before,
        "age": before["age"] + before["age"].std(),
        "ward": np.where(np.arange(rows) < rows // 2, "surgery", before["ward"]),
        "crp": np.where(np.arange(rows) % 2, np.nan, before["crp"]),
    }

    found = compare_rows(definition, before, now, of="those before", event_rates=(0.1, 0.2))
    by_name = {one["feature"]: one for one in found["features"]}

    assert by_name["age"]["difference"] == pytest.approx(1.0, abs=1e-3)
    assert by_name["ward"]["category"] == "Surgery"
    assert by_name["ward"]["difference"] > 0.5
    assert by_name["crp"]["missing_difference"] == pytest.approx(math.sqrt(2), abs=1e-3)
    assert by_name["sex"]["difference"] == 0
    words = comparison(found)
    assert words is not None
    assert words.startswith("Event rate 20.0%, and 10.0% in those before. Standardised")
    assert words.index("C-reactive protein, missing +1.41") < words.index("Age +1.00")
    assert "Sex" not in words
    same = compare_rows(definition, before, before, of="those before", event_rates=(0.1, 0.1))
    assert str(comparison(same)).endswith("Standardised differences to it: none of 0.1 or more")


def test_a_feature_that_nobody_has_here_or_that_is_another_throughout_is_named(
    definition: Definition, population: Population
) -> None:
    rows = len(population)
    before = {**population.columns, "sex": np.full(rows, "female", dtype=object)}
    now = {
        **population.columns,
        "crp": np.full(rows, np.nan),
        "sex": np.full(rows, "male", dtype=object),
    }

    found = compare_rows(definition, before, now, of="it", event_rates=(0.1, 0.1))

    crp = next(one for one in found["features"] if one["feature"] == "crp")
    assert (crp["difference"], crp["missing_difference"]) == (None, None)  # neither varies
    words = str(comparison(found))
    assert words.endswith("and not alike: Sex, C-reactive protein, missing")


def test_dates_are_those_of_the_rows_and_a_number_that_orders_them_is_none(
    definition: Definition, population: Population
) -> None:
    rows, _ = admit(cohort(dated(rows=9)), definition, NOW)
    plain = replace(rows, follow_up_days=None)

    assert accrual(rows) == {
        "first": "2024-01-01",
        "last": "2024-01-03",
        "followed_until": str(
            max(
                np.datetime64("2024-01-01") + np.timedelta64(row // 4, "D") + int(days)
                for row, days in enumerate(followed(9)["follow_up_days"])
            )
        ),
    }
    assert accrual(plain) == {"first": "2024-01-01", "last": "2024-01-03"}
    assert accrual(replace(rows, time=np.arange(9.0))) is None
    assert accrual(population) is None


def test_groups_are_counted_and_small_ones_and_those_that_give_them_away_are_withheld(
    definition: Definition, population: Population
) -> None:
    few = np.array(population.columns["age"], copy=True)
    few[:3] = 112.0  # of the group of 110 years and more, of whom there are none else

    counted = group_counts(population, definition)
    small = group_counts(
        replace(population, columns={**population.columns, "age": few}), definition
    )

    women = int((population.columns["sex"] == "female").sum())
    assert {"characteristic": "sex", "group": "Female", "n": women, "patients": women} in counted
    assert sum(one["n"] for one in counted if one["characteristic"] == "age_band") == 700
    hidden = [one for one in small if one["n"] is None]
    assert len(hidden) == 2
    assert "110 or more" in {one["group"] for one in hidden}


def test_many_rows_of_one_patient_are_a_group_of_one(
    definition: Definition, population: Population
) -> None:
    men = population.columns["sex"] == "male"
    one = replace(population, patient=np.where(men, -1, population.patient))

    hidden = {each["group"] for each in group_counts(one, definition) if each["n"] is None}

    assert {"Female", "Male"} <= hidden


def test_patients_stand_beside_rows_where_they_are_fewer(
    definition: Definition, population: Population, trained: Trained, artefact: Path
) -> None:
    rows = replace(population, patient=population.patient % 300)
    evidence = json.loads((artefact / "evidence.json").read_bytes())
    part, groups = describe_part(rows), group_counts(rows, definition)
    split = {**evidence["split"], "training": part}
    women = population.columns["sex"] == "female"
    patients = len(np.unique(rows.patient[women]))

    said = facts(definition, {**evidence, "split": split, "training_groups": groups})

    share = f"{women.sum():,} rows of {patients:,} patients ({women.mean():.1%})"
    assert f"Training: 700 rows of 300 patients; Sex: Female {share}" in str(
        said["representativeness"]
    )
    assert f"training: 700 rows of 300 patients, {part['events']:,} events;" in str(
        said["analyses"]
    )
    once = facts(definition, evidence)
    assert " patients" not in f"{once['representativeness']} {once['analyses']}"


def test_dates_groups_and_differences_of_the_parts_are_on_the_card(later: Any) -> None:
    version, _ = later

    said = answers(version)

    assert said["5b"].startswith(
        "Training: predictions of 2024-01-01 to 2024-04-14, followed until"
    )
    assert "; judged rows: predictions of 2024-04-15 to 2024-06-23, followed until" in said["5b"]
    assert "in the training part. Standardised differences to it: " in said["20c"]
    groups = said["Development and inputs 3"]
    assert groups.startswith("Training: 420 rows; Sex: Female ")
    assert groups.endswith("Ethnicity: not assessed (The table doesn't record it)")
    page = (version.directory / "card.html").read_text()
    assert f"<p>{said['5b']}.</p>" in page
    assert said["External validation 1"] == NOT_PROVIDED


def test_without_dates_or_another_part_nothing_of_them_is_made_up(trained: Trained) -> None:
    said = answers(trained.version)

    assert said["5b"] == NOT_PROVIDED
    assert said["20c"].startswith("The judged rows are the training rows, each with the risk from")


def test_only_the_runs_card_tells_the_version_and_its_day_which_the_registry_gives(
    later: Any,
) -> None:
    version, home = later

    sealed, of_run = answers(version), answers(version, home)

    assert sealed["ReleaseInfo/ReleaseVersion"] == NOT_PROVIDED
    assert sealed["ReleaseInfo/ReleaseDate"] == NOT_PROVIDED
    assert of_run["ReleaseInfo/ReleaseVersion"] == version.version
    assert of_run["ReleaseInfo/ReleaseDate"].startswith("Registered 20")
    changed = {"ReleaseInfo/ReleaseVersion", "ReleaseInfo/ReleaseDate"}
    assert {item for item in sealed if sealed[item] != of_run[item]} == changed


def test_another_population_is_compared_with_that_of_the_trees(
    later: Any, definition_file: DefinitionFile, capsys: pytest.CaptureFixture[str]
) -> None:
    version, home = later
    frame = dated(5, "2025-01-01")
    frame["age"] = (frame["age"] + 10).clip(upper=109)
    elsewhere = replace(cohort(frame), source="elsewhere.csv", digest="7" * 64)
    asked = {"draws": 50, "seed": 3, "settings": home, "progress": quiet, "now": NOW}

    found = validate(version.name, version.version, elsewhere, **asked)
    show_validated(found)
    renewed = recalibrate(version.name, version.version, elsewhere, by="Bo", **asked)

    whole = f"the whole table, judged part included, of version {version.version}, readmissions.csv"
    assert f"in {whole}. Standardised" in str(found.compared)
    assert "Age +0.4" in str(found.compared)
    shown = " ".join(capsys.readouterr().out.split())
    assert f"Beside those it was made from: {found.compared}." in shown
    said = answers(renewed, home)
    assert said["20c"] == found.compared
    assert "judged rows: predictions of 2025-01-01 to 2025-06-24" in said["5b"]
    assert said["Development and inputs 3"] == answers(version)["Development and inputs 3"]
    assert said["External validation 1"].startswith("elsewhere.csv (SHA-256 777")
    assert "Female" in said["External validation 3"]
    assert "cross-validation" in said["External validation 4"]
    assert said["ReleaseInfo/ReleaseVersion"] == renewed.version


def test_of_a_retraining_the_dates_are_those_of_the_recorded_predictions(
    definition: Definition, artefact: Path
) -> None:
    evidence = json.loads((artefact / "evidence.json").read_bytes())
    made = {
        "recorded_from": "2025-01-01",
        "recorded_to": "2025-04-10",
        "learnt_through": "2025-03-02T06:00:00",
    }

    said = case_mix_facts(definition, {**evidence, "retraining": made})["accrual"]

    assert said == (
        "Recorded predictions: 2025-01-01 to 2025-04-10; those through 2025-03-02 train, with the "
        "original table"
    )
    older = case_mix_facts(definition, {**evidence, "retraining": {"learnt_through": "2025"}})
    assert older["accrual"] is None


def test_evidence_of_older_runs_answers_none_of_it(definition: Definition, artefact: Path) -> None:
    evidence = json.loads((artefact / "evidence.json").read_bytes())
    older = {
        name: one
        for name, one in evidence.items()
        if name not in ("accrual", "training_groups", "case_mix")
    }

    said = case_mix_facts(definition, older)

    assert (said["accrual"], said["representativeness"]) == (None, None)
    assert registration_facts(None) == {"version": None, "registered": None}
