import json
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from models.definition import DefinitionFile
from models.errors import CohortError
from records.settings import Settings
from tests.training.conftest import NOW
from tests.training.readmissions import cohort, people
from training import search
from training.booster import Trees
from training.card import card_files
from training.fitting import Calibrated
from training.left_out_sites import LeftOut, risks_of_left_out_sites
from training.options import TrainOptions
from training.population import FloatArray, Population
from training.run import train
from training.split import MOST_PARTS


class Sites(Calibrated[Trees]):
    """A model whose risk is the number of sites that it learnt from, all of which it keeps."""

    learnt: ClassVar[list[set[str]]] = []

    def __init__(self, rows: Population) -> None:
        assert rows.site is not None
        self.learnt.append(set(rows.site.tolist()))

    def risk(self, inputs: FloatArray) -> FloatArray:
        return np.full(len(inputs), float(len(self.learnt[-1])))


def _at_sites(population: Population, count: int) -> Population:
    names = np.array([f"site {n % count:02d}" for n in range(len(population))], dtype=object)
    return replace(population, site=names)


def _left_out(training: Population, test: Population) -> LeftOut | None:
    Sites.learnt.clear()
    return risks_of_left_out_sites(Sites, training, test, step=lambda *_: None)


def _risks(training: Population, test: Population) -> FloatArray | None:
    found = _left_out(training, test)
    return None if found is None else found.risk


def test_each_site_is_scored_by_a_fit_on_all_the_others(population: Population) -> None:
    people = _at_sites(population, 3)
    test = people.part(np.arange(300))

    risk = _risks(people, test)

    assert risk is not None
    assert (risk == 2).all()
    names = {"site 00", "site 01", "site 02"}
    assert [names - learnt for learnt in Sites.learnt] == [{name} for name in sorted(names)]


def test_many_sites_are_left_out_in_ten_parts(population: Population) -> None:
    people = _at_sites(population, 23)

    risk = _risks(people, people)

    assert risk is not None
    assert not np.isnan(risk).any()
    assert len(Sites.learnt) == MOST_PARTS
    assert {len(learnt) for learnt in Sites.learnt} == {20, 21}


def test_a_site_that_only_the_later_part_has_is_scored_by_a_fit_on_all_earlier_rows(
    population: Population,
) -> None:
    training, test = _at_sites(population, 2), population.part(np.arange(50))
    test = replace(test, site=np.full(50, "new", dtype=object))

    risk = _risks(training, test)

    assert risk is not None
    assert (risk == 2).all()


@pytest.mark.parametrize("sites", [0, 1])
def test_without_two_sites_there_is_nothing_to_leave_out(
    sites: int, population: Population
) -> None:
    people = _at_sites(population, 1) if sites else population

    assert _risks(people, people) is None


def test_a_site_without_which_too_little_is_left_is_named_and_the_others_are_judged(
    population: Population,
) -> None:
    names = np.where(np.arange(len(population)) < 12, "small", "large").astype(object)
    people = replace(population, site=names)

    found = _left_out(people, people)

    assert found is not None
    (words,) = found.not_left_out
    assert words.startswith("large: not left out, as the 12 training rows of the other sites")
    assert "are of fewer than 10 patients with or without the event" in words
    assert np.isnan(found.risk[names == "large"]).all()
    assert (found.risk[names == "small"] == 1).all()


def test_many_rows_of_one_patient_are_too_few_to_learn_from(population: Population) -> None:
    small = np.flatnonzero(population.outcome == 1)[:30]
    names, patient = np.full(len(population), "large", dtype=object), population.patient.copy()
    names[small], patient[small] = "small", patient[small[0]]
    quiet = np.flatnonzero(population.outcome == 0)[:30]
    names[quiet] = "small"
    people = replace(population, site=names, patient=patient)

    found = _left_out(people, people)

    assert found is not None
    (words,) = found.not_left_out
    assert words.startswith("large: not left out, as the 60 training rows of the other sites are")
    assert len(Sites.learnt) == 1


def test_a_site_without_which_nothing_can_be_learnt_is_named_and_the_others_are_judged(
    population: Population,
) -> None:
    people = _at_sites(population, 3)

    def fit(rows: Population) -> Calibrated[Trees]:
        assert rows.site is not None
        if "site 01" not in rows.site:
            raise CohortError("out-of-fold scores don't rise with the outcome")
        return Sites(rows)

    found = risks_of_left_out_sites(fit, people, people, step=lambda *_: None)

    assert found is not None
    (words,) = found.not_left_out
    assert words.startswith("site 01: not left out, as no model can be made of the ")
    assert words.endswith(
        "training rows of the others: out-of-fold scores don't rise with the outcome"
    )
    assert np.isnan(found.risk[people.site == "site 01"]).all()
    assert (found.risk[people.site != "site 01"] == 2).all()


@pytest.fixture(scope="module")
def with_times_and_sites(
    definition_file: DefinitionFile, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    frame = people(900, seed=4).assign(time=np.arange(900))
    frame["site"] = np.where(np.arange(900) % 3, "north", "south")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "MOST_ROUNDS", 12)
        patch.setattr(search, "_STRENGTHS", (1.0,))
        patch.setattr(search, "_L1_RATIOS", (0.0,))
        return train(
            definition_file,
            cohort(frame),
            TrainOptions(trained_by="Ada", trials=1, draws=40, seed=7),
            settings=Settings(home=tmp_path_factory.mktemp("sites")),
            progress=lambda *_: None,
            now=NOW,
        ).directory


def test_where_times_and_sites_are_known_both_judge(with_times_and_sites: Path) -> None:
    evidence = json.loads((with_times_and_sites / "evidence.json").read_bytes())
    evaluation, left = evidence["model_evidence"]["evaluation"], evidence["left_out_sites"]

    assert evidence["split"]["method"].startswith("by time")
    of_sites = [g for g in evaluation["subgroups"] if g["characteristic"] == "site"]
    assert [g["group"] for g in of_sites] == [g["group"] for g in left["sites"]]
    assert [g["group"] for g in left["sites"]] == ["north", "south"]
    assert [g["n"] for g in left["sites"]] == [g["n"] for g in of_sites]
    whole = evaluation["figures"]["auroc"]["value"], left["figures"]["auroc"]["value"]
    assert whole[0] != whole[1] > 0.6


def test_the_card_says_how_sites_that_were_left_out_fared(with_times_and_sites: Path) -> None:
    page = (with_times_and_sites / "card.html").read_text()

    assert "<h2>Sites left out</h2>" in page
    assert "<td>By site, among the subgroups; and with each site left out</td>" in page


def test_the_card_names_a_site_that_could_not_be_left_out(
    with_times_and_sites: Path, definition_file: DefinitionFile
) -> None:
    evidence = json.loads((with_times_and_sites / "evidence.json").read_bytes())
    kept = {"figures": None, "sites": [], "not_left_out": ["large: not left out, as"]}

    page = card_files(definition_file, {**evidence, "left_out_sites": kept}, {})["card.html"]

    assert evidence["left_out_sites"]["not_left_out"] == []
    assert b"<p>large: not left out, as.</p>" in page


def test_a_group_to_which_nobody_belongs_is_named_on_the_card(with_times_and_sites: Path) -> None:
    page = (with_times_and_sites / "card.html").read_text()

    assert (
        "Age band: 110 or more</td>"
        '<td colspan="5">not assessed: nobody of the judged rows belongs to it' in page
    )
