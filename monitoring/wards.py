"""Wards: on which of them overrides are watched by themselves, and since when.

A ward's stream opens on the day after it has had enough reports, beside another ward that has; its
own past is its reference. Each raises the limit of all, so that a ward's name that is met once by a
slip, or made up, opens nothing.
"""

from collections import Counter
from datetime import date

import numpy as np

from monitoring import ledger as books
from monitoring.grouping import MOST_WARDS
from monitoring.ledger import Ledger
from monitoring.override_streams import OVERRIDES
from monitoring.streams import AT, Reports, Seen, site_of, ward_name, ward_of
from monitoring.watchlist import Watchlist
from records.models import Stream

# the day counts of a ward's reports, by its site and its name
WARD = "ward:"
LEAST_REPORTS, LEAST_WARDS = 200, 2

Place = tuple[str, str]


def note_wards(ledger: Ledger, day: date, reports: Reports) -> Counter[Place]:
    """Keep how many reports that count each ward had on a day, and return that."""
    places = zip(reports.site.tolist(), reports.ward.tolist(), strict=bool(reports.ward.size))
    found = Counter(place for place in places if place[1])
    nothing = np.zeros(0, dtype=np.int64)
    for site, ward in sorted(found):
        seen = Seen(nothing, found[site, ward], 0, None)
        books.note_day(ledger, f"{WARD}{site}{AT}{ward}", day, seen, -np.inf)
    return found


def reports_by_ward(ledger: Ledger) -> Counter[Place]:
    """Return how many reports each ward had on all days so far, written or not yet."""
    reports: Counter[Place] = Counter()
    for place, total in books.totals(ledger, WARD).items():
        site, _, ward = place.partition(AT)
        reports[site, ward] += total
    return reports


def open_due(watched: Watchlist, ledger: Ledger, day: date, reports: Counter[Place]) -> None:
    """Watch by themselves, from a day on, the wards that had enough reports before it."""
    enough = [place for place, total in reports.items() if total >= LEAST_REPORTS]
    if len(enough) < LEAST_WARDS:
        return
    for place in sorted(set(enough) - set(watched.wards)):
        if len(watched.wards) >= MOST_WARDS:
            return
        one = watched.open_ward(*place)
        ledger.states[one.key] = books.opened(one)
        ledger.opened[one.key] = day


def watched_since(model: str, version: str) -> list[tuple[str, date]]:
    """Return the wards whose overrides are watched by themselves, each with its first day."""
    rows = Stream.objects.filter(
        model=model, version=version, name__startswith=f"{OVERRIDES}{AT}", opened_on__isnull=False
    )
    found = []
    for name, since in rows.values_list("name", "opened_on"):
        ward = ward_of(name)
        if ward is not None and since is not None:
            found.append((ward_name(site_of(name) or "", ward), since))
    return sorted(found)
