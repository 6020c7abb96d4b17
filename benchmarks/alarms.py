"""How often the alarm is false, and how soon it is true: simulated, deterministic by seed.

    python -m benchmarks.alarms --years 20 --runs 15 > alarms.md

Everything printed is simulated on independent rows; nothing here is a proof.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import binomtest

from models.edges import edges_from
from monitoring.evidence.binary import BinaryStream
from monitoring.evidence.categorical import CategoricalStream
from monitoring.evidence.detector import DAYS_A_YEAR, Budget, Stream, close_day, open_stream
from monitoring.evidence.numeric import NumericStream

Floats = NDArray[np.float64]
Drift = Callable[[np.random.Generator, int, int], NDArray[np.int64]]

BUDGET = Budget(years=5, streams=21)
NUMERIC, MISSING, CODED = 14, 6, 1
VOLUMES = (30, 100, 500)
START = date(2026, 1, 1)
WATCHED_DAYS = 180
EDGES = edges_from(np.random.default_rng(20_260_101).normal(size=20_000))
EVEN = np.diff(ndtr(EDGES.cuts), prepend=0.0, append=1.0)
CODES = (0.55, 0.3, 0.1, 0.05)


@dataclass(frozen=True)
class Setting:
    """A way to watch: the zone of indifference, the kind of reference and its rows."""

    name: str
    tau: float
    grows: bool
    reference: int


SETTINGS = (
    Setting("growing, tau 0", 0.0, True, 1_000),
    Setting("growing, tau 0.1", 0.1, True, 1_000),
    Setting("fixed twin, tau 0.1, 5,000 rows", 0.1, False, 5_000),
)


def streams(setting: Setting) -> list[tuple[Stream, Floats]]:
    """Return a model's 21 streams, each with its bins' shares when nothing is wrong."""
    tau, grows = setting.tau, setting.grows
    numeric: tuple[Stream, Floats] = (NumericStream("x", EDGES, tau, grows), EVEN)
    rates = np.linspace(0.01, 0.3, MISSING)
    missing: list[tuple[Stream, Floats]] = [
        (BinaryStream("x", "missing", tau, grows), np.array([1 - rate, rate])) for rate in rates
    ]
    coded = CategoricalStream("rhythm", ("a", "b", "c", "d"), tau, grows)
    return [numeric] * NUMERIC + missing + [(coded, np.array([*CODES, 0.0]))] * CODED


def null_alarms(setting: Setting, rows: int, seed: int) -> int:
    """Return how many alarms one model raises in a year in which nothing changes."""
    rng = np.random.default_rng([seed, rows, 1])
    alarms = 0
    for stream, shares in streams(setting):
        state = open_stream(stream, rng.multinomial(setting.reference, shares))
        for day, counts in enumerate(rng.multinomial(rows, shares, size=DAYS_A_YEAR)):
            closing = close_day(stream, state.observe(counts), START + timedelta(day), BUDGET)
            state, alarms = closing.state, alarms + closing.alarm
    return alarms


def delay(
    stream: Stream,
    reference: int,
    rows: int,
    shares: Floats,
    drift: Drift,
    seed: int,
    quiet: int,
) -> float:
    """Return the days from a change to the first alarm after it, infinity if none is raised."""
    rng = np.random.default_rng([seed, rows, 2])
    state = open_stream(stream, rng.multinomial(reference, shares))
    for day in range(quiet + WATCHED_DAYS):
        normal = day < quiet
        counts = rng.multinomial(rows, shares) if normal else drift(rng, rows, day - quiet)
        closing = close_day(stream, state.observe(counts), START + timedelta(day), BUDGET)
        state = closing.state
        if closing.alarm and day >= quiet:
            return day - quiet + 1
    return np.inf


def numeric_drift(change: Callable[[Floats, np.random.Generator, int], Floats]) -> Drift:
    """Make a drift from what it does to a day's normal scores."""
    return lambda rng, rows, day: EDGES.count(change(rng.normal(size=rows), rng, day))


def strays(share: float) -> Callable[[Floats, np.random.Generator, int], Floats]:
    """Put a share of rows 8.1 SD higher, as creatinine in umol/L among mg/dL is."""
    return lambda x, rng, _day: x + 8.1 * (rng.random(x.size) < share)


def shares_drift(shares: tuple[float, ...]) -> Drift:
    """Make a drift that gives the bins other shares."""
    return lambda rng, rows, _day: rng.multinomial(rows, shares)


def drifts() -> list[tuple[str, str, Drift]]:
    """Return each drift with the kind of stream that it is in."""
    return [
        ("+0.3 SD", "numeric", numeric_drift(lambda x, _r, _d: x + 0.3)),
        ("assay +10 % (0.173 SD)", "numeric", numeric_drift(lambda x, _r, _d: x + 0.173)),
        ("+0.1 SD", "numeric", numeric_drift(lambda x, _r, _d: x + 0.1)),
        ("spread x 1.2", "numeric", numeric_drift(lambda x, _r, _d: x * 1.2)),
        ("10 % of rows in umol/L", "numeric", numeric_drift(strays(0.1))),
        ("2 % of rows in umol/L", "numeric", numeric_drift(strays(0.02))),
        ("frozen at its median", "numeric", numeric_drift(lambda x, _r, _d: np.zeros_like(x))),
        ("+0.5 SD", "numeric", numeric_drift(lambda x, _r, _d: x + 0.5)),
        ("ramp of 0.1 SD a month", "numeric", numeric_drift(lambda x, _r, day: x + day / 300)),
        ("missing 5 to 15 %", "missing", shares_drift((0.85, 0.15))),
        ("code d recoded", "coded", shares_drift((0.55, 0.3, 0.1, 0.0, 0.05))),
    ]


def watched(setting: Setting, kind: str) -> tuple[Stream, Floats]:
    """Return the stream of one kind and its bins' shares before the drift."""
    tau, grows = setting.tau, setting.grows
    if kind == "numeric":
        return NumericStream("creatinine", EDGES, tau, grows), EVEN
    if kind == "missing":
        return BinaryStream("creatinine", "missing", tau, grows), np.array([0.95, 0.05])
    coded = CategoricalStream("rhythm", ("a", "b", "c", "d"), tau, grows)
    return coded, np.array([*CODES, 0.0])


def null_table(years: int) -> str:
    """Return the false alarms of each setting as a table."""
    lines = [
        f"False alarms in {years} model-years of {BUDGET.streams} streams, budget "
        f"{BUDGET.years:g} years (the bound allows {1 / BUDGET.years:.0%} of years with any):",
        "",
        "| watched | rows a day | years with an alarm | 95 % interval | alarms a year |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for setting in SETTINGS:
        for rows in VOLUMES:
            alarms = np.array([null_alarms(setting, rows, seed) for seed in range(years)])
            hit = int((alarms > 0).sum())
            interval = binomtest(hit, years).proportion_ci(method="exact")
            lines.append(
                f"| {setting.name} | {rows} | {hit} of {years} | {interval.low:.1%} to "
                f"{interval.high:.1%} | {alarms.mean():.2f} |"
            )
    return "\n".join(lines)


def delay_table(runs: int, quiet: int) -> str:
    """Return the median delays of each drift as a table."""
    head = " | ".join(f"{setting.name}: {rows}" for setting in SETTINGS for rows in VOLUMES)
    lines = [
        f"Median days from change to alarm over {runs} runs, after {quiet} quiet days, by rows "
        f"a day (- = not within {WATCHED_DAYS}):",
        "",
        f"| drift | {head} |",
        "| --- |" + " ---: |" * (len(SETTINGS) * len(VOLUMES)),
    ]
    for name, kind, drift in drifts():
        cells = []
        for setting in SETTINGS:
            stream, shares = watched(setting, kind)
            for rows in VOLUMES:
                found = [
                    delay(stream, setting.reference, rows, shares, drift, seed, quiet)
                    for seed in range(runs)
                ]
                median = float(np.median(found))
                cells.append(f"{median:.0f}" if np.isfinite(median) else "-")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Print both tables as markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, default=10, help="model-years without drift")
    parser.add_argument("--runs", type=int, default=9, help="runs of each drift")
    parser.add_argument("--quiet", type=int, default=60, help="quiet days before each drift")
    arguments = parser.parse_args()
    print(null_table(arguments.years), delay_table(arguments.runs, arguments.quiet), sep="\n\n")


if __name__ == "__main__":
    main()
