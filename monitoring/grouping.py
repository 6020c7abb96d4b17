"""The groups among which a change is divided: what each row's site, system, ward and code are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import orjson
from django.db.models import Count
from numpy.typing import NDArray

from monitoring.placement import CODE, NO_CODE, NO_SITE, NO_WARD, SITE, SYSTEM, WARD
from monitoring.stays import ONE_DAY, start_of
from monitoring.streams import DayRows, Watched, ward_name
from records.answers import objects
from records.models import Prediction

# so many wards, of those with the most requests, are told apart; a name costs nothing to make up
MOST_WARDS = 20
OTHERS = "all others"
SEVERAL_CODES = "several codes"
Labels = NDArray[np.object_]


@dataclass(frozen=True)
class Grouping:
    """What the groups of a stream's rows are called, by dimension.

    `systems` maps a client's key to its name, `wards` a site and ward to the ward's name; others
    are not told apart. `feature` is that whose values' codes are compared, None where none are.
    """

    systems: Mapping[str, str]
    wards: Mapping[tuple[str, str], str]
    feature: str | None = None
    _codes: dict[str, str] = field(default_factory=dict)

    def parts(self, rows: DayRows, dimension: str) -> list[tuple[str, DayRows]]:
        """Return a day's rows by group; only a site's and a ward's have reports."""
        told = rows.reports
        if dimension == SITE:
            labels, reports = self._sites(rows.site), self._sites(told.site)
        elif dimension == WARD:
            labels, reports = self._wards(rows.site, rows.ward), self._wards(told.site, told.ward)
        else:
            name, column = (
                (self.system, rows.client) if dimension == SYSTEM else (self._code, rows.codes)
            )
            labels = objects([name(one) for one in column.tolist()])
            reports = objects([None] * len(told.site))
        names = {*labels.tolist(), *reports.tolist()} - {None}
        return [(name, rows.part(labels == name, reports == name)) for name in sorted(names)]

    def system(self, client: str) -> str:
        """Return the name of a system, which may have had several keys."""
        return self.systems.get(client, client)

    def _sites(self, sites: Labels) -> Labels:
        return objects([site or NO_SITE for site in sites.tolist()])

    def _wards(self, sites: Labels, wards: Labels) -> Labels:
        pairs = zip(sites.tolist(), wards.tolist(), strict=True)
        return objects([self.wards.get(one, OTHERS) if one[1] else NO_WARD for one in pairs])

    def _code(self, text: str) -> str:
        """Return the code of the feature's value, from all codes' JSON, which few texts are."""
        if text not in self._codes:
            code = orjson.loads(text).get(self.feature, NO_CODE)
            self._codes[text] = SEVERAL_CODES if " + " in code else code
        return self._codes[text]


def dimensions_of(watched: Watched, codings: int) -> list[str]:
    """Return by what a stream's rows are told apart; `codings` is how many codes its feature has.

    A refusal names neither place nor code, and a report may come by another system than its risk.
    A missing value has no code.
    """
    if watched.subject == "refusals":
        return [SYSTEM]
    if watched.ward is not None:  # of overrides alone
        return []
    found = [SITE] if watched.site is None else []
    found += [SYSTEM] if watched.subject != "overrides" else []
    by_code = codings > 1 and watched.subject in ("value", "category")
    return [*found, WARD, *([CODE] if by_code else [])]


def named_wards(
    model: str, version: str, spans: Sequence[tuple[date, date]], at: str | None
) -> dict[tuple[str, str], str]:
    """Return the names of the wards with the most requests in some days, by site and ward.

    `at` is the site if only one's are wanted.
    """
    made = Prediction.objects.filter(
        model=model,
        version=version,
        is_test=False,
        predicted_at__gte=start_of(min(first for first, _ in spans)),
        predicted_at__lt=start_of(max(last for _, last in spans) + ONE_DAY),
    ).exclude(ward="")
    if at is not None:
        made = made.filter(site=at)
    rows = made.order_by().values("site", "ward").annotate(n=Count("pk"))
    chosen = rows.order_by("-n", "site", "ward").values_list("site", "ward")[:MOST_WARDS]
    return {(site, ward): ward_name("" if at else site, ward) for site, ward in chosen}
