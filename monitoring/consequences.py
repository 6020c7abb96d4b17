"""One cause, one alarm: which open alarms follow from another one, and what that does to risk.

An alarm of the score, of an alert rate, of a share of explanations or of a derived feature follows
from the alarm of a measured feature when its onset lies in the other's span, and when little of its
evidence is left once the same patients are scored with that feature as it was before. Where it
takes several such features, it joins the alarm of the one that explains most. It keeps its
evidence; where too much is left, it stands alone, and so does what began before its cause. Requests
that are refused for a value follow from the alarm of the feature whose values are refused. The
alarm of a site, ward or override reason is a part of that of all rows or all overrides, which is at
least as severe.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from monitoring import chapters
from monitoring.alarms import Case
from monitoring.cases import Cases
from monitoring.compared import Window
from monitoring.counterfactual import Counterfactual, Scored, effect_on_risk
from monitoring.evidence.detector import Budget
from monitoring.evidence_left import BY_VALUE, Days, most_evidence, without_refused
from monitoring.ledger import Ledger, accepted_since, day_counts
from monitoring.override_streams import OVERRIDES
from monitoring.roots import as_severe_as_what_follows, begins_before, slack, to_roots
from monitoring.streams import AT, SCORE, TRAFFIC, at_key, everywhere, site_of, ward_of
from monitoring.windows import first_of_stay
from records.models import Alarm

# at least so many days, and about so many rows, are those over which two alarms are compared
COMPARED_DAYS, COMPARED_ROWS = 30, 50_000
# an alarm is explained when the log evidence that is left is below this share of its limit
EVIDENCE_LEFT = 0.5
# what may be a cause where its feature is measured, and what a cause may explain
ABOUT_A_FEATURE = ("value", "missing", "category")
EXPLAINED = (*ABOUT_A_FEATURE, "score", "alerts", "share")


class Consequences:
    """Finds which of a version's open alarms follow from which, through a closed day."""

    def __init__(self, cases: Cases, books: Ledger, budget: Budget, through: date) -> None:
        self.cases, self.books = cases, books
        self.budget, self.through = budget, through

    def find(self, alarms: Sequence[Alarm]) -> None:
        """Write into every alarm's details what it follows from, and what it does to the risk."""
        for cause in alarms:
            if self._feature(cause) is not None:
                cause.details["risk"] = self._risk(cause)
        for alarm in alarms:
            pooled = self.pooled(alarm, alarms)
            found = [pooled] if pooled else self._causes(alarm, alarms)
            alarm.details["follows"] = found[0].pk if found else None
            alarm.details["together_with"] = [one.pk for one in found[1:]]
        for alarm in alarms:
            at = [
                one
                for one in alarms
                if one.stream == at_key(alarm.stream, site_of(one.stream) or "")
                if self.pooled(one, [alarm]) is alarm
            ]
            alarm.details["sits"] = self._sits(alarm, at) if at else None
        to_roots(alarms)
        as_severe_as_what_follows(alarms)

    def possible_causes(self, alarm: Alarm, alarms: Sequence[Alarm]) -> list[Alarm]:
        """Return which of some alarms may explain the evidence of one, by what they're about."""
        if not self._is_explained(alarm):
            return []
        case = self.cases.case(alarm, self.books, self.through)
        return [one for group in self._possible(alarm, case, alarms) for one in group]

    def pooled(self, alarm: Alarm, alarms: Sequence[Alarm]) -> Alarm | None:
        """Return the open alarm of all sites' or overrides' rows of which one is a part."""
        for whole in wholes_of(alarm.stream):
            for one in alarms:
                if one.stream != whole or not self._holds(one, alarm):
                    continue
                if not self._opposite(one, alarm):
                    return one
        return None

    def _holds(self, whole: Alarm, part: Alarm) -> bool:
        """Say whether an alarm begins in another's span."""
        if part.since is None or whole.since is None or begins_before(part, whole):
            return False
        return part.since - slack(part, whole) <= chapters.changed_through(whole, self.through)

    def _opposite(self, one: Alarm, other: Alarm) -> bool:
        """Say whether two changes go opposite ways; categories do by all of their shares."""
        if one.kind != "category" or other.kind != "category":
            return _opposite_sizes(one, other)
        cases = (self.cases.case(alarm, self.books, self.through) for alarm in (one, other))
        first, second = (case.moved for case in cases)
        return bool(first @ second < 0)

    def _sits(self, alarm: Alarm, at: Sequence[Alarm]) -> Mapping[str, object]:
        """Say at which sites an alarm is seen by itself, and if little is left without them."""
        case = self.cases.case(alarm, self.books, self.through)
        last = max(alarm.raised_on, case.onset + timedelta(days=COMPARED_DAYS - 1))
        days = [(day, counts.sum(axis=0)) for day, counts in case.changed if day <= last]
        enough = EVIDENCE_LEFT * self.budget.log_limit
        whole = most_evidence(case, days, self.budget)
        own = [dict(day_counts(self.books, one.stream, case.onset, last)) for one in at]
        elsewhere = [
            (day, np.maximum(counts - sum(part.get(day, 0) for part in own), 0))
            for day, counts in days
        ]
        left = most_evidence(case, elsewhere, self.budget)
        names = sorted({str(site_of(one.stream)) for one in at})
        others = any(counts.any() for _, counts in elsewhere)
        return {"sites": names, "only": bool(others and left < enough <= whole)}

    def _subject(self, alarm: Alarm) -> str:
        return TRAFFIC if alarm.stream == TRAFFIC else self.cases.watched_by(alarm.stream).subject

    def _feature(self, alarm: Alarm) -> str | None:
        """Return the measured feature that an alarm is about, if it is about one."""
        if self._subject(alarm) not in ABOUT_A_FEATURE:
            return None
        feature = self.cases.watched_by(alarm.stream).feature
        if feature is None or self.cases.definition.by_name[feature].derived is not None:
            return None
        return feature

    def _is_explained(self, alarm: Alarm) -> bool:
        """Say whether an alarm is of a kind that others may explain."""
        if alarm.stream == BY_VALUE:
            return True
        return self._subject(alarm) in EXPLAINED and self._feature(alarm) is None

    def _possible(
        self, alarm: Alarm, case: Case, alarms: Sequence[Alarm]
    ) -> tuple[list[Alarm], list[Alarm]]:
        """Return the alarms on features that may explain one, and else those that may."""
        causes = [one for one in alarms if self._feature(one) is not None and one is not alarm]
        if alarm.stream == BY_VALUE:
            given = [one for one in causes if self._subject(one) != "missing"]
            return [one for one in given if self._begins_in(one, alarm, case)], []
        score = [one for one in alarms if everywhere(one.stream) == SCORE and one is not alarm]
        others = score if self._subject(alarm) == "alerts" else []
        causes, others = (
            [one for one in group if self._spans(one, alarm, case)] for group in (causes, others)
        )
        return causes, others

    def _causes(self, alarm: Alarm, alarms: Sequence[Alarm]) -> list[Alarm]:
        """Return what explains an alarm, most first, from the features or else from the others."""
        if not self._is_explained(alarm):
            return []
        case = self.cases.case(alarm, self.books, self.through)
        groups, enough = self._possible(alarm, case, alarms), EVIDENCE_LEFT * self.budget.log_limit
        if not any(groups):
            return []
        if alarm.stream == BY_VALUE:
            return self._refused(case, groups[0], enough)
        window = self.window(case, alarm.raised_on)
        if self._evidence_left(case, window, []) < enough:  # too few rows to explain away
            return []
        explained = (self._explained(case, window, possible, enough) for possible in groups)
        return next((chosen for chosen in explained if chosen), [])

    def _refused(self, case: Case, causes: Sequence[Alarm], enough: float) -> list[Alarm]:
        """Return the alarm on the values that are refused, if little is left without them."""
        days = [(day, counts.sum(axis=0)) for day, counts in case.changed]
        if most_evidence(case, days, self.budget) < enough:
            return []
        # what all rows show comes before what one site's do
        for cause in sorted(causes, key=lambda one: site_of(one.stream) is not None):
            others = self.without_refused(case, cause)
            if most_evidence(case, others, self.budget) < enough:
                return [cause]
        return []

    def without_refused(self, case: Case, cause: Alarm) -> Days:
        """Return a case's days as if no value of a cause's feature had been refused in its span."""
        model, version = self.cases.definition.name, self.cases.version
        spans = chapters.changed_days(cause, self.through)
        return without_refused(case, model, version, str(self._feature(cause)), spans)

    def _explained(
        self, case: Case, window: Window, possible: list[Alarm], enough: float
    ) -> list[Alarm]:
        """Return a single alarm that leaves too little evidence, or as few as do together."""
        chosen: list[Alarm] = []
        while possible:
            left = [self._evidence_left(case, window, [*chosen, one]) for one in possible]
            best = int(np.argmin(left))
            chosen.append(possible.pop(best))
            if left[best] < enough:
                return chosen
        return []

    def _spans(self, cause: Alarm, alarm: Alarm, case: Case) -> bool:
        """Say whether an alarm begins in a cause's span, and at its site if it has one."""
        at = site_of(cause.stream) in (None, case.watched.site)
        return at and self._begins_in(cause, alarm, case)

    def _begins_in(self, cause: Alarm, alarm: Alarm, case: Case) -> bool:
        if cause.since is None or case.onset < cause.since - slack(cause, alarm):
            return False
        return case.onset <= chapters.changed_through(cause, self.through)

    def window(self, case: Case, raised_on: date) -> Window:
        """Load a change's days until its alarm was raised, or as many as are compared."""
        compared = compared_days(case, raised_on)
        last = compared[-1][0] if compared else case.onset
        frame = self.cases.answers(case.onset, last)
        chosen = first_of_stay(self.cases.definition.name, self.cases.version, frame, case.onset)
        if case.watched.site is not None:
            chosen = chosen & (frame.site == case.watched.site)
        days = np.asarray(frame.predicted_at, dtype="datetime64[D]")
        chosen = chosen & np.isin(days, [np.datetime64(day) for day, _ in case.changed])
        days = days[chosen]
        columns = {name: column[chosen] for name, column in frame.features.items()}
        scored = Scored(
            columns,
            frame.margin[chosen],
            frame.risk[chosen],
            frame.contributions[chosen],
            frame.site[chosen],
        )
        return Window(scored, days)

    def _evidence_left(self, case: Case, window: Window, causes: Sequence[Alarm]) -> float:
        """Return the most log evidence that the stream would have without these causes."""
        return most_evidence(case, self.without(case, window, causes), self.budget)

    def without(self, case: Case, window: Window, causes: Sequence[Alarm]) -> Days:
        """Return the counts of a window's days as they would be without these causes."""
        rows = window.rows
        for cause in causes:
            span = window.within(chapters.changed_days(cause, self.through))
            rows = self._restored(cause, rows, span)
        return [(day, case.watched.see(part).counts) for day, part in window.by_day(rows)]

    def _restored(
        self, cause: Alarm, rows: Scored, changed: NDArray[np.bool_] | slice = slice(None)
    ) -> Scored:
        """Return the rows with what a cause is about as it was before, at its site if any."""
        site, feature = site_of(cause.stream), self._feature(cause) or SCORE
        onset = cause.since or cause.raised_on
        accepted = accepted_since(self.books, cause.stream, onset)
        if site is None and accepted is None:
            return self._means.restored(rows, [feature], changed)
        usual = self.cases.earlier_column(cause.stream, site, onset, accepted or date.min)
        return self._means.restored(rows, [feature], changed, usual)

    def _risk(self, cause: Alarm) -> Mapping[str, object]:
        """Say what a feature's change does to the risk over the days since its onset."""
        case = self.cases.case(cause, self.books, self.through)
        window = self.window(case, cause.raised_on)
        usual = self._restored(cause, window.rows)
        return effect_on_risk(self.cases.definition, window.rows, usual)

    @cached_property
    def _means(self) -> Counterfactual:
        # loading compiles the scorer's kernels, which runs without such an alarm don't need
        from models.risk_model import RiskModel

        model = RiskModel.load(self.cases.reference.parent, version=self.cases.version)
        return Counterfactual(self.cases.definition, self.cases.reference_column, model.scorer)


def compared_days(case: Case, raised_on: date) -> Days:
    """Return the counts, [bins], of a change's days until its alarm, or of as many as compared."""
    rows, found = 0, Days()
    through = max(raised_on, case.onset + timedelta(days=COMPARED_DAYS - 1))
    for day, counts in case.changed:
        if rows >= COMPARED_ROWS or day > through:
            break
        found.append((day, counts.sum(axis=0)))
        rows += int(counts.sum())
    return found


def wholes_of(stream: str) -> tuple[str, ...]:
    """Return the streams of which one counts a place's or an override reason's part, next first."""
    whole, site = everywhere(stream), site_of(stream)
    if ward_of(stream) is not None:
        return (at_key(whole, site), whole) if site else (whole,)
    found = [whole] if site else []
    if whole.startswith(f"{OVERRIDES}:"):
        found += [f"{OVERRIDES}{AT}{site}", OVERRIDES] if site else [OVERRIDES]
    return tuple(found)


def _opposite_sizes(one: Alarm, other: Alarm) -> bool:
    """Say whether two changes on the same scale go opposite ways."""
    sizes = [alarm.details.get("size") for alarm in (one, other)]
    if not all(sizes) or len({size["scale"] for size in sizes}) > 1:
        return False
    first, second = (size["now"] - size["before"] for size in sizes)
    return bool(first * second < 0)
