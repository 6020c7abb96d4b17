"""The orders that are being signed: read for whose they are, and for nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from models.errors import UnusableValue
from models.fhir import PatientContext
from models.fhir_names import VERSION, server_and_resource
from models.fhir_resources import Element, Identifier, Patient, Reference
from models.fhir_subject import Person, Subjects
from models.misfit import misfit
from models.readings import Finding
from serving.problems import BadHookRequest

SIGNING = "order-sign"
ORDERS = "draftOrders"
PLACE = f"context.{ORDERS}"
UNREAD = "draft_unread"
MOST_LISTED = 3
# what an order may bring along that is nobody's; of all else it has to be told whose it is
_OF_NOBODY = frozenset(
    (
        "ActivityDefinition",
        "Device",
        "DeviceDefinition",
        "Endpoint",
        "HealthcareService",
        "Location",
        "Medication",
        "MedicationKnowledge",
        "ObservationDefinition",
        "Organization",
        "PlanDefinition",
        "Practitioner",
        "PractitionerRole",
        "Questionnaire",
        "SpecimenDefinition",
        "Substance",
    )
)

T = TypeVar("T")


class Participant(Element, frozen=True):
    """Somebody or something that takes part in an appointment, the patient among them."""

    actor: Reference | None = None


class Draft(Element, frozen=True):
    """An order: of what it holds, only whom it is for and in which encounter."""

    resource_type: str
    id: str | None = None
    implicit_rules: str | None = None
    modifier_extension: tuple[Any, ...] = ()
    subject: Reference | None = None
    patient: Reference | None = None
    beneficiary: Reference | None = msgspec.field(default=None, name="for")  # of a Task
    participant: tuple[Participant, ...] = ()
    deliver_to: Reference | None = None
    encounter: Reference | None = None


class DraftEntry(Element, frozen=True):
    """An entry of the drafts' Bundle."""

    resource: Draft
    full_url: str | None = None
    modifier_extension: tuple[Any, ...] = ()


class Drafts(Element, frozen=True):
    """The Bundle of the orders, which may lack its type; its entries aren't read yet."""

    resource_type: str
    implicit_rules: str | None = None
    entry: tuple[Any, ...] = ()


def read_drafts(hook: str, context: Mapping[str, Any]) -> tuple[DraftEntry, ...]:
    """Read the orders that a hook is about, none where it's about none.

    Raises BadHookRequest that names the member which isn't of a Bundle of resources, or which may
    change what the rest means (FHIR-8).
    """
    if hook != SIGNING:
        return ()
    drafts = _read(context[ORDERS], Drafts, PLACE)
    if drafts.resource_type != "Bundle":
        raise BadHookRequest(f"{PLACE} must be a Bundle", field=PLACE, reason="wrong_type")
    if drafts.implicit_rules is not None:
        raise _modified(f"{PLACE}.implicitRules")
    return tuple(_entry(one, f"{PLACE}.entry[{index}]") for index, one in enumerate(drafts.entry))


def _entry(given: Any, place: str) -> DraftEntry:
    entry = _read(given, DraftEntry, place)
    if entry.modifier_extension:
        raise _modified(f"{place}.modifierExtension")
    if entry.resource.resource_type.lower() == "bundle":
        raise BadHookRequest(
            f"{place}.resource is a Bundle itself; send its resources as entries of {PLACE}",
            field=f"{place}.resource",
            reason="nested_bundle",
        )
    return entry


def _read(given: Any, kind: type[T], place: str) -> T:
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        fault = misfit(str(error))
        field = place if fault.field == "body" else f"{place}.{fault.field}"
        words = str(fault).removeprefix(f"{fault.field}: ")
        raise BadHookRequest(f"{field}: {words}", field=field, reason=fault.reason) from error


def check_drafts(
    drafts: Sequence[DraftEntry],
    patient_id: str,
    known: PatientContext,
    server: str,
    encounter_id: object,
) -> tuple[Finding, ...]:
    """Say which orders can't be told to be the patient's, or are of another encounter.

    `known` has the patient's identifiers, `server` is where the patient stands, if that's known.
    Raises UnusableValue for an order of somebody else (FHIR-10).
    """
    if not drafts:
        return ()
    own = f"Patient/{patient_id}"
    numbers = tuple(Identifier(system, value) for system, value in known.identifiers)
    patient = Patient(id=patient_id, identifier=numbers)
    subjects = Subjects(Person(patient, f"{server}/{own}" if server else own))
    places: dict[str, list[str]] = {}
    for index, entry in enumerate(drafts):
        place = f"{PLACE}.entry[{index}].resource"
        for fault in _faults(entry, place, subjects, encounter_id):
            places.setdefault(fault, []).append(place)
    return tuple(
        Finding(ORDERS, "flagged", UNREAD, f"Of the orders to be signed {fault}: {_listed(found)}")
        for fault, found in places.items()
    )


def _faults(
    entry: DraftEntry, place: str, subjects: Subjects, encounter_id: object
) -> Iterator[str]:
    draft = entry.resource
    if _is_for_nobody(entry, place, subjects):
        yield "it can't be told whom these are for"
    if draft.implicit_rules is not None or draft.modifier_extension:
        yield "these carry a rule that isn't known here"
    if _is_elsewhere(draft.encounter, encounter_id):
        yield "these are of another encounter than context.encounterId"


def _is_for_nobody(entry: DraftEntry, place: str, subjects: Subjects) -> bool:
    """Say whether it can't be told whom an order is for; raise UnusableValue for somebody else."""
    told = []
    for name, one in _named(entry.resource):
        try:
            told.append(subjects.fault(one, 0, entry.full_url) is None)
        except UnusableValue as error:
            raise UnusableValue(
                f"{place}.{name} is another patient than context.patientId",
                field=f"{place}.{name}",
                reason=error.reason,
            ) from error
    return not all(told) if told else entry.resource.resource_type not in _OF_NOBODY


def _named(draft: Draft) -> Iterator[tuple[str, Reference]]:
    """Yield whom an order says that it's for, each with its place; a Patient is its own."""
    given = {"subject": draft.subject, "patient": draft.patient, "for": draft.beneficiary}
    if draft.resource_type == "Patient" and draft.id is not None:
        given["id"] = Reference(reference=f"Patient/{draft.id}")
    yield from ((name, one) for name, one in given.items() if one is not None)
    actors = ((f"participant[{at}].actor", one.actor) for at, one in enumerate(draft.participant))
    for name, one in (*actors, ("deliverTo", draft.deliver_to)):
        if one is not None and _is_of_patient(one):
            yield name, one


def _is_of_patient(one: Reference) -> bool:
    """Say whether a reference that may name anything names a patient."""
    _, named = server_and_resource((one.reference or "").partition(VERSION)[0])
    return "Patient" in (named.partition("/")[0], (one.type or "").rpartition("/")[2])


def _is_elsewhere(encounter: Reference | None, wanted: object) -> bool:
    """Say whether an order names an Encounter by its id, and that isn't the one in view."""
    if encounter is None or encounter.reference is None or wanted is None:
        return False
    _, named = server_and_resource(encounter.reference.partition(VERSION)[0])
    kind, _, own = named.partition("/")
    return kind == "Encounter" and own != wanted


def _listed(places: Sequence[str]) -> str:
    more = f" and {len(places) - MOST_LISTED} more" if len(places) > MOST_LISTED else ""
    return ", ".join(places[:MOST_LISTED]) + more


def _modified(place: str) -> BadHookRequest:
    return BadHookRequest(
        f"{place} isn't known here, and may change what the orders mean; leave it out",
        field=place,
        reason="unknown_modifier",
    )
