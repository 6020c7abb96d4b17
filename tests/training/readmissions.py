"""A made-up definition and cohorts for it, small enough to be fitted in a moment."""

from pathlib import Path

import numpy as np
import pandas as pd

from models.definition import DefinitionFile, read_definition
from training.cohort import Cohort

PEOPLE = 700
DEFINITION = """
schema_version = 1
name = "readmission"
title = "Risk of readmission"
owner = "The tests"
review_by = 2030-01-31
status = "demonstration"
smallest_group = { people = 5, events = 20, non_events = 20 }
monitoring = { years_between_false_alarms = 5, smallest_drift_sd = 0.1 }
inclusion = [{ feature = "age", at_least = 18, rule = "Age 18 years or more" }]
thresholds = [{ risk = 0.3, because = "A call costs less than a bed" }]
gates = [
  { metric = "auroc", at_least = 0.6 },
  { metric = "calibration_slope", at_least = 0.1, at_most = 5.0 },
  { metric = "auroc_minus_baseline", at_least = -0.2, because = "A regression made them up" },
  { metric = "scaled_brier_minus_baseline", at_least = -0.4, because = "Likewise a regression" },
]

[[bands]]
name = "low"
title = "Low"
starts_at = 0
action = "None"
qualitative = "low"
indicator = "info"

[[bands]]
name = "high"
title = "High"
starts_at = 0.3
action = "Call after two days"
qualitative = "high"
indicator = "warning"

[intended_use]
population = "Adults discharged home"
setting = "A hospital that doesn't exist"
user = "Nobody"
decision = "None"
not_for = ["Use of any kind"]

[outcome]
title = "Readmission"
definition = "Readmission within 30 days"
horizon_days = 30
time_zero = "the discharge"
reporting_delay_days = 1

[estimand]
treatment_policy = "Usual care"
censoring = "Those who move away are represented by those who stay"

[[features]]
name = "age"
title = "Age"
kind = "numeric"
source = "birth_date"
unit = "a"
plausible = [0, 120]
required = true
direction = "increasing"

[[features]]
name = "sex"
title = "Sex"
kind = "categorical"
source = "gender"
categories = { female = "Female", male = "Male" }

[[features]]
name = "creatinine"
title = "Creatinine in serum"
kind = "numeric"
unit = "mg/dL"
analyte = "creatinine"
loinc = ["2160-0"]
plausible = [0.1, 30]
look_back_days = 7

[[features]]
name = "crp"
title = "C-reactive protein"
kind = "numeric"
unit = "mg/L"
analyte = "crp"
loinc = ["1988-5"]
plausible = [0, 600]
look_back_days = 7
if_unusable = "score_without"

[[features]]
name = "ward"
title = "Ward"
kind = "categorical"
categories = { medicine = "Medicine", surgery = "Surgery", geriatrics = "Geriatrics" }
look_back_days = 30

[[subgroups]]
name = "sex"
title = "Sex"
feature = "sex"

[[subgroups]]
name = "age_band"
title = "Age band"
feature = "age"
cuts = [65, 110]

[[subgroups]]
name = "ethnicity"
title = "Ethnicity"
not_assessed = "The table doesn't record it"
"""
CARD = "# Readmission\n\nMade up for <b>tests</b>.\n"


def write_definition(directory: Path, text: str = DEFINITION) -> DefinitionFile:
    """Write the definition and its card, and read them as a user's own."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "model.toml").write_text(text, encoding="utf-8")
    (directory / "card.md").write_text(CARD, encoding="utf-8")
    return read_definition(directory / "model.toml")


def people(rows: int = PEOPLE, seed: int = 1) -> pd.DataFrame:
    """Return a table in which age, creatinine and ward tell the outcome, with gaps."""
    generator = np.random.default_rng(seed)
    age = generator.integers(18, 95, rows).astype(np.float64)
    creatinine = np.round(np.exp(generator.normal(0, 0.4, rows)), 2)
    ward = generator.choice(["medicine", "surgery", "geriatrics"], rows)
    margin = 0.06 * (age - 60) + 0.9 * np.log(creatinine) + 0.5 * (ward == "geriatrics") - 0.6
    frame = pd.DataFrame(
        {
            "age": age,
            "sex": generator.choice(["female", "male"], rows),
            "creatinine": np.where(generator.random(rows) < 0.1, np.nan, creatinine),
            "crp": np.round(np.exp(generator.normal(2, 1, rows)), 1),
            "ward": ward,
            "outcome": (generator.random(rows) < 1 / (1 + np.exp(-margin))).astype(int),
            "patient_id": [f"P{number:05d}" for number in range(rows)],
        }
    )
    frame.loc[generator.random(rows) < 0.05, "ward"] = None
    return frame


def followed(rows: int = PEOPLE, seed: int = 1) -> pd.DataFrame:
    """Return such a table with follow-up: about a fifth are lost before day 30, without event."""
    frame = people(rows, seed)
    generator = np.random.default_rng(seed + 1000)
    day = generator.integers(1, 31, rows).astype(np.float64)
    lost = (generator.random(rows) < 0.2) & (frame["outcome"] == 0)
    ends = np.where(frame["outcome"] == 1, day, np.where(lost, day - 1, 45))
    return frame.assign(follow_up_days=ends)


def cohort(frame: pd.DataFrame) -> Cohort:
    """Return a table as a cohort."""
    return Cohort(frame, source="readmissions.csv", digest="0" * 64)
