"""How often the alarm is false, and how soon it is true: simulated, deterministic by seed.

    python -m benchmarks.alarms --years 12 --runs 9 --write docs/monitoring.md --readme README.md

Everything is simulated on independent rows; nothing here is a proof. With --write the tables
replace those between the file's markers, else they are printed.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import brier_score_loss, roc_auc_score

from benchmarks.dependence import dependence_table
from benchmarks.drift_tests import peers_table
from benchmarks.drifts import (
    DRIFTS,
    START,
    Day,
    Setting,
    Watched,
    alarms,
    model,
    ramp_of,
    watched,
)
from benchmarks.many_years import null_years
from benchmarks.markdown import put_between, put_or_print, table
from monitoring.calibration import BETS, days_of_risks
from monitoring.evidence.detector import DAYS_A_YEAR
from monitoring.evidence.state import Counts
from monitoring.expected import RiskHistogram
from monitoring.independence import Outcomes
from monitoring.outcome_bets import first_alarm
from monitoring.traffic import silent_since

VOLUMES = (30, 100, 500)
WATCHED_DAYS, YEAR_OF_TWINS = 180, 370
ENOUGH_YEARS = 12
ALONE = Setting("0, without twins", tau=0.0, twins=False)
AS_WATCHED = Setting("0.1, as watched", tau=0.1, twins=True, strata=True)
SETTINGS = (ALONE, AS_WATCHED)
BEGIN, END = "<!-- alarms: begin -->", "<!-- alarms: end -->"


def quiet_days(one: Watched, rows: int, days: int, rng: np.random.Generator) -> Iterator[Counts]:
    """Yield days in which nothing is wrong."""
    return (rng.multinomial(rows, one.shares) for _ in range(days))


def null_alarms(setting: Setting, rows: int, seed: int) -> int:
    """Return how many alarms one model raises in a year in which nothing changes.

    With twins that is the second year, since their first one is their reference.
    """
    rng = np.random.default_rng([seed, rows, 1])
    before = YEAR_OF_TWINS if setting.twins else 0
    found = 0
    for one in model(setting):
        days = quiet_days(one, rows, before + DAYS_A_YEAR, rng)
        found += sum(list(alarms(setting, one, days, rng))[before:])
    return found


def delay(
    setting: Setting,
    kind: str,
    drift: Day,
    rows: int,
    quiet: int,
    seed: int,
    within: int = WATCHED_DAYS,
) -> float:
    """Return the days from a change to the first alarm after it, infinity if none is raised."""
    rng = np.random.default_rng([seed, rows, 2])
    one = watched(setting, kind)

    def days() -> Iterator[Counts]:
        yield from quiet_days(one, rows, quiet, rng)
        for day in range(within):
            yield drift(rng, rows, day)

    for day, alarm in enumerate(alarms(setting, one, days(), rng)):
        if alarm and day >= quiet:
            return day - quiet + 1
    return math.inf


def years_with_alarm(setting: Setting, volume: int, years: int) -> int:
    """Return in how many model-years without a change there was an alarm.

    The years with one, and the first without, are run by the detector itself as well.
    """
    before = YEAR_OF_TWINS if setting.twins else 0
    found = null_years(setting, volume, range(years), before)
    for seed in {found.index(0), *(seed for seed, count in enumerate(found) if count)}:
        if null_alarms(setting, volume, seed) != found[seed]:
            raise SystemExit(f"{setting.name}, {volume} rows a day: year {seed} doesn't agree")
    return sum(count > 0 for count in found)


def null_rows(years: int) -> Iterator[tuple[str, ...]]:
    """Yield the false alarms of each setting and volume."""
    for setting in SETTINGS:
        for volume in VOLUMES:
            hit = years_with_alarm(setting, volume, years)
            interval = binomtest(hit, years).proportion_ci(method="exact")
            words = f"{interval.low:.1%} to {interval.high:.1%}"
            yield setting.name, f"{volume}", f"{hit} of {years:,}", words


def null_table(rows: Sequence[tuple[str, ...]]) -> str:
    """Return the false alarms as a table."""
    said = (
        "False alarms in model-years in which nothing changes, by `smallest_drift_sd` (the budget "
        "of 5 years allows an alarm in 20 % of years):"
    )
    head = ("smallest drift", "rows a day", "years with an alarm", "95 % interval")
    return f"{said}\n\n{table(head, rows)}"


def delay_rows(runs: int, quiet: int) -> Iterator[tuple[str, ...]]:
    """Yield the median delays of each drift, by setting and volume."""
    for name, kind, drift in DRIFTS:
        cells = (
            median([delay(setting, kind, drift, volume, quiet, seed) for seed in range(runs)])
            for setting in SETTINGS
            for volume in VOLUMES
        )
        yield name, *cells


def delay_table(rows: Sequence[tuple[str, ...]], runs: int, quiet: int) -> str:
    """Return the median delays as a table."""
    said = (
        f"Median days from a change to its alarm, over {runs} runs, after {quiet} quiet days, by "
        f"rows a day (- is not within {WATCHED_DAYS} days):"
    )
    columns = (f"{setting.tau:g}: {volume}" for setting in SETTINGS for volume in VOLUMES)
    return f"{said}\n\n{table(('change', *columns), rows)}"


def short_table(nulls: Sequence[tuple[str, ...]], delays: Sequence[tuple[str, ...]]) -> str:
    """Return both in one table, as watched and, in brackets, where every shift matters."""
    count = len(VOLUMES)
    at_0, watched_ = ([row[2] for row in part] for part in (nulls[:count], nulls[count:]))
    rows = [
        ("no change: years with an alarm", *map(_beside, watched_, at_0)),
        *((row[0], *map(_beside, row[1 + count :], row[1 : 1 + count])) for row in delays),
    ]
    return table(("median days to an alarm after", *(f"{n} rows a day" for n in VOLUMES)), rows)


def _beside(watched_: str, at_0: str) -> str:
    return f"{watched_} ({at_0})"


def ramp_table(runs: int) -> str:
    """Return how long a slow ramp takes to be seen once the twins have their year."""
    rows = []
    for slope in (0.1, 0.03):
        ramp = ramp_of(slope)
        cells = [
            median(
                [
                    delay(setting, "numeric", ramp, volume, YEAR_OF_TWINS, seed, 2 * DAYS_A_YEAR)
                    for seed in range(runs)
                ]
            )
            for setting in (replace(AS_WATCHED, twins=False), AS_WATCHED)
            for volume in (100, 500)
        ]
        rows.append((f"{slope} SD a month", *cells))
    said = (
        f"Median days to an alarm on a slow ramp that begins after a year, over {runs} runs (- is "
        "not within two years):"
    )
    head = ("ramp", "without twins: 100", "500", "as watched: 100", "500")
    return f"{said}\n\n{table(head, rows)}"


def median(found: Sequence[float]) -> str:
    """Word a median delay."""
    middle = float(np.median(found))
    return f"{middle:.0f}" if math.isfinite(middle) else "-"


def calibration_delay(change: Callable[[np.ndarray], np.ndarray], seed: int) -> float:
    """Return the days of prediction until the calibration alarm, 100 outcomes a day."""
    rng = np.random.default_rng([seed, 7])
    odds = rng.normal(-2, 1, 100 * WATCHED_DAYS)
    happened = rng.random(odds.size) < 1 / (1 + np.exp(-change(odds)))
    days = np.datetime64(START) + np.repeat(np.arange(WATCHED_DAYS), 100)
    everyone = np.arange(odds.size)
    known = np.ones(odds.size, dtype=np.bool_)
    risk, weights = 1 / (1 + np.exp(-odds)), np.ones(odds.size)
    outcomes = Outcomes(days, everyone, risk, happened, known, weights)
    found = first_alarm(BETS, days_of_risks([outcomes], 30, None), AS_WATCHED.budget)
    return (found.seen.last - START).days + 1 if found else math.inf


def silence_delay(seed: int) -> int:
    """Return the days until a feed of 100 requests a day, after eight weeks, counts as silent."""
    rng = np.random.default_rng([seed, 8])
    requests = {START + timedelta(day): int(rng.poisson(100)) for day in range(56)}
    for day in range(56, 100):
        requests[START + timedelta(day)] = 0
        if silent_since(requests, START + timedelta(day), AS_WATCHED.budget.log_limit):
            return day - 55
    raise AssertionError("a feed that ended was never noticed")


def other_table(runs: int) -> str:
    """Return what is watched otherwise: calibration, silence, and CBPE's error."""
    cases: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "events 30 % likelier (odds x 1.3)": lambda odds: odds + math.log(1.3),
        "risks too extreme (slope 0.6)": lambda odds: 0.6 * odds,
        "nothing changed": lambda odds: odds,
    }
    rows = [
        (f"calibration: {name}", median([calibration_delay(change, seed) for seed in range(runs)]))
        for name, change in cases.items()
    ]
    rows.append(("a feed that fell silent", median([silence_delay(seed) for seed in range(runs)])))
    rng = np.random.default_rng(9)
    risk = 1 / (1 + np.exp(-rng.normal(-2, 1, 1_000_000)))
    happened = rng.random(risk.size) < risk
    found = RiskHistogram.of(risk, ()).expected()
    auroc = abs((found.auroc or 0) - roc_auc_score(happened, risk))
    brier = abs(found.brier - brier_score_loss(happened, risk))
    said = f"Median days to other alarms, 100 rows a day, {runs} runs:"
    error = (
        "Performance expected without outcomes, against the truth, on 1,000,000 calibrated rows: "
        f"the AUROC was {auroc:.4f} off, the Brier score {brier:.4f}."
    )
    return f"{said}\n\n{table(('change', 'days'), rows)}\n\n{error}"


def main() -> None:
    """Print the tables as markdown, or write them into a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, default=12, help="model-years without drift")
    parser.add_argument("--runs", type=int, default=9, help="runs of each drift")
    parser.add_argument("--quiet", type=int, default=60, help="quiet days before each drift")
    parser.add_argument("--models", type=int, default=3, help="models with weekends and seasons")
    parser.add_argument("--evidently-days", type=int, default=10, help="0: without Evidently")
    parser.add_argument("--write", type=Path, help="the file whose tables are replaced")
    parser.add_argument("--readme", type=Path, help="the file whose short table is replaced")
    chosen = parser.parse_args()
    nulls = list(null_rows(chosen.years))
    delays = list(delay_rows(chosen.runs, chosen.quiet))
    text = "\n\n".join(
        (
            f"Made by `.venv/bin/python -m benchmarks.alarms --years {chosen.years} "
            f"--runs {chosen.runs} --models {chosen.models} "
            f"--evidently-days {chosen.evidently_days}`"
            f"{', a small run' if chosen.years < ENOUGH_YEARS else ''}.",
            null_table(nulls),
            delay_table(delays, chosen.runs, chosen.quiet),
            ramp_table(chosen.runs),
            dependence_table(ALONE, AS_WATCHED, chosen.models, chosen.runs),
            peers_table(1, chosen.evidently_days),
            other_table(chosen.runs),
        )
    )
    if chosen.readme:
        put_between(chosen.readme, short_table(nulls, delays), (BEGIN, END))
    put_or_print(chosen.write, text, (BEGIN, END))


if __name__ == "__main__":
    main()
