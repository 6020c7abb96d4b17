"""Sites: which of them are watched by themselves, since when, and what keeps the others from it.

A site's streams open on the day after it has had enough stays, beside another site that has; its
own past is their reference. Each raises the limit of all, so that a site's name that is met once
by a slip opens nothing.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
from django.db.models import Sum

from monitoring import ledger as books
from monitoring.ledger import Ledger
from monitoring.streams import SCORE, DayRows, Seen, at_key
from monitoring.watchlist import Watchlist
from records.models import DayCount, Stream

# the day counts of a site's stays; rows that name no site are counted as those of ""
SITE = "site:"
LEAST_STAYS, LEAST_SITES, MOST_SITES = 200, 2, 20


@dataclass(frozen=True)
class Site:
    """A site as the model's page lists it; `since` is None where it isn't watched by itself."""

    name: str
    stays: int
    since: date | None
    reason: str


def note_sites(ledger: Ledger, day: date, rows: DayRows) -> Counter[str]:
    """Keep how many stays each site had on a day on which any named one, and return that."""
    found = Counter(rows.site.tolist())
    if not any(found):
        return Counter()
    for site in sorted(found):
        nothing = np.zeros(0, dtype=np.int64)
        books.note_day(ledger, f"{SITE}{site}", day, Seen(nothing, found[site], 0, None), -np.inf)
    return found


def stays_by_site(ledger: Ledger) -> Counter[str]:
    """Return how many stays each site had on all days so far, written or not yet."""
    return books.totals(ledger, SITE)


def open_due(watched: Watchlist, ledger: Ledger, day: date, stays: Counter[str]) -> None:
    """Watch by themselves, from a day on, the sites that had enough stays before it."""
    enough = [site for site, total in stays.items() if total >= LEAST_STAYS]
    if len(enough) < LEAST_SITES:
        return
    for site in sorted(set(enough) - {"", *watched.sites}):
        if len(watched.sites) >= MOST_SITES:
            return
        for one in watched.open(site):
            ledger.states[one.key] = books.opened(one)
            ledger.opened[one.key] = day


def standing(model: str, version: str) -> list[Site]:
    """Return every named site with its stays, and why it isn't watched by itself if it isn't."""
    counts = DayCount.objects.filter(model=model, version=version, stream__startswith=SITE)
    stays = {
        row["stream"].removeprefix(SITE): row["stays"]
        for row in counts.values("stream").annotate(stays=Sum("total"))
    }
    scores = Stream.objects.filter(
        model=model, version=version, name__in=[at_key(SCORE, site) for site in stays]
    )
    since = {row.name: row.opened_on for row in scores}
    found = [
        Site(site, total, since.get(at_key(SCORE, site)), _reason(total, stays, len(since)))
        for site, total in stays.items()
        if site
    ]
    return sorted(found, key=lambda one: (-one.stays, one.name))


def _reason(own: int, stays: Mapping[str, int], watched: int) -> str:
    if own < LEAST_STAYS:
        return f"{own} of {LEAST_STAYS} stays that are needed"
    if sum(one >= LEAST_STAYS for one in stays.values()) < LEAST_SITES:
        return "no other site has enough stays, so that all rows are its own"
    if watched >= MOST_SITES:
        return f"{MOST_SITES} sites are watched already"
    return "it opens with the next day"
