"""What an open alarm rests on, gathered from the records and put into words."""

from collections import Counter
from collections.abc import Sequence
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
from monitoring.ledger import Ledger
from monitoring.refusals import refusal_group
from monitoring.strata import by_kind, filled, local, of_its_kind
from monitoring.streams import SCORE, TRAFFIC, TWIN, Watched
from monitoring.windows import ONE_DAY, start_of
from records import predictions
from records.models import Alarm, Prediction, Refusal

# a missed conversion shows in the first days; more of them would only cost time
UNIT_DAYS = timedelta(days=30)
MOST_REASONS = 5


@dataclass(frozen=True)
class Cases:
    """The means to describe a version's alarms: its definition, streams and reference rows."""

    definition: Definition
    version: str
    watched: Sequence[Watched]
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
            **self._reach(described, through),
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
        frame = predictions.window(
            self.definition.name, self.version, start_of(case.onset), start_of(last + ONE_DAY)
        )
        recent = np.asarray(frame.features[feature.name], dtype=np.float64)
        return alarms.recognise(feature, self.reference_column(feature.name), recent)

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

    def _reach(self, described: Described, through: date) -> dict[str, int]:
        """Count the predictions and the patients since the onset."""
        rows = Prediction.objects.filter(
            model=self.definition.name,
            version=self.version,
            is_test=False,
            predicted_at__gte=start_of(described.since),
            predicted_at__lt=start_of(through + ONE_DAY),
        )
        patients = rows.exclude(patient="").values("patient").distinct().count()
        return {"predictions_since": rows.count(), "patients_since": patients}

    def _reasons(self, alarm: Alarm, described: Described, through: date) -> dict[str, Any]:
        """Name the fields and reasons of the refusals that an alarm is about, commonest first."""
        group = alarm.stream.removeprefix("refusals:")
        if group == alarm.stream:
            return {}
        rows = Refusal.objects.filter(
            model=self.definition.name,
            version=self.version,
            is_test=False,
            predicted_at__gte=start_of(described.since),
            predicted_at__lt=start_of(through + ONE_DAY),
        )
        counted = Counter(
            pair for pair in rows.values_list("field", "reason") if refusal_group(pair[1]) == group
        )
        return {"reasons": [[*pair, count] for pair, count in counted.most_common(MOST_REASONS)]}


def _placed(days: Sequence[tuple[date, Counts]]) -> tuple[tuple[date, Counts], ...]:
    return tuple((day, of_its_kind(day, rows)) for day, rows in days)


def _last_silent(books: Ledger, onset: date, through: date) -> date:
    """Return the last day of the silence that began at `onset`."""
    requests = ledger.traffic(books)
    again = [day for day, rows in requests.items() if rows and onset <= day <= through]
    return min(again) - ONE_DAY if again else through
