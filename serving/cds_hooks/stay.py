"""The Encounter in view, whether it was prefetched by itself or by a search."""

from collections.abc import Sequence

import msgspec

from models.errors import MalformedInput
from models.fhir_bundle import Entry, matches
from models.fhir_encounter import Encounter
from models.fhir_resources import Reference
from models.fhir_subject import Subjects
from models.fhir_time import moment
from models.readings import Finding
from serving.cds_hooks.discovery import ENCOUNTER_KEY
from serving.cds_hooks.prefetch import FIRST_PAGE, UNREADABLE, Gathered, Named, Supplied
from serving.cds_hooks.searched import Searched, bundle_fault

# monitoring leaves it out of what is doubtful about values
UNREAD = "encounter_unread"
_ANOTHER = "is another than context.encounterId"
_NAMELESS = "has no id, so it can't be told whether it's of context.encounterId"
_SEVERAL = "holds several Encounters"
_RULE = "carries a modifierExtension or implicitRules that isn't known here"
_ERROR = "entered-in-error"
# http://hl7.org/fhir/R4/valueset-encounter-status.html
_STATUSES = frozenset(
    (
        "planned",
        "arrived",
        "triaged",
        "in-progress",
        "onleave",
        "finished",
        "cancelled",
        _ERROR,
        "unknown",
    )
)


def keep_encounter(gathered: Gathered, wanted: object) -> tuple[Finding, ...]:
    """Leave of the encounter's key the one in view, and say why there is none.

    `wanted` is its id, None where the context names none. No score hangs on an Encounter, so that
    one which isn't used is named and hinders none; that there is no Encounter is no fault. Of the
    others it's left whose they are, since somebody else's is refused.
    """
    supplied = gathered.by_key.pop(ENCOUNTER_KEY, None)
    fault = gathered.because.get(ENCOUNTER_KEY)
    for entry in supplied.entries if supplied is not None else ():
        kept: Sequence[Entry] = ()
        try:
            if isinstance(entry, Entry):
                kept, fault = _in_view(entry, wanted)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            fault = UNREADABLE
        gathered.by_key[ENCOUNTER_KEY] = Supplied("data", tuple(kept))
    if fault is None:
        return ()
    words = f"The ward isn't recorded: what was prefetched as {ENCOUNTER_KEY} {fault}"
    return (Finding(ENCOUNTER_KEY, "flagged", UNREAD, words),)


def _in_view(supplied: Entry, wanted: object) -> tuple[Sequence[Entry], str | None]:
    """Return the Encounters, of those that aren't in view only whose they are, and a fault."""
    entries, goes_on = [supplied], False
    if _named(supplied).resource_type == "Bundle":
        bundle = msgspec.json.decode(supplied.resource, type=Searched)
        fault = bundle_fault(bundle)
        if fault is not None:
            return (), fault
        entries = [
            Entry(full_url=one.full_url, resource=one.resource)
            for one in matches(bundle.entry)
            if isinstance(one, Entry) and _named(one).resource_type == "Encounter"
        ]
        goes_on = any(one.is_next for one in bundle.link)
        goes_on = goes_on or (bundle.total or 0) > len(matches(bundle.entry))
    ids = [_named(one).id for one in entries]
    own = [one for one, name in zip(entries, ids, strict=True) if wanted in (None, name)]
    fault = None
    if len(own) > 1:
        fault = _SEVERAL
    elif goes_on and (wanted is None or not own):
        fault = FIRST_PAGE
    elif own:
        fault = _encounter_fault(own[0])
    elif entries:
        fault = _NAMELESS if None in ids else _ANOTHER
    read = own if fault is None else []
    return [one if one in read else _owner_of(one) for one in entries], fault


def _encounter_fault(entry: Entry) -> str | None:
    """Return what keeps an Encounter from telling where the patient was, or None."""
    try:
        encounter = msgspec.json.decode(entry.resource, type=Encounter)
        _check_periods(encounter)
    except (msgspec.ValidationError, MalformedInput):
        return UNREADABLE
    if encounter.modifier_extension or encounter.implicit_rules:
        return _RULE
    if any(one.modifier_extension for one in encounter.location):
        return f"has a location that {_RULE}"
    if encounter.status == _ERROR:
        return "was entered in error"
    if encounter.status not in _STATUSES:
        return "has no status that FHIR R4 knows"
    return None if _is_told(encounter.subject) else "doesn't say whose it is"


def _check_periods(encounter: Encounter) -> None:
    """Raise MalformedInput for a period of which a side is no time."""
    for period in (encounter.period, *(one.period for one in encounter.location)):
        for text in () if period is None else (period.start, period.end):
            if text is not None:
                moment(text, "period")


def _is_told(subject: Reference | None) -> bool:
    """Say whether a subject names somebody, who may be the patient or not."""
    if subject is None or subject.reference is None:
        number = None if subject is None else subject.identifier
        return number is not None and bool(number.value)
    try:
        return Subjects(None).fault(subject, 0) is None
    except MalformedInput:
        return True  # which is refused where it's compared


def _owner_of(entry: Entry) -> Entry:
    """Return an Encounter of which nothing is left but whose it is."""
    whole = msgspec.json.decode(entry.resource, type=dict[str, msgspec.Raw])
    left = {name: whole[name] for name in ("resourceType", "subject") if name in whole}
    return Entry(full_url=entry.full_url, resource=msgspec.Raw(msgspec.json.encode(left)))


def _named(entry: Entry) -> Named:
    return msgspec.json.decode(entry.resource, type=Named)
