"""What becomes of a prediction whose sources are reported: never a risk that it wouldn't get."""

import copy
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from models.artefact import write_manifest
from models.basis import Basis, unused_sources, written
from models.corrections import Correction
from models.definition import parse_definition
from models.errors import InputError
from models.features import FeatureSet
from models.fhir import read_bundle
from models.fhir_corrections import corrections_for, read_corrected
from models.fhir_subject import patient_named
from models.risk_model import RiskModel
from monitoring.corrections import stays
from records import corrections
from records.models import AffectedPrediction, Prediction, SourceCorrection
from tests.monitoring.clinic import DEFINITION, NOW, save_formula

Json = dict[str, Any]
REDUCTIONS = ("latest", "earliest", "maximum", "minimum", "mean", "median")
CODES = {"creatinine": "2160-0", "lactate": "2524-7"}
MASKED = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
# what may be the matter with a result: members that change, or go
ODD: dict[str, Json] = {
    "": {},
    "undated": {"effectiveDateTime": None},
    "without a time of day": {"effectiveDateTime": "2026-05-31"},
    "without a subject": {"subject": None},
    "of a donor": {"focus": [{"reference": "Patient/donor"}]},
    "with an unknown rule": {"modifierExtension": [{"url": "urn:x"}]},
    "below a limit": {"valueQuantity": {"comparator": "<"}},
    "in another unit's text": {"valueQuantity": {"unit": "mmol/L"}},
    "without a unit": {"valueQuantity": {"code": "", "system": "urn:x"}},
    "implausible": {"valueQuantity": {"value": 5000}},
    "a text": {"valueQuantity": None, "valueString": "high"},
    "absent": {"valueQuantity": None},
    "masked": {
        "valueQuantity": None,
        "dataAbsentReason": {"coding": [{"system": MASKED, "code": "masked"}]},
    },
    "issued later": {"issued": "2030-01-01T00:00:00Z"},
    "of two features": {
        "code": {
            "coding": [{"system": "http://loinc.org", "code": code} for code in CODES.values()]
        }
    },
}
PATIENT = {
    "fullUrl": "https://ehr.example.org/fhir/Patient/p1",
    "resource": {"resourceType": "Patient", "id": "p1", "birthDate": "1950-01-31"},
}


def make(directory: Path, reduce: str, if_unusable: str) -> RiskModel:
    accepts = str(if_unusable == "score_without").lower()
    reduced = (
        f'name = "creatinine"\nreduce = "{reduce}"\nif_unusable = "{if_unusable}"\n'
        f"accept_censored = {accepts}\naccept_preliminary = {accepts}"
    )
    text = DEFINITION.replace('name = "creatinine"', reduced)
    text = text.replace('analyte = "lactate"', 'analyte = "lactate"\nloinc = ["2524-7"]')
    (directory / "model.toml").write_text(text)
    (directory / "card.md").write_text("# For tests only")
    definition = parse_definition(text.encode(), source="tests")
    assert definition.by_name["creatinine"].reduce == reduce
    assert definition.by_name["lactate"].loinc == ("2524-7",)
    save_formula(directory, definition)
    write_manifest(directory, definition.name)
    return RiskModel.load(directory, version="1")


@pytest.fixture(scope="module", params=REDUCTIONS)
def models(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return {
        rule: make(tmp_path_factory.mktemp(rule), request.param, rule)
        for rule in ("refuse", "score_without")
    }


def at(days_ago: float) -> str:
    return (NOW - timedelta(days=days_ago)).isoformat()


def result(name: str, **said: Any) -> Json:
    """An Observation of creatinine, of the patient and a day ago unless it's said otherwise."""
    about = {
        "feature": "creatinine",
        "value": 1.0,
        "unit": "mg/dL",
        "days_ago": 1.0,
        "subject": "Patient/p1",
        "status": "final",
    } | said
    quantity = {"value": about["value"], "code": about["unit"]}
    coding = {"system": "http://loinc.org", "code": CODES[about["feature"]]}
    found = {
        "resourceType": "Observation",
        "id": name,
        "status": about["status"],
        "code": {"coding": [coding]},
        "subject": {"reference": about["subject"]},
        "effectiveDateTime": at(about["days_ago"]),
        "valueQuantity": quantity | {"system": "http://unitsofmeasure.org"},
    }
    for member, value in ODD[about.get("odd", "")].items():
        if value is None:
            found.pop(member, None)
        else:
            found[member] = found.get(member, {}) | value if isinstance(value, dict) else value
    return found


def bundle(*resources: Json) -> bytes:
    entries = [PATIENT, *({"resource": one} for one in resources)]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


def assessed(model: RiskModel, results: list[Json]) -> tuple[FeatureSet, float]:
    read = read_bundle(bundle(*results), model.definition, NOW)
    found = model.assess(read.readings, NOW)
    return found.features, float(found.explanation.risk)


def pseudonym(patient: str) -> str:
    return hashlib.sha256(patient.encode()).hexdigest()


def recorded(model: RiskModel, results: list[Json]) -> Prediction:
    """The prediction as serving records it and a database gives it back."""
    features, risk = assessed(model, results)
    basis = Basis(features.given, pseudonym(patient_named("Patient/p1")))
    return Prediction(
        model=model.definition.name,
        version=model.version,
        definition_digest=model.definition_digest,
        predicted_at=NOW,
        recorded_at=NOW,
        features=json.loads(json.dumps(dict(features.values))),
        risk=risk,
        band=model.definition.band(risk).name,
        sources=list(features.sources),
        unused=list(unused_sources(features.given, features.sources)),
        basis=written(basis) if features.given else "",
    )


def by_fhir(model: RiskModel, changed: Json) -> list[Correction]:
    sent = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": changed}]}
    found = read_corrected(json.dumps(sent).encode())
    return corrections_for(model.definition, found, NOW, [], pseudonym)


def after(
    model: RiskModel, prediction: Prediction, *reports: Correction
) -> AffectedPrediction | None:
    """What is listed of a prediction after reports, or None where it stays as it is."""
    return after_turns(model, prediction, reports)


def after_turns(
    model: RiskModel, prediction: Prediction, *turns: Sequence[Correction]
) -> AffectedPrediction | None:
    """What is listed after reports of several times."""
    rows = [
        SourceCorrection(**vars(one), reported_at=NOW + timedelta(minutes=minute))
        for minute, reports in enumerate(turns)
        for one in reports
    ]
    found = AffectedPrediction(prediction=prediction)
    return None if stays(model, found, corrections.holding(rows, whose=True)) else found


def check(model: RiskModel, before: list[Json], changed: Json, now: list[Json]) -> None:
    """Compare what is listed with a prediction that is made afresh of the corrected results."""
    try:
        prediction, reports = recorded(model, before), by_fhir(model, changed)
    except InputError:
        event("refused")
        return
    listed = after(model, prediction, *reports)
    try:
        features, risk = assessed(model, now)
    except InputError:
        event("no score afterwards")
        assert listed is not None
        assert (listed.corrected_risk, listed.band_changed) == (None, True)
        assert listed.no_score
        return
    if listed is None:
        event("stays")
        assert (risk, dict(features.values)) == (prediction.risk, prediction.features)
    else:
        event("scored again")
        assert listed.corrected_risk == risk
        assert listed.corrected_band == model.definition.band(risk).name


UNITS = st.sampled_from(["mg/dL", "mg/dL", "umol/L", "bushel"])
TIMES = st.sampled_from([0.0, 0.5, 1.0, 2.0, 29.9, 30.5, -0.1])
VALUES = st.floats(0.2, 40.0).map(lambda value: round(value, 3))
SAID = st.fixed_dictionaries(
    {"value": VALUES, "unit": UNITS, "days_ago": TIMES},
    optional={
        "odd": st.sampled_from(sorted(ODD)),
        "feature": st.just("lactate"),
        "status": st.sampled_from(["preliminary", "cancelled", "entered-in-error"]),
    },
)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "value": VALUES,
        "unit": st.sampled_from(["mg/dL", "umol/L"]),
        "days_ago": TIMES,
        "feature": st.sampled_from(["creatinine", "lactate"]),
        "subject": st.just("Patient/p2"),
        "status": st.just("entered-in-error"),
    },
)


@given(
    st.lists(SAID, min_size=1, max_size=5),
    CHANGES,
    st.sampled_from(["refuse", "score_without"]),
    st.integers(0, 4),
)
def test_a_listed_risk_is_that_of_a_new_prediction_bit_for_bit(
    models: dict[str, RiskModel], said: list[Json], change: Json, rule: str, which: int
) -> None:
    before = [result(f"o{number}", **one) for number, one in enumerate(said)]
    which %= len(before)
    changed = result(f"o{which}", **(said[which] | {"status": "corrected", "odd": ""} | change))
    if "issued" in before[which]:
        changed["issued"] = before[which]["issued"]  # what was known when stays as it was
    now = [*before[:which], changed, *before[which + 1 :]]
    if "subject" in change:
        del now[which]  # it's another patient's
    check(models[rule], before, changed, now)


@given(st.lists(VALUES, min_size=1, max_size=5), VALUES)
def test_a_report_of_a_value_alone_is_reduced_with_the_other_readings(
    models: dict[str, RiskModel], values: list[float], right: float
) -> None:
    model = models["refuse"]
    before = [result(f"o{n}", value=value, days_ago=n) for n, value in enumerate(values)]
    now = [result("o0", value=right, days_ago=0), *before[1:]]
    listed = after(
        model,
        recorded(model, before),
        Correction("Observation/o0", "corrected", "creatinine", right),
    )
    _, risk = assessed(model, now)
    assert (assessed(model, before)[1] if listed is None else listed.corrected_risk) == risk


@pytest.fixture(scope="module")
def mean(tmp_path_factory: pytest.TempPathFactory) -> RiskModel:
    return make(tmp_path_factory.mktemp("mean"), "mean", "score_without")


def test_reports_on_several_sources_count_together(mean: RiskModel) -> None:
    prediction = recorded(mean, [result("a", value=1), result("b", value=2)])
    first = Correction("Observation/a", "corrected", "creatinine", 3.0)
    second = Correction("Observation/b", "corrected", "creatinine", 5.0)
    listed = after(mean, prediction, first, second)
    assert listed is not None
    _, risk = assessed(mean, [result("a", value=3), result("b", value=5)])
    assert listed.corrected_risk == risk


VALUE_ALONE = Correction("Observation/a", "corrected", "creatinine", 9.0)


def test_a_result_that_is_another_patients_stays_so_whatever_its_value(mean: RiskModel) -> None:
    prediction = recorded(mean, [result("a", value=1), result("b", value=2)])
    elsewhere = by_fhir(mean, result("a", value=1, status="corrected", subject="Patient/p2"))
    listed = after_turns(mean, prediction, elsewhere, [VALUE_ALONE])
    assert listed is not None
    assert listed.corrected_risk == assessed(mean, [result("b", value=2)])[1]


def test_the_time_of_a_result_stays_where_a_later_report_says_a_value_only(mean: RiskModel) -> None:
    prediction = recorded(mean, [result("a", value=1), result("b", value=2)])
    old = by_fhir(mean, result("a", value=1, status="corrected", days_ago=400))
    listed = after_turns(mean, prediction, old, [VALUE_ALONE])
    assert listed is not None
    assert listed.corrected_risk == assessed(mean, [result("b", value=2)])[1]
    again = replace(VALUE_ALONE, taken_at=NOW - timedelta(days=1))
    listed = after_turns(mean, prediction, old, [VALUE_ALONE], [again])
    assert listed is not None
    assert listed.corrected_risk == assessed(mean, [result("a", value=9), result("b", value=2)])[1]


def test_the_last_of_several_reports_of_a_whole_result_holds(mean: RiskModel) -> None:
    prediction = recorded(mean, [result("a", value=1), result("b", value=2)])
    elsewhere = by_fhir(mean, result("a", value=1, status="corrected", subject="Patient/p2"))
    ours = by_fhir(mean, result("a", value=3, status="corrected"))
    listed = after_turns(mean, prediction, elsewhere, [VALUE_ALONE], ours)
    assert listed is not None
    assert listed.corrected_risk == assessed(mean, [result("a", value=3), result("b", value=2)])[1]
    in_error = [Correction("Observation/a", "entered-in-error")]
    listed = after_turns(mean, prediction, ours, [VALUE_ALONE], in_error)
    assert listed is not None
    assert listed.corrected_risk == assessed(mean, [result("b", value=2)])[1]


def test_a_correction_that_is_taken_back_leaves_the_prediction_as_it_was(mean: RiskModel) -> None:
    prediction = recorded(mean, [result("a", value=1.0), result("b", value=2.0)])
    there = Correction("Observation/a", "corrected", "creatinine", 3.0)
    back = Correction("Observation/a", "corrected", "creatinine", 1.0)
    assert after(mean, prediction, there) is not None
    assert after(mean, prediction, there, back) is None


def test_a_result_that_was_left_out_counts_once_it_is_right(mean: RiskModel) -> None:
    prediction = recorded(mean, [result("a", unit="bushel")])
    assert (prediction.features["creatinine"], prediction.sources) == (None, [])
    assert prediction.unused == ["Observation/a"]
    listed = after(mean, prediction, *by_fhir(mean, result("a", value=9, status="corrected")))
    assert listed is not None
    assert listed.corrected_risk == assessed(mean, [result("a", value=9)])[1]
    assert listed.band_changed


def test_a_result_that_nobody_could_know_yet_counts_by_no_other_code_either(
    mean: RiskModel,
) -> None:
    unknown = result("b", feature="lactate", odd="issued later")
    prediction = recorded(mean, [result("a", value=1.0), unknown])
    assert prediction.features["lactate"] is None
    assert after(mean, prediction, *by_fhir(mean, result("b", value=9, status="corrected"))) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"subject": {"reference": "urn:uuid:0b0c1f6e-6d9a-4c57-8a5e-3f5d1c0a9b11"}}, "same pat"),
        ({"subject": None}, "same patient's"),
        (
            {"subject": {"reference": "Patient/p1", "identifier": {"system": "x", "value": "9"}}},
            "same patient's",
        ),
        ({"valueQuantity": None}, "says no value that it should have been"),
    ],
)
def test_what_the_report_leaves_open_gets_no_risk(
    mean: RiskModel, changes: Json, words: str
) -> None:
    prediction = recorded(mean, [result("a")])
    changed = copy.deepcopy(result("a", status="corrected")) | changes
    changed = {name: value for name, value in changed.items() if value is not None}
    listed = after(mean, prediction, *by_fhir(mean, changed))
    assert listed is not None
    assert listed.corrected_risk is None
    assert words in listed.no_score
    assert "a new prediction is needed" in listed.no_score


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"basis": ""}, "its readings weren't recorded"),
        ({"definition_digest": "f" * 64}, "of another definition"),
        ({"features": {"age": 76, "creatinine": 1.5, "lactate": None, "ward": None}}, "give its"),
    ],
)
def test_what_the_record_does_not_hold_gets_no_risk(
    mean: RiskModel, fields: Json, words: str
) -> None:
    prediction = recorded(mean, [result("a")])
    for name, value in fields.items():
        setattr(prediction, name, value)
    listed = after(mean, prediction, *by_fhir(mean, result("a", status="corrected")))
    assert listed is not None
    assert listed.corrected_risk is None
    assert words in listed.no_score


def test_no_text_that_could_name_somebody_is_kept(mean: RiskModel) -> None:
    named = result("a", unit="bushel")
    named["valueQuantity"] |= {"code": "Ann_Smith", "unit": "Ann Smith", "comparator": "<"}
    withheld = {name: one for name, one in result("b").items() if name != "valueQuantity"}
    withheld["dataAbsentReason"] = {"text": "Ann Smith", "coding": [{"code": "Ann"}]}
    strange = result("c") | {"status": "Ann"}
    prediction = recorded(mean, [named, withheld, strange])
    assert "Ann" not in prediction.basis
    assert set(prediction.unused) == {"Observation/a", "Observation/b", "Observation/c"}
