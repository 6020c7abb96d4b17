"""Where a change sits: sites, sending systems, wards, codes of values, and versions.

What a stream counts is divided among the sites, the sending systems, the wards and the codes of
the requests since the alarm's onset and of those in the 90 days before. A version has streams of
its own, so other versions are seen beside it, on the same days.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import chain
from typing import Any

import numpy as np
from django.db.models import Count, Q, QuerySet

from monitoring import chapters
from monitoring.alarms import Case
from monitoring.cases import EARLIER, Cases
from monitoring.evidence.apportion import (
    Apportioned,
    apportion,
    as_fitted,
    bin_scores,
    told_score,
)
from monitoring.evidence.state import Counts, Floats
from monitoring.evidence.units import UnitChange
from monitoring.grouping import OTHERS, Grouping, dimensions_of, named_wards
from monitoring.ledger import Ledger
from monitoring.placement import CODE, SYSTEM, bounded, figure_of, placed
from monitoring.quiet import Span, quiet_spans, spans_of, unquiet_days
from monitoring.stays import ONE_DAY, start_of
from monitoring.strata import KINDS, of_its_kind
from monitoring.streams import TRAFFIC, DayRows, Watched
from monitoring.windows import COUNTED, rows_by_day
from records.models import Alarm, Client, Prediction, Refusal
from records.predictions import days as rows_a_day

# so many days since the onset, or until the alarm was raised, and about so many rows
COMPARED_DAYS, COMPARED_ROWS = 30, 50_000
# groups of fewer rows stand together, and so do those beyond so many
LEAST_ROWS, MOST_GROUPS = 20, 20

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
        over = case.ended is not None
        unit = alarm.details.get("unit")
        looks_like = unit["change"]["name"] if unit else ""
        if unit:
            case = self.cases.misread(case, UnitChange(**unit["change"]))
        bet = case.watched.stream.bets[case.bet]
        scores = bin_scores(case.watched.stream, bet, case.before)
        since, (earlier, left_out) = self._since(case, alarm), self._earlier(case, alarm)
        grouping = self._grouping(case.watched, [since, *earlier])
        now, began = self._groups(case.watched, grouping, [since])
        before = self._groups(case.watched, grouping, earlier)[0] if earlier else {}
        dimensions = []
        for name in now:
            groups, past = _merged(now[name], before.get(name, {}))
            known = sorted({*groups, *past})
            found = apportion(scores, groups, past, case.before) if len(known) > 1 else None
            if found and not unit:
                found = as_fitted(found, bet, groups, past, case.before)
                found = as_told(found, alarm.details["size"])
            said = placed(name, known, found, bet, began[name], looks_like, over=over)
            dimensions.append(said.to_dict())
        return {
            "looks_like": looks_like,
            "first": since[0].isoformat(),
            "last": since[1].isoformat(),
            "earlier": earlier[0][0].isoformat() if earlier else None,
            "left_out": [[first.isoformat(), last.isoformat()] for first, last in left_out],
            "dimensions": dimensions,
            "versions": self._versions(case, scores, since),
        }

    def _since(self, case: Case, alarm: Alarm) -> Span:
        last = max(alarm.raised_on, case.onset + timedelta(days=COMPARED_DAYS - 1))
        last = min(last, chapters.changed_days(alarm, self.through)[0][1])
        return case.onset, _reached(rows_a_day(self.model, self.version, case.onset, last), last)

    def _earlier(self, case: Case, alarm: Alarm) -> tuple[list[Span], list[Span]]:
        """Return the quiet days before the onset, nearest first, and what was left out of them.

        Those before a turn are the days of the alarm that turned.
        """
        first, last = case.onset - EARLIER, case.onset - ONE_DAY
        unquiet = unquiet_days(self.model, self.version, alarm.stream, first, last)
        if "against" in alarm.details:
            first, unquiet = max(first, date.fromisoformat(alarm.details["against"])), set()
        found = rows_a_day(self.model, self.version, first, last)
        days = [row for row in found if row[0] not in unquiet]
        if not days:
            return [], spans_of(unquiet)
        reached = _reached(days[::-1], days[0][0])
        left_out = {day for day in unquiet if day >= reached}
        return quiet_spans(reached, days[-1][0], unquiet), spans_of(left_out)

    def _grouping(self, watched: Watched, spans: Sequence[Span]) -> Grouping:
        wards = named_wards(self.model, self.version, spans, watched.site)
        return Grouping(self._names, wards, watched.feature)

    def _groups(
        self, watched: Watched, grouping: Grouping, spans: Sequence[Span]
    ) -> tuple[Groups, dict[str, dict[str, date]]]:
        """Count what a stream sees of each group in some days, [weekdays and weekends, bins].

        Beside it is the first of these days on which each group was seen, by dimension.
        """
        if watched.subject == "refusals":
            return {SYSTEM: self._refusals(watched, grouping, spans)}, {SYSTEM: {}}
        found: Groups = {name: {} for name in self._dimensions(watched)}
        began: dict[str, dict[str, date]] = {name: {} for name in found}
        more = (*COUNTED, "client", "ward", *(["codes"] if CODE in found else []))
        of_days = (
            rows_by_day(self.cases.definition, self.version, *one, more=more) for one in spans
        )
        for day, rows in chain.from_iterable(of_days):
            for dimension, groups in found.items():
                for name, part in grouping.parts(rows, dimension):
                    counts = of_its_kind(day, watched.see(part).counts)
                    groups[name] = groups.get(name, 0) + counts
                    if counts.any():
                        began[dimension].setdefault(name, day)
        return found, began

    def _dimensions(self, watched: Watched) -> list[str]:
        feature = self.cases.definition.by_name.get(watched.feature or "")
        return dimensions_of(watched, len(feature.codings) if feature else 0)

    def _refusals(
        self, watched: Watched, grouping: Grouping, spans: Sequence[Span]
    ) -> dict[str, Counts]:
        days = Q()
        for first, last in spans:
            days |= Q(predicted_at__gte=start_of(first), predicted_at__lt=start_of(last + ONE_DAY))
        chosen = days & Q(model=self.model, version=self.version, is_test=False)
        answered: Counter[str] = Counter()
        for client, rows in _distinct(Prediction.objects.filter(chosen), "client"):
            answered[grouping.system(client)] += rows
        refused: dict[str, Counter[str]] = {system: Counter() for system in answered}
        for client, reason, rows in _distinct(Refusal.objects.filter(chosen), "client", "reason"):
            refused.setdefault(grouping.system(client), Counter())[reason] += rows
        nothing = np.zeros(0)
        return {
            # whether on weekdays or weekends is all one to a rate
            system: of_its_kind(
                spans[0][0],
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
        usual, _ = told_score(bet, scores, case.before, case.before)
        mean, beyond = told_score(bet, scores, case.before, counts)
        return f"{bounded(figure_of(bet)(mean, usual), beyond=beyond)} of {counts.sum():,}"


def as_told(found: Apportioned, size: Mapping[str, Any]) -> Apportioned:
    """Return a division whose reference is the one figure that its alarm says was usual, if any.

    That weighs weekdays and weekends as they come since the onset.
    """
    if not found.by_reference or size["scale"] != "share":
        return found
    return replace(found, usual=size["before"])


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
