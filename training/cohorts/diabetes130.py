"""Diabetes 130-US hospitals: 101,766 stays of 71,518 people, and who came back within 30 days.

Strack et al., BioMed Res Int 2014;2014:781670. The file holds no dates. `encounter_id` stands in
for time: it was given out in rising order, as the rising share of recorded payers suggests.
"""

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.errors import CohortError
from records.settings import Settings
from training.cohort import Cohort
from training.cohorts.origin import Origin, Progress, fetch_file, read_file

ORIGIN: Final = Origin(
    name="diabetes130",
    url="https://archive.ics.uci.edu/static/public/296/"
    "diabetes+130-us+hospitals+for+years+1999-2008.zip",
    member="diabetic_data.csv",
    sha256="0689e7ec031237dc63031b938805c48377748761a3b26acab621567afa24df97",
)
STAYS: Final = 101_766
TEST_SHARE: Final = 0.2

_ENDED_IN_DEATH_OR_HOSPICE: Final = (11, 13, 14, 19, 20, 21)
_NUMBERS: Final = {
    "inpatient_stays": "number_inpatient",
    "emergency_visits": "number_emergency",
    "outpatient_visits": "number_outpatient",
    "days_in_hospital": "time_in_hospital",
    "diagnoses": "number_diagnoses",
    "laboratory_tests": "num_lab_procedures",
    "procedures": "num_procedures",
    "medications": "num_medications",
}
_ADMISSION_TYPES: Final = {
    "emergency": (1, 7),
    "urgent": (2,),
    "elective": (3,),
}
_ADMISSION_SOURCES: Final = {
    "referral": (1, 2, 3),
    "emergency_room": (7,),
    "hospital": (4, 10, 22, 25),
    "facility": (5, 6, 18),
}
_DISPOSITIONS: Final = {
    "home": (1,),
    "home_care": (6, 8),
    "nursing_facility": (3, 4, 15, 24),
    "rehabilitation": (22,),
    "hospital": (2, 5, 9, 10, 23, 27, 28, 29, 30),
    "against_advice": (7,),
}
_HBA1C: Final = {"Norm": "normal", ">7": "above_7", ">8": "above_8"}
_INSULIN: Final = {"No": "none", "Down": "reduced", "Steady": "steady", "Up": "raised"}
_RACES: Final = {
    "Caucasian": "Caucasian",
    "AfricanAmerican": "African American",
    "Hispanic": "Hispanic",
    "Asian": "Asian",
    "Other": "Other",
}
# Ranges of ICD-9-CM, both ends included: chapters as Strack et al. group them (their table 2).
_CHAPTERS: Final = {
    "circulatory": ((390, 459.99), (785, 785.99)),
    "respiratory": ((460, 519.99), (786, 786.99)),
    "digestive": ((520, 579.99), (787, 787.99)),
    "diabetes": ((250, 250.99),),
    "injury": ((800, 999.99),),
    "musculoskeletal": ((710, 739.99),),
    "genitourinary": ((580, 629.99), (788, 788.99)),
    "neoplasms": ((140, 239.99),),
}
# The complications of diabetes as the Diabetes Complications Severity Index groups them, without
# retinopathy, which is rarely coded in hospital (Young et al., Am J Manag Care 2008;14:15), and
# illnesses that are known to bring people back.
_CONDITIONS: Final = {
    "heart_failure": ((428, 428.99),),
    "ischaemic_heart": ((410, 414.99),),
    "stroke": ((430, 438.99),),
    "vascular_disease": ((440, 447.99), (250.7, 250.79), (682, 682.99), (707, 707.99)),
    "kidney_disease": ((585, 586.99), (250.4, 250.49)),
    "neuropathy": ((250.6, 250.69), (357.2, 357.29)),
    "metabolic_crisis": ((250.1, 250.39),),
    "lung_disease": ((490, 496.99),),
    "cancer": ((140, 209.99),),
    "liver_disease": ((571, 573.99),),
    "mental_illness": ((290, 319.99),),
    "anaemia": ((280, 285.99),),
}


def fetch(settings: Settings, progress: Progress) -> Path:
    """Return the cohort's file, from the data directory, the cache, or its origin."""
    return fetch_file(ORIGIN, settings, progress)


def development(path: Path) -> Cohort:
    """Return the stays that ended alive and not in a hospice, ordered by `encounter_id`."""
    data = read_file(path)
    try:
        raw = pd.read_csv(io.BytesIO(data), na_values="?", keep_default_na=False, low_memory=False)
        ended = raw["discharge_disposition_id"].isin(_ENDED_IN_DEATH_OR_HOSPICE)
        frame = _frame(raw[~ended])
    except (KeyError, ValueError) as error:
        raise CohortError(f"{path.name} isn't the Diabetes 130-US file: {error}") from error
    if len(raw) != STAYS:
        raise CohortError(f"{path.name} has {len(raw)} rows, {STAYS} expected; fetch it again")
    return Cohort(
        frame=frame,
        source="Diabetes 130-US hospitals, 1999-2008",
        digest=hashlib.sha256(data).hexdigest(),
        exclusions=(("Died in hospital, or left to a hospice", int(ended.sum())),),
        notes=(
            "The file has no dates: encounter_id, which rises with time, orders the stays",
            "Ages are known by the decade; each stands at the beginning of its decade",
        ),
        test_share=TEST_SHARE,
    )


def _frame(raw: pd.DataFrame) -> pd.DataFrame:
    codes = {number: _codes(raw[f"diag_{number}"]) for number in (1, 2, 3)}
    return pd.DataFrame(
        {
            "age": raw["age"].str.extract(r"\[(\d+)-", expand=False).astype("float64"),
            "sex": raw["gender"].map({"Female": "female", "Male": "male"}),
            **{name: raw[column].astype("float64") for name, column in _NUMBERS.items()},
            "admission_type": _grouped(raw["admission_type_id"], _ADMISSION_TYPES),
            "admission_source": _grouped(raw["admission_source_id"], _ADMISSION_SOURCES),
            "discharged_to": _grouped(raw["discharge_disposition_id"], _DISPOSITIONS),
            "main_diagnosis": _chapters(raw["diag_1"], codes[1]),
            **{
                name: _yes_no(
                    np.any(
                        [_within(c, limits) for c in codes.values() for limits in ranges], axis=0
                    )
                )
                for name, ranges in _CONDITIONS.items()
            },
            "hba1c": raw["A1Cresult"].map(_HBA1C),
            "insulin": raw["insulin"].map(_INSULIN),
            "metformin": _yes_no((raw["metformin"] != "No").to_numpy()),
            "diabetes_drug": _yes_no((raw["diabetesMed"] == "Yes").to_numpy()),
            "race": raw["race"].map(_RACES),
            "outcome": (raw["readmitted"] == "<30").astype("int8"),
            "patient_id": raw["patient_nbr"].astype(str),
            "time": raw["encounter_id"].astype("int64"),
        }
    ).reset_index(drop=True)


def _grouped(ids: pd.Series, groups: Mapping[str, tuple[int, ...]]) -> pd.Series:
    """Name the group of each number; what stands for unknown belongs to none."""
    return ids.map({number: name for name, numbers in groups.items() for number in numbers})


def _codes(codes: pd.Series) -> npt.NDArray[np.float64]:
    """Return ICD-9-CM codes as numbers; supplementary ones (V, E) and absent ones are NaN."""
    return np.asarray(pd.to_numeric(codes, errors="coerce"), dtype=np.float64)


def _chapters(given: pd.Series, codes: npt.NDArray[np.float64]) -> npt.NDArray[np.object_]:
    chapters = np.full(len(codes), "other", dtype=object)
    chapters[given.isna().to_numpy()] = None
    for name, ranges in _CHAPTERS.items():
        for limits in ranges:
            chapters[_within(codes, limits)] = name
    return chapters


def _within(codes: npt.NDArray[np.float64], limits: tuple[float, float]) -> npt.NDArray[np.bool_]:
    return (codes >= limits[0]) & (codes <= limits[1])


def _yes_no(flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.str_]:
    return np.where(flags, "yes", "no")
