"""A small made-up model, fitted for real, for tests that need one to serve, record or watch."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xgboost

from models.artefact import write_manifest
from models.definition import parse_definition, read_definition
from models.encoding import encode_table
from models.profile import build_profile, to_json
from models.risk_model import RiskModel
from models.scoring.calibration import Sigmoid
from models.scoring.scorer import load_scorer, save_scorer

NAME = "made_up_sepsis"
NOW = datetime(2026, 3, 2, 10, 15, tzinfo=UTC)
VALUES: dict[str, Any] = {
    "age": 71,
    "sex": "female",
    "ward": "surgery",
    "lactate": {"value": 3.1, "unit": "mmol/L", "time": "2026-03-02T08:00:00Z"},
    "creatinine": 1.4,
}
DEFINITION = """
schema_version = 1
name = "made_up_sepsis"
title = "Made-up risk of sepsis"
owner = "The tests"
review_by = 2030-01-31
status = "STATUS"

[intended_use]
population = "Adults on a ward"
setting = "A hospital that doesn't exist"
user = "Nobody"
decision = "None: this model is made up for tests"
not_for = ["Use of any kind"]

[outcome]
title = "Sepsis"
definition = "Sepsis within a day of the prediction"
horizon_days = 1
time_zero = "the prediction"
reporting_delay_days = 1
codes = [{ system = "http://snomed.info/sct", code = "91302008", display = "Sepsis" }]

[estimand]
treatment_policy = "Risk under usual care"
censoring = "Nobody is censored"

[[inclusion]]
feature = "age"
at_least = 18
rule = "Age 18 years or more"

[[features]]
name = "age"
title = "Age"
kind = "numeric"
source = "birth_date"
unit = "a"
plausible = [0, 120]
required = true
decimals = 0

[[features]]
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

[[features]]
name = "lactate"
title = "Lactate in blood"
kind = "numeric"
unit = "mmol/L"
analyte = "lactate"
unit_mandatory = true
loinc = ["2524-7"]
plausible = [0.1, 30]
look_back_days = 1
decimals = 1

[[features]]
name = "creatinine"
title = "Creatinine in serum"
kind = "numeric"
unit = "mg/dL"
analyte = "creatinine"
loinc = ["2160-0"]
plausible = [0.1, 30]
look_back_days = 7
decimals = 1

[[bands]]
name = "low"
title = "Lower risk"
starts_at = 0.0
qualitative = "low"
indicator = "info"
action = "No action beyond usual care"

[[bands]]
name = "high"
title = "Higher risk"
starts_at = 0.3
qualitative = "high"
indicator = "critical"
action = "Look at the patient"

[[thresholds]]
risk = 0.3
because = "A look costs little"

[[subgroups]]
name = "sex"
title = "Sex"
feature = "sex"

[cds_hooks]
id = "made-up-sepsis"
hooks = ["patient-view", "order-sign"]
card_from = "high"
fallback = "look at the patient as you would without a model"
override_reasons = [
  { system = "https://example.org/override", code = "treated", display = "Already treated" },
]

[smallest_group]
people = 10
events = 10
non_events = 10

[monitoring]
years_between_false_alarms = 5
smallest_drift_sd = 0.1
"""


BUNDLE: dict[str, Any] = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [
        {
            "fullUrl": "https://ehr.example.org/fhir/Patient/p1",
            "resource": {
                "resourceType": "Patient",
                "id": "p1",
                "identifier": [{"system": "urn:oid:1.2.3.4", "value": "12345"}],
                "gender": "female",
                "birthDate": "1954-06-30",
            },
        },
        {
            "fullUrl": "https://ehr.example.org/fhir/Observation/o1",
            "resource": {
                "resourceType": "Observation",
                "id": "o1",
                "meta": {"versionId": "2"},
                "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": "2524-7"}]},
                "subject": {"reference": "Patient/p1"},
                "effectiveDateTime": "2026-03-02T08:00:00Z",
                "valueQuantity": {
                    "value": 3.1,
                    "system": "http://unitsofmeasure.org",
                    "code": "mmol/L",
                },
            },
        },
        {
            "fullUrl": "https://ehr.example.org/fhir/Observation/o2",
            "resource": {
                "resourceType": "Observation",
                "id": "o2",
                "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": "2160-0"}]},
                "subject": {"reference": "Patient/p1"},
                "effectiveDateTime": "2026-03-01T08:00:00Z",
                "valueQuantity": {
                    "value": 123.8,
                    "system": "http://unitsofmeasure.org",
                    "code": "umol/L",
                },
            },
        },
    ],
}


def make_population(rows: int = 600, *, seed: int = 7) -> dict[str, np.ndarray]:
    """Draw people with the made-up model's features, in its units; some values are missing."""
    rng = np.random.default_rng(seed)
    lactate, creatinine = rng.gamma(4, 0.5, rows) + 0.2, rng.gamma(6, 0.2, rows) + 0.2
    lactate[rng.random(rows) < 0.3] = np.nan
    creatinine[rng.random(rows) < 0.1] = np.nan
    ward = rng.choice(["medicine", "surgery", "geriatrics"], rows).astype(object)
    return {
        "age": np.floor(rng.uniform(18, 95, rows)),
        "sex": rng.choice(["female", "male"], rows).astype(object),
        "ward": ward,
        "lactate": lactate,
        "creatinine": creatinine,
    }


def make_artefact(
    directory: Path,
    *,
    status: str = "demonstration",
    version: str = "1",
    trees: int = 12,
    definition_text: str | None = None,
) -> RiskModel:
    """Fit the made-up model, write its artefact into a new directory, and load it."""
    directory.mkdir(parents=True)
    text = (definition_text or DEFINITION).replace("STATUS", status)
    (directory / "model.toml").write_text(text)
    (directory / "card.md").write_text("# Made-up risk of sepsis\n\nFor tests only.\n")
    definition = parse_definition(text.encode(), source="factories.py")
    columns = make_population()
    inputs = encode_table(definition, columns)
    save_scorer(
        directory,
        features=tuple(feature.name for feature in definition.features),
        columns=definition.columns,
        column_feature=np.array(definition.column_feature),
        calibration=Sigmoid(0.9, 0.1),
        booster_ubj=_fit(inputs, columns, trees),
        linear=None,
    )
    margin = load_scorer(directory).explain_batch(inputs).margin
    digest = read_definition(directory / "model.toml").digest
    profile = build_profile(definition, columns, margin, definition_digest=digest, seed=7)
    (directory / "profile.json").write_bytes(to_json(profile))
    sample = pd.DataFrame(columns).assign(score=margin)
    sample.to_parquet(directory / "reference.parquet", index=False)
    return RiskModel.load(
        directory, version=version, digest=write_manifest(directory, definition.name)
    )


def _fit(inputs: np.ndarray, columns: dict[str, np.ndarray], trees: int) -> bytes:
    rng = np.random.default_rng(11)
    log_odds = (
        0.04 * (columns["age"] - 60)
        + 0.9 * (np.nan_to_num(columns["lactate"], nan=1.5) - 2)
        + 0.5 * (np.nan_to_num(columns["creatinine"], nan=1.0) - 1)
        + 0.4 * (columns["sex"] == "male")
    )
    outcome = rng.random(len(log_odds)) < 1 / (1 + np.exp(-log_odds))
    matrix = xgboost.DMatrix(inputs, label=outcome)
    parameters = {"objective": "binary:logistic", "max_depth": 3, "eta": 0.2, "nthread": 1}
    return bytes(xgboost.train(parameters, matrix, trees).save_raw("ubj"))
