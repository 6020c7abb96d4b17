"""What a wider zone of indifference does in a first year whose season nobody can know yet.

.venv/bin/python -m benchmarks.first_year --write docs/monitoring.md
"""

import argparse
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.alarms import AS_WATCHED, VOLUMES, delay, median
from benchmarks.dependence import Ward
from benchmarks.drifts import NUMERIC, Setting, Watched, numeric_day, reviewed, watched
from benchmarks.markdown import put_or_print, table
from monitoring.evidence.detector import DAYS_A_YEAR

WIDER = Setting("0.2", tau=0.2, twins=True, strata=True)
SETTINGS = (AS_WATCHED, WIDER)
SHIFTS, QUIET_DAYS = (0.3, 0.5), 60
BEGIN, END = "<!-- first year: begin -->", "<!-- first year: end -->"


def alarms_of(setting: Setting, admissions: int, seed: int) -> int:
    """Return a model's alarms in a first year of weekends and a season, found false in 28 days."""
    ward, rng, found = Ward(admissions), np.random.default_rng([seed, 7]), 0
    for _ in range(NUMERIC):
        one = watched(setting, "numeric")
        one = Watched(one.stream, ward.shares(), one.twinned)
        found += sum(reviewed(setting, one, islice(ward.days(rng), DAYS_A_YEAR), rng))
    return found


def first_year_table(models: int, runs: int) -> str:
    """Return alarms in the first year, and how long shifts take, by the smallest drift."""
    rows = []
    for setting in SETTINGS:
        for volume in VOLUMES:
            quiet = np.mean([alarms_of(setting, volume, seed) for seed in range(models)])
            delays = [
                median([_delay(setting, shift, volume, seed) for seed in range(runs)])
                for shift in SHIFTS
            ]
            rows.append((f"{setting.tau:g}", f"{volume}", f"{quiet:.1f}", *delays))
    shifts = (f"{shift:g} SD found in" for shift in SHIFTS)
    head = ("smallest drift", "people a day", "alarms in the first year", *shifts)
    said = (
        f"Alarms a model in a first year in which weekends run 0.3 SD higher and a season moves "
        f"0.2 SD, {NUMERIC} streams, {models} models, each alarm found false after 28 days; and "
        f"median days, over {runs} runs, to an alarm on a shift after {QUIET_DAYS} days without a "
        "season (- is not within 180 days):"
    )
    return f"{said}\n\n{table(head, rows)}"


def _delay(setting: Setting, shift: float, volume: int, seed: int) -> float:
    day = numeric_day(lambda scores, _rng, _day: scores + shift)
    return delay(setting, "numeric", day, volume, QUIET_DAYS, seed)


def main() -> None:
    """Print the table as markdown, or write it into a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=3)
    parser.add_argument("--runs", type=int, default=11, help="runs of each shift")
    parser.add_argument("--write", type=Path, help="the file whose table is replaced")
    chosen = parser.parse_args()
    made = f"--models {chosen.models} --runs {chosen.runs}"
    text = (
        f"Made by `.venv/bin/python -m benchmarks.first_year {made}`.\n\n"
        f"{first_year_table(chosen.models, chosen.runs)}"
    )
    put_or_print(chosen.write, text, (BEGIN, END))


if __name__ == "__main__":
    main()
