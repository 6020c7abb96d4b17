"""What a model is asked, from what was gathered: of the patient in view, and of nobody else."""

import re
from collections.abc import Sequence
from datetime import datetime

from models.definition import Definition
from models.errors import InputError, UnusableValue
from models.fhir import BundleReadings, read_entries
from models.fhir_bundle import Entry
from serving.cds_hooks.discovery import PATIENT_KEY
from serving.cds_hooks.drafts import DraftEntry, check_drafts
from serving.cds_hooks.prefetch import NAMED, Gathered
from serving.cds_hooks.request import HookRequest
from serving.cds_hooks.stay import keep_encounter
from serving.prediction import Ask
from serving.subject import identifier_of

_PLACE = re.compile(r"Bundle\.entry\[(\d+)\](?:\.resource)?")
_FOREIGN = "foreign_subject"


def ask_of(
    request: HookRequest,
    drafts: Sequence[DraftEntry],
    gathered: Gathered,
    definition: Definition,
    predicted_at: datetime,
) -> Ask:
    """Return what a model is asked; raise UnusableValue for what is of another patient."""
    reference = f"Patient/{request.patient_id}"
    _check_patient(gathered, request.patient_id)
    encounter = request.context.get("encounterId")
    unread = keep_encounter(gathered, encounter)
    server = (request.fhir_server or "").rstrip("/")
    full_url = f"{server}/{reference}" if server else reference
    bundle = _read(gathered, full_url, definition, predicted_at, server)
    labelled = gathered.findings()
    subject = bundle.patient.reference
    if subject and not f"/{subject}".endswith(f"/{reference}"):
        raise _foreign("prefetch")
    if drafts:
        unread += check_drafts(drafts, request.patient_id, bundle.patient, server, encounter)
    return Ask(
        bundle.readings,
        predicted_at,
        patient=identifier_of(bundle.patient) or ("", reference),
        ward=bundle.ward,
        findings=(*labelled, *bundle.findings, *unread),
        subject=reference,
    )


def _check_patient(gathered: Gathered, patient_id: str) -> None:
    """Raise UnusableValue where the Patient isn't the one of the context."""
    place = f"prefetch.{PATIENT_KEY}"
    for entry in gathered.by_key[PATIENT_KEY].entries if gathered.by_key else ():
        own = _id(entry) if isinstance(entry, Entry) else ""
        if own is None:
            raise UnusableValue(
                f"{place} has no id, so it can't be told whether it's of context.patientId",
                field=f"{place}.id",
                reason="no_subject",
            )
        if own != patient_id:
            raise _foreign(place)


def _id(entry: Entry) -> str | None:
    return NAMED.decode(entry.resource).id


def _read(
    gathered: Gathered, full_url: str, definition: Definition, predicted_at: datetime, server: str
) -> BundleReadings:
    """Read all that was gathered; errors name the prefetch key, and no Bundle of ours."""
    try:
        return read_entries(gathered.entries(full_url), definition, predicted_at, server)
    except InputError as error:

        def place(found: re.Match[str]) -> str:
            return gathered.place_of(int(found[1]))

        error.field = _PLACE.sub(place, error.field)
        if error.reason == _FOREIGN:
            raise _foreign(error.field) from error
        error.args = (_PLACE.sub(place, str(error)),)
        raise


def _foreign(place: str) -> UnusableValue:
    return UnusableValue(
        f"{place} is of another patient than context.patientId", field=place, reason=_FOREIGN
    )
