"""Whose data a FHIR request holds: what the pseudonym is made from, and whom a token is for."""

from starlette.types import Scope

from models.fhir import PatientContext
from serving.problems import NotAllowed

BOUND_PATIENT = "auscult.patient"


def identifier_of(patient: PatientContext) -> tuple[str, str] | None:
    """Return what the pseudonym is made from: the first identifier, else the reference."""
    if patient.identifiers:
        return patient.identifiers[0]
    return ("", patient.reference) if patient.reference else None


def check_bound(scope: Scope, reference: str) -> None:
    """Raise NotAllowed where the caller's token is for another patient than this (AUTH-7)."""
    bound = scope.get(BOUND_PATIENT)
    if bound is not None and reference != f"Patient/{bound}":
        raise NotAllowed("the token is for another patient, or for none that it names")
