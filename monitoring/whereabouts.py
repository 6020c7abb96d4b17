"""Where a change sits: at which sites, in which sending systems' requests, in which versions.

What a stream counts is divided among the sites, and among the sending systems, of the requests
since the alarm's onset and of those in the 90 days before. A version has streams of its own, so
other versions are seen beside it, on the same days.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
from django.db.models import Count, QuerySet

from monitoring import chapters
from monitoring.alarms import Case
from monitoring.cases import EARLIER, Cases
from monitoring.evidence.apportion import apportion, bin_scores
from monitoring.evidence.state import Counts, Floats
from monitoring.ledger import Ledger
from monitoring.placement import NO_SITE, figure_of, placed
from monitoring.stays import ONE_DAY, start_of
from monitoring.strata import KINDS, of_its_kind
from monitoring.streams import TRAFFIC, DayRows, Watched
from monitoring.windows import COUNTED, rows_by_day
from records.models import Alarm, Client, Prediction, Refusal
from records.predictions import days as rows_a_day

SITE, SYSTEM = "site", "sending system"
OTHERS = "all others"
# so many days since the onset, or until the alarm was raised, and about so many rows
COMPARED_DAYS, COMPARED_ROWS = 30, 50_000
# groups of fewer rows stand together, and so do those beyond so many
LEAST_ROWS, MOST_GROUPS = 20, 20

Span = tuple[date, date]
Groups = dict[str, dict[str, Counts]]


class Whereabouts:
    """Says where the changes sit of which a version's open alarms tell, through a closed day."""

    def __init__(self, cases: Cases, books: Ledger, through: date) -> None:
        self.cases, self.books, self.through = cases, books, through
        self.model, self.version = cases.definition.name, cases.version
        self._names = dict(Client.objects.values_list("key_id", "name"))

    def find(self, alarms: Sequence[Alarm]) -> None:
        """Write into every alarm's details where its change sits; what follows sits there too."""
        for alarm in alarms:
            if chapters.is_ended(alarm):  # its words stay with what it saw
                continue
            alone = alarm.details.get("follows") is None and alarm.stream != TRAFFIC
            alarm.details["where"] = self._where(alarm) if alone else None

    def _where(self, alarm: Alarm) -> dict[str, Any]:
        case = self.cases.case(alarm, self.books, self.through)
        bet = case.watched.stream.bets[case.bet]
        scores = bin_scores(case.watched.stream, bet, case.before)
        since, earlier = self._since(case, alarm), self._earlier(case, alarm)
        now = self._groups(case.watched, since)
        before = self._groups(case.watched, earlier) if earlier else {}
        dimensions = []
        for name in now:
            groups, past = _merged(now[name], before.get(name, {}))
            known = sorted({*groups, *past})
            found = apportion(scores, groups, past, case.before) if len(known) > 1 else None
            dimensions.append(placed(name, known, found, bet).to_dict())
        return {
            "first": since[0].isoformat(),
            "last": since[1].isoformat(),
            "earlier": earlier[0].isoformat() if earlier else None,
            "dimensions": dimensions,
            "versions": self._versions(case, scores, since),
        }

    def _since(self, case: Case, alarm: Alarm) -> Span:
        last = max(alarm.raised_on, case.onset + timedelta(days=COMPARED_DAYS - 1))
        last = min(last, chapters.last_day(alarm, self.through))
        return case.onset, _reached(rows_a_day(self.model, self.version, case.onset, last), last)

    def _earlier(self, case: Case, alarm: Alarm) -> Span | None:
        """Return the days before the onset, or those of the alarm that turned, nearest first."""
        first = case.onset - EARLIER
        if "against" in alarm.details:
            first = max(first, date.fromisoformat(alarm.details["against"]))
        days = rows_a_day(self.model, self.version, first, case.onset - ONE_DAY)
        return (_reached(days[::-1], days[0][0]), days[-1][0]) if days else None

    def _groups(self, watched: Watched, span: Span) -> Groups:
        """Count what a stream sees of each group in some days, [weekdays and weekends, bins]."""
        if watched.subject == "refusals":
            return {SYSTEM: self._refusals(watched, span)}
        found: Groups = {SITE: {}, SYSTEM: {}}
        if watched.site is not None:
            del found[SITE]
        if watched.subject == "overrides":  # a report may come by another system than its risk
            del found[SYSTEM]
        more = (*COUNTED, "client")
        for day, rows in rows_by_day(self.cases.definition, self.version, *span, more=more):
            for dimension, groups in found.items():
                for name, part in self._parts(rows, dimension):
                    counts = of_its_kind(day, watched.see(part).counts)
                    groups[name] = groups.get(name, 0) + counts
        return found

    def _parts(self, rows: DayRows, dimension: str) -> list[tuple[str, DayRows]]:
        if dimension == SITE:
            sites = {*rows.site.tolist(), *rows.reports.site.tolist()}
            return [(site or NO_SITE, rows.at(site)) for site in sites]
        # a system may have had several keys
        return [(self._system(one), rows.of_client(one)) for one in set(rows.client.tolist())]

    def _system(self, client: str) -> str:
        return self._names.get(client, client)

    def _refusals(self, watched: Watched, span: Span) -> dict[str, Counts]:
        chosen = {
            "model": self.model,
            "version": self.version,
            "is_test": False,
            "predicted_at__gte": start_of(span[0]),
            "predicted_at__lt": start_of(span[1] + ONE_DAY),
        }
        answered: Counter[str] = Counter()
        for client, rows in _distinct(Prediction.objects.filter(**chosen), "client"):
            answered[self._system(client)] += rows
        refused: dict[str, Counter[str]] = {system: Counter() for system in answered}
        for client, reason, rows in _distinct(Refusal.objects.filter(**chosen), "client", "reason"):
            refused.setdefault(self._system(client), Counter())[reason] += rows
        nothing = np.zeros(0)
        return {
            # whether on weekdays or weekends is all one to a rate
            system: of_its_kind(
                span[0],
                watched.see(DayRows({}, nothing, nothing, reasons, answered[system])).counts,
            )
            for system, reasons in refused.items()
        }

    def _versions(self, case: Case, scores: Floats, since: Span) -> list[dict[str, Any]]:
        """Return what other versions show on the same days, unless their definition is another."""
        made = Prediction.objects.filter(
            model=self.model,
            is_test=False,
            predicted_at__gte=start_of(since[0]),
            predicted_at__lt=start_of(since[1] + ONE_DAY),
        )
        digests = {
            version: digest
            for version, digest, _ in _distinct(made, "version", "definition_digest")
        }
        own = digests.pop(self.version, None)
        return [
            {"version": version, "now": self._of_version(case, scores, since, version)}
            if digest == own
            else {"version": version, "now": None}
            for version, digest in sorted(digests.items())
        ]

    def _of_version(self, case: Case, scores: Floats, since: Span, version: str) -> str:
        last = _reached(rows_a_day(self.model, version, *since), since[1])
        counts = np.zeros((KINDS, case.watched.stream.bins), dtype=np.int64)
        for day, rows in rows_by_day(self.cases.definition, version, since[0], last):
            counts += of_its_kind(day, case.watched.see(rows).counts)
        if not counts.any():
            return "none"
        bet = case.watched.stream.bets[case.bet]
        usual = float((scores * case.before).sum() / case.before.sum())
        mean = float((scores * counts).sum() / counts.sum())
        return f"{figure_of(bet)(mean, usual)} of {counts.sum():,}"


def _reached(days: Sequence[tuple[date, int]], last: date) -> date:
    """Return the day with which days in their order hold as many rows as are compared, or last."""
    rows = 0
    for day, more in days:
        rows += more
        if rows >= COMPARED_ROWS:
            return day
    return last


def _merged(
    now: Mapping[str, Counts], before: Mapping[str, Counts]
) -> tuple[dict[str, Counts], dict[str, Counts]]:
    """Let groups of few rows, and those beyond so many, stand together; leave out empty ones."""
    rows: Counter[str] = Counter()
    for part in (now, before):
        rows.update({name: int(counts.sum()) for name, counts in part.items()})
    shown = {name for name, total in rows.most_common(MOST_GROUPS) if total >= LEAST_ROWS}
    merged: tuple[dict[str, Counts], dict[str, Counts]] = ({}, {})
    for found, part in zip(merged, (now, before), strict=True):
        for name, counts in part.items():
            group = name if name in shown else OTHERS
            if counts.any():
                found[group] = found.get(group, 0) + counts
    return merged


def _distinct(rows: QuerySet[Any], *columns: str) -> list[tuple[Any, ...]]:
    """Return the distinct values of some columns, each with how many rows have them."""
    return list(rows.order_by().values(*columns).annotate(n=Count("pk")).values_list(*columns, "n"))
