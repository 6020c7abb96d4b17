"""What a search was answered with: a Bundle of data, or one that says the search failed in part."""

from typing import Final

import msgspec

from models.fhir_bundle import Kind, Link, Response, SentEntry
from models.fhir_resources import OperationOutcome

OUTCOME: Final = "OperationOutcome"
AN_OUTCOME: Final = "is an OperationOutcome"


class Searched(msgspec.Struct, frozen=True, rename="camel"):
    """What a search was answered with, of which a Bundle's particulars are read."""

    resource_type: str
    type: str | None = None
    implicit_rules: str | None = None
    total: int | None = None
    link: tuple[Link, ...] = ()
    entry: tuple[SentEntry, ...] = ()


def bundle_fault(bundle: Searched) -> str | None:
    """Return what keeps a Bundle from being what a search found, or None (CDS-7)."""
    if bundle.resource_type == OUTCOME:
        return AN_OUTCOME
    if bundle.resource_type != "Bundle" or bundle.type not in ("searchset", "collection"):
        return "is no Bundle of the type searchset or collection"
    if bundle.implicit_rules is not None:
        return "carries implicitRules that aren't known here"
    faults = (_entry_fault(entry) for entry in bundle.entry)
    return next((fault for fault in faults if fault is not None), None)


def _entry_fault(entry: SentEntry) -> str | None:
    """Return why an entry is no data, or says that its search failed in part, or None."""
    response, raw = entry.response, bytes(entry.resource)
    fault = entry.fault
    if response is not None and _is_failure(response):
        return "holds a response that is an error"
    if fault is not None:
        return f"has an entry that {fault[1]}"
    if not raw:
        return "has an entry without a resource"
    kind = msgspec.json.decode(raw, type=Kind).resource_type
    if kind == "Bundle":
        return "has a Bundle as an entry"
    if kind == OUTCOME and _reports_a_problem(raw):
        return "holds an OperationOutcome"
    return None


def _is_failure(response: Response) -> bool:
    if response.failed:
        return True
    outcome = bytes(response.outcome)
    return outcome not in (b"", b"null") and _reports_a_problem(outcome)


def _reports_a_problem(outcome: bytes) -> bool:
    issues = msgspec.json.decode(outcome, type=OperationOutcome).issue
    return not issues or any(issue.severity != "information" for issue in issues)
