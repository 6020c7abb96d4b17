"""Whom a Bundle is about: one living person, and no value of anybody else (FHIR-10)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from models.errors import MalformedInput, OutOfScope, UnusableValue
from models.fhir_absence import check_not_absent
from models.fhir_names import VERSION, check_id, check_reference, server_and_resource, server_of
from models.fhir_resources import Identifier, Patient, Reference, place_of
from models.fhir_time import first_day, moment

_TYPES: Final = "http://hl7.org/fhir/StructureDefinition/"
_HISTORY = re.compile(r"/_history/[^/]+\Z")
_TYPED = re.compile(
    r"^(?P<base>https?://.+/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9.\-]{1,64})\Z"
)


@dataclass(frozen=True, slots=True)
class PatientContext:
    """The one subject of a Bundle: a reference to it, and its (system, value) identifiers."""

    reference: str
    identifiers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Person:
    """A Patient resource with its address in the Bundle."""

    patient: Patient
    full_url: str | None


def context_of(person: Person | None, subjects: Sequence[str]) -> PatientContext:
    """Return whom a Bundle is about, from its Patient or else from its Observations' subjects."""
    if person is None:
        return PatientContext(subjects[0] if subjects else "", ())
    patient = person.patient
    reference = f"Patient/{patient.id}" if patient.id else person.full_url or ""
    return PatientContext(reference, _numbers(patient))


def _numbers(patient: Patient) -> tuple[tuple[str, str], ...]:
    """Return a patient's identifiers but the old ones, those that are temporary last.

    `Identifier.use` is a modifier: an old number may be another patient's by now (FHIR-8).
    """
    given = [one for one in patient.identifier if one.is_whole and one.use != "old"]
    given.sort(key=lambda one: one.use == "temp")
    return tuple((one.system or "", one.value or "") for one in given)


def check_alive(patient: Patient, predicted_at: datetime) -> None:
    """Raise OutOfScope for a patient who had died by then, MalformedInput for a contradiction."""
    check_not_absent("deceasedBoolean", patient.deceased_boolean, patient.deceased_boolean_beside)
    check_not_absent(
        "deceasedDateTime", patient.deceased_date_time, patient.deceased_date_time_beside
    )
    died = bool(patient.deceased_boolean)
    text = patient.deceased_date_time
    if text is None and patient.deceased_boolean is None:
        # said without a value: a death of an unknown time, or one that is withheld
        besides = (patient.deceased_date_time_beside, patient.deceased_boolean_beside)
        died = any(beside is not None for beside in besides)
    if text is not None:
        at = moment(text, "Patient.deceasedDateTime")
        if at is None:
            day = first_day(text, "Patient.deceasedDateTime")
            died = died or day <= predicted_at.astimezone(UTC).date()
        else:
            died = died or at <= predicted_at
    if died:
        raise OutOfScope(
            "the patient is recorded as deceased at the prediction time",
            field="Patient.deceased",
            reason="deceased",
        )


def check_rules(patient: Patient) -> None:
    """Raise UnusableValue for a Patient that a modifier takes out of use or may change (FHIR-8)."""
    if patient.modifier_extension or patient.implicit_rules:
        raise UnusableValue(
            "the Patient carries a modifierExtension or implicitRules that isn't known here",
            field="Patient",
            reason="unknown_modifier",
        )
    check_not_absent("active", patient.active, patient.active_beside)
    if patient.active is False or any(link.type == "replaced-by" for link in patient.link):
        raise UnusableValue(
            "the Patient resource isn't in use any more (active, link); send the one that is",
            field="Patient",
            reason="replaced_patient",
        )


def check_names(person: Person) -> None:
    """Raise MalformedInput for a Patient whose id or address couldn't be quoted, or differ."""
    own = person.patient.id
    if own is not None:
        check_id(own, "Patient.id")
        server, named = server_and_resource(_unversioned(person.full_url or ""))
        if server and named != f"Patient/{own}":
            raise MalformedInput(
                "Patient.id isn't that of its entry's fullUrl, so it can't be told who it is",
                field="Patient.id",
                reason="contradictory_id",
            )
    elif person.full_url is not None:
        check_reference(person.full_url, "Bundle.entry.fullUrl")


class Subjects:
    """Whom the Observations of a Bundle are about: the Patient in it, or else one and the same."""

    def __init__(self, person: Person | None) -> None:
        self._person = person
        self._others: list[str] = []
        # the server whose patient it is, as soon as an address says so
        self._server = "" if person is None else server_of(person.full_url)
        # nearly all have one and the same reference
        self._told: dict[tuple[str, str], Literal["no_subject"] | None] = {}
        self._faultless: Reference | None = None

    @property
    def context(self) -> PatientContext:
        """Whom the Bundle is about."""
        return context_of(self._person, self._others)

    def fault(
        self, subject: Reference | None, index: int, full_url: str | None = None
    ) -> Literal["no_subject"] | None:
        """Return `no_subject` where it can't be told whom an Observation is about, else None.

        A relative reference names a patient of the server that `full_url`, the Observation's own
        address, states (FHIR R4, resolving references in Bundles).

        Raises UnusableValue for an Observation of somebody else, MalformedInput where there is no
        Patient and its reference is none.
        """
        if full_url is None and subject is not None and subject == self._faultless:
            return None
        reference = None if subject is None else subject.reference
        if subject is None or not reference or _needs_a_look(subject):
            return _fault(subject, self._person, self._others, index)
        is_relative = reference.startswith("Patient/")
        server = server_of(full_url if is_relative else reference)
        key, told = (reference, server), self._told
        if key not in told:
            told[key] = _fault(subject, self._person, self._others, index)
            if told[key] is None:
                self._check_server(server, index)
        if full_url is None and told[key] is None:
            self._faultless = subject
        return told[key]

    def _check_server(self, server: str, index: int) -> None:
        """Raise UnusableValue for a patient of another server, who may have the same id there."""
        if server and self._server not in ("", server):
            raise _foreign(place_of(index))
        self._server = server or self._server


def _fault(
    subject: Reference | None, person: Person | None, others: list[str], index: int
) -> Literal["no_subject"] | None:
    """Return as `Subjects.fault`; `others` collects subjects where there is no Patient."""
    if subject is None or not _can_be_told(subject):
        return "no_subject"
    if person is not None:
        if not _is_person(subject, person):
            raise _foreign(place_of(index))
        return None
    reference = _unversioned(subject.reference or "")
    if not reference:
        return "no_subject"
    check_reference(reference, f"{place_of(index)}.subject.reference")
    if others and not _same(others[0], reference):
        raise _foreign(place_of(index))
    others.append(reference)
    return None


def is_of_another(focus: Sequence[Reference], subject: Reference | None) -> bool:
    """Say whether an Observation's focus is anybody or anything else than its subject."""
    own = None if subject is None else subject.reference
    return any(
        one.reference is None
        or own is None
        or not _same(_unversioned(own), _unversioned(one.reference))
        for one in focus
    )


def patient_named(reference: str) -> str:
    """Return the `Patient/id` that a reference names on its server, or nothing.

    What has its meaning within one Bundle only, or names no patient, can't be compared.
    """
    typed = _TYPED.match(_unversioned(reference))
    if typed is None or typed["type"] != "Patient":
        return ""
    return f"Patient/{typed['id']}"


def subject_named(subject: Reference | None, address: str) -> str:
    """Return the `Patient/id` of an Observation's subject, or nothing where it can't be told.

    That is so where an identifier stands beside the reference, too: it may be somebody else's.
    And where the reference names another server than the Observation's own address does: the
    same id is somebody else's there.
    """
    if subject is None or subject.reference is None or subject.identifier is not None:
        return ""
    if not _can_be_told(subject) or server_of(subject.reference) not in ("", server_of(address)):
        return ""
    return patient_named(subject.reference)


def _unversioned(reference: str) -> str:
    """Return a reference without its version; a UUID in small letters, since its case says nothing.

    RFC 9562, section 4.
    """
    if reference[:9].lower() == "urn:uuid:":
        return reference.lower()
    return _HISTORY.sub("", reference) if VERSION in reference else reference


def _needs_a_look(subject: Reference) -> bool:
    """Say whether more than the reference tells whom a subject is."""
    return subject.identifier is not None or subject.type not in (None, "Patient")


def _can_be_told(subject: Reference) -> bool:
    if subject.type is not None and subject.type.removeprefix(_TYPES) != "Patient":
        return False
    if not subject.reference:
        return subject.identifier is not None and bool(subject.identifier.value)
    if subject.reference.startswith("#"):
        return False
    typed = _TYPED.match(_unversioned(subject.reference))
    return typed is None or typed["type"] == "Patient"


def _is_person(subject: Reference, person: Person) -> bool:
    if not subject.reference:
        return _is_one_of(subject.identifier, person.patient)
    if _is_numbered_otherwise(subject, person.patient):
        return False
    reference = _unversioned(subject.reference)
    full_url = _unversioned(person.full_url or "")
    if reference == full_url:
        return True
    own = person.patient.id
    if own is None:
        return False
    return _same(f"Patient/{own}", reference) and (
        not full_url.startswith("http") or _same(full_url, reference)
    )


def _is_one_of(given: Identifier | None, patient: Patient) -> bool:
    if given is None:
        return False
    numbers = [(one.system, one.value) for one in patient.identifier if one.use != "old"]
    return (given.system, given.value) in numbers


def _is_numbered_otherwise(subject: Reference, patient: Patient) -> bool:
    """Say whether the patient has other numbers in the system of the subject's identifier."""
    given = subject.identifier
    if given is None or not given.system or not given.value:
        return False
    same = [one.value for one in patient.identifier if one.system == given.system and one.value]
    return bool(same) and given.value.strip() not in {value.strip() for value in same}


def _same(one: str, other: str) -> bool:
    """Say whether two references name one resource; a relative one fits any base."""
    if one == other:
        return True
    a, b = _TYPED.match(one), _TYPED.match(other)
    if a is None or b is None or (a["type"], a["id"]) != (b["type"], b["id"]):
        return False
    return a["base"] is None or b["base"] is None or a["base"] == b["base"]


def _foreign(place: str) -> UnusableValue:
    return UnusableValue(
        f"{place}.subject is another patient's; send one patient's resources in a Bundle",
        field=f"{place}.subject",
        reason="foreign_subject",
    )
