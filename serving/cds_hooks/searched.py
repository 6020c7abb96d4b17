"""What a search was answered with: a Bundle of data, or one that says the search failed in part."""

from typing import Final, Literal

import msgspec

from models.fhir_bundle import Kind, Link, ObservationEntry, SentEntry, messages
from models.fhir_resources import Meta, OperationOutcome

OUTCOME: Final = "OperationOutcome"
AN_OUTCOME: Final = "is an OperationOutcome"


class ResultEntry(ObservationEntry, frozen=True, kw_only=True):
    """An Observation that is no request or answer of its own, and that nothing modifies."""

    request: None = None
    response: None = None
    modifier_extension: None = None


class Results(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """What most searches give: a Bundle of Observations as most are, and nothing else."""

    resource_type: Literal["Bundle"]
    type: Literal["searchset", "collection"]
    id: str | None = None
    meta: Meta | None = None
    implicit_rules: None = None
    total: int | None = None
    link: tuple[Link, ...] = ()
    entry: tuple[ResultEntry, ...] = ()


class Searched(msgspec.Struct, frozen=True, rename="camel"):
    """What a search was answered with, of which a Bundle's particulars are read."""

    resource_type: str
    type: str | None = None
    meta: Meta | None = None
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
    raw, fault = bytes(entry.resource), entry.fault
    if fault is not None:
        return f"has an entry that {fault[1]}"
    if not raw:
        return "has an entry without a resource"
    kind = msgspec.json.decode(raw, type=Kind).resource_type
    if kind == "Bundle":
        return "has a Bundle as an entry"
    if kind == OUTCOME and messages(msgspec.json.decode(raw, type=OperationOutcome)):
        return "holds an OperationOutcome"
    return None
