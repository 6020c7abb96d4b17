"""The Encounter in view, whether it was prefetched by itself or by a search."""

from collections.abc import Sequence

import msgspec

from models.fhir_bundle import Entry, matches
from models.readings import Finding
from serving.cds_hooks.discovery import ENCOUNTER_KEY
from serving.cds_hooks.prefetch import FIRST_PAGE, UNREADABLE, Gathered, Named, Supplied
from serving.cds_hooks.searched import Searched, bundle_fault

# monitoring leaves it out of what is doubtful about values
UNREAD = "encounter_unread"
_ANOTHER = "is another than context.encounterId"
_SEVERAL = "holds several Encounters"


def keep_encounter(gathered: Gathered, wanted: object) -> tuple[Finding, ...]:
    """Leave nothing under the encounter's key but the one in view, and say why there is none.

    `wanted` is its id, None where the context names none. No score hangs on an Encounter, so that
    one which isn't used is named and hinders none; that there is no Encounter is no fault.
    """
    supplied = gathered.by_key.pop(ENCOUNTER_KEY, None)
    fault = gathered.because.get(ENCOUNTER_KEY)
    for entry in supplied.entries if supplied is not None else ():
        try:
            found = _in_view(entry, wanted) if isinstance(entry, Entry) else ()
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            found = UNREADABLE
        if isinstance(found, str):
            fault = found
        else:
            gathered.by_key[ENCOUNTER_KEY] = Supplied("data", tuple(found))
    if fault is None:
        return ()
    words = f"The ward isn't recorded: what was prefetched as {ENCOUNTER_KEY} {fault}"
    return (Finding(ENCOUNTER_KEY, "flagged", UNREAD, words),)


def _in_view(supplied: Entry, wanted: object) -> Sequence[Entry] | str:
    """Return the Encounter in view, nothing where a search found none, or why it can't be told."""
    entries, goes_on = [supplied], False
    if _named(supplied).resource_type == "Bundle":
        bundle = msgspec.json.decode(supplied.resource, type=Searched)
        fault = bundle_fault(bundle)
        if fault is not None:
            return fault
        entries = [
            Entry(full_url=one.full_url, resource=one.resource)
            for one in matches(bundle.entry)
            if isinstance(one, Entry) and _named(one).resource_type == "Encounter"
        ]
        goes_on = any(one.relation == "next" for one in bundle.link)
        goes_on = goes_on or (bundle.total or 0) > len(matches(bundle.entry))
    own = [one for one in entries if wanted in (None, _named(one).id)]
    if len(own) > 1:
        return _SEVERAL
    if goes_on and (wanted is None or not own):
        return FIRST_PAGE
    return _ANOTHER if entries and not own else own


def _named(entry: Entry) -> Named:
    return msgspec.json.decode(entry.resource, type=Named)
