"""What an open alarm rests on, gathered from the records and put into words."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.definition import Definition
from monitoring import alarms, chapters, ledger
from monitoring.alarms import Case, Described
from monitoring.evidence.state import Counts
from monitoring.evidence.units import UnitFinding
from monitoring.flags import FLAGS, flag_group
from monitoring.ledger import Ledger
from monitoring.refusals import refusal_group
from monitoring.stays import ONE_DAY, start_of
from monitoring.strata import by_kind, filled, local, of_its_kind
from monitoring.streams import SCORE, TRAFFIC, TWIN, Watched, site_of
from monitoring.watchlist import Watchlist
from records.answers import Answers, answers, joined
from records.models import Alarm, Prediction, Refusal

# a missed conversion shows in the first days; more of them would only cost time
UNIT_DAYS = timedelta(days=30)
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
            described = alarms.describe(case, self._unit(case, through))
        alarm.kind = described.kind
        alarm.severity = described.severity
        alarm.since = described.since
        alarm.summary = described.summary
        alarm.details = {
            **alarm.details,
            **described.figures,
            **self._reach(alarm, described, through),
            **self._reasons(alarm, described, through),
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
        if "against" in alarm.details:
            # a turn is compared with the days of the alarm before it
            first = date.fromisoformat(alarm.details["against"])
            earlier = ledger.day_counts(books, alarm.stream, first, onset - ONE_DAY)
            before = filled(by_kind(local(earlier, watched.stream.bins)))
            return Case(watched, int(alarm.details["bet"]), onset, before, _placed(days))
        twin = TWIN if alarm.details.get("fixed") else ""
        before = by_kind(books.states[f"{twin}{alarm.stream}"].reference)
        if not twin:
            held = chapters.held_from(alarm)
            joined = [of_its_kind(day, rows) for day, rows in days if day < held]
            # a late row may have been kept out of the reference: no more can leave than is in
            less = np.maximum(before - np.sum(joined, axis=0), 0) if joined else before
            # a stream without a reference of its own: all there is
            before = less if less.any() else before
        return Case(watched, int(alarm.details["bet"]), onset, filled(before), _placed(days))

    def _unit(self, case: Case, through: date) -> UnitFinding | None:
        if case.watched.subject != "value" or case.watched.feature is None:
            return None
        feature = self.definition.by_name[case.watched.feature]
        last = min(through, case.onset + UNIT_DAYS)
        frame = self.answers(case.onset, last)
        recent = np.asarray(frame.features[feature.name], dtype=np.float64)
        usual = self.reference_column(feature.name)
        if case.watched.site is not None:
            recent = recent[frame.site == case.watched.site]
            usual = self.earlier_column(case.watched.site, case.onset)(feature.name)
        return alarms.recognise(feature, usual, recent)

    def answers(self, first: date, last: date) -> Answers:
        """Read the predictions of some days, with their contributions and sites."""
        start, end = start_of(first), start_of(last + ONE_DAY)
        more = ("site", "contributions")
        return joined(list(answers(self.definition, self.version, start, end, more=more)))

    def earlier_column(self, site: str, before: date) -> Callable[[str], NDArray[Any]]:
        """Return what gives a feature's values at a site in the weeks before a day, or its score.

        Where the site had none then, they are those of the reference's rows.
        """
        frame = self.answers(before - EARLIER, before - ONE_DAY)
        chosen = frame.site == site

        def column(name: str) -> NDArray[Any]:
            if not chosen.any():
                return self.reference_column(name)
            values = frame.margin if name == SCORE else frame.features[name]
            return np.asarray(values[chosen])

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

    def _reach(self, alarm: Alarm, described: Described, through: date) -> dict[str, int]:
        """Count the predictions and the patients since the onset, at the alarm's site if any."""
        rows = Prediction.objects.filter(**self._recorded(described.since, through))
        if site := site_of(alarm.stream):
            rows = rows.filter(site=site)
        patients = rows.exclude(patient="").values("patient").distinct().count()
        return {"predictions_since": rows.count(), "patients_since": patients}

    def _reasons(self, alarm: Alarm, described: Described, through: date) -> dict[str, Any]:
        """Name the fields and reasons of what an alarm on a group of reasons is about."""
        subject, _, group = alarm.stream.partition(":")
        chosen = self._recorded(described.since, through)
        if f"{subject}:" == FLAGS:
            rows = Prediction.objects.filter(**chosen).exclude(findings=[])
            found = (
                one for row in rows.values_list("findings", flat=True).iterator() for one in row
            )
            counted = Counter(
                (one["feature"], one["reason"])
                for one in found
                if flag_group(one["kind"], one["reason"]) == group
            )
        elif subject == "refusals":
            pairs = Refusal.objects.filter(**chosen).values_list("field", "reason")
            counted = Counter(pair for pair in pairs if refusal_group(pair[1]) == group)
        else:
            return {}
        return {"reasons": [[*pair, count] for pair, count in counted.most_common(MOST_REASONS)]}

    def _recorded(self, first: date, last: date) -> dict[str, Any]:
        """Return which records are of this version and of some days, without test clients'."""
        return {
            "model": self.definition.name,
            "version": self.version,
            "is_test": False,
            "predicted_at__gte": start_of(first),
            "predicted_at__lt": start_of(last + ONE_DAY),
        }


def _placed(days: Sequence[tuple[date, Counts]]) -> tuple[tuple[date, Counts], ...]:
    return tuple((day, of_its_kind(day, rows)) for day, rows in days)


def _last_silent(books: Ledger, onset: date, through: date) -> date:
    """Return the last day of the silence that began at `onset`."""
    requests = ledger.traffic(books)
    again = [day for day, rows in requests.items() if rows and onset <= day <= through]
    return min(again) - ONE_DAY if again else through
