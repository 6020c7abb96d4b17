"""What a search for recorded predictions asks, as filters on the records."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec

from models.errors import MalformedInput
from models.fhir_names import is_id, is_reference
from models.fhir_risk import MODEL_SYSTEM
from serving.media_type import check_format
from serving.operation import Call
from serving.query import AS_IT_IS, OF_FORM, WHOLE

DEFAULT_COUNT, MAX_COUNT = 50, 500
BY_PATIENT = ("subject", "patient")
BY_IDENTIFIER = ("subject:identifier", "patient:identifier")
_COUNT = re.compile(r"[0-9]{1,3}")
_FRACTION = re.compile(r"\.([0-9]+)")
_PREFIXES = ("eq", "ge", "gt", "le", "lt")
Filter = dict[str, Any]


class SearchForm(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    rename={
        "subject_identifier": "subject:identifier",
        "patient_identifier": "patient:identifier",
        "count": "_count",
        "page": "_page",
    },
):
    """What a search may ask in a form; each may be left out, and one patient be named."""

    subject_identifier: str | msgspec.UnsetType = msgspec.UNSET
    patient_identifier: str | msgspec.UnsetType = msgspec.UNSET
    subject: str | msgspec.UnsetType = msgspec.UNSET
    patient: str | msgspec.UnsetType = msgspec.UNSET
    date: str | msgspec.UnsetType = msgspec.UNSET
    method: str | msgspec.UnsetType = msgspec.UNSET
    count: Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)] | msgspec.UnsetType = msgspec.UNSET
    page: str | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a search asks: filters of which all have to hold, and how many matches at once.

    Of a search for one patient, `patients` are the pseudonyms that they may have; `page` is where
    it goes on.
    """

    filters: tuple[Filter, ...]
    count: int
    patients: tuple[str, ...] = ()
    page: str = ""


def is_of_patient(name: str) -> bool:
    """Say whether a parameter names a patient, whatever its modifier, chain or spelling."""
    return re.split(r"[:.]", name.strip().lower())[0] in BY_PATIENT


def read_criteria(call: Call, given: Sequence[tuple[str, str]]) -> Criteria:
    """Return what the parameters ask; raise MalformedInput for one that wouldn't be heeded."""
    filters: list[Filter] = []
    once: dict[str, str] = {}
    patients: tuple[str, ...] = ()
    _check_patients(given)
    for name, value in given:
        if name == "date":
            filters.append(_date_filter(value))
        elif name == "method":
            filters.append(_method_filter(value))
        elif name in (*BY_IDENTIFIER, *BY_PATIENT):
            patients = _pseudonyms(call, name, value)
        elif name not in once and (name == "_page" or (name == "_count" and _is_count(value))):
            once[name] = value
        elif name == "_format":
            check_format(value)
        elif name not in OF_FORM and (name, value) != AS_IT_IS:
            raise MalformedInput(
                "search by date, method, subject, subject:identifier and, once, _count "
                f"(at most {MAX_COUNT}); {WHOLE}",
                field=name if name in ("_count", "_page") else "query",
                reason="bad_count" if name == "_count" else "unknown_parameter",
            )
    count = int(once.get("_count", DEFAULT_COUNT))
    return Criteria(tuple(filters), count, patients, once.get("_page", ""))


def _is_count(value: str) -> bool:
    return _COUNT.fullmatch(value) is not None and int(value) <= MAX_COUNT


def _check_patients(given: Sequence[tuple[str, str]]) -> None:
    """Raise MalformedInput where several patients are named: all or any of them isn't searched."""
    patients = [value for name, value in given if name in (*BY_IDENTIFIER, *BY_PATIENT)]
    if len(patients) > 1 or any("," in value for value in patients):
        raise MalformedInput(
            "search for one patient at a time, by one of subject and subject:identifier",
            field="subject",
            reason="several_patients",
        )


def _pseudonyms(call: Call, name: str, value: str) -> tuple[str, ...]:
    """Return the pseudonyms that a patient may have by what is searched for."""
    pseudonym = call.premises.pseudonymiser.pseudonym
    if name in BY_IDENTIFIER:
        system, _, number = value.rpartition("|")
        if not system or not number:
            raise MalformedInput(
                f"{name}: give system|value; an identifier without its system is nobody's",
                field=name,
                reason="bad_identifier",
            )
        return (pseudonym(system, number),)
    last = value.rpartition("/")[2]
    if not is_id(value) and not is_reference(value):
        raise MalformedInput(
            f"{name}: give Patient/ID, or better {name}:identifier as system|value",
            field=name,
            reason="bad_reference",
        )
    return tuple(pseudonym("", one) for one in {value, f"Patient/{last}"})


def _method_filter(text: str) -> Filter:
    """Return the filter for a method, or for one of several with commas between.

    One is a code, system|code, or system| for all codes of the system.
    """
    parts = [one.rpartition("|") for one in text.split(",")]
    if (MODEL_SYSTEM, "|", "") in parts:
        return {}
    return {"model__in": [code for system, bar, code in parts if not bar or system == MODEL_SYSTEM]}


def _date_filter(text: str) -> Filter:
    prefix, rest = (text[:2], text[2:]) if text[:2].isalpha() else ("eq", text)
    whole_day = len(rest) == len("2026-01-05")
    try:
        at = msgspec.convert(f"{rest}T00:00:00Z" if whole_day else rest, datetime)
        after = at + (timedelta(days=1) if whole_day else _span(rest))
        at, after = _in_utc(at), _in_utc(after)
        if prefix not in _PREFIXES:
            raise ValueError(prefix)
    except (msgspec.ValidationError, OverflowError, ValueError) as error:
        raise MalformedInput(
            "date is eq, ge, gt, le or lt and a day, or a time with its offset",
            field="date",
            reason="bad_time",
        ) from error
    limits: dict[str, Filter] = {
        "eq": {"predicted_at__gte": at, "predicted_at__lt": after},
        "ge": {"predicted_at__gte": at},
        "gt": {"predicted_at__gte": after},
        "le": {"predicted_at__lt": after},
        "lt": {"predicted_at__lt": at},
    }
    return limits[prefix]


def _span(time: str) -> timedelta:
    """Return for how long a time stands as it is written: its second, or a part of it.

    R4, search.html#date: a value stands for all of the time that its precision leaves open.
    """
    fraction = _FRACTION.search(time)
    digits = len(fraction[1]) if fraction is not None else 0
    return timedelta(microseconds=10 ** max(0, 6 - digits))


def _in_utc(time: datetime) -> datetime:
    if time.tzinfo is None:
        raise ValueError("no offset")
    return time.astimezone(UTC)
