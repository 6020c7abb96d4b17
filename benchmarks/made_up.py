"""A made-up model of 30 numeric features, and an installation that serves it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.explain import fit, patients
from models.artefact import write_manifest
from models.loinc import check_digit
from models.scoring.calibration import Sigmoid
from models.scoring.scorer import save_scorer
from records.home import init_home
from records.settings import Settings

NAME = "made_up"
FEATURES = 30
TREES, DEPTH = 300, 5
LOINC = tuple(f"{number}-{check_digit(str(number))}" for number in range(10_000, 10_000 + FEATURES))
NAMES = tuple(f"measured_{i}" for i in range(FEATURES))

_HEAD = """
schema_version = 1
name = "made_up"
title = "Made-up risk"
owner = "The benchmarks"
review_by = 2030-01-31
status = "demonstration"

[intended_use]
population = "Nobody"
setting = "A hospital that doesn't exist"
user = "Nobody"
decision = "None: this model is made up for measurements"
not_for = ["Use of any kind"]

[outcome]
title = "An outcome"
definition = "An outcome within a day of the prediction"
horizon_days = 1
time_zero = "the prediction"
reporting_delay_days = 1

[estimand]
treatment_policy = "Risk under usual care"
censoring = "Nobody is censored"
"""
_FEATURE = """
[[features]]
name = "{name}"
title = "Measured value {number}"
kind = "numeric"
unit = "mmol/L"
loinc = ["{loinc}"]
plausible = [-50, 50]
look_back_days = 7
decimals = 1
"""
_TAIL = """
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

[smallest_group]
people = 10
events = 10
non_events = 10

[monitoring]
years_between_false_alarms = 5
smallest_drift_sd = 0.1
"""


@dataclass(frozen=True)
class Installation:
    """A home with a migrated database, the artefact it serves, and a client's key."""

    settings: Settings
    artefacts: Path
    key: str


def install(home: Path) -> Installation:
    """Fit the model, write its artefact, migrate a database and make a client."""
    settings = Settings(home=home)
    init_home(settings)
    from records.migration import migrate

    migrate(settings)
    from records.clients import create_client

    key, _ = create_client("load", ("predict", "explain"), now=datetime.now(UTC))
    artefacts = home / "served"
    digest = write_artefact(artefacts / NAME)
    listed = {"models": [{"name": NAME, "version": "1", "artefact_digest": digest}]}
    (artefacts / "served.json").write_bytes(msgspec.json.encode(listed))
    return Installation(settings, artefacts, key)


def write_artefact(directory: Path) -> str:
    """Fit the model and write its artefact into a new directory; return its digest."""
    directory.mkdir(parents=True)
    features = "".join(
        _FEATURE.format(name=name, number=i, loinc=LOINC[i]) for i, name in enumerate(NAMES)
    )
    (directory / "model.toml").write_text(f"{_HEAD}{features}{_TAIL}")
    (directory / "card.md").write_text("# Made-up risk\n\nFor measurements only.\n")
    booster = fit(patients(20_000, FEATURES), TREES, DEPTH)
    save_scorer(
        directory,
        features=NAMES,
        columns=NAMES,
        column_feature=np.arange(FEATURES),
        calibration=Sigmoid(0.9, 0.1),
        booster_ubj=bytes(booster.save_raw("ubj")),
        linear=None,
    )
    return write_manifest(directory, NAME)


def people(count: int = 512) -> Iterator[dict[str, float]]:
    """Yield what is known of made-up people; a tenth of the values is missing."""
    for row in patients(count, FEATURES).round(2):
        yield {
            name: value for name, value in zip(NAMES, row.tolist(), strict=True) if value == value
        }


def bundle(entries: int = 200) -> dict[str, Any]:
    """Make a FHIR Bundle of one person and many observations of the model's features."""
    rng = np.random.default_rng(3)
    patient = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1954-06-30"}
    resources = [patient, *(_observation(i, rng) for i in range(entries - 1))]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": f"https://ehr.example.org/fhir/{one['resourceType']}/{one['id']}"}
            | {"resource": one}
            for one in resources
        ],
    }


def _observation(index: int, rng: np.random.Generator) -> dict[str, Any]:
    hour = datetime.now(UTC).timestamp() - 3600 * (1 + index // FEATURES)
    taken_at = datetime.fromtimestamp(hour, UTC)
    return {
        "resourceType": "Observation",
        "id": f"o{index}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": LOINC[index % FEATURES]}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": taken_at.isoformat(timespec="seconds"),
        "valueQuantity": {
            "value": round(float(rng.normal()), 2),
            "system": "http://unitsofmeasure.org",
            "code": "mmol/L",
        },
    }
