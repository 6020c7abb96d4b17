"""The bytes that are sent are those of the documented type, whatever was predicted."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.encoding import encode
from models.features import FeatureSet
from models.readings import Finding
from models.risk_model import ExplainedRisk
from models.scoring.scorer import Explanation
from records.identifiers import ordered_id
from serving.answer import contributions, number_words
from serving.answer_form import AnswerForm
from serving.json_api import answer_of
from serving.prediction import Prediction
from tests.factories import NOW

NUMBERS = st.floats(-1e6, 1e6) | st.decimals(0, 300, places=2).map(float)
FEATURES = st.fixed_dictionaries(
    {
        "age": NUMBERS | st.none(),
        "sex": st.sampled_from(["female", "male", None]),
        "ward": st.sampled_from(["medicine", "surgery", "geriatrics", None]),
        "lactate": NUMBERS | st.none(),
        "creatinine": NUMBERS | st.none() | st.just(1e300),
    }
)
AMOUNTS = st.lists(st.floats(-9, 9) | st.floats(-0.01, 0.01), min_size=5, max_size=5)
FINDINGS = st.lists(
    st.builds(Finding, st.text(max_size=9), st.just("missing"), st.just("no_value"), st.text())
)


KINDS = ("demonstration", "silent", "numeric")


@pytest.fixture(scope="module")
def models(model):
    """The model as it is, in silent evaluation, and with its numeric features only."""
    plain = model.definition.model_dump()
    silent = {**plain, "status": "silent"}
    numeric = [feature for feature in plain["features"] if feature["kind"] == "numeric"]
    only = {**plain, "features": numeric, "subgroups": ()}
    made = [type(model.definition).model_validate(one) for one in (plain, silent, only)]
    changed = [replace(model, definition=definition) for definition in made]
    return dict(zip(KINDS, changed, strict=True))


@given(
    st.sampled_from(KINDS),
    FEATURES,
    AMOUNTS,
    FINDINGS,
    st.floats(0, 1),
    st.booleans(),
)
def test_an_answer_is_encoded_as_its_type_is(
    models, kind, values, amounts, findings, risk, explained
):
    model = models[kind]
    names = [feature.name for feature in model.definition.features]
    values = {name: values[name] for name in names}
    vector = encode(model.definition, values)
    prediction = Prediction(
        ordered_id(NOW),
        model,
        ExplainedRisk(
            FeatureSet(values, vector, tuple(findings), ()),
            Explanation(risk, 0.1, -0.1, np.array(amounts[: len(names)])),
            model.definition.band(risk),
        ),
        tuple(findings),
        NOW,
        NOW,
    )
    wanted = msgspec.json.encode(answer_of(prediction, explained=explained))
    assert AnswerForm(model).write(prediction, explained=explained) == wanted


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        ("Cel", (" °C", " °C")),
        ("mm[Hg]", (" mmHg", " mmHg")),
        ("d", (" days", " day")),
        ("a", (" years", " year")),
        ("{score}", ("", "")),
    ],
)
def test_units_are_written_as_clinicians_read_them(unit, words):
    assert number_words("Body temperature", unit) == ("Body temperature ", *words)


def test_a_contribution_that_rounds_to_nothing_is_said_without_a_sign(models):
    words = told(models["numeric"], [0.0, -0.0, -0.0049])
    assert words["age"] == "Age 70 years contributed nothing to the score"
    assert words["lactate"] == "Lactate in blood 1.0 mmol/L contributed nothing to the score"
    assert words["creatinine"].endswith(" contributed less than 0.01 to the score")
    words = told(models["numeric"], [-0.0051, 0.2, 0.3])
    assert words["age"].endswith(" contributed -0.01 to the score")


def told(model, amounts):
    """Return the words of each contribution, by feature."""
    values = {"age": 70.0, "lactate": 1.0, "creatinine": 1.0}
    features = FeatureSet(values, encode(model.definition, values), (), ())
    explanation = Explanation(0.2, 0.1, -0.1, np.array(amounts))
    risk = ExplainedRisk(features, explanation, model.definition.band(0.2))
    return {one.feature: one.words for one in contributions(model.definition, risk)}
