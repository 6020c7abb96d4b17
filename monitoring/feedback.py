"""What clinicians reported to have done with shown risks: accepted or overridden, where and why."""

from collections import Counter
from dataclasses import dataclass

from django.db.models import Count

from models.definition import Definition
from monitoring.wilson import Interval, wilson
from records.models import Feedback

ACCEPTED, OVERRIDDEN = "accepted", "overridden"
ALL, UNKNOWN = "All sites", "Site not known"
NO_REASON = "no reason given"


@dataclass(frozen=True)
class FeedbackGroup:
    """The reports of a site; `share` overridden with its 95 % interval, None where withheld."""

    site: str
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
    """All reports and those of each site, and the reasons for overriding, commonest first."""

    groups: tuple[FeedbackGroup, ...]
    reasons: tuple[tuple[str, int], ...]


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
    for site, outcome, times in (
        told.values("prediction__site", "outcome")
        .annotate(times=Count("pk"))
        .values_list("prediction__site", "outcome", "times")
    ):
        counted[ALL, outcome] += times
        counted[site or UNKNOWN, outcome] += times
    sites = sorted({site for site, _ in counted} - {ALL})
    shown = [ALL, *sites] if counted and sites != [UNKNOWN] else [ALL] * bool(counted)
    least = definition.smallest_group.people
    groups = [_group(site, counted, least) for site in shown]
    if not groups or groups[0].share is None:
        return FeedbackSummary(tuple(groups), ())
    codes = Counter(
        told.filter(outcome=OVERRIDDEN).values_list("reason_system", "reason_code").iterator()
    )
    reasons = [(_words(definition, *code), times) for code, times in codes.most_common()]
    return FeedbackSummary(tuple(groups), tuple(reasons))


def _group(site: str, counted: Counter[tuple[str, str]], least: int) -> FeedbackGroup:
    accepted, overridden = counted[site, ACCEPTED], counted[site, OVERRIDDEN]
    rows = accepted + overridden
    return FeedbackGroup(
        site, accepted, overridden, wilson(overridden, rows) if rows >= least else None
    )


def _words(definition: Definition, system: str, code: str) -> str:
    """Return a reason as the definition calls it, or its code."""
    offered = definition.cds_hooks.override_reasons if definition.cds_hooks else ()
    known = {(one.system, one.code): one.display for one in offered}
    return known.get((system, code), code or NO_REASON)
