"""What must hold before a budget is claimed, measured on the reference period, and the claim."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri
from scipy.stats import chi2, f, ttest_ind

from models.errors import StatisticsError
from monitoring.evidence.detector import DAYS_A_YEAR, LEAST_ROWS_FIXED, Budget
from monitoring.evidence.state import Floats

LEAST_ROWS = 1_000
LEAST_DAYS = 14
SIGNIFICANCE = 0.01
# daily means that differ by less are the same
ROUNDING = 1e-9


class Strata(StrEnum):
    """Which days are compared with each other."""

    ALL = "all days"
    WEEKEND = "weekdays and weekends"
    WEEKEND_MONTH = "weekdays and weekends of each month"


class Form(StrEnum):
    """How evidence is computed."""

    EXACT = "exact"
    COUNT = "count"


@dataclass(frozen=True)
class Design:
    """How a stream is watched; `separate_edges` says its edges come from rows not counted."""

    strata: Strata
    tau: float
    grows: bool
    separate_edges: bool


@dataclass(frozen=True)
class Assumption:
    """One condition of the budget, whether the reference period meets it, and what was measured."""

    name: str
    met: bool
    measured: str


@dataclass(frozen=True)
class Onboarding:
    """What the reference period shows; effects are in SDs of the normal score.

    `over_dispersion` is the variance of daily means over that of independent rows (1 if they
    are), `day_effect` the SD of the shift that days share. `season` is None before a year.
    """

    design: Design
    rows: int
    days: int
    over_dispersion: float
    day_effect: float
    weekend: float
    season: float | None
    assumptions: tuple[Assumption, ...]

    @property
    def unmet(self) -> tuple[Assumption, ...]:
        """Return the assumptions that are not met."""
        return tuple(assumption for assumption in self.assumptions if not assumption.met)


def assess(
    days: Sequence[date], counts: ArrayLike, *, stays: int, design: Design, earlier: int = 0
) -> Onboarding:
    """Measure a reference period: [days, bins] counts of ordered bins, and its distinct stays.

    `earlier` rows without a day, those of training, belong to the reference too. A categorical
    column is assessed one category at a time, as counts without and with it.
    """
    table = np.asarray(counts)
    _check(days, table, stays)
    kept = table.sum(axis=1) > 0
    table, when = table[kept], [day for day, use in zip(days, kept, strict=True) if use]
    rows = table.sum(axis=1).astype(float)
    means, variance = _daily_means(table)
    dispersion, day_effect, same = _over_dispersion(means, rows, variance, _groups(when, design))
    weekend, weekend_p = _weekend(means, when)
    season, season_p = _season(means, when)
    assumptions = (
        _edges(design),
        _size(int(rows.sum()) + earlier, design),
        _stays(int(rows.sum()), stays),
        _days_alike(dispersion, day_effect, same, design),
        _weekend_met(weekend, weekend_p, design),
        _season_met(season, season_p, design),
    )
    return Onboarding(
        design, int(rows.sum()), len(when), dispersion, day_effect, weekend, season, assumptions
    )


def budget_claim(onboarding: Onboarding, budget: Budget, form: Form) -> str:
    """Say what is claimed of the budget; the word guarantee stands only where the theorem does."""
    if onboarding.unmet:
        reasons = "; ".join(f"{one.name}: {one.measured}" for one in onboarding.unmet)
        return f"No budget claimed, because {reasons}. The stream is watched all the same."
    if form is Form.EXACT and onboarding.design.grows:
        return (
            f"Guarantee: the mean time to the first false alarm is at least {budget.years:g} "
            f"years, and the chance of any within T years at most T/{budget.years:g}, while rows "
            f"are exchangeable within {onboarding.design.strata}; no departure was found."
        )
    return (
        f"Simulated, not proved: about one false alarm or fewer in {budget.years:g} years over "
        f"{budget.streams} streams, while rows are exchangeable within "
        f"{onboarding.design.strata}; no departure was found."
    )


def _check(days: Sequence[date], table: Floats, stays: int) -> None:
    if table.ndim != 2 or table.shape[0] != len(days):
        raise StatisticsError(
            f"counts of shape {table.shape} for {len(days)} days: give a row each"
        )
    if (table < 0).any() or stays < 1:
        raise StatisticsError("counts can't be negative and stays must be at least 1")
    if int((table.sum(axis=1) > 0).sum()) < LEAST_DAYS:
        raise StatisticsError(f"fewer than {LEAST_DAYS} days with rows: too few to assess")


def _daily_means(table: Floats) -> tuple[Floats, float]:
    """Return each day's mean normal score and the variance of a row's."""
    total = table.sum(axis=0).astype(float)
    size = total.sum()
    scores = ndtri((np.cumsum(total) - total / 2 + 0.5) / (size + 1))
    centre = (total * scores).sum() / size
    variance = float((total * (scores - centre) ** 2).sum() / size)
    if variance <= 0:
        raise StatisticsError("all rows so far are alike, so how much days vary can't be measured")
    return np.asarray((table @ (scores - centre)) / table.sum(axis=1)), variance


def _groups(when: Sequence[date], design: Design) -> list[tuple[int, ...]]:
    if design.strata is Strata.ALL:
        return [()] * len(when)
    weekend = [int(day.weekday() >= 5) for day in when]
    if design.strata is Strata.WEEKEND:
        return [(kind,) for kind in weekend]
    return [(kind, day.month) for kind, day in zip(weekend, when, strict=True)]


def _over_dispersion(
    means: Floats, rows: Floats, variance: float, groups: list[tuple[int, ...]]
) -> tuple[float, float, float]:
    """Return the index of dispersion within strata, the day effect's SD, and the test's p."""
    statistic, freedom = 0.0, 0
    for group in set(groups):
        member = np.array([one == group for one in groups])
        weight, mean = rows[member], means[member]
        centre = (weight * mean).sum() / weight.sum()
        statistic += float((weight * (mean - centre) ** 2).sum() / variance)
        freedom += int(member.sum()) - 1
    if freedom < 1:
        raise StatisticsError(f"{len(groups)} days in {len(set(groups))} strata: too few to assess")
    index = statistic / freedom
    effect = float(np.sqrt(max(0.0, index - 1) / rows.mean()))
    return index, effect, float(chi2.sf(statistic, freedom))


def _weekend(means: Floats, when: Sequence[date]) -> tuple[float, float]:
    """Return the weekend's mean less the weekdays', and Welch's p with days as units."""
    weekend = np.array([day.weekday() >= 5 for day in when])
    if weekend.sum() < 2 or (~weekend).sum() < 2:
        return 0.0, 1.0
    difference = float(means[weekend].mean() - means[~weekend].mean())
    if means[weekend].std() + means[~weekend].std() < ROUNDING:
        return difference, 1.0 if abs(difference) < ROUNDING else 0.0
    return difference, float(ttest_ind(means[weekend], means[~weekend], equal_var=False).pvalue)


def _season(means: Floats, when: Sequence[date]) -> tuple[float | None, float]:
    """Return a yearly wave's amplitude and the F test's p; None before a year has been seen."""
    ordinals = np.array([day.toordinal() for day in when], dtype=float)
    if ordinals[-1] - ordinals[0] + 1 < DAYS_A_YEAR:
        return None, 0.0
    angle = 2 * np.pi * ordinals / 365.25
    waves = np.column_stack([np.ones_like(angle), np.cos(angle), np.sin(angle)])
    solution, *_ = np.linalg.lstsq(waves, means, rcond=None)
    left = float(((means - waves @ solution) ** 2).sum())
    gained = float(((means - means.mean()) ** 2).sum()) - left
    freedom = means.size - 3
    p = float(f.sf(gained / 2 / (left / freedom), 2, freedom)) if left > 0 else 0.0
    return float(np.hypot(solution[1], solution[2])), p


def _edges(design: Design) -> Assumption:
    which = "rows that are not counted" if design.separate_edges else "the counted rows themselves"
    return Assumption("separate edges", design.separate_edges, f"bin edges come from {which}")


def _size(rows: int, design: Design) -> Assumption:
    needed = LEAST_ROWS if design.grows and design.tau == 0 else LEAST_ROWS_FIXED
    return Assumption("reference size", rows >= needed, f"{rows:,} rows of {needed:,} needed")


def _stays(rows: int, stays: int) -> Assumption:
    return Assumption("one row a stay", rows <= stays, f"{rows / stays:.2f} rows a stay")


def _days_alike(dispersion: float, effect: float, p: float, design: Design) -> Assumption:
    # half of tau leaves room for two days that differ in opposite ways
    met = p >= SIGNIFICANCE or effect <= design.tau / 2
    measured = f"daily means vary {dispersion:.2f} times as independent rows would"
    return Assumption("days alike", met, f"{measured} (a day effect of {effect:.2g} SD)")


def _weekend_met(weekend: float, p: float, design: Design) -> Assumption:
    met = design.strata is not Strata.ALL or p >= SIGNIFICANCE or abs(weekend) <= design.tau / 2
    return Assumption("weekday effect", met, f"weekends differ by {weekend:+.2g} SD")


def _season_met(season: float | None, p: float, design: Design) -> Assumption:
    if season is None:
        return Assumption("season", False, "less than one year of reference, season can't be seen")
    met = design.strata is Strata.WEEKEND_MONTH or p >= SIGNIFICANCE or 2 * season <= design.tau
    return Assumption("season", met, f"a yearly wave of {season:.2g} SD")
