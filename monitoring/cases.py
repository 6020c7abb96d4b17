"""What an open alarm rests on, gathered from the records and put into words."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from django.db.models import Q
from numpy.typing import NDArray

from models.definition import Definition
from monitoring import alarms, chapters, ledger
from monitoring.alarms import RANK, Case
from monitoring.evidence.binary import BinaryStream
from monitoring.evidence.state import Counts
from monitoring.evidence.units import UnitChange, UnitFinding, looks_like
from monitoring.flags import FLAGS, flag_group
from monitoring.ledger import Ledger
from monitoring.quiet import unquiet_days
from monitoring.refusals import refusal_group
from monitoring.stays import ONE_DAY, start_of
from monitoring.strata import bag, by_kind, filled, kind, local, of_its_kind, stratum, without
from monitoring.streams import (
    SCORE,
    TRAFFIC,
    TWIN,
    DayRows,
    Seen,
    Watched,
    seen_events,
    site_of,
    ward_of,
)
from monitoring.watchlist import Watchlist, budget_of
from records.answers import Answers, answers, joined
from records.models import Alarm, Prediction, Refusal

# a missed conversion shows in the first days; more of them would only cost time
UNIT_DAYS = 30
# what a site was like before it changed
EARLIER = timedelta(days=90)
MOST_REASONS = 5


@dataclass(frozen=True)
class Cases:
    """The means to describe a version's alarms: its definition, streams and reference rows."""

    definition: Definition
    version: str
    watched: Watchlist
    reference: Path

    def describe(self, alarm: Alarm, books: Ledger, through: date) -> None:
        """Put an alarm into words and figures over all days from its onset through a day."""
        onset = date.fromisoformat(alarm.details["onset"])
        through = chapters.last_day(alarm, through)
        if alarm.stream == TRAFFIC:
            described = alarms.silence(self.definition, onset, _last_silent(books, onset, through))
        else:
            case = self.case(alarm, books, through)
            described = alarms.describe(case, self._unit(case), alarm.details.get("graded"))
        alarm.kind = described.kind
        if not alarm.severity or RANK[described.severity] > RANK[alarm.severity]:
            alarm.severity = described.severity
        alarm.since = described.since
        alarm.summary = described.summary
        alarm.details = {**alarm.details, **described.figures}
        alarm.details |= {
            **self._reach(alarm, through),
            **self._reasons(alarm, through),
        }

    def watched_by(self, stream: str) -> Watched:
        """Return the stream of a key."""
        return next(one for one in self.watched if one.key == stream)

    def case(self, alarm: Alarm, books: Ledger, through: date) -> Case:
        """Gather what a stream's alarm rests on, from its onset through a day."""
        onset = date.fromisoformat(alarm.details["onset"])
        through = chapters.last_day(alarm, through)
        watched = self.watched_by(alarm.stream)
        days = ledger.day_counts(books, alarm.stream, onset, through)
        twin = TWIN if alarm.details.get("fixed") else ""
        state = books.states[f"{twin}{alarm.stream}"]
        if "against" in alarm.details:
            # a turn is compared with the days of the alarm before it
            first = date.fromisoformat(alarm.details["against"])
            earlier = ledger.day_counts(books, alarm.stream, first, onset - ONE_DAY)
            reference = local(earlier, watched.stream.bins)
        else:
            reference = state.reference
        if not twin and "against" not in alarm.details:
            joined = local(chapters.had_joined(alarm, days), watched.stream.bins)
            reference = without(reference, joined)
        before = filled(by_kind(reference))
        return Case(
            watched,
            int(alarm.details["bet"]),
            onset,
            before,
            _placed(days),
            chapters.weighed_through(alarm),
            alarm.details.get("log_limit", budget_of(self.definition, self.watched).log_limit),
            lambda day: _compared(reference, before, day, fixed=bool(twin)),
            state.dispersion.divisor(watched.stream.tau),
        )

    def _unit(self, case: Case) -> UnitFinding | None:
        """Look for a unit in which the changed values fit, those of the first days."""
        if case.watched.subject != "value" or case.watched.feature is None:
            return None
        feature = self.definition.by_name[case.watched.feature]
        if not alarms.unit_changes(feature):
            return None
        until = case.spans[0].last or case.days[-1][0]
        last = min(until, case.onset + timedelta(days=UNIT_DAYS - 1))
        site = case.watched.site

        def there(part: Answers) -> NDArray[np.bool_]:
            everywhere = np.ones(len(part), dtype=np.bool_)
            return everywhere if site is None else np.asarray(part.site == site, dtype=np.bool_)

        recent = self._column(feature.name, case.onset, last, there)
        found = alarms.recognise(feature, self._usual(case), recent)
        some = last < (case.ended or case.days[-1][0])
        return replace(found, first_days=UNIT_DAYS) if found and some else found

    def _column(
        self, name: str, first: date, last: date, keep: Callable[[Answers], NDArray[np.bool_]]
    ) -> NDArray[Any]:
        """Read a feature's values, or the score, of those rows of some days that are kept.

        That takes 8 bytes a row; all that is recorded of months of rows may not fit into memory.
        """
        start, end = start_of(first), start_of(last + ONE_DAY)
        return np.concatenate(
            [
                (part.margin if name == SCORE else part.features[name])[keep(part)]
                for part in answers(self.definition, self.version, start, end, more=("site",))
            ]
            or [np.zeros(0)]
        )

    def _usual(self, case: Case) -> NDArray[np.float64]:
        """Return the values that a feature had before it changed, NaN where it was missing."""
        feature, site = str(case.watched.feature), case.watched.site
        column = (
            self.reference_column
            if site is None
            else self.earlier_column(case.watched.key, site, case.onset)
        )
        return np.asarray(column(feature), dtype=np.float64)

    def misread(self, case: Case, change: UnitChange) -> Case:
        """Return a change of unit as that of how many of the readings look like the other unit.

        It says what the days' rows show; of its own days it has none.
        """
        feature, site, usual = str(case.watched.feature), case.watched.site, self._usual(case)
        stream = BinaryStream(case.watched.stream.name, change.name)
        looks = looks_like(usual, change)

        def see(rows: DayRows) -> Seen:
            own = rows if site is None else rows.at(site)
            values = np.asarray(own.column(feature), dtype=np.float64)
            return seen_events(stream, looks(values[np.isfinite(values)]))

        nothing = np.zeros(2, dtype=np.int64)
        watched = replace(case.watched, kind="binary", stream=stream, reference=nothing, see=see)
        counts = stream.count(looks(usual[np.isfinite(usual)]))
        more = len(stream.bets) - 1
        return replace(case, watched=watched, bet=more, before=np.stack([counts, counts]), days=())

    def answers(self, first: date, last: date) -> Answers:
        """Read the predictions of some days, with their contributions and sites."""
        start, end = start_of(first), start_of(last + ONE_DAY)
        more = ("site", "contributions")
        return joined(list(answers(self.definition, self.version, start, end, more=more)))

    def earlier_column(
        self, stream: str, site: str | None, before: date, since: date = date.min
    ) -> Callable[[str], NDArray[Any]]:
        """Return what gives a feature's values in the weeks before a day, or its score.

        They are of one site, if any, and of the days from `since` on that were quiet in a stream;
        where there were none then, those of the reference's rows.
        """
        first, last = max(before - EARLIER, since), before - ONE_DAY
        unquiet = unquiet_days(self.definition.name, self.version, stream, first, last)
        changed = np.array(sorted(unquiet), dtype="datetime64[D]")

        def quiet_there(part: Answers) -> NDArray[np.bool_]:
            days = np.asarray(part.predicted_at, dtype="datetime64[D]")
            there = True if site is None else part.site == site
            return np.asarray(there & ~np.isin(days, changed), dtype=np.bool_)

        def column(name: str) -> NDArray[Any]:
            found = self._column(name, first, last, quiet_there)
            return found if found.size else self.reference_column(name)

        return column

    def reference_column(self, name: str) -> NDArray[Any]:
        """Return a feature's values in the reference's rows, or their score as log-odds."""
        if name == SCORE:
            risk = np.asarray(self._reference_table.column("risk").to_numpy(), dtype=np.float64)
            return np.asarray(np.log(risk) - np.log1p(-risk), dtype=np.float64)
        column = self._reference_table.column(name)
        if self.definition.by_name[name].kind == "numeric":
            return np.asarray(column.to_numpy(), dtype=np.float64)
        return np.array(column.to_pylist(), dtype=object)

    @cached_property
    def _reference_table(self) -> Any:
        from pyarrow import parquet  # a third of a second that most runs don't need

        return parquet.read_table(self.reference)

    def _reach(self, alarm: Alarm, through: date) -> dict[str, int]:
        """Count the predictions and patients while the change was there, where its stream is."""
        rows = Prediction.objects.filter(self._recorded(alarm, through))
        if site := site_of(alarm.stream):
            rows = rows.filter(site=site)
        if ward := ward_of(alarm.stream):
            rows = rows.filter(site=site or "", ward=ward)
        patients = rows.exclude(patient="").values("patient").distinct().count()
        return {"predictions_since": rows.count(), "patients_since": patients}

    def _reasons(self, alarm: Alarm, through: date) -> dict[str, Any]:
        """Name the fields and reasons of what an alarm on a group of reasons is about."""
        subject, _, group = alarm.stream.partition(":")
        chosen = self._recorded(alarm, through)
        if f"{subject}:" == FLAGS:
            rows = Prediction.objects.filter(chosen).exclude(findings=[])
            found = (
                one for row in rows.values_list("findings", flat=True).iterator() for one in row
            )
            counted = Counter(
                (one["feature"], one["reason"])
                for one in found
                if flag_group(one["kind"], one["reason"]) == group
            )
        elif subject == "refusals":
            pairs = Refusal.objects.filter(chosen).values_list("field", "reason")
            counted = Counter(pair for pair in pairs if refusal_group(pair[1]) == group)
        else:
            return {}
        return {"reasons": [[*pair, count] for pair, count in counted.most_common(MOST_REASONS)]}

    def _recorded(self, alarm: Alarm, through: date) -> Q:
        """Return which records are of this version and an alarm's days, without test clients'."""
        days = Q()
        for first, last in chapters.changed_days(alarm, through):
            start, end = start_of(first), start_of(last + ONE_DAY)
            days |= Q(predicted_at__gte=start, predicted_at__lt=end)
        return Q(model=self.definition.name, version=self.version, is_test=False) & days


def _compared(reference: Counts, before: Counts, day: date, *, fixed: bool) -> Counts:
    """Return what a day's rows are compared with, [bins]; `before` where that holds nothing."""
    row = stratum(day)
    found = reference[row] if fixed else bag(reference, row)
    return found if found.any() else np.asarray(before[kind(day)])


def _placed(days: Sequence[tuple[date, Counts]]) -> tuple[tuple[date, Counts], ...]:
    return tuple((day, of_its_kind(day, rows)) for day, rows in days)


def _last_silent(books: Ledger, onset: date, through: date) -> date:
    """Return the last day of the silence that began at `onset`."""
    requests = ledger.traffic(books)
    again = [day for day, rows in requests.items() if rows and onset <= day <= through]
    return min(again) - ONE_DAY if again else through
