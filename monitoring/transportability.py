"""Transportability: how the people met in the first weeks differ from those of training, once.

Change is judged by alarms, against a local reference that grows. This is the other question, with
the other reference: does the model meet the people that it was made from? It has no budget and no
alarm, but effect sizes with intervals, over the first four weeks and the first thousand stays.

A standardised difference is that of the means, or of the shares, over the root of the mean of both
variances (Austin, Statistics in Medicine 2009;28:3083), with Hedges' and Olkin's large-sample
interval; differences of shares have Newcombe's (Statistics in Medicine 1998;17:873, method 10).
Both take stays to be independent.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.definition import Definition
from models.profile import CategoricalProfile, NumericProfile, ReferenceProfile
from monitoring import windows
from monitoring.stays import ONE_DAY
from monitoring.streams import SCORE, DayRows, is_missing
from monitoring.wilson import Z95, wilson
from records.models import DayCount, MonitorRun

LEAST_DAYS, LEAST_STAYS = 28, 1_000
# below this a difference of groups is commonly taken as none (Austin 2009); then Cohen's
SIZES = ((0.1, "alike"), (0.5, "small"), (0.8, "medium"), (math.inf, "large"))
MEAN, SHARE = "mean", "share"


@dataclass(frozen=True)
class Sample:
    """What is known of one quantity among some people: how many, the mean (or share) and the SD."""

    rows: int
    mean: float
    sd: float


@dataclass(frozen=True)
class Contrast:
    """One quantity here and in training; `difference` is here less training, with its interval.

    `standardised` is None where neither varies, or one of the two holds nobody.
    """

    key: str
    title: str
    kind: str
    unit: str
    training: Sample
    here: Sample
    difference: float | None
    low: float | None
    high: float | None
    standardised: float | None
    standardised_low: float | None
    standardised_high: float | None

    @property
    def size(self) -> str:
        """Name the effect's size."""
        if self.standardised is None:
            return "not estimable"
        return next(words for below, words in SIZES if abs(self.standardised) < below)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {**asdict(self), "size": self.size}


class _Moments:
    """Sums of what is seen day by day, about a centre that keeps them small."""

    def __init__(self, centre: float) -> None:
        self.centre, self.rows, self.total, self.squares = centre, 0, 0.0, 0.0

    def add(self, values: NDArray[np.float64]) -> None:
        """Add a day's values."""
        apart = values - self.centre
        self.rows += values.size
        self.total += float(apart.sum())
        self.squares += float((apart * apart).sum())

    @property
    def sample(self) -> Sample:
        """Return what is known of all values."""
        if not self.rows:
            return Sample(0, 0.0, 0.0)
        mean = self.total / self.rows
        variance = max(self.squares / self.rows - mean * mean, 0.0)
        return Sample(self.rows, self.centre + mean, math.sqrt(variance))


def commissioning(model: str, version: str) -> tuple[date, date] | str:
    """Return the first and the last day of the commissioning period, or why it isn't over."""
    days = DayCount.objects.filter(model=model, version=version, stream=SCORE).order_by("day")
    first, stays, last = None, 0, None
    for day, total in days.values_list("day", "total"):
        first, last, stays = first or day, day, stays + total
        if (day - first).days + 1 >= LEAST_DAYS and stays >= LEAST_STAYS:
            return first, day
    watched = (last - first).days + 1 if first and last else 0
    return (
        f"not yet: {watched} days and {stays:,} stays were watched, {LEAST_DAYS} and "
        f"{LEAST_STAYS:,} are needed"
    )


def transportability(
    definition: Definition, version: str, profile: ReferenceProfile
) -> dict[str, Any]:
    """Compare the commissioning period with training, or say why that can't be done yet."""
    period = commissioning(definition.name, version)
    if isinstance(period, str):
        return {"reason": period}
    first, last = period
    seen = [_Seen(*one) for one in _quantities(definition, profile)]
    stays, day = 0, first
    while day <= last:
        for _, rows in windows.rows_by_day(definition, version, day, day):
            stays += rows.margin.size
            for one in seen:
                one.add(definition, rows)
        day += ONE_DAY
    contrasts = [contrast(one.key, one.title, one.unit, one.training, one.here) for one in seen]
    return {
        "first": first.isoformat(),
        "last": last.isoformat(),
        "stays": stays,
        "training_rows": profile.rows_counted,
        "contrasts": [one.to_dict() for one in contrasts],
    }


def found_at_commissioning(model: str, version: str) -> dict[str, Any]:
    """Return what was found once, or else why it wasn't yet; nothing of a version never watched."""
    runs = MonitorRun.objects.filter(model=model, version=version, finished_at__isnull=False)
    done = runs.filter(summary__transportability__has_key="contrasts").order_by("pk").first()
    run = done or runs.order_by("-pk").first()
    found: dict[str, Any] = run.summary.get("transportability", {}) if run else {}
    return found


def by_size(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what was found, the largest effects first."""
    return sorted(found.get("contrasts", ()), key=lambda one: -abs(one["standardised"] or 0.0))


def contrast(key: str, title: str, unit: str, training: Sample, here: Sample) -> Contrast:
    """Compare one quantity here with the same in training."""
    kind = SHARE if key.partition(":")[0] in SHARES else MEAN
    if not (training.rows and here.rows):
        nothing = (None,) * 6
        return Contrast(key, title, kind, unit, training, here, *nothing)
    difference = here.mean - training.mean
    low, high = _of_shares(here, training) if kind == SHARE else _of_means(here, training)
    spread = math.sqrt((training.sd**2 + here.sd**2) / 2)
    if not spread:
        same = 0.0 if difference == 0 else None
        return Contrast(
            key, title, kind, unit, training, here, difference, low, high, same, same, same
        )
    d, rows = difference / spread, training.rows + here.rows
    half = Z95 * math.sqrt(rows / (training.rows * here.rows) + d * d / (2 * rows))
    return Contrast(
        key, title, kind, unit, training, here, difference, low, high, d, d - half, d + half
    )


SHARES = ("missing", "category", "alerts")


def _of_means(here: Sample, training: Sample) -> tuple[float, float]:
    """Return the interval of a difference of means whose variances may differ (Welch)."""
    half = Z95 * math.sqrt(here.sd**2 / here.rows + training.sd**2 / training.rows)
    difference = here.mean - training.mean
    return difference - half, difference + half


def _of_shares(here: Sample, training: Sample) -> tuple[float, float]:
    """Return Newcombe's interval of a difference of shares."""
    (a, a_low, a_high), (b, b_low, b_high) = (
        wilson(one.mean * one.rows, one.rows) for one in (here, training)
    )
    low = a - b - math.hypot(a - a_low, b_high - b)
    return low, a - b + math.hypot(a_high - a, b - b_low)


class _Seen:
    """A quantity with its sample in training, and what is seen of it here."""

    def __init__(self, key: str, title: str, unit: str, training: Sample) -> None:
        self.key, self.title, self.unit, self.training = key, title, unit, training
        self._moments = _Moments(training.mean)

    @property
    def here(self) -> Sample:
        """Return what was seen."""
        return self._moments.sample

    def add(self, definition: Definition, rows: DayRows) -> None:
        """Add a day's stays."""
        if rows.margin.size:
            self._moments.add(np.asarray(_values(definition, self.key, rows), dtype=np.float64))


def _values(definition: Definition, key: str, rows: DayRows) -> NDArray[Any]:
    """Return what a quantity is among a day's stays; missing ones are none of the known."""
    subject, _, what = key.partition(":")
    if subject == SCORE:
        return rows.margin
    if subject == "alerts":
        return rows.risk >= float(what)
    feature, _, code = what.partition("=")
    column = rows.column(feature)
    missing = is_missing(column)
    if subject == "missing":
        return missing
    known: NDArray[Any] = column[~missing]
    return known == code if subject == "category" else known


def _quantities(
    definition: Definition, profile: ReferenceProfile
) -> Iterator[tuple[str, str, str, Sample]]:
    """Yield each quantity's key, title, unit and sample in training."""
    for feature in definition.features:
        found = profile.features[feature.name]
        known = found.total - found.missing
        if isinstance(found, NumericProfile):
            sample = Sample(known, found.mean, found.sd)
            yield f"value:{feature.name}", feature.title, feature.unit or "", sample
        elif isinstance(found, CategoricalProfile):
            for code, title in feature.categories.items():
                key, words = f"category:{feature.name}={code}", f"{feature.title}: {title}"
                yield key, words, "", _share(found.counts.get(code, 0), known)
        if not feature.required:
            words = f"{feature.title}: missing"
            yield f"missing:{feature.name}", words, "", _share(found.missing, found.total)
    score = profile.score
    rows = score.total - score.missing
    yield SCORE, "Score (log-odds)", "", Sample(rows, score.mean, score.sd)
    for threshold in definition.thresholds:
        alerts = profile.alerts[f"{threshold.risk:g}"]
        words = f"A risk of {100 * threshold.risk:g} % or more"
        yield f"alerts:{threshold.risk:g}", words, "", _share(alerts, profile.rows_counted)


def _share(count: int, rows: int) -> Sample:
    share = count / rows if rows else 0.0
    return Sample(rows, share, math.sqrt(share * (1 - share)))
