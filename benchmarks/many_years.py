"""Many model-years without a change at once: the detector's arithmetic over many streams in a pass.

It stands for `benchmarks.alarms.null_alarms`, draws the same rows by the same seeds, and is checked
against it on some of them.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from benchmarks.drifts import START, AnyStream, Setting, Watched, model
from monitoring import strata
from monitoring.evidence.bets import Floats
from monitoring.evidence.binary import BinaryStream, log_odds_evidence
from monitoring.evidence.detector import DAYS_A_YEAR
from monitoring.evidence.dispersion import NOTHING_YET, Dispersion
from monitoring.evidence.numeric import NumericStream
from monitoring.streams import LEAST_ROWS_FIXED_MONTH

Counts = NDArray[np.int64]
SEEDS_AT_ONCE = 25


def null_years(setting: Setting, rows: int, seeds: Sequence[int], before: int) -> list[int]:
    """Return each model's alarms in the year after `before` days, in all of which nothing changes.

    By position, the streams of some models are closed together.
    """
    found: list[int] = []
    for start in range(0, len(seeds), SEEDS_AT_ONCE):
        found += _null_years(setting, rows, seeds[start : start + SEEDS_AT_ONCE], before)
    return found


def _null_years(setting: Setting, rows: int, seeds: Sequence[int], before: int) -> list[int]:
    found = np.zeros(len(seeds), dtype=np.int64)
    drawn = [np.random.default_rng([seed, rows, 1]) for seed in seeds]
    for one in model(setting):
        reference, days = [], []
        for rng in drawn:
            reference.append(rng.multinomial(setting.reference, one.shares))
            days.append(rng.multinomial(rows, one.shares, size=before + DAYS_A_YEAR))
        streams = Streams(setting, one, np.array(reference))
        for step, counts in enumerate(np.swapaxes(np.array(days), 0, 1)):
            alarms = streams.close(counts, START + timedelta(step))
            if step >= before:
                found += alarms
    return [int(alarms) for alarms in found]


class Streams:
    """Streams of one kind with their twins, [streams, ...], as `benchmarks.drifts.Case` has one."""

    def __init__(self, setting: Setting, one: Watched, reference: Counts) -> None:
        count, bins = reference.shape
        self.setting, self.one = setting, one
        self.training = reference
        self.months = np.zeros((count, strata.ROWS, bins), dtype=np.int64)
        self.twins = np.zeros_like(self.months)
        self.of_kind = np.zeros((count, strata.KINDS, bins), dtype=np.int64)
        self.last = np.zeros_like(self.of_kind)
        self.total, self.pairs = np.zeros(count), np.zeros(count, dtype=np.int64)
        self.log_m = np.full((count, len(one.stream.bets)), -np.inf)
        self.twins_log_m = self.log_m.copy()

    def close(self, counts: Counts, day: date) -> NDArray[np.bool_]:
        """Close a day with rows, [streams, bins]; return which streams or twins alarm."""
        row = strata.stratum(day) if self.setting.strata else 1
        known = self._divisors()
        evidence = log_evidence(self.one.stream, self._bags(row) + counts, counts)
        self.log_m, alarms = self._step(self.log_m, evidence / known[:, None])
        self._join(counts, row, day, ~alarms)
        if not self.one.twinned:
            return alarms
        if day < START + strata.YEAR:
            self.twins[:, row] += counts
            return alarms
        if int(self.twins[0, row].sum()) < LEAST_ROWS_FIXED_MONTH:
            return alarms
        evidence = log_evidence(self.one.stream, self.twins[:, row] + counts, counts)
        self.twins_log_m, late = self._step(self.twins_log_m, evidence / known[:, None])
        return alarms | late

    def _bags(self, row: int) -> Counts:
        kind = (row - 1) // strata.MONTHS
        start = 1 + kind * strata.MONTHS
        months = self.months[:, start : start + strata.MONTHS].sum(axis=2)
        seen = (months >= strata.LEAST_MONTH_ROWS).all(axis=1)
        whole = self.training + self.of_kind[:, kind]
        return np.asarray(np.where(seen[:, None], self.months[:, row], whole))

    def _step(self, log_m: Floats, evidence: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        stepped = evidence + np.logaddexp(log_m, 0.0)
        terms = self.one.stream.log_weights + stepped
        top = terms.max(axis=1)
        total = top + np.log(np.exp(terms - top[:, None]).sum(axis=1))
        alarms = total >= self.setting.budget.log_limit
        stepped[alarms] = -np.inf
        return stepped, alarms

    def _join(self, counts: Counts, row: int, day: date, joined: NDArray[np.bool_]) -> None:
        rows = counts * joined[:, None]
        self.months[:, row] += rows
        self.of_kind[:, (row - 1) // strata.MONTHS] += rows
        kind = strata.kind(day)
        bag = self.training + self.of_kind.sum(axis=1)
        paired = joined & self.last[:, kind].any(axis=1)
        found = _differences(self.last[:, kind], counts, bag, ordered=self.one.stream.ordered)
        self.total[paired] += found[paired]
        self.pairs += paired
        self.last[joined, kind] = counts[joined]

    def _divisors(self) -> Floats:
        each = zip(self.total.tolist(), self.pairs.tolist(), strict=True)
        known = (Dispersion(NOTHING_YET.last, total, pairs) for total, pairs in each)
        return np.array([one.divisor(self.setting.tau) for one in known])


def log_evidence(stream: AnyStream, bags: Counts, today: Counts) -> Floats:
    """Return each stream's log E of each bet, [streams, bets], as the stream itself would."""
    size, rows = bags.sum(axis=1, keepdims=True), float(today[0].sum())
    if not isinstance(stream, NumericStream):
        first = 1 if isinstance(stream, BinaryStream) else 0
        rates, events = (bags / size)[:, first:], today[:, first:].astype(float)
        found = log_odds_evidence(rates.ravel(), events.ravel(), rows, stream.tau)
        return found.reshape(len(bags), -1)
    bank = stream.bank
    ranks = (np.cumsum(bags, axis=1) - bags / 2) / size
    width = bank.ranks.size + 1
    places = (
        np.searchsorted(bank.ranks, ranks, side="right") + width * np.arange(len(bags))[:, None]
    )

    def gathered(counts: Counts) -> Floats:
        sums = np.bincount(places.ravel(), counts.ravel(), minlength=width * len(bags))
        return sums.reshape(len(bags), width)

    expected = ((gathered(bags) / size) @ bank.zone).max(axis=0)
    return np.asarray(gathered(today) @ bank.log_bet - rows * np.log(expected))


def _differences(a: Counts, b: Counts, bags: Counts, *, ordered: bool) -> Floats:
    """Return `dispersion.differences` of each stream; nonsense where a day had no rows."""
    rows, others = np.maximum(a.sum(axis=1), 1), np.maximum(b.sum(axis=1), 1)
    apart, spread = a / rows[:, None] - b / others[:, None], 1 / rows + 1 / others
    size = bags.sum(axis=1)
    if not ordered:
        held = bags > 0
        squares = (apart**2 / np.where(held, bags, 1)).sum(axis=1) * size
        return np.asarray(squares / (spread * np.maximum(held.sum(axis=1) - 1, 1)))
    ranks = np.cumsum(bags, axis=1) - bags / 2
    variance = (bags * ranks**2).sum(axis=1) / size - size**2 / 4
    return np.asarray((apart * ranks).sum(axis=1) ** 2 / (variance * spread))
