"""What a Bundle says about itself: that it's incomplete, that an entry is no data, or failed."""

from typing import Any, Final

import msgspec
from msgspec.structs import astuple

from models.errors import MalformedInput
from models.fhir_names import VERSION
from models.fhir_resources import Element, Meta, OperationOutcome
from models.fhir_usual import UsualObservation
from models.readings import Finding

# what is sent in order to be stored carries data; the others delete, patch or ask for them
_CARRY_DATA = ("POST", "PUT")
SEARCHSET: Final = "searchset"
_OF_REQUESTS: Final = ("transaction", "batch")
OUTCOME: Final = "outcome"  # of the modes of a search, that of a message on it
# of http://hl7.org/fhir/R4/valueset-issue-severity.html and -type.html
_INFORMATION: Final = "information"
_SUPPRESSED: Final = "suppressed"


class Kind(Element, frozen=True):
    """The type of a resource, which says how to read the rest."""

    resource_type: str


class Search(Element, frozen=True):
    """Why a search returned an entry."""

    mode: str | None = None


class Entry(Element, frozen=True):
    """A resource in a Bundle, not yet read, and its address."""

    full_url: str | None = None
    resource: msgspec.Raw = msgspec.Raw()
    search: Search | None = None


class ObservationEntry(Element, frozen=True, kw_only=True):
    """An Observation in a Bundle that is as most are, and its address."""

    full_url: str | None = None
    resource: UsualObservation
    search: Search | None = None


AnyEntry = Entry | ObservationEntry


class Link(Element, frozen=True):
    """A link of a Bundle, such as to its next page."""

    relation: str | None = None
    url: str | None = None

    @property
    def is_next(self) -> bool:
        """Whether it leads to the next page, in whichever letters that is written."""
        return self.relation is not None and self.relation.lower() == "next"


class Request(Element, frozen=True):
    """What a transaction or batch would do with an entry."""

    method: str | None = None


class Response(Element, frozen=True):
    """What became of one request of several, where an entry is the answer to it."""

    status: str | None = None
    outcome: OperationOutcome | None = None

    @property
    def failed(self) -> bool:
        """Whether its status says that it failed, or its outcome that it did in part."""
        if self.status is not None and not self.status.startswith("2"):
            return True
        return self.outcome is not None and bool(messages(self.outcome))


class SentEntry(Entry, frozen=True):
    """An entry of which it's looked at whether it is data."""

    request: Request | None = None
    response: Response | None = None
    modifier_extension: tuple[Any, ...] = ()

    @property
    def fault(self) -> tuple[str, str, str] | None:
        """Return the field, the words and the reason where it isn't data as it stands."""
        if self.modifier_extension:
            words = "carries a modifierExtension that isn't known here"
            return "modifierExtension", words, "unknown_modifier"
        if self.request is not None and self.request.method not in (None, *_CARRY_DATA):
            words = "is a request that carries no data; leave it out, or send what it is about"
            return "request.method", words, "not_data"
        if self.response is not None and self.response.failed:
            return "response.status", "is the answer to a request that failed", "failed_response"
        return None


_NO_ENTRY: Final = astuple(SentEntry())
_SEARCH: Final = SentEntry.__struct_fields__.index("search")  # behind the address and the resource


class SentBundle(Element, frozen=True):
    """A set of resources, with what it says of itself."""

    resource_type: str
    type: str | None = None
    meta: Meta | None = None
    implicit_rules: str | None = None
    total: int | None = None
    link: tuple[Link, ...] = ()
    entry: tuple[SentEntry, ...] = ()


def check_entries(bundle: SentBundle) -> None:
    """Raise MalformedInput for an entry that isn't data, or that a modifier may change (FHIR-8).

    And for what an entry of the Bundle's type has to have, or can't have (FHIR-9).
    """
    are_requests = bundle.type in _OF_REQUESTS
    # of a searchset the entries' search is as it should be
    behind = slice(_SEARCH + (bundle.type == SEARCHSET), None)
    nothing = _NO_ENTRY[behind]
    for index, entry in enumerate(bundle.entry):
        if not are_requests and astuple(entry)[behind] == nothing:
            continue  # as nearly all are
        fault = entry.fault or _misplaced(entry, bundle.type)
        if fault is not None:
            field, words, reason = fault
            place = f"Bundle.entry[{index}]"
            raise MalformedInput(f"{place} {words}", field=f"{place}.{field}", reason=reason)


def _misplaced(entry: SentEntry, kind: str | None) -> tuple[str, str, str] | None:
    """Return the field, the words and the reason where an entry isn't one of its Bundle's type."""
    if entry.search is not None and kind != SEARCHSET:
        words = "was found by a search, as entries of a searchset only are; name the type it is"
        return "search", words, "bundle_form"
    if kind in _OF_REQUESTS and entry.request is None:
        words = "has no request, as each of a transaction or batch has; send a collection"
        return "request", words, "bundle_form"
    if kind not in _OF_REQUESTS and entry.request is not None:
        words = "is a request, as entries of a transaction or batch only are; name the type it is"
        return "request", words, "bundle_form"
    if entry.response is not None:
        words = "is the answer to a request, as no entry of this type of Bundle is; leave it out"
        return "response", words, "bundle_form"
    return None


def check_addresses(bundle: SentBundle) -> None:
    """Raise MalformedInput for an address that stands twice, or is that of a version (FHIR-9)."""
    urls = [entry.full_url for entry in bundle.entry if entry.full_url is not None]
    if len(set(urls)) < len(urls):
        raise MalformedInput(
            f"{len(urls) - len(set(urls))} entries repeat the fullUrl of another",
            field="Bundle.entry.fullUrl",
            reason="duplicate_entry",
        )
    if VERSION in " ".join(urls):
        raise MalformedInput(
            f"a fullUrl names a version by {VERSION}; give the resource's own address, and the "
            "version as meta.versionId",
            field="Bundle.entry.fullUrl",
            reason="versioned_address",
        )


def check_complete(bundle: SentBundle) -> None:
    """Raise MalformedInput for the first page of several, or for another total than its matches."""
    if any(link.is_next for link in bundle.link):
        raise MalformedInput(
            "the Bundle has a next page; send all of its pages in one Bundle, without that link",
            field="Bundle.link",
            reason="incomplete_bundle",
        )
    total = bundle.total
    if total is None:
        return
    if bundle.type != SEARCHSET:
        words = f"the Bundle is a {bundle.type} with a total, which only a searchset has; leave it"
        raise MalformedInput(f"{words} out", field="Bundle.total", reason="bundle_form")
    found = len(matches(bundle.entry))
    if total > found:
        raise MalformedInput(
            f"the Bundle holds {found} of the {total} resources that were found; send all",
            field="Bundle.total",
            reason="incomplete_bundle",
        )
    if total < found:
        raise MalformedInput(
            f"the Bundle holds {found} resources, but its total says {total}; correct it",
            field="Bundle.total",
            reason="contradictory_total",
        )


def matches(entries: tuple[AnyEntry, ...]) -> list[AnyEntry]:
    """Return the entries that a search looked for, without those included beside them."""
    return [one for one in entries if one.search is None or one.search.mode in (None, "match")]


def messages(outcome: OperationOutcome) -> list[Finding]:
    """Return what a sender says of problems with its own search, each kind once.

    One that names none, or whose severity isn't known, is a problem; a mere information is none
    unless it says that data were left out.
    """
    left_out = [issue for issue in outcome.issue if issue.code == _SUPPRESSED]
    others = [issue for issue in outcome.issue if issue.code != _SUPPRESSED]
    found = []
    if left_out:
        words = "The sending system left data out, by a rule, for consent or for privacy"
        found.append(Finding("bundle", "flagged", "suppressed", words))
    if not outcome.issue or any(issue.severity != _INFORMATION for issue in others):
        words = "The sending system reported a problem while it gathered the data"
        found.append(Finding("bundle", "flagged", "sender_issue", words))
    return found
