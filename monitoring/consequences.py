"""One cause, one alarm: which open alarms follow from another one, and what that does to risk.

An alarm of the score, of an alert rate or of a derived feature follows from the alarm of a
measured feature when its onset lies in the other's span, and when little of its evidence is left
once the same patients are scored with that feature as in the reference. It keeps its evidence;
where too much is left, it stands alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from monitoring.alarms import Case
from monitoring.cases import Cases
from monitoring.counterfactual import Counterfactual, Scored, effect_on_risk
from monitoring.evidence.detector import Budget, close_day, open_stream
from monitoring.ledger import Ledger
from monitoring.strata import kind
from monitoring.streams import SCORE, TRAFFIC, DayRows
from monitoring.windows import ONE_DAY, first_of_stay, start_of
from records import predictions
from records.models import Alarm

# both onsets are estimates
ONSET_SLACK = timedelta(days=3)
# the days, and about the rows, over which two alarms are compared
COMPARED_DAYS, COMPARED_ROWS = 30, 50_000
# an alarm is explained when the log evidence that is left is below this share of its limit
EVIDENCE_LEFT = 0.5


@dataclass(frozen=True, eq=False)
class Window:
    """The recorded rows of some days: their columns and the day of each."""

    rows: Scored
    days: NDArray[np.datetime64]

    def since(self, day: date) -> NDArray[np.bool_]:
        """Return which rows are of a day or later."""
        return np.asarray(self.days >= np.datetime64(day), dtype=np.bool_)


class Consequences:
    """Finds which of a version's open alarms follow from which, through a closed day."""

    def __init__(self, cases: Cases, books: Ledger, budget: Budget, through: date) -> None:
        self.cases, self.books = cases, books
        self.budget, self.through = budget, through

    def find(self, alarms: Sequence[Alarm]) -> None:
        """Write into every alarm's details what it follows from, and what it does to the risk."""
        causes = [alarm for alarm in alarms if self._feature(alarm) is not None]
        for cause in causes:
            cause.details["risk"] = self._risk(cause)
        score = [alarm for alarm in alarms if alarm.stream == SCORE]
        for alarm in alarms:
            cause_of = self._cause(alarm, causes)
            if cause_of is None and alarm.stream.startswith("alerts:"):
                cause_of = self._cause(alarm, score)
            alarm.details["follows"] = cause_of.pk if cause_of else None

    def _feature(self, alarm: Alarm) -> str | None:
        """Return the measured feature that an alarm is about, if it is about one."""
        if alarm.stream == TRAFFIC:
            return None
        feature = self.cases.watched_by(alarm.stream).feature
        if feature is None or self.cases.definition.by_name[feature].derived is not None:
            return None
        return feature

    def _cause(self, alarm: Alarm, causes: Sequence[Alarm]) -> Alarm | None:
        """Return the alarm that explains another: a single one, else the first of all together."""
        if alarm.stream == TRAFFIC or alarm.stream.startswith("refusals:"):
            return None
        if self._feature(alarm) is not None:
            return None
        case = self.cases.case(alarm, self.books, self.through)
        possible = [one for one in causes if one is not alarm and self._spans(one, case.onset)]
        if not possible:
            return None
        window = self._window(case)
        groups = [[one] for one in possible] + ([possible] if len(possible) > 1 else [])
        left = [self._evidence_left(case, window, group) for group in groups]
        best = int(np.argmin(left))
        return groups[best][0] if left[best] < EVIDENCE_LEFT * self.budget.log_limit else None

    def _spans(self, cause: Alarm, onset: date) -> bool:
        return cause.since is not None and onset >= cause.since - ONSET_SLACK

    def _window(self, case: Case) -> Window:
        """Load the first days since an onset, as many as are compared."""
        rows, last = 0, case.onset
        for day, counts in case.days:
            if rows >= COMPARED_ROWS or day - case.onset >= timedelta(days=COMPARED_DAYS):
                break
            rows, last = rows + int(counts.sum()), day
        definition = self.cases.definition
        frame = predictions.window(
            definition.name,
            self.cases.version,
            start_of(case.onset),
            start_of(last + ONE_DAY),
            categorical=[f.name for f in definition.features if f.kind == "categorical"],
        )
        counted = first_of_stay(definition.name, self.cases.version, frame, case.onset)
        days = np.asarray(frame.predicted_at[counted], dtype="datetime64[D]")
        columns = {name: column[counted] for name, column in frame.features.items()}
        return Window(Scored(columns, frame.margin[counted], frame.risk[counted]), days)

    def _evidence_left(self, case: Case, window: Window, causes: Sequence[Alarm]) -> float:
        """Return the most log evidence that the stream would have without these causes."""
        rows = window.rows
        for cause in causes:
            changed = window.since(cause.since or cause.raised_on)
            rows = self._means.restored(rows, [self._feature(cause) or SCORE], changed)
        state, most = open_stream(case.watched.stream, case.before), -np.inf
        for day in np.unique(window.days).astype(object):
            chosen = window.days == np.datetime64(day)
            counts = case.watched.see(_of_day(rows, chosen)).counts
            closing = close_day(
                case.watched.stream, state.observe(counts, kind(day)), day, self.budget
            )
            state, most = closing.state, max(most, closing.log_total)
        return float(most)

    def _risk(self, cause: Alarm) -> Mapping[str, object]:
        """Say what a feature's change does to the risk over the days since its onset."""
        window = self._window(self.cases.case(cause, self.books, self.through))
        usual = self._means.restored(window.rows, [self._feature(cause) or SCORE])
        return effect_on_risk(self.cases.definition, window.rows, usual)

    @cached_property
    def _means(self) -> Counterfactual:
        # loading compiles the scorer's kernels, which runs without such an alarm don't need
        from models.risk_model import RiskModel

        model = RiskModel.load(self.cases.reference.parent, version=self.cases.version)
        return Counterfactual(self.cases.definition, self.cases.reference_column, model.scorer)


def _of_day(rows: Scored, chosen: NDArray[np.bool_]) -> DayRows:
    columns = {name: column[chosen] for name, column in rows.features.items()}
    return DayRows(columns, rows.margin[chosen], rows.risk[chosen], {}, int(chosen.sum()))
