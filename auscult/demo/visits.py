"""The people sampled later, as the calls that an EHR would have made.

The cohort knows the year of a sample and no day. Each year's people are spread over its days by
a fixed seed; nothing that depends on the day within a year can be read from the demonstration.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import orjson

if TYPE_CHECKING:
    import pandas as pd

SEED = 19970101
SYSTEM = "urn:auscult:demo:flchain"
_LOINC = {"kappa": "36916-5", "lambda": "33944-0", "creatinine": "2160-0"}
_UNIT = "mg/dL"
_Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Visit:
    """One person's sample: when, the Bundle that tells it, and what became of them."""

    identifier: str
    at: datetime
    bundle: bytes
    died: bool
    follow_up_days: int


def visits(people: "pd.DataFrame", *, seed: int = SEED) -> list[Visit]:
    """Return the visits in the order of their time."""
    made = sorted(_spread(people, np.random.default_rng(seed)), key=lambda visit: visit.at)
    return list(made)


def _spread(people: "pd.DataFrame", rng: np.random.Generator) -> Iterator[Visit]:
    for row in people.to_dict("records"):
        year = int(row["sample_year"])
        days = (date(year + 1, 1, 1) - date(year, 1, 1)).days
        day, minute, age_days = rng.integers((days, 600, 365))
        at = datetime(year, 1, 1, 8, tzinfo=UTC) + timedelta(days=int(day), minutes=int(minute))
        identifier = str(row["person"])
        yield Visit(
            identifier,
            at,
            orjson.dumps(_bundle(row, identifier, at, int(age_days), rng)),
            bool(row["died"]),
            int(row["follow_up_days"]),
        )


def _bundle(
    row: dict[str, Any], identifier: str, at: datetime, age_days: int, rng: np.random.Generator
) -> _Resource:
    born = birth_date(at.date(), int(row["age"]), age_days)
    patient = {
        "resourceType": "Patient",
        "id": "subject",
        "identifier": [{"system": SYSTEM, "value": identifier}],
        "gender": row["sex"],
        "birthDate": born.isoformat(),
    }
    taken = at - timedelta(hours=2)
    resources = [patient] + [
        _observation(code, float(row[name]), taken)
        for name, code in _LOINC.items()
        if row[name] == row[name]
    ]
    entries = [{"fullUrl": _uuid(rng), "resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def _observation(code: str, value: float, taken: datetime) -> _Resource:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": "Patient/subject"},
        "effectiveDateTime": taken.isoformat(),
        "valueQuantity": {
            "value": value,
            "unit": _UNIT,
            "system": "http://unitsofmeasure.org",
            "code": _UNIT,
        },
    }


def _uuid(rng: np.random.Generator) -> str:
    return f"urn:uuid:{UUID(bytes=rng.bytes(16), version=4)}"


def birth_date(on: date, age: int, days_since_birthday: int) -> date:
    """Return a birth date that makes `age` completed years on a day.

    The birthday lies `days_since_birthday` (0 to 364) days before that day.
    """
    birthday = on - timedelta(days=days_since_birthday)
    day = min(birthday.day, 28) if birthday.month == 2 else birthday.day
    return birthday.replace(year=birthday.year - age, day=day)
