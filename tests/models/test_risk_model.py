"""A loaded version: one patient and a table get the same risk, and what doesn't fit is refused."""

import math
from pathlib import Path

import numpy as np
import pytest

from models.artefact import write_manifest
from models.errors import ArtefactError, OutOfScope
from models.readings import Reading
from models.risk_model import RiskModel
from tests.factories import NOW, make_artefact, make_population


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("risk_model") / "artefact"
    make_artefact(directory)
    return directory


def test_a_patient_and_a_table_get_the_same_risk_and_it_adds_up(directory: Path) -> None:
    model = RiskModel.load(directory, version="1")
    columns = make_population(40, seed=3)
    risks = model.risks(columns)
    units = {"lactate": "mmol/L"}
    for row, risk in enumerate(risks):
        readings = {
            name: [Reading(None if values[row] != values[row] else values[row], units.get(name))]
            for name, values in columns.items()
        }
        assessed = model.assess(readings, NOW)
        logit = math.log(assessed.explanation.risk / (1 - assessed.explanation.risk))
        total = assessed.explanation.base + assessed.explanation.contributions.sum()
        assert assessed.explanation.risk == pytest.approx(risk, abs=1e-12)
        assert logit == pytest.approx(total, abs=1e-6)
        assert assessed.band == model.definition.band(assessed.explanation.risk)


def test_a_patient_out_of_scope_gets_no_risk(directory: Path) -> None:
    model = RiskModel.load(directory, version="1")
    with pytest.raises(OutOfScope):
        model.assess({"age": [Reading(12.0)], "sex": [Reading("male")]}, NOW)


def test_a_version_is_loaded_only_if_it_is_as_it_was_sealed(directory: Path) -> None:
    model = RiskModel.load(directory, version="1")
    assert RiskModel.load(directory, version="1", digest=model.artefact_digest).version == "1"
    with pytest.raises(ArtefactError, match="its digest is"):
        RiskModel.load(directory, version="1", digest="0" * 64)


def test_a_scorer_of_another_definition_is_refused(tmp_path: Path) -> None:
    model = make_artefact(tmp_path / "artefact")
    file = tmp_path / "artefact" / "model.toml"
    text = file.read_text().replace("surgery = ", "theatre = ")
    file.write_text(text)
    write_manifest(tmp_path / "artefact", model.definition.name)
    with pytest.raises(ArtefactError, match="ward=theatre"):
        RiskModel.load(tmp_path / "artefact", version="2")
    write_manifest(tmp_path / "artefact", "another")
    with pytest.raises(ArtefactError, match="manifest is of 'another'"):
        RiskModel.load(tmp_path / "artefact", version="2")


def test_the_risks_of_a_table_are_plain_probabilities(directory: Path) -> None:
    risks = RiskModel.load(directory, version="1").risks(make_population(200, seed=4))
    assert risks.shape == (200,)
    assert ((risks > 0) & (risks < 1)).all()
    assert np.ptp(risks) > 0.1
