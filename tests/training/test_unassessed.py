from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from auscult.summary import show_trained
from models.definition import Definition
from models.errors import PromotionRefused
from models.gate import Gate
from records.settings import Settings
from tests.training.conftest import NOW
from tests.training.readmissions import DEFINITION, cohort, people, write_definition
from training.evaluation import evaluate_on
from training.options import TrainOptions
from training.population import admit
from training.promotion import promote
from training.run import train
from training.unassessed import check_unassessed, not_assessed

RACE = '[[subgroups]]\nname = "race"\ntitle = "Race"\ncolumn = "race"\n'
EVERY = '{ metric = "auroc", at_least = 0.2, every_subgroup = true },\n]\n\n[[bands]]'
TEXT = (
    DEFINITION.replace("cuts = [65, 110]", "cuts = [65]").replace("]\n\n[[bands]]", EVERY, 1) + RACE
)


@pytest.fixture
def declared(tmp_path: Path) -> Definition:
    return write_definition(tmp_path / "declared", TEXT).definition


def test_a_version_whose_table_lacks_a_declared_subgroup_is_not_promoted(
    sqlite_db: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_definition(tmp_path / "readmission", TEXT)
    trained = train(
        file,
        cohort(people(1500)),
        TrainOptions(trained_by="Ada", quick=True, draws=40, seed=7),
        settings=sqlite_db,
        progress=lambda *_: None,
        now=NOW,
    )
    show_trained(trained)
    shown = " ".join(capsys.readouterr().out.split())
    refused = "AUROC of Race [auroc]: not assessed, the table has no column race"

    with pytest.raises(PromotionRefused) as caught:
        promote(
            "readmission",
            trained.version,
            to="champion",
            by="Grace",
            because="Every subgroup passes",
            settings=sqlite_db,
            now=NOW,
        )

    assert f"- insufficient evidence: {refused}" in str(caught.value)
    assert "Ethnicity" not in str(caught.value)
    assert f"insufficient evidence: {refused}" in shown
    assert "Not assessed, Race: the table has no column race" in shown
    assert "Not assessed, Ethnicity: The table doesn't record it" in shown


@pytest.mark.parametrize(
    ("race", "reasons"),
    [
        (["a"] * 300, {}),
        (["a"] + [None] * 299, {}),
        ([None] * 300, {"Race": "column race is empty in every judged row"}),
    ],
)
def test_an_empty_column_assesses_nobody(
    race: list[str | None], reasons: dict[str, str], declared: Definition
) -> None:
    frame = people(300).assign(race=pd.Series(race, dtype=object))
    rows, _ = admit(cohort(frame), declared, NOW)
    risk = np.random.default_rng(1).random(len(rows))

    found = not_assessed(declared, rows)
    evaluation = evaluate_on(rows, risk, declared, draws=20, seed=1)

    assert found == {"Ethnicity": "The table doesn't record it", **reasons}
    groups = {group.characteristic for group in evaluation.subgroups}
    assert ("race" in groups) == (not reasons)


def test_a_group_of_a_column_to_which_nobody_who_was_judged_belongs_is_named(
    declared: Definition,
) -> None:
    frame = people(300).assign(race=["a"] * 100 + ["b"] * 200)
    rows, _ = admit(cohort(frame), declared, NOW)
    race = rows.characteristics["race"]

    found = not_assessed(declared, rows.part(race == "a"), rows)

    assert found["Race: b"] == "nobody of the judged rows belongs to it"
    (refused,) = check_unassessed(declared, {"Race: b": found["Race: b"]})
    assert refused.words == f"AUROC of Race: b [auroc]: not assessed, {found['Race: b']}"
    assert not_assessed(declared, rows, rows).keys() == {"Ethnicity"}


def test_a_subgroup_of_the_same_title_as_one_that_is_stated_as_not_assessed_is_asked(
    declared: Definition,
) -> None:
    twins = tuple(
        group.model_copy(update={"title": "Ethnicity"}) if group.name == "race" else group
        for group in declared.subgroups
    )
    both = declared.model_copy(update={"subgroups": twins})
    rows, _ = admit(cohort(people(300)), both, NOW)

    (refused,) = check_unassessed(both, not_assessed(both, rows))

    assert refused.words == "AUROC of Ethnicity [auroc]: not assessed, the table has no column race"


def test_only_a_gate_on_every_subgroup_asks_of_those_without_figures(
    declared: Definition,
) -> None:
    reasons = {"Race": "the table has no column race", "Age band: 65 or more": "nobody"}
    one = Gate(metric="auroc", at_least=0.6)

    found = list(check_unassessed(declared, reasons))

    assert [result.metric for result in found] == [
        "auroc of Race",
        "auroc of Age band: 65 or more",
    ]
    assert {result.result for result in found} == {"insufficient evidence"}
    without = declared.model_copy(update={"gates": (one,)})
    assert list(check_unassessed(without, reasons)) == []
