"""The parts of FHIR R4 resources that are read here, as msgspec structs."""

from typing import Any, Literal

import msgspec
from msgspec.structs import astuple

from models.absent_reasons import known_reason

UCUM = "http://unitsofmeasure.org"
DATA_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_NOTHING_ELSE = (None,) * 18


def place_of(index: int) -> str:
    """Return the FHIRPath of a Bundle's resource, for errors."""
    return f"Bundle.entry[{index}].resource"


class Element(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """An element of a resource, of which unknown fields are left unread."""


class Identifier(Element, frozen=True):
    """A number of a patient in a system; its `use` may say that it isn't one any more."""

    system: str | None = None
    value: str | None = None
    use: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it has a system and a value that isn't blank."""
        return bool(self.system and self.value and self.value.strip())


class Reference(Element, frozen=True):
    """A reference to another resource."""

    reference: str | None = None
    type: str | None = None
    identifier: Identifier | None = None


class Meta(Element, frozen=True):
    """The version of a resource, when it was made, and its labels (see `fhir_labels`)."""

    version_id: str | None = None
    last_updated: str | None = None
    security: msgspec.Raw = msgspec.Raw()
    tag: msgspec.Raw = msgspec.Raw()

    @property
    def is_labelled(self) -> bool:
        """Whether it has labels, whatever they say."""
        return bool(self.security or self.tag)


class Extension(Element, frozen=True):
    """An extension, of which only a coded value is read."""

    url: str | None = None
    value_code: str | None = None


class Primitive(Element, frozen=True):
    """What stands beside a primitive value, such as why it's absent."""

    extension: tuple[Extension, ...] = ()

    @property
    def absent_because(self) -> str | None:
        """Return the data-absent-reason, if one is given."""
        reasons = (e.value_code for e in self.extension if e.url == DATA_ABSENT)
        return next((known_reason(reason) for reason in reasons), None)


class Coding(Element, frozen=True):
    """A code in its system."""

    system: str | None = None
    system_beside: Primitive | None = msgspec.field(default=None, name="_system")
    code: str | None = None
    code_beside: Primitive | None = msgspec.field(default=None, name="_code")


class NamedCoding(Coding, frozen=True, kw_only=True):
    """A code in its system, with what it's called there."""

    display: str | None = None


class CodeableConcept(Element, frozen=True):
    """A concept by one or more codings."""

    coding: tuple[Coding, ...] = ()
    text: str | None = None


def is_absent(beside: Primitive | None) -> bool:
    """Say whether what stands beside a value, or within it, gives a reason for its absence."""
    return beside is not None and beside.absent_because is not None


class Period(Primitive, frozen=True, kw_only=True):
    """A time with a start and an end."""

    start: str | None = None
    start_beside: Primitive | None = msgspec.field(default=None, name="_start")
    end: str | None = None
    end_beside: Primitive | None = msgspec.field(default=None, name="_end")


class Quantity(Primitive, frozen=True, kw_only=True):
    """A measured amount; `code` is the unit in `system`, `unit` its text."""

    value: float | None = None
    comparator: str | None = None
    unit: str | None = None
    system: str | None = None
    code: str | None = None
    value_beside: Primitive | None = msgspec.field(default=None, name="_value")
    comparator_beside: Primitive | None = msgspec.field(default=None, name="_comparator")
    unit_beside: Primitive | None = msgspec.field(default=None, name="_unit")
    system_beside: Primitive | None = msgspec.field(default=None, name="_system")
    code_beside: Primitive | None = msgspec.field(default=None, name="_code")


class CodedValue(Primitive, frozen=True, kw_only=True):
    """A value that is a concept by one or more codings."""

    coding: tuple[NamedCoding, ...] = ()
    text: str | None = None
    text_beside: Primitive | None = msgspec.field(default=None, name="_text")

    @property
    def is_empty(self) -> bool:
        """Whether it says no code and no text."""
        return self.text is None and all(one.code is None for one in self.coding)

    @property
    def beside(self) -> list[Primitive | None]:
        """Return what stands beside the codes and the text that are given, or all if none is."""
        given = [one for one in self.coding if self.is_empty or one.code is not None]
        found = [part for one in given for part in (one.system_beside, one.code_beside)]
        return [*found, self.text_beside] if self.is_empty or self.text is not None else found


class Measured(Element, frozen=True):
    """What an Observation and a component of one have in common: a code and one value."""

    code: CodeableConcept | None = None
    value_quantity: Quantity | None = None
    value_string: str | None = None
    value_codeable_concept: CodedValue | None = None
    value_boolean: bool | None = None
    value_integer: int | None = None
    value_range: Any = None
    value_ratio: Any = None
    value_sampled_data: Any = None
    value_time: Any = None
    value_date_time: Any = None
    value_period: Any = None
    data_absent_reason: CodeableConcept | None = None
    value_quantity_beside: Primitive | None = msgspec.field(default=None, name="_valueQuantity")
    value_codeable_concept_beside: Primitive | None = msgspec.field(
        default=None, name="_valueCodeableConcept"
    )
    value_string_beside: Primitive | None = msgspec.field(default=None, name="_valueString")
    value_boolean_beside: Primitive | None = msgspec.field(default=None, name="_valueBoolean")
    value_integer_beside: Primitive | None = msgspec.field(default=None, name="_valueInteger")
    value_time_beside: Primitive | None = msgspec.field(default=None, name="_valueTime")
    value_date_time_beside: Primitive | None = msgspec.field(default=None, name="_valueDateTime")
    modifier_extension: tuple[Any, ...] = ()
    interpretation: msgspec.Raw = msgspec.Raw()

    @property
    def amount(self) -> Quantity | None:
        """Return the quantity if nothing else is given, as is nearly always so."""
        return self.value_quantity if astuple(self)[2:20] == _NOTHING_ELSE else None

    @property
    def beside(self) -> list[Primitive]:
        """Return all that stands beside a value, or in it where it is a complex one."""
        given = (
            self.value_quantity_beside,
            self.value_codeable_concept_beside,
            self.value_string_beside,
            self.value_boolean_beside,
            self.value_integer_beside,
            self.value_time_beside,
            self.value_date_time_beside,
            self.value_quantity,
            None if self.value_quantity is None else self.value_quantity.value_beside,
            self.value_codeable_concept,
            *(() if self.value_codeable_concept is None else self.value_codeable_concept.beside),
        )
        return [one for one in given if one is not None]

    @property
    def values(self) -> list[Any]:
        """Return every value that is given; there may be at most one."""
        given = (
            self.value_quantity,
            self.value_codeable_concept,
            self.value_string,
            self.value_boolean,
            self.value_integer,
            self.value_range,
            self.value_ratio,
            self.value_sampled_data,
            self.value_time,
            self.value_date_time,
            self.value_period,
        )
        return [value for value in given if value is not None]


class Observation(Measured, frozen=True, kw_only=True):
    """A measurement of a patient, or a panel of them as components; what most have comes last."""

    status_beside: Primitive | None = msgspec.field(default=None, name="_status")
    effective_date_time_beside: Primitive | None = msgspec.field(
        default=None, name="_effectiveDateTime"
    )
    effective_instant_beside: Primitive | None = msgspec.field(
        default=None, name="_effectiveInstant"
    )
    issued_beside: Primitive | None = msgspec.field(default=None, name="_issued")
    implicit_rules: str | None = None
    focus: tuple[Reference, ...] = ()
    effective_instant: str | None = None
    effective_period: Period | None = None
    effective_timing: Any = None
    component: tuple[Measured, ...] = ()
    resource_type: Literal["Observation"]
    id: str | None = None
    meta: Meta | None = None
    status: str | None = None
    subject: Reference | None = None
    effective_date_time: str | None = None
    issued: str | None = None

    @property
    def known_status(self) -> str | None:
        """Return the status, or None where it's said not to be known."""
        return None if is_absent(self.status_beside) else self.status


class Link(Element, frozen=True):
    """How another Patient resource stands to this one."""

    type: str | None = None


class Patient(Element, frozen=True):
    """The person that everything in a Bundle has to be about."""

    id: str | None = None
    meta: Meta | None = None
    implicit_rules: str | None = None
    modifier_extension: tuple[Any, ...] = ()
    identifier: tuple[Identifier, ...] = ()
    birth_date: str | None = None
    birth_date_beside: Primitive | None = msgspec.field(default=None, name="_birthDate")
    active: bool | None = None
    active_beside: Primitive | None = msgspec.field(default=None, name="_active")
    link: tuple[Link, ...] = ()
    gender: str | None = None
    gender_beside: Primitive | None = msgspec.field(default=None, name="_gender")
    deceased_boolean: bool | None = None
    deceased_boolean_beside: Primitive | None = msgspec.field(default=None, name="_deceasedBoolean")
    deceased_date_time: str | None = None
    deceased_date_time_beside: Primitive | None = msgspec.field(
        default=None, name="_deceasedDateTime"
    )


class Issue(Element, frozen=True):
    """One message of an OperationOutcome."""

    severity: str | None = None
    code: str | None = None


class OperationOutcome(Element, frozen=True):
    """What a sender says about its own search."""

    issue: tuple[Issue, ...] = ()
