"""Alarms as they are recorded: what is seen, since when, how large, and how severe."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.definition import Definition
from models.feature import Feature
from models.units import accepted_units, convert
from monitoring.evidence import alarm as evidence_alarm
from monitoring.evidence.alarm import words_since
from monitoring.evidence.detector import Closing
from monitoring.evidence.history import History, PastDay
from monitoring.evidence.size import Median, Size, size_of
from monitoring.evidence.spans import Span, daily_evidence, spans_of
from monitoring.evidence.state import Counts, StreamState
from monitoring.evidence.units import LEAST_ROWS, UnitChange, UnitFinding, recognise_unit
from monitoring.stays import ONE_DAY
from monitoring.streams import Watched
from records.decisions import ACKNOWLEDGED, ASSIGNED, MUTED, OPEN
from records.models import Alarm

Severity = Literal["critical", "warning", "notice"]
SEVERITIES: tuple[Severity, ...] = ("notice", "warning", "critical")
RANK: dict[str, int] = {name: rank for rank, name in enumerate(SEVERITIES)}
OPEN_STATES = (OPEN, ACKNOWLEDGED, ASSIGNED, MUTED)

# sizes from which a change is critical or a warning, by the scale it's measured on
CRITICAL = {"SD": 1.0, "ratio of SDs": 2.0, "share": 0.25}
WARNING = {"SD": 0.3, "ratio of SDs": 1.3, "share": 0.05}


@dataclass(frozen=True, eq=False)
class Case:
    """What an alarm rests on: its stream, the bet that led, the onset and the days since.

    `before` is the reference without any day since the onset; `days` are those with rows. Counts
    are [weekdays and weekends, bins]. `compared` gives the reference's counts for a day, [bins],
    as the stream compares it, `divisor` is what its evidence is divided by.
    """

    watched: Watched
    bet: int
    onset: date
    before: Counts
    days: tuple[tuple[date, Counts], ...]
    raised_on: date
    log_limit: float
    compared: Callable[[date], Counts]
    divisor: float

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """Return since when, or from when to when, the change was there."""
        days = [day for day, _ in self.days]
        bet = self.watched.stream.bets[self.bet]
        rows = np.array([counts.sum(axis=0) for _, counts in self.days])
        bags = np.array([self.compared(day) for day in days])
        gains = daily_evidence(self.watched.stream, bet, bags, rows) / self.divisor
        return tuple(spans_of(days, gains, self.raised_on, self.log_limit))

    @cached_property
    def changed(self) -> tuple[tuple[date, Counts], ...]:
        """Return the days on which the change was there."""
        return tuple(row for row in self.days if any(span.holds(row[0]) for span in self.spans))

    @property
    def ended(self) -> date | None:
        """Return the last changed day, None while the change goes on."""
        return self.spans[-1].last

    @property
    def moved(self) -> NDArray[np.float64]:
        """Return by how much each bin's share has changed, weekdays and weekends as now."""
        now = np.sum([counts for _, counts in self.changed], axis=0)
        rows = now.sum(axis=1)
        usual = self.before / np.maximum(self.before.sum(axis=1, keepdims=True), 1)
        return np.asarray((now.sum(axis=0) - rows @ usual) / rows.sum(), dtype=np.float64)

    def size(self, days: Iterable[tuple[date, Counts]]) -> Size:
        """Return how far the rows of some days differ from those before, as the bet has it."""
        stream, counts = self.watched.stream, [rows for _, rows in days]
        return size_of(stream, stream.bets[self.bet], self.before, np.sum(counts, axis=0))


@dataclass(frozen=True)
class Described:
    """An alarm in words and figures, ready to be recorded."""

    kind: str
    severity: Severity
    since: date
    summary: str
    figures: dict[str, Any]


def describe(
    case: Case, unit: UnitFinding | None = None, graded: Mapping[str, str] | None = None
) -> Described:
    """Describe an alarm over the days since its onset on which its change was there.

    `graded` is what was kept of its severity when it was described before, which saves weighing the
    same days again.
    """
    stream = case.watched.stream
    state = _state(case)
    last, bet = case.changed[-1][0], stream.bets[case.bet]
    closing = Closing(state, last, True, np.zeros(0), 0.0, 0.0, bet, case.onset, {}, joined=False)
    history = History(tuple(PastDay(day, rows, joined=False) for day, rows in case.changed))
    rows_are, spans = case.watched.rows_are, case.spans
    found = evidence_alarm.describe(stream, closing, history, unit, rows_are, spans)
    after = [row for row in case.days if case.ended and row[0] > case.ended]
    tail = f"; {words_since(case.size(after), stream.tau)}" if after else ""
    figures = {
        "size": asdict(found.size),
        "medians": _lower_ends(found.medians),
        "rows": found.rows,
        "direction": found.direction,
        "through": case.days[-1][0].isoformat(),
        "spans": [
            [span.first.isoformat(), span.last.isoformat() if span.last else None] for span in spans
        ],
        "ended": case.ended.isoformat() if case.ended else None,
        "unit": asdict(unit) if unit else None,
    }
    grade, figures["graded"] = ("critical", None) if unit else gravest(case, graded)
    return Described(found.kind, grade, found.onset, f"{found.sentence}{tail}.", figures)


def _lower_ends(medians: tuple[Median, Median] | None) -> tuple[float, float] | None:
    """Return from where the medians before and now lie, None where one lies below all cuts."""
    ends = (medians[0].low, medians[1].low) if medians else None
    return ends if ends and np.isfinite(ends).all() else None


def _state(case: Case) -> StreamState:
    bets = len(case.watched.stream.bets)
    nothing = np.full(bets, -np.inf)
    rows = np.zeros_like(case.before)
    return StreamState(case.before, rows, nothing, nothing, np.zeros(bets, np.int32))


def gravest(
    case: Case, known: Mapping[str, str] | None = None
) -> tuple[Severity, dict[str, str] | None]:
    """Return the gravest of what an alarm said of its change on any day since it was raised.

    Beside it is what to keep of that: days that `known` speaks for aren't weighed again where they,
    and what they are compared with, are the same to the bit.
    """
    last = case.changed[-1][0]
    if last < case.raised_on:  # before it, an alarm says what all of its days show
        return severity(case.size(case.changed)), None
    worst, weighed = SEVERITIES[0], case.raised_on - ONE_DAY
    if known is not None:
        through = date.fromisoformat(known["through"])
        if known["of"] == _rests_on(case, through):
            worst, weighed = SEVERITIES[RANK[known["severity"]]], through
    total = np.zeros_like(case.before)
    for day, counts in case.changed:
        total = total + counts
        if day > weighed and worst != SEVERITIES[-1]:
            worst = max(worst, severity(case.size([(day, total)])), key=RANK.__getitem__)
    return worst, {"severity": worst, "through": last.isoformat(), "of": _rests_on(case, last)}


def _rests_on(case: Case, through: date) -> str:
    """Return the digest of what an alarm's severity rests on through a day."""
    found = hashlib.sha256(f"{case.bet} {case.before.shape}".encode() + case.before.tobytes())
    for day, counts in case.changed:
        if day <= through:
            found.update(f"{day} {counts.dtype}".encode() + counts.tobytes())
    return found.hexdigest()


def severity(size: Size) -> Severity:
    """Grade a change by its size alone."""
    if size.scale == "ratio of SDs":
        extent = max(size.now, 1 / size.now)
    else:
        extent = abs(size.now - size.before)
    if extent >= CRITICAL[size.scale]:
        return "critical"
    return "warning" if extent >= WARNING[size.scale] else "notice"


def recognise(
    feature: Feature, reference: NDArray[np.float64], recent: NDArray[np.float64]
) -> UnitFinding | None:
    """Look for a unit of the feature's analyte in which the recent values would fit."""
    known = [values[np.isfinite(values)] for values in (reference, recent)]
    changes = unit_changes(feature)
    if not changes or min(values.size for values in known) < LEAST_ROWS:
        return None
    if np.ptp(known[0]) == 0:
        return None
    return recognise_unit(known[0], known[1], changes)


def by_cause(found: Iterable[Alarm]) -> list[tuple[Alarm, list[Alarm]]]:
    """Return each alarm that stands alone with those that follow from it, in the given order."""
    listed = list(found)
    known = {alarm.pk for alarm in listed}

    def follows(alarm: Alarm) -> int | None:
        cause = alarm.details.get("follows")
        return cause if cause in known else None

    return [
        (alarm, [other for other in listed if follows(other) == alarm.pk])
        for alarm in listed
        if follows(alarm) is None
    ]


def where_words(alarm: Alarm) -> list[str]:
    """Return the sentences that say where an alarm's change sits, if it sits somewhere."""
    where = alarm.details.get("where") or {"dimensions": []}
    return [one["words"] for one in where["dimensions"] if one["verdict"] in ("sits", "leans")]


def unit_changes(feature: Feature) -> list[UnitChange]:
    """Return what values would look like that came in another unit than the one they claim."""
    if feature.unit is None or feature.source != "observation":
        return []
    changes = []
    for unit in accepted_units(feature.unit, feature.analyte):
        offset = convert(0.0, feature.unit, to=unit, analyte=feature.analyte)
        factor = convert(1.0, feature.unit, to=unit, analyte=feature.analyte) - offset
        if (factor, offset) != (1.0, 0.0):
            changes.append(UnitChange(f"{unit} taken for {feature.unit}", factor, offset))
    return changes


def silence(definition: Definition, first: date, day: date) -> Described:
    """Describe a feed that fell silent."""
    days = (day - first).days + 1
    whole = "day" if days == 1 else "days"
    return Described(
        "silent_feed",
        "critical",
        first,
        f"No request for {definition.title.lower()} for {days} {whole}, since {first.isoformat()}: "
        "earlier weeks leave no doubt that there should be some.",
        {"days": days, "through": day.isoformat()},
    )
