"""What clinicians reported to have done with shown risks: accepted or overridden, where and why."""

from collections import Counter
from dataclasses import dataclass

from django.db.models import Count

from models.definition import Definition
from monitoring.grouping import MOST_WARDS, OTHERS
from monitoring.streams import ward_name
from monitoring.wilson import Interval, wilson
from records.models import Feedback

ACCEPTED, OVERRIDDEN = "accepted", "overridden"
ALL, UNKNOWN, UNKNOWN_WARD = "All sites", "Site not known", "Ward not known"
NO_REASON = "no reason given"
NO_CODE, NOT_OFFERED = "a reason without a code", "not one that cards offer"


@dataclass(frozen=True)
class FeedbackGroup:
    """The reports of a place; `share` overridden with its 95 % interval, None where withheld."""

    place: str
    accepted: int
    overridden: int
    share: Interval | None

    @property
    def reports(self) -> int:
        """Return how many reports there are."""
        return self.accepted + self.overridden

    @property
    def words(self) -> str:
        """Return the share as a page shows it."""
        if self.share is None:
            return ""
        value, low, high = (100 * one for one in self.share)
        return f"{value:.0f} % ({low:.0f} to {high:.0f})"


@dataclass(frozen=True)
class FeedbackSummary:
    """All reports and those of each site, and the reasons for overriding, commonest first.

    `wards` are those of each ward, of which the twenty with the most reports are told apart.
    """

    groups: tuple[FeedbackGroup, ...]
    reasons: tuple[tuple[str, int], ...]
    wards: tuple[FeedbackGroup, ...] = ()


def feedback(definition: Definition, version: str | None) -> FeedbackSummary:
    """Count the reports on a version's predictions; no report gives no groups.

    Shares, and reasons, of fewer reports than the definition's smallest group are withheld.
    """
    told = Feedback.objects.filter(
        model=definition.name,
        prediction__version=version or "",
        is_test=False,
        outcome__in=(ACCEPTED, OVERRIDDEN),
    )
    counted: Counter[tuple[str, str]] = Counter()
    by_ward: Counter[tuple[str, str]] = Counter()
    columns = ("prediction__site", "prediction__ward", "outcome")
    rows = told.values(*columns).annotate(times=Count("pk")).values_list(*columns, "times")
    for site, ward, outcome, times in rows:
        counted[ALL, outcome] += times
        counted[site or UNKNOWN, outcome] += times
        by_ward[ward_name(site, ward) if ward else UNKNOWN_WARD, outcome] += times
    sites = sorted({site for site, _ in counted} - {ALL})
    shown = [ALL, *sites] if counted and sites != [UNKNOWN] else [ALL] * bool(counted)
    least = definition.smallest_group.people
    groups = [_group(site, counted, least) for site in shown]
    wards = _wards(by_ward, least)
    if not groups or groups[0].share is None:
        return FeedbackSummary(tuple(groups), (), wards)
    codes = Counter(
        told.filter(outcome=OVERRIDDEN).values_list("reason_system", "reason_code").iterator()
    )
    reasons: Counter[str] = Counter()
    for code, times in codes.items():
        reasons[_words(definition, *code)] += times
    return FeedbackSummary(tuple(groups), tuple(reasons.most_common()), wards)


def _wards(counted: Counter[tuple[str, str]], least: int) -> tuple[FeedbackGroup, ...]:
    """Return the wards' reports, none where no request named one."""
    reports: Counter[str] = Counter()
    for (ward, _), times in counted.items():
        reports[ward] += times
    if not set(reports) - {UNKNOWN_WARD}:
        return ()
    apart = {ward for ward, _ in sorted(reports.items(), key=_most_first)[:MOST_WARDS]}
    merged: Counter[tuple[str, str]] = Counter()
    for (ward, outcome), times in counted.items():
        merged[ward if ward in apart else OTHERS, outcome] += times
    return tuple(_group(ward, merged, least) for ward in sorted({ward for ward, _ in merged}))


def _most_first(ward: tuple[str, int]) -> tuple[int, str]:
    return -ward[1], ward[0]


def _group(place: str, counted: Counter[tuple[str, str]], least: int) -> FeedbackGroup:
    accepted, overridden = counted[place, ACCEPTED], counted[place, OVERRIDDEN]
    rows = accepted + overridden
    return FeedbackGroup(
        place, accepted, overridden, wilson(overridden, rows) if rows >= least else None
    )


def _words(definition: Definition, system: str, code: str) -> str:
    """Return a reason as the definition calls it, or its code and that no card offered it."""
    if not system and not code:
        return NO_REASON
    offered = definition.cds_hooks.offered(system, code) if definition.cds_hooks else None
    return offered.display if offered else f"{code or NO_CODE} ({NOT_OFFERED})"
