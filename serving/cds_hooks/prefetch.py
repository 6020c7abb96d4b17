"""What a prefetch says: data, that there are none, an error, or only the first of many."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import msgspec

from models.candidates import choose
from models.definition import Definition
from models.errors import AuscultError
from models.fhir import read_entries
from models.fhir_bundle import AnyEntry, Entry, matches
from models.fhir_labels import findings_of
from models.fhir_resources import Meta, Observation
from models.fhir_time import moment
from models.fhir_usual import UsualObservation
from models.readings import Finding
from serving.cds_hooks.discovery import ENCOUNTER_KEY, PATIENT_KEY, Template
from serving.cds_hooks.searched import AN_OUTCOME, OUTCOME, Results, Searched, bundle_fault

_NULL = b"null"
_ABSENT = "wasn't prefetched"
UNREADABLE = "can't be read"
FIRST_PAGE = "is only the first page of more results"
_MORE_THAN_TOTAL = "holds more results than its total says"
_FULL_PAGE = "holds as many results as were asked for, without a total or a link that says it's all"


class Named(msgspec.Struct, frozen=True, rename="camel"):
    """A prefetched resource, of which its type and id are read."""

    resource_type: str
    id: str | None = None


Sent = Results | msgspec.Raw | msgspec.UnsetType | None
"""What came under a key: what a search found, anything else, or nothing."""


class Supplied(msgspec.Struct, frozen=True):
    """What is known of one key; of a Bundle, how many it should have and where it goes on.

    `because` says what is wrong with an error, `labels` have what its Bundles are labelled as.
    """

    state: Literal["data", "none", "error", "truncated"]
    entries: tuple[AnyEntry, ...] = ()
    total: int = 0
    next_page: str | None = None
    because: str = ""
    labels: tuple[Meta, ...] = ()


NAMED = msgspec.json.Decoder(Named)
_RESULTS = msgspec.json.Decoder(Results)
_SEARCHES = msgspec.json.Decoder(Searched)
_NONE = Supplied("none")
_NOTHING = Supplied("data")  # a search that found nothing, as most do where there are many codes


@dataclass(slots=True)
class Gathered:
    """The resources by key, and the keys of which it isn't known what there is, and why not."""

    by_key: dict[str, Supplied] = field(default_factory=dict)
    unknown: list[Template] = field(default_factory=list)
    because: dict[str, str] = field(default_factory=dict)

    def entries(self, full_url: str) -> list[AnyEntry]:
        """Return everything as the entries of one Bundle, the patient under `full_url`."""
        entries: list[AnyEntry] = []
        for key, supplied in self.by_key.items():
            if not supplied.entries:
                continue
            if key == PATIENT_KEY:
                patient = supplied.entries
                entries += [msgspec.structs.replace(one, full_url=full_url) for one in patient]
            else:
                entries += supplied.entries
        return entries

    def place_of(self, index: int) -> str:
        """Return where the entry at an index of `entries` came from, as an error names it."""
        for key, supplied in self.by_key.items():
            if index < len(supplied.entries):
                if key in (PATIENT_KEY, ENCOUNTER_KEY):
                    return f"prefetch.{key}"
                return f"{self._source(key)}.entry[{index}].resource"
            index -= len(supplied.entries)
        raise IndexError("there are fewer entries")

    def findings(self) -> list[Finding]:
        """Return what the labels of the searches' Bundles give to think, each once (FHIR-16).

        Raises UnusableValue where one is withheld for privacy, MalformedInput for what are none.
        """
        said = [
            finding
            for key, supplied in self.by_key.items()
            for meta in supplied.labels
            for finding in findings_of(meta, "Bundle", self._source(key))
        ]
        return list(dict.fromkeys(said))

    def _source(self, key: str) -> str:
        return "fhirServer" if key in self.because else f"prefetch.{key}"


def gather(
    asked: Sequence[Template],
    supplied: Sequence[Supplied | None],
    definition: Definition,
    predicted_at: datetime,
) -> Gathered:
    """Sort a prefetch by what is known; what isn't has to be read back (CDS-6 to CDS-8).

    `supplied` has for every key what came under it, or None.
    """
    gathered = Gathered()
    by_key = gathered.by_key
    for template, one in zip(asked, supplied, strict=True):
        if one is not None and (
            one.state == "data" or is_known(one, template, definition, predicted_at)
        ):
            by_key[template.key] = one
        elif template.key != ENCOUNTER_KEY:  # which only says where the patient is
            gathered.unknown.append(template)
            gathered.because[template.key] = _why_unknown(one)
        elif one is not None:
            gathered.because[template.key] = one.because
    return gathered


def _why_unknown(supplied: Supplied | None) -> str:
    if supplied is None:
        return _ABSENT
    return f"was prefetched, but {supplied.because or FIRST_PAGE}"


def read_values(values: Sequence[Sent], asked: Sequence[Template]) -> list[Supplied | None]:
    """Return what came under each key, of which results were read already; None if nothing came."""
    supplied: list[Supplied | None] = []
    for value, template in zip(values, asked, strict=True):
        if not isinstance(value, Results):
            supplied.append(_read_other(value, template))
        elif (
            value.total is not None
            or value.link
            or value.meta is not None
            or len(value.entry) >= template.count
        ):
            supplied.append(_found(value, template.count))
        else:  # as nearly all are: complete, and empty where a feature has many codes
            supplied.append(Supplied("data", value.entry) if value.entry else _NOTHING)
    return supplied


def _read_other(
    value: msgspec.Raw | msgspec.UnsetType | None, template: Template
) -> Supplied | None:
    if isinstance(value, msgspec.Raw):
        raw = bytes(value)
        return read_supplied(raw, template) if raw else None
    return _NONE if value is None else None


def read_supplied(raw: bytes, template: Template) -> Supplied:
    """Read the value of one key, of which null says that there are no data (CDS-6)."""
    return _NONE if raw.strip() == _NULL else read_answer(raw, template, template.count)


def read_answer(raw: bytes, template: Template, count: int) -> Supplied:
    """Read what a server answered; a resource that wasn't asked for is an error, not "none".

    `count` is how many results were asked for.
    """
    try:
        if template.feature is None:
            fault = _kind_fault(NAMED.decode(raw).resource_type, template)
        else:
            bundle, fault = _searched(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        fault = UNREADABLE
    if fault is not None:
        return Supplied("error", because=fault)
    if template.feature is None:
        return Supplied("data", (Entry(resource=msgspec.Raw(raw)),))
    return _found(bundle, count)


def _searched(raw: bytes) -> tuple[Results | Searched, str | None]:
    """Return what a search was answered with, and what keeps it from being what it found."""
    try:
        return _RESULTS.decode(raw), None
    except msgspec.ValidationError:
        bundle = _SEARCHES.decode(raw)
        return bundle, bundle_fault(bundle)


def _kind_fault(kind: str, template: Template) -> str | None:
    """Return what keeps a resource from being the one that was asked for, or None (CDS-7).

    An Encounter may come in the Bundle of the search that found it.
    """
    if kind == template.resource or (kind, template.key) == ("Bundle", ENCOUNTER_KEY):
        return None
    return AN_OUTCOME if kind == OUTCOME else f"is no {template.resource}"


def _found(bundle: Searched | Results, count: int) -> Supplied:
    """Return what a search for so many results at most found."""
    labels = () if bundle.meta is None or not bundle.meta.is_labelled else (bundle.meta,)
    if not (bundle.entry or bundle.total or bundle.link or labels):
        return _NOTHING
    if bundle.total is not None and bundle.total < len(matches(bundle.entry)):
        return Supplied("error", because=_MORE_THAN_TOTAL)
    next_page = None
    if bundle.link:
        following = [one.url for one in bundle.link if one.is_next]
        if not all(following):
            return Supplied("error", because="names a next page without its address")
        next_page = next(iter(following), None)
    total = bundle.total or 0
    if next_page is None and bundle.total is None and _may_go_on(bundle, count):
        return Supplied("truncated", bundle.entry, because=_FULL_PAGE, labels=labels)
    return page_of(bundle.entry, total, next_page, labels)


def _may_go_on(bundle: Searched | Results, count: int) -> bool:
    """Say whether a page is full, and no link of its own or to the last page says it's the last.

    A server that names its pages names the next one too, and an EHR may hand on neither.
    """
    if len(matches(bundle.entry)) < count:
        return False
    pages = {one.url for one in bundle.link if one.relation in ("self", "last") and one.url}
    return len(pages) != 1


def page_of(
    entries: tuple[AnyEntry, ...],
    total: int,
    next_page: str | None,
    labels: tuple[Meta, ...] = (),
) -> Supplied:
    """Return what a search found, and whether that is all."""
    truncated = next_page is not None
    if total and not truncated:
        truncated = total > len(matches(entries))
    state: Literal["data", "truncated"] = "truncated" if truncated else "data"
    return Supplied(state, entries, total, next_page, labels=labels)


def is_known(
    supplied: Supplied, template: Template, definition: Definition, predicted_at: datetime
) -> bool:
    """Say whether a key's value tells what there is, truncated or not.

    Of a truncated one that is so where its page, newest first, reaches beyond the look-back, or
    where the latest is wanted and the page holds one that may be used.
    """
    if supplied.state != "truncated":
        return supplied.state != "error"
    feature = template.feature
    if feature is None or feature.look_back is None:
        return False
    try:
        times = [_time(entry) for entry in supplied.entries]
        known = [time for time in times if time is not None]
        if len(known) < len(times) or known != sorted(known, reverse=True) or not known:
            return False
        if known[-1] < predicted_at - feature.look_back:
            return True
        one_key = Gathered({template.key: supplied}).entries("")
        readings = read_entries(one_key, definition, predicted_at).readings.get(feature.name, ())
        return feature.reduce == "latest" and bool(choose(feature, readings, predicted_at)[0])
    except (AuscultError, msgspec.DecodeError):
        return False


def _time(entry: AnyEntry) -> datetime | None:
    resource = entry.resource
    if isinstance(resource, UsualObservation):
        return moment(resource.effective_date_time, "effective")
    observation = msgspec.json.decode(resource, type=Observation)
    period = observation.effective_period
    text = observation.effective_date_time or observation.effective_instant
    text = text or (period.end if period else None)
    return None if text is None else moment(text, "effective")
