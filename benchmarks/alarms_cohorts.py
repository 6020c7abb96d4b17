"""False alarms, and days to true ones, on patients of real cohorts drawn anew for each day.

    auscult train mortality_5y --quick    # and the others that are wanted, into AUSCULT_HOME
    python -m benchmarks.alarms_cohorts --years 20 --write docs/monitoring.md

Each day's patients are drawn with replacement from the reference rows of a registered version, so
their features hang together as in life, and each stream is watched as the job watches it.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyarrow import parquet
from scipy.stats import binomtest

from benchmarks.alarms import median
from benchmarks.markdown import put_or_print, table
from models.catalogue import definitions
from models.definition import Definition, parse_definition
from models.errors import RegistryError
from models.profile import read_profile
from monitoring import strata
from monitoring.evidence.detector import DAYS_A_YEAR, Budget, close_day, open_stream
from monitoring.streams import DayRows, Watched
from monitoring.watchlist import budget_of, watched_streams
from records.settings import Settings, read_settings

Columns = Mapping[str, NDArray[Any]]
Change = Callable[[dict[str, NDArray[Any]], np.random.Generator], None]
START = date(2026, 1, 1)
QUIET, WITHIN = 60, 90
BEGIN, END = "<!-- cohorts: begin -->", "<!-- cohorts: end -->"


@dataclass(frozen=True, eq=False)
class Cohort:
    """A version's reference rows, and its streams; twins need a year, so they are left out."""

    definition: Definition
    features: Columns
    risk: NDArray[np.float64]
    streams: tuple[Watched, ...]
    budget: Budget

    @property
    def rows(self) -> int:
        """Return how many patients there are."""
        return int(self.risk.size)

    def day(self, rows: int, rng: np.random.Generator, change: Change | None = None) -> DayRows:
        """Draw a day's patients; what changes in them doesn't reach the score."""
        chosen = rng.integers(0, self.rows, rows)
        features = {name: column[chosen] for name, column in self.features.items()}
        if change:
            change(features, rng)
        risk = self.risk[chosen]
        return DayRows(features, np.log(risk) - np.log1p(-risk), risk, {}, rows)


def load(name: str, settings: Settings) -> Cohort:
    """Load the newest registered version's reference; raise RegistryError where there is none."""
    from training.registry import download, newest_version

    version = newest_version(name, settings=settings)
    place = settings.cache / "artefacts" / version.artefact_digest
    artefact = download(version, place, settings=settings)
    text = (artefact / "model.toml").read_bytes()
    definition = parse_definition(text, source=str(artefact))
    sample = parquet.read_table(artefact / "reference.parquet")
    features = {
        feature.name: (
            np.asarray(sample.column(feature.name).to_numpy(), dtype=np.float64)
            if feature.kind == "numeric"
            else np.array(sample.column(feature.name).to_pylist(), dtype=object)
        )
        for feature in definition.features
    }
    risk = np.asarray(sample.column("risk").to_numpy(), dtype=np.float64)
    watched = watched_streams(definition, read_profile(artefact / "profile.json"))
    streams = tuple(one for one in watched if not one.is_twin and one.reference.any())
    return Cohort(definition, features, risk, streams, budget_of(definition, watched))


def alarms(cohort: Cohort, streams: tuple[Watched, ...], days: Iterator[DayRows]) -> Iterator[int]:
    """Yield how many streams alarm on each day, which nobody looks at."""
    states = {one.key: open_stream(one.stream, strata.opened(one.reference)) for one in streams}
    for step, rows in enumerate(days):
        day, found = START + timedelta(step), 0
        for one in streams:
            state = states[one.key].observe(one.see(rows).counts, strata.stratum(day))
            closing = close_day(one.stream, state, day, cohort.budget, bag=strata.bag)
            states[one.key] = closing.state
            found += closing.alarm
        yield found


def null_row(cohort: Cohort, years: int, volume: int) -> tuple[str, ...]:
    """Return in how many years patients of the same cohort raised an alarm."""
    hit = 0
    for seed in range(years):
        rng = np.random.default_rng([seed, volume, 11])
        days = (cohort.day(volume, rng) for _ in range(DAYS_A_YEAR))
        hit += any(alarms(cohort, cohort.streams, days))
    interval = binomtest(hit, years).proportion_ci(method="exact")
    return (
        f"`{cohort.definition.name}`",
        f"{cohort.rows:,}",
        f"{len(cohort.streams)}",
        f"{volume}",
        f"{hit} of {years}",
        f"{interval.low:.0%} to {interval.high:.0%}",
    )


def delay_row(cohort: Cohort, words: str, feature: str, change: Change, runs: int) -> list[str]:
    """Return the median days until a change in one feature raises an alarm of that feature."""
    streams = tuple(one for one in cohort.streams if one.feature == feature)
    cells = []
    for volume in (30, 100, 500):
        found = []
        for seed in range(runs):
            rng = np.random.default_rng([seed, volume, 12])
            days = (
                cohort.day(volume, rng, change if step >= QUIET else None)
                for step in range(QUIET + WITHIN)
            )
            raised = (
                step - QUIET + 1
                for step, count in enumerate(alarms(cohort, streams, days))
                if count and step >= QUIET
            )
            found.append(float(next(raised, math.inf)))
        cells.append(median(found))
    return [f"`{cohort.definition.name}`: {words}", *cells]


def scaled(feature: str, factor: float, share: float = 1.0) -> Change:
    """Multiply a share of a feature's values."""

    def change(columns: dict[str, NDArray[Any]], rng: np.random.Generator) -> None:
        hit = rng.random(columns[feature].size) < share
        columns[feature] = np.where(hit, columns[feature] * factor, columns[feature])

    return change


def missing(feature: str, share: float) -> Change:
    """Let a share of a feature's values go missing."""

    def change(columns: dict[str, NDArray[Any]], rng: np.random.Generator) -> None:
        hit = rng.random(columns[feature].size) < share
        columns[feature] = np.where(hit, np.nan, columns[feature])

    return change


def changes_of(cohort: Cohort) -> list[tuple[str, str, Change]]:
    """Return what may go wrong with a cohort's creatinine, where it has that."""
    if "creatinine" not in cohort.features:
        return []
    return [
        ("creatinine assay reads 10 % high", "creatinine", scaled("creatinine", 1.1)),
        ("10 % of creatinine in umol/L", "creatinine", scaled("creatinine", 88.42, 0.1)),
        ("2 % of creatinine in umol/L", "creatinine", scaled("creatinine", 88.42, 0.02)),
        ("10 % more of creatinine missing", "creatinine", missing("creatinine", 0.1)),
    ]


def report(years: int, runs: int, zone: float | None) -> str:
    """Return both tables for every model that is registered here."""
    settings, cohorts, absent = read_settings(), [], []
    for name in definitions([]):
        try:
            cohorts.append(load(name, settings))
        except RegistryError:
            absent.append(name)
    if zone is not None:
        cohorts = [with_zone(one, zone) for one in cohorts]
    nulls = [null_row(one, years, volume) for one in cohorts for volume in (30, 100, 500)]
    delays = [
        delay_row(one, words, feature, change, runs)
        for one in cohorts
        for words, feature, change in changes_of(one)
    ]
    head = ("cohort", "patients", "streams", "rows a day", "years with an alarm", "95 % interval")
    said = f"Not trained here: {', '.join(absent)}.\n\n" if absent else ""
    return (
        f"{said}Patients of real cohorts, drawn anew each day, nothing changed:\n\n"
        f"{table(head, nulls)}\n\nMedian days from a change to its alarm, over {runs} runs (- is "
        f"not within {WITHIN} days):\n\n"
        f"{table(('change', '30 a day', '100 a day', '500 a day'), delays)}"
    )


def with_zone(cohort: Cohort, zone: float) -> Cohort:
    """Watch a cohort with another smallest drift than its definition's."""
    streams = tuple(replace(one, stream=replace(one.stream, tau=zone)) for one in cohort.streams)
    return replace(cohort, streams=streams)


def main() -> None:
    """Print the tables as markdown, or write them into a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, default=20, help="model-years a cohort and volume")
    parser.add_argument("--runs", type=int, default=9, help="runs of each change")
    parser.add_argument("--zone", type=float, help="smallest drift; the definition's by default")
    parser.add_argument("--write", type=Path, help="the file whose tables are replaced")
    chosen = parser.parse_args()
    zone = "" if chosen.zone is None else f" --zone {chosen.zone:g}"
    made = f"--years {chosen.years} --runs {chosen.runs}{zone}"
    text = (
        f"Made by `.venv/bin/python -m benchmarks.alarms_cohorts {made}`.\n\n"
        f"{report(chosen.years, chosen.runs, chosen.zone)}"
    )
    put_or_print(chosen.write, text, (BEGIN, END))


if __name__ == "__main__":
    main()
