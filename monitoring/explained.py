"""What a signature explains: evidence that had gathered meanwhile in what follows from an alarm.

A stream that follows from an alarm may not have alarmed itself yet when that is closed as a fault
or as an accepted change. What is signed for the one is signed for both: evidence that began to
gather in the alarm's span, and of which little would be left without it, begins anew with the next
day. Else the stream would alarm of days that were decided on. What isn't explained keeps its
evidence.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from monitoring import alarms, chapters
from monitoring import ledger as books
from monitoring.alarms import Case
from monitoring.closing import Job, details_of
from monitoring.consequences import EVIDENCE_LEFT, Consequences, compared_days
from monitoring.evidence.state import Floats, StreamState
from monitoring.evidence_left import BY_VALUE, evidence_by_bet
from monitoring.ledger import Ledger
from monitoring.roots import LEAST_SLACK
from monitoring.stays import ONE_DAY
from monitoring.streams import TRAFFIC, Watched
from records.decisions import ACCEPT, CLOSED, FAULT
from records.models import Alarm, Review

Bets = NDArray[np.bool_]


def settle(job: Job, ledger: Ledger) -> list[Alarm]:
    """Apply what reviewers decided on closed alarms, and begin anew what evidence that explains.

    Return the alarms, to be saved as settled; `details["explained"]` names the streams of
    which that was more than as many days give in mean where nothing changed.
    """
    found = list(_explained(job, ledger))
    settled = books.settle(ledger, job.watched)
    for one, bets, cause in found:
        state = ledger.states[one.key]
        ledger.states[one.key] = state.forget(bets)
        if not _exceeds_chance(state, bets):
            continue
        for alarm in settled:
            if alarm.pk == cause.pk:
                known = alarm.details.get("explained", [])
                alarm.details = {**alarm.details, "explained": [*known, one.key]}
    return settled


def _exceeds_chance(state: StreamState, bets: Bets) -> bool:
    days = state.closed_through - int(state.run_start[bets].min()) + 1
    return bool(state.log_m[bets].max() > math.log(days))


def _explained(job: Job, ledger: Ledger) -> Iterator[tuple[Watched, Bets, Alarm]]:
    """Yield each stream of which a decision explains the evidence of some bets, and by which."""
    closed = Alarm.objects.filter(
        model=job.model, version=job.version, state=CLOSED, details__settled=False
    )
    decided = Review.objects.filter(alarm__in=closed, decision__in=(FAULT, ACCEPT))
    of_decided = closed.filter(pk__in=decided.values("alarm")).exclude(stream=TRAFFIC)
    confirmed = list(of_decided.order_by("pk"))
    if not confirmed or ledger.closed_through is None:
        return
    own = {*closed.values_list("stream", flat=True), *ledger.open_alarms}
    gathering = _Gathering(job, ledger, ledger.closed_through, confirmed)
    for one in job.watched:
        if one.base not in own and (found := gathering.explained(one)):
            yield one, *found


class _Gathering:
    """Finds the evidence of streams without an alarm that alarms explain which were confirmed."""

    def __init__(self, job: Job, ledger: Ledger, through: date, confirmed: Sequence[Alarm]) -> None:
        self.job, self.ledger, self.through, self.confirmed = job, ledger, through, confirmed
        self.consequences = Consequences(job.cases, ledger, job.budget, through)
        first = min(one.since or one.raised_on for one in confirmed)
        self.first = first - LEAST_SLACK

    def explained(self, one: Watched) -> tuple[Bets, Alarm] | None:
        """Return which bets' evidence is explained by an alarm, and by which."""
        state = self.ledger.states[one.key]
        terms = np.where(state.log_run > 0, one.stream.log_weights + state.log_m, -np.inf)
        since = np.where(state.run_start >= self.first.toordinal(), terms, -np.inf)
        for best in dict.fromkeys((int(terms.argmax()), int(since.argmax()))):
            if not np.isfinite(terms[best]):
                continue
            onset = date.fromordinal(int(state.run_start[best]))
            found = self._judged(one, best, onset)
            if found is not None:
                bets, cause = found
                begun, last = state.run_start, chapters.changed_through(cause, self.through)
                bets &= begun >= min(onset, self.first).toordinal()
                bets &= begun <= last.toordinal()
                return (bets, cause) if bets.any() else None
        return None

    def _judged(self, one: Watched, bet: int, onset: date) -> tuple[Bets, Alarm] | None:
        """Judge evidence as if the stream alarmed now, by a bet that leads since an onset.

        A bet's evidence is explained where less than half of it is left, or no more than as many
        days give in mean where nothing changed. A part goes with its whole, as alarms do.
        """
        alarm = self._gathered(one, bet, onset)
        case = self.job.cases.case(alarm, self.ledger, self.through)
        if not case.days:  # all that it weighed came late
            return None
        described = alarms.describe(case)
        alarm.kind, alarm.since = described.kind, described.since
        alarm.details |= described.figures
        if pooled := self.consequences.pooled(alarm, self.confirmed):
            return np.ones(len(one.stream.bets), dtype=np.bool_), pooled
        causes = self.consequences.possible_causes(alarm, self.confirmed)
        if not causes:
            return None
        days, budget = compared_days(case, self.through), self.job.budget
        whole, chance = evidence_by_bet(case, days, budget), math.log(len(days))
        little = np.maximum(EVIDENCE_LEFT * np.minimum(whole, budget.log_limit), chance)
        left = self._left(case, causes) if (whole > chance).any() else whole
        return np.minimum(left, whole) <= little, causes[0]

    def _left(self, case: Case, causes: Sequence[Alarm]) -> Floats:
        """Return each bet's evidence without what the causes did."""
        budget = self.job.budget
        if case.watched.key == BY_VALUE:
            others = [self.consequences.without_refused(case, one) for one in causes]
            left = np.array([evidence_by_bet(case, days, budget) for days in others])
            return np.asarray(left.min(axis=0), dtype=np.float64)
        window = self.consequences.window(case, self.through)
        return evidence_by_bet(case, self.consequences.without(case, window, causes), budget)

    def _gathered(self, one: Watched, bet: int, onset: date) -> Alarm:
        """Return the alarm that a stream would have whose days have all joined the reference."""
        details = details_of(one, one.stream.bets[bet], onset)
        details["held_from"] = (self.through + ONE_DAY).isoformat()
        return Alarm(
            model=self.job.model,
            version=self.job.version,
            stream=one.base,
            raised_on=self.through,
            details=details,
        )
