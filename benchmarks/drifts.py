"""Simulated days of a model's streams: quiet, drifting, or alike within weekends and seasons."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from models.edges import edges_from
from monitoring import strata
from monitoring.evidence.binary import BinaryStream
from monitoring.evidence.categorical import CategoricalStream
from monitoring.evidence.detector import Budget, close_day, open_stream
from monitoring.evidence.numeric import NumericStream
from monitoring.evidence.state import Counts
from monitoring.streams import LEAST_ROWS_FIXED_MONTH

Floats = NDArray[np.float64]
AnyStream = NumericStream | BinaryStream | CategoricalStream
Day = Callable[[np.random.Generator, int, int], Counts]

START = date(2026, 1, 1)
NUMERIC, MISSING, CODED = 14, 6, 1
REVIEWED_AFTER = 28
EDGES = edges_from(np.random.default_rng(20_260_101).normal(size=20_000))
EVEN = np.diff(ndtr(EDGES.cuts), prepend=0.0, append=1.0)
CODES = (0.55, 0.3, 0.1, 0.05)


@dataclass(frozen=True)
class Setting:
    """A way to watch: the zone of indifference, with twins, and with strata, or without."""

    name: str
    tau: float
    twins: bool
    strata: bool = False
    reference: int = 1_000

    @property
    def budget(self) -> Budget:
        """Return five years over all streams, twins included."""
        return Budget(5, (NUMERIC + MISSING) * (1 + self.twins) + CODED)


@dataclass(frozen=True)
class Watched:
    """A stream with its bins' shares when nothing is wrong, and whether it has a twin."""

    stream: AnyStream
    shares: Floats
    twinned: bool


def watched(setting: Setting, kind: str, rate: float = 0.05) -> Watched:
    """Return the stream of one kind: numeric, missing or coded."""
    if kind == "numeric":
        return Watched(NumericStream("x", EDGES, setting.tau), EVEN, setting.twins)
    if kind == "missing":
        shares = np.array([1 - rate, rate])
        return Watched(BinaryStream("x", "missing", setting.tau), shares, setting.twins)
    coded = CategoricalStream("rhythm", ("a", "b", "c", "d"), setting.tau)
    return Watched(coded, np.array([*CODES, 0.0]), False)


def model(setting: Setting) -> list[Watched]:
    """Return all streams of a made-up model."""
    rates = np.linspace(0.01, 0.3, MISSING)
    numeric = [watched(setting, "numeric")] * NUMERIC
    missing = [watched(setting, "missing", float(rate)) for rate in rates]
    return [*numeric, *missing, watched(setting, "coded")]


class Case:
    """A stream with its twin, day after day, as the job would have them."""

    def __init__(self, setting: Setting, one: Watched, rng: np.random.Generator) -> None:
        self.setting, self.one = setting, one
        self.twin_stream = replace(one.stream, grows=False)
        reference = strata.opened(rng.multinomial(setting.reference, one.shares))
        self.state = open_stream(one.stream, reference)
        self.twin = open_stream(self.twin_stream, np.zeros_like(reference))

    def close(self, counts: Counts, day: date, *, joins: bool = True) -> bool:
        """Close a day; return whether the stream or its twin alarms."""
        row = strata.stratum(day) if self.setting.strata else 1
        budget, known = self.setting.budget, self.state.dispersion
        closing = close_day(
            self.one.stream,
            self.state.observe(counts, row),
            day,
            budget,
            joins=joins,
            bag=strata.bag,
        )
        self.state = closing.state
        if not self.one.twinned:
            return closing.alarm
        self.twin = replace(self.twin, dispersion=known)
        if day < START + strata.YEAR:
            self.twin = self.twin.admit(counts, row) if joins else self.twin
            return closing.alarm
        if int(self.twin.reference[row].sum()) < LEAST_ROWS_FIXED_MONTH:
            return closing.alarm
        second = close_day(
            self.twin_stream,
            self.twin.observe(counts, row),
            day,
            budget,
        )
        self.twin = second.state
        return closing.alarm or second.alarm

    def dismiss(self, days: Sequence[tuple[date, Counts]]) -> None:
        """Let the days of an alarm that proved false join the reference."""
        if self.setting.strata:
            rows = strata.local(days, self.one.stream.bins)
        else:
            rows = np.zeros_like(self.state.reference)
            rows[1] = np.sum([counts for _, counts in days], axis=0)
        self.state = strata.admitted(self.state, rows)


def alarms(
    setting: Setting, one: Watched, days: Iterator[Counts], rng: np.random.Generator
) -> Iterator[bool]:
    """Yield for each day whether there's an alarm, which nobody looks at."""
    case = Case(setting, one, rng)
    for step, counts in enumerate(days):
        yield case.close(counts, START + timedelta(step))


def reviewed(
    setting: Setting, one: Watched, days: Iterator[Counts], rng: np.random.Generator
) -> Iterator[bool]:
    """Yield for each day whether there's an alarm, which is found false after 28 days."""
    case, since = Case(setting, one, rng), list[tuple[date, Counts]]()
    for step, counts in enumerate(days):
        day = START + timedelta(step)
        alarm = case.close(counts, day, joins=not since)
        yield alarm and not since
        if since or alarm:
            since.append((day, counts))
        if len(since) > REVIEWED_AFTER:
            case.dismiss(since)
            since = []


def numeric_day(change: Callable[[Floats, np.random.Generator, int], Floats]) -> Day:
    """Make a day from what happens to its normal scores."""
    return lambda rng, rows, day: EDGES.count(change(rng.normal(size=rows), rng, day))


def shares_day(shares: tuple[float, ...]) -> Day:
    """Make a day whose rows fall into the bins with these shares."""
    return lambda rng, rows, _day: rng.multinomial(rows, shares)


def strays(share: float, by: float) -> Callable[[Floats, np.random.Generator, int], Floats]:
    """Put a share of rows so many SD higher."""
    return lambda x, rng, _day: x + by * (rng.random(x.size) < share)


def ramp_of(slope: float) -> Day:
    """Make days that run higher by so many SD a month, more and more."""
    return numeric_day(lambda x, _rng, day: x + slope * day / 30)


def weekend_and_season(x: Floats, _rng: np.random.Generator, day: int) -> Floats:
    """Let weekends run 0.3 SD higher, and a yearly wave 0.2 SD up and down."""
    weekend = 0.3 * ((START + timedelta(day)).weekday() >= 5)
    return np.asarray(x + weekend + 0.2 * np.sin(2 * np.pi * day / 365.25))


DRIFTS: tuple[tuple[str, str, Day], ...] = (
    ("shift of 0.1 SD", "numeric", numeric_day(lambda x, _r, _d: x + 0.1)),
    (
        "0.173 SD, an assay that reads 10 % high",
        "numeric",
        numeric_day(lambda x, _r, _d: x + 0.173),
    ),
    ("shift of 0.3 SD", "numeric", numeric_day(lambda x, _r, _d: x + 0.3)),
    ("shift of 0.5 SD", "numeric", numeric_day(lambda x, _r, _d: x + 0.5)),
    ("ramp of 0.1 SD a month", "numeric", numeric_day(lambda x, _r, day: x + day / 300)),
    ("spread 1.2 times as wide", "numeric", numeric_day(lambda x, _r, _d: x * 1.2)),
    ("10 % of rows in umol/L", "numeric", numeric_day(strays(0.1, 8.1))),
    ("2 % of rows in umol/L", "numeric", numeric_day(strays(0.02, 8.1))),
    ("a new site: 20 % of rows 1 SD higher", "numeric", numeric_day(strays(0.2, 1.0))),
    ("frozen at its median", "numeric", numeric_day(lambda x, _r, _d: np.zeros_like(x))),
    ("missing in 15 % instead of 5 %", "missing", shares_day((0.85, 0.15))),
    ("a category coded anew", "coded", shares_day((0.55, 0.3, 0.1, 0.0, 0.05))),
)
