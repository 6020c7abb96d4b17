"""SUPPORT2: 9,105 seriously ill adults in five US teaching hospitals, and who died in hospital.

Knaus et al., Ann Intern Med 1995;122:191. Left out of the features, since they are known only later
or follow from the outcome: the scores and estimates `sps`, `aps`, `surv2m`, `surv6m`, `prg2m` and
`prg6m`, the orders `dnr` and `dnrday`, the costs `charges`, `totcst`, `totmcst` and `avtisst`, the
stay `slos`, the follow-up `d.time` and `sfdm2`, and the daily activities `adlp`, `adls` and
`adlsc`, which were asked after the third day (`adlp` is missing in 97 % of deaths before day 7).
"""

import hashlib
import io
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from models.errors import CohortError
from records.settings import Settings
from training.cohort import Cohort
from training.cohorts.origin import Origin, Progress, fetch_file, read_file

ORIGIN: Final = Origin(
    name="support2",
    url="https://hbiostat.org/data/repo/support2csv.zip",
    member="support2.csv",
    sha256="4f7dfcfb0d702401adfd0fa47702ed18fdd4dfe37acd0bcf1055acb7df007a1b",
)
PEOPLE: Final = 9105
HORIZON_DAYS: Final = 180

_NUMBERS: Final = {
    "comorbidities": "num.co",
    "day_in_hospital": "hday",
    "coma_score": "scoma",
    "mean_blood_pressure": "meanbp",
    "heart_rate": "hrt",
    "respiratory_rate": "resp",
    "temperature": "temp",
    "oxygenation": "pafi",
    "arterial_ph": "ph",
    "leucocytes": "wblc",
    "albumin": "alb",
    "bilirubin": "bili",
    "creatinine": "crea",
    "sodium": "sod",
    "glucose": "glucose",
    "urea_nitrogen": "bun",
    "urine": "urine",
}
_DIAGNOSES: Final = {
    "ARF/MOSF w/Sepsis": "respiratory_failure_or_sepsis",
    "MOSF w/Malig": "organ_failure_with_malignancy",
    "CHF": "heart_failure",
    "COPD": "copd",
    "Cirrhosis": "cirrhosis",
    "Coma": "coma",
    "Colon Cancer": "colon_cancer",
    "Lung Cancer": "lung_cancer",
}


def fetch(settings: Settings, progress: Progress) -> Path:
    """Return the cohort's file, from the data directory, the cache, or its origin."""
    return fetch_file(ORIGIN, settings, progress)


def development(path: Path) -> Cohort:
    """Return everyone, with death in hospital within 180 days and no time or centre."""
    data = read_file(path)
    try:
        raw = pd.read_csv(io.BytesIO(data))
        frame = _frame(raw)
    except (KeyError, ValueError) as error:
        raise CohortError(f"{path.name} isn't the SUPPORT2 file: {error}") from error
    if len(frame) != PEOPLE:
        raise CohortError(f"{path.name} has {len(frame)} rows, {PEOPLE} expected; fetch it again")
    late = int(((raw["hospdead"] == 1) & (raw["d.time"] > HORIZON_DAYS)).sum())
    return Cohort(
        frame=frame,
        source="SUPPORT2, 1989-1994",
        digest=hashlib.sha256(data).hexdigest(),
        notes=(
            f"{late} people died in hospital after {HORIZON_DAYS} days; they count as without the "
            "event",
            "Neither dates nor hospitals are in the file, so nothing tells how the model carries "
            "over to later years or to another hospital",
        ),
    )


def _frame(raw: pd.DataFrame) -> pd.DataFrame:
    died = (raw["hospdead"] == 1) & (raw["d.time"] <= HORIZON_DAYS)
    return pd.DataFrame(
        {
            **{name: raw[column].astype("float64") for name, column in _NUMBERS.items()},
            "age": np.floor(raw["age"].astype("float64")),
            "sex": raw["sex"],
            "diagnosis": raw["dzgroup"].map(_DIAGNOSES),
            "cancer": raw["ca"],
            "dementia": raw["dementia"].map({0: "no", 1: "yes"}),
            "race": raw["race"],
            "outcome": died.astype("int8"),
            "patient_id": raw["sno"].astype(str),
        }
    )
