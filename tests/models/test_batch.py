"""Many rows at once: what each of them gets is what it would get alone, to the last bit."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.batch import ScoredRows, readings_of, score_rows
from models.definition import Definition, parse_definition
from models.encoding import RowFault
from models.errors import ExplanationMismatch, InputError, MalformedInput, UnusableValue
from models.risk_model import RiskModel
from models.scoring.calibration import Sigmoid
from models.scoring.linear import LinearModel, LinearTerm
from models.scoring.scorer import load_scorer, save_scorer
from tests.factories import NOW, make_artefact, make_population
from tests.models.scoring.boosters import fit_booster, patients, saved
from tests.models.ward import WARD

Columns = dict[str, np.ndarray[Any, Any]]

NUMBER = st.sampled_from([math.nan, math.inf, -math.inf, -1.0, 0.0, 1e9])
CELLS: dict[str, st.SearchStrategy[Any]] = {
    "age": st.one_of(NUMBER, st.sampled_from([17.0, 18.0, 64.5, 120.0, 121.0])),
    "sex": st.sampled_from(["female", "male", "unknown", "", None]),
    "ward": st.sampled_from(["surgery", "medicine", "maternity", "Surgery", None]),
    "creatinine": st.one_of(NUMBER, st.floats(0.1, 30)),
    "glucose": st.one_of(NUMBER, st.floats(10, 2000)),
    "kappa": st.one_of(NUMBER, st.floats(0.01, 100)),
    "systolic": st.one_of(NUMBER, st.floats(30, 300)),
}
USUAL = {
    "age": st.one_of(st.integers(18, 120).map(float), st.sampled_from([10.0, 17.0, 80.7])),
    "sex": st.sampled_from(["female", "male"]),
    "ward": st.sampled_from(["surgery", "medicine"]),
    "creatinine": st.one_of(st.floats(0.1, 30), st.just(30.0)),  # then the eGFR is implausible
    "glucose": st.floats(10, 2000),
}


def make_model(definition: Definition, directory: Path) -> RiskModel:
    """A booster fitted to noise: whatever the definition, it splits on its columns."""
    save_scorer(
        directory,
        features=tuple(feature.name for feature in definition.features),
        columns=definition.columns,
        column_feature=np.array(definition.column_feature),
        calibration=Sigmoid(0.9, 0.1),
        booster_ubj=saved(fit_booster(60 * np.abs(patients(400, len(definition.columns))))),
        linear=None,
    )
    return RiskModel(definition, "d" * 64, "a" * 64, "1", load_scorer(directory), "")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[RiskModel]:
    """The ward's model, one also for children, who have no eGFR, and one that may do without."""
    children = WARD.replace("at_least = 18", "at_least = 1")
    without = 'if_unusable = "score_without"\n'
    lenient = children.replace("derived = {", f"{without}derived = {{")
    lenient = lenient.replace('Maternity" }\n', f'Maternity" }}\n{without}')
    return [
        make_model(parse_definition(text.encode(), source="ward"), tmp_path_factory.mktemp("ward"))
        for text in (WARD, children, lenient)
    ]


def columns_of(rows: list[dict[str, Any]]) -> Columns:
    return {
        name: np.array(
            [row[name] for row in rows], dtype=object if name in ("sex", "ward") else np.float64
        )
        for name in CELLS
    }


def assert_as_alone(
    model: RiskModel, columns: Columns, texts: Mapping[str, np.ndarray[Any, Any]]
) -> ScoredRows:
    """Compare every row with what `RiskModel.assess` makes of it, to the last bit."""
    batch = score_rows(model, columns, texts=texts)
    names = [feature.name for feature in model.definition.features]
    for row in range(len(batch.scored)):
        readings = readings_of(model.definition, columns, row, texts)
        refused = [(f.feature, f.reason) for f in batch.refusals if f.rows[row]]
        if not batch.scored[row]:
            with pytest.raises(InputError) as error:
                model.assess(readings, NOW)
            assert refused == [(error.value.field, error.value.reason)]
            assert batch.band[row] == -1
            assert np.isnan([batch.risk[row], batch.margin[row], *batch.contributions[row]]).all()
            continue
        assert refused == []
        alone = model.assess(readings, NOW)
        explanation = alone.explanation
        assert (batch.risk[row], batch.margin[row]) == (explanation.risk, explanation.margin)
        assert batch.base == explanation.base
        np.testing.assert_array_equal(batch.contributions[row], explanation.contributions)
        assert model.definition.bands[batch.band[row]] is alone.band
        found: dict[str, set[tuple[str, str]]] = {kind: set() for kind in ("missing", "excluded")}
        for finding in alone.features.findings:
            found[finding.kind].add((finding.feature, finding.reason))
        excluded = {(f.feature, f.reason) for f in batch.excluded if f.rows[row]}
        assert excluded == found["excluded"]
        missing = {name for name, absent in zip(names, batch.missing[row], strict=True) if absent}
        assert missing == {name for name, _ in found["missing"]}
    return batch


@settings(max_examples=100)
@given(st.data())
def test_a_row_of_a_batch_is_scored_or_refused_as_it_would_be_alone(
    models: list[RiskModel], data: st.DataObject
) -> None:
    model = data.draw(st.sampled_from(models))
    row = st.fixed_dictionaries(
        {
            name: st.one_of(*[USUAL[name]] * 4, cell) if name in USUAL else cell
            for name, cell in CELLS.items()
        }
    )
    rows = data.draw(st.lists(row, min_size=1, max_size=12))
    columns = columns_of(rows)
    marked = data.draw(st.dictionaries(st.sampled_from(["glucose", "kappa"]), st.just(None)))
    texts = {}
    for name in marked:
        chosen = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
        texts[name] = np.array(chosen, dtype=np.bool_)
        columns[name][texts[name]] = math.nan
    assert_as_alone(model, columns, texts)


def test_a_large_population_is_scored_as_its_people_would_be_alone(tmp_path: Path) -> None:
    model = make_artefact(tmp_path / "artefact")
    columns = make_population(700, seed=3)
    columns["age"][::9] = 17
    columns["creatinine"][::50] = -1
    batch = assert_as_alone(model, columns, {})
    assert 500 < batch.scored.sum() < 700


def test_rows_with_a_fault_of_their_own_are_refused_for_that(models: list[RiskModel]) -> None:
    columns = columns_of([dict.fromkeys(CELLS, math.nan) | {"sex": None, "ward": None}] * 3)
    late = RowFault("predicted_at", "in_the_future", "late", np.array([False, True, False]))
    batch = score_rows(models[0], columns, faults=[late])
    found = {(f.feature, f.reason): f.rows.tolist() for f in batch.refusals}
    assert found == {
        ("predicted_at", "in_the_future"): [False, True, False],
        ("age, ward, glucose, creatinine", "too_little_data"): [True, False, True],
    }


def test_no_rows_give_no_scores(models: list[RiskModel]) -> None:
    batch = score_rows(models[0], columns_of([]))
    assert batch.risk.shape == (0,)
    assert batch.contributions.shape == (0, 8)
    assert batch.refusals == ()


def test_only_the_row_whose_explanation_does_not_add_up_is_refused(
    models: list[RiskModel], tmp_path: Path
) -> None:
    definition = models[0].definition
    # such coefficients leave too few digits for the sum, unless their features are missing
    large = {"glucose": 1e12, "systolic": -1e13}
    terms = tuple(
        LinearTerm(0.0, (large.get(name, 0.07),), (0.0,), (1.0,), (0.0,))
        for name in definition.columns
    )
    save_scorer(
        tmp_path,
        features=tuple(feature.name for feature in definition.features),
        columns=definition.columns,
        column_feature=np.array(definition.column_feature),
        calibration=Sigmoid(1 / 3, 0.1),
        booster_ubj=None,
        linear=LinearModel(0.3, terms),
    )
    model = RiskModel(definition, "d" * 64, "a" * 64, "1", load_scorer(tmp_path), "")
    row = {"age": 50.0, "sex": "male", "ward": "surgery", "creatinine": 1.1, "kappa": math.nan}
    nothing, much = dict.fromkeys(large, math.nan), {"glucose": 1777.7, "systolic": 120.7}
    columns = columns_of([row | nothing, row | much, row | nothing])
    with pytest.raises(ExplanationMismatch):
        model.assess(readings_of(definition, columns, 1), NOW)
    batch = score_rows(model, columns)
    assert batch.scored.tolist() == [True, False, True]
    assert [(f.feature, f.reason) for f in batch.refusals] == [
        ("explanation", "explanation_mismatch")
    ]
    assert batch.risk[0] == model.assess(readings_of(definition, columns, 0), NOW).explanation.risk


def test_a_column_that_is_absent_or_of_another_type_is_named(models: list[RiskModel]) -> None:
    columns = columns_of([dict.fromkeys(CELLS, math.nan)])
    with pytest.raises(UnusableValue, match="'glucose' holds object"):
        score_rows(models[0], {**columns, "glucose": np.array(["x"], dtype=object)})
    del columns["systolic"]
    with pytest.raises(MalformedInput, match="'systolic'"):
        score_rows(models[0], columns)
