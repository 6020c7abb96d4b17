"""Whose data a FHIR request holds: what the pseudonym is made from."""

from models.fhir import PatientContext


def identifier_of(patient: PatientContext) -> tuple[str, str] | None:
    """Return what the pseudonym is made from: the first identifier, else the reference."""
    if patient.identifiers:
        return patient.identifiers[0]
    return ("", patient.reference) if patient.reference else None
