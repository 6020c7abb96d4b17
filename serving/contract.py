"""The JSON request of one model: a type generated from its definition, and its reader."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from models.amounts import counted
from models.definition import Definition
from models.errors import MalformedInput
from models.feature import Feature
from models.misfit import json_fault, misfit
from models.readings import EARLIEST, Reading, Readings
from models.ward import LONGEST_WARD, WRITTEN, check_ward
from serving.json_keys import check_keys
from serving.problems import NotJson

T = TypeVar("T")
Aware = Annotated[datetime, msgspec.Meta(tz=True)]
FARTHEST = timedelta(hours=14)
# in Python the end is before a last new line too
Site = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+(?!\n)$")]

# its length is looked at with the rest of it, so that every fault of a ward has one reason
Ward = Annotated[
    str,
    msgspec.Meta(
        description=f"The hospital unit: {WRITTEN}",
        extra_json_schema={"minLength": 1, "maxLength": LONGEST_WARD},
    ),
]


class PatientIdentifier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A patient's identifier; it becomes a pseudonym and is not kept."""

    system: Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
    value: Annotated[str, msgspec.Meta(min_length=1, max_length=512)]


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number with its unit and the time at which it was true of the patient."""

    value: float
    unit: str | None = None
    time: Aware | None = None
    comparator: Literal["<", "<=", ">=", ">"] | None = None


class Stated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A category with the time at which it was true of the patient."""

    value: str
    time: Aware | None = None


class Request(msgspec.Struct, frozen=True):
    """What a JSON request asks, whatever the model; `values` are in the definition's order."""

    values: Readings
    patient: PatientIdentifier | None
    predicted_at: datetime | None
    site: str
    ward: str


class Contract:
    """Reads the JSON requests of one model."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self._names = tuple(feature.name for feature in _given(definition))
        self._categories = tuple(
            f"f{i}" for i, feature in enumerate(_given(definition)) if feature.kind == "categorical"
        )
        self.type = _request_type(definition)
        self._decoder = msgspec.json.Decoder(self.type)
        self._taken = {"": self.type.__struct_encode_fields__, "values": self._names}

    def read(self, body: bytes) -> Request:
        """Read a request; raise MalformedInput that names the field, NotJson if it's none.

        A key that stands twice in one object is named before any other fault.
        """
        try:
            given = _decode(self._decoder, body, self._taken)
        except NotJson as error:
            check_keys(body)
            raise self._not_finite(body) or error from error
        except MalformedInput:
            check_keys(body)
            raise
        values = zip(self._names, msgspec.structs.astuple(given.values), strict=True)
        readings = {
            name: value if type(value) is float else _readings(value, name)
            for name, value in values
            if value is not None
        }
        if b"\\" in body or body.count(b":") != self._colons(given, readings):
            check_keys(body)
        if given.ward is not None:
            check_ward(given.ward, "ward")
        return Request(
            readings, given.patient, given.predicted_at, given.site or "", given.ward or ""
        )

    def _colons(self, given: Any, readings: Readings) -> int:
        """Return how many colons the usual body has if none of its keys was lost to another.

        Without an escape, each key has one, and so has each in a text. A body that says more, a
        null or a unit, has more, and is looked at closely.
        """
        colons = 1 + len(readings) + (0 if given.site is None else 1)
        if given.ward is not None:
            colons += 1 + given.ward.count(":")
        for name in self._categories:
            text = getattr(given.values, name)
            colons += text.count(":") if type(text) is str else 0
        if given.patient is not None:
            colons += 3 + given.patient.system.count(":") + given.patient.value.count(":")
        return colons

    def _not_finite(self, body: bytes) -> MalformedInput | None:
        """Return the place of NaN or Infinity, which JSON has no words for, if that is the fault.

        Only in a body that is of the agreed form otherwise: its keys are known and may be told.
        """
        try:
            place = next(_places_not_finite(json.loads(body), ""), None)
            finite = json.loads(body, parse_constant=lambda _: 0.0, parse_float=_finite)
            self._decoder.decode(msgspec.json.encode(finite))
        except msgspec.ValidationError as error:
            return misfit(str(error), taken=self._taken)
        except (ValueError, RecursionError):
            return None
        if place is None:
            return None
        return MalformedInput(f"{place}: not a finite number", field=place, reason="not_finite")

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The request as JSON Schema."""
        return msgspec.json.schema(self.type)


def check_offset(at: datetime, field: str) -> None:
    """Raise MalformedInput for an offset that no place on earth has, nor FHIR's dateTime."""
    offset = at.utcoffset()
    if offset is not None and abs(offset) > FARTHEST:
        raise MalformedInput(
            f"{field} has an offset beyond 14:00, which is none of a time on earth; correct it",
            field=field,
            reason="bad_offset",
        )


def check_time(at: datetime, field: str, latest: datetime) -> None:
    """Raise MalformedInput for a time after `latest`, or before there were any patients of now."""
    check_offset(at, field)
    if at > latest:
        raise MalformedInput(
            f"{field} {at.isoformat()} is later than now", field=field, reason="in_the_future"
        )
    if at < EARLIEST:
        raise MalformedInput(
            f"{field} {at.isoformat()} is before {EARLIEST.year}", field=field, reason="bad_time"
        )


def read_json(body: bytes, type_: type[T]) -> T:
    """Read a body as a msgspec type; raise MalformedInput that names the field, or NotJson."""
    return _decode(msgspec.json.Decoder(type_), body)


def _decode(
    decoder: msgspec.json.Decoder[T],
    body: bytes,
    taken: Mapping[str, Sequence[str]] | None = None,
) -> T:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise misfit(str(error), taken=taken) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotJson(f"the body is not JSON: {json_fault(error, body)}") from error
    except RecursionError as error:
        raise MalformedInput("body: nested too deeply", field="body", reason="too_deep") from error


def _given(definition: Definition) -> Iterator[Feature]:
    return (feature for feature in definition.features if feature.derived is None)


def _request_type(definition: Definition) -> Any:
    features = list(_given(definition))
    # attributes get names of our own, since a feature may be called `lambda`
    fields = [(f"f{i}", _value_type(feature), None) for i, feature in enumerate(features)]
    values = msgspec.defstruct(
        f"{definition.name}_values",
        fields,
        frozen=True,
        forbid_unknown_fields=True,
        rename={f"f{i}": feature.name for i, feature in enumerate(features)},
    )
    return msgspec.defstruct(
        f"{definition.name}_request",
        [
            ("values", values),
            ("patient", PatientIdentifier | None, None),
            ("predicted_at", Aware | None, None),
            ("site", Site | None, None),
            ("ward", Ward | None, None),
        ],
        frozen=True,
        forbid_unknown_fields=True,
    )


def _value_type(feature: Feature) -> Any:
    about = msgspec.Meta(title=feature.title, description=_description(feature))
    if feature.kind == "categorical":
        plain = Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(feature.categories)})]
        return Annotated[plain | Stated | list[Stated] | None, about]
    return Annotated[float | Measured | list[Measured] | None, about]


def _description(feature: Feature) -> str:
    words = ["required" if feature.required else "may be missing"]
    if feature.category_systems:
        words.append(f"a code of {' or '.join(feature.category_systems)}")
    if feature.unit:
        words.append(
            f"unit {feature.unit}, to be stated"
            if feature.unit_mandatory
            else f"a plain number is in {feature.unit}"
        )
    if feature.plausible:
        words.append(f"plausible from {feature.plausible[0]:g} to {feature.plausible[1]:g}")
    if feature.look_back_days:
        oldest = counted(feature.look_back_days, "day")
        words.append(f"at most {oldest} old, {feature.reduce} value")
    return "; ".join(words)


def _readings(value: Any, name: str) -> tuple[Reading, ...]:
    if isinstance(value, (float, str)):
        return (Reading(value),)
    if isinstance(value, list):
        return tuple(
            one for at, item in enumerate(value) for one in _readings(item, f"{name}[{at}]")
        )
    if value.time is not None and value.time.tzinfo is not UTC:
        check_offset(value.time, f"values.{name}.time")
    if isinstance(value, Measured):
        return (Reading(value.value, value.unit, value.time, comparator=value.comparator),)
    return (Reading(value.value, None, value.time),)


def _finite(text: str) -> float:
    """Return a number, or 0 for one that is beyond every double."""
    number = float(text)
    return number if math.isfinite(number) else 0.0


def _places_not_finite(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, float) and not math.isfinite(value):
        yield place
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _places_not_finite(part, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _places_not_finite(part, f"{place}[{index}]")
