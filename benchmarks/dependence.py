"""What the alarm does where days aren't alike: weekends, seasons, stays and whole days' effects.

Every person stays for five days and gives a row on each, as in a hospital; watched as it should be,
one row a stay is counted (see `monitoring.windows`).
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.drifts import (
    EDGES,
    NUMERIC,
    Setting,
    Watched,
    reviewed,
    watched,
    weekend_and_season,
)
from benchmarks.markdown import table
from monitoring.evidence.detector import DAYS_A_YEAR
from monitoring.evidence.state import Counts

STAY_DAYS, ROW_SD = 5, 0.3
SHIFT_SD, SHIFT_WITHIN = 0.5, 60


@dataclass(frozen=True)
class Ward:
    """A ward's days: so many people come on each, and all rows of a day share its effect."""

    admissions: int
    day_effect_sd: float = 0.0
    stay_days: int = 1
    one_row_a_stay: bool = True

    def days(self, rng: np.random.Generator, shift_from: int | None = None) -> Iterator[Counts]:
        """Yield the counts of day after day, from a day on half an SD higher if that is wanted."""
        staying: deque[np.ndarray] = deque(maxlen=self.stay_days)
        day = 0
        while True:
            staying.append(rng.normal(size=self.admissions))
            people = staying[-1] if self.one_row_a_stay else np.concatenate(staying)
            own = math.sqrt(1 - ROW_SD**2) * people + ROW_SD * rng.normal(size=people.size)
            values = weekend_and_season(own, rng, day) + self.day_effect_sd * rng.normal()
            if shift_from is not None and day >= shift_from:
                values += SHIFT_SD
            yield EDGES.count(values)
            day += 1

    def shares(self) -> np.ndarray:
        """Return the bins' shares of a whole such year, from which training was drawn."""
        days = self.days(np.random.default_rng(4))
        total = np.sum([next(days) for _ in range(DAYS_A_YEAR)], axis=0)
        return np.asarray(total / total.sum())


def years_of_alarms(setting: Setting, ward: Ward, seed: int) -> tuple[int, int]:
    """Return a model's alarms in its first year and in its second."""
    rng, first, second = np.random.default_rng([seed, 3]), 0, 0
    for _ in range(NUMERIC):
        one = _watched(setting, ward)
        days = (counts for counts, _ in zip(ward.days(rng), range(2 * DAYS_A_YEAR), strict=False))
        found = list(reviewed(setting, one, days, rng))
        first += sum(found[:DAYS_A_YEAR])
        second += sum(found[DAYS_A_YEAR:])
    return first, second


def delay(setting: Setting, ward: Ward, seed: int) -> float:
    """Return the days from a shift in the second year to its alarm, infinity if none comes."""
    rng = np.random.default_rng([seed, 5])
    since = DAYS_A_YEAR + 30 + 11 * seed
    days = zip(ward.days(rng, since), range(since + SHIFT_WITHIN), strict=False)
    found = reviewed(setting, _watched(setting, ward), (counts for counts, _ in days), rng)
    late = (day - since + 1 for day, alarm in enumerate(found) if alarm and day >= since)
    return next(late, math.inf)


def dependence_table(nothing: Setting, as_watched: Setting, models: int, runs: int) -> str:
    """Return the alarms of each violation, with nothing done about it and as it is watched."""
    rows = []
    for name, effect, stay in (
        ("weekends and a season", 0.0, 1),
        ("and a day's effect of 0.1 SD", 0.1, 1),
        (f"and stays of {STAY_DAYS} days", 0.1, STAY_DAYS),
    ):
        for admissions in (30, 100, 500):
            bare = Ward(admissions, effect, stay, one_row_a_stay=False)
            counted = Ward(admissions, effect, stay)
            rows.append(
                (
                    name,
                    f"{admissions}",
                    *_means(nothing, bare, models),
                    *_means(as_watched, counted, models),
                    _median_delay(as_watched, counted, runs),
                )
            )
    said = (
        "Alarms a model-year where weekends run 0.3 SD higher, a season moves 0.2 SD, all rows of "
        f"a day share an effect and everybody stays for some days, {NUMERIC} streams, {models} "
        "models, each alarm found false after 28 days; strata need a year before they help. "
        f"The last column has the median days, over {runs} runs, until a shift of {SHIFT_SD:g} SD "
        "in the second year is found among all that:"
    )
    columns = ("nothing done, year 1", "year 2", "as watched, year 1", "year 2")
    head = ("days differ by", "people a day", *columns, f"{SHIFT_SD:g} SD found in")
    return f"{said}\n\n{table(head, rows)}"


def _watched(setting: Setting, ward: Ward) -> Watched:
    one = watched(setting, "numeric")
    return Watched(one.stream, ward.shares(), one.twinned)


def _means(setting: Setting, ward: Ward, models: int) -> tuple[str, str]:
    found = [years_of_alarms(setting, ward, seed) for seed in range(models)]
    first, second = np.mean(found, axis=0)
    return f"{first:.2f}", f"{second:.2f}"


def _median_delay(setting: Setting, ward: Ward, runs: int) -> str:
    middle = float(np.median([delay(setting, ward, seed) for seed in range(runs)]))
    return f"{middle:.0f}" if math.isfinite(middle) else "-"
