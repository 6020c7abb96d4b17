"""Which rows a model learns from and which judge it, and how rows are folded."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.errors import CohortError
from training.cohort import Designated
from training.population import Population

TEST_SHARE = 0.4
LEAST_OF_TEST_SHARE = 0.5
FOLDS = 5
MOST_PARTS = 10  # in which sites are left out: each costs the making of a model
_FEWEST = 2 * FOLDS
_OUTER_FOLDS = 2  # added to the seed: neither those of the search nor those of the calibration
_SMALL_SITES = "sites too small to be left out alone"

Rows = npt.NDArray[np.intp]
Fold = tuple[Rows, Rows]


@dataclass(frozen=True, eq=False)
class Split:
    """Rows that the model learns from and rows that judge it.

    Without `outer` no patient has rows in both, and the model itself is judged. With `outer`, all
    rows do both: the whole making of a model, search included, is repeated on the learning rows of
    each (learning, held-out) fold and judged on those held out. `suspicions` say what of the
    division is to be looked into.
    """

    training: Rows
    test: Rows
    method: str
    left_out: int = 0
    outer: tuple[Fold, ...] = ()
    suspicions: tuple[str, ...] = ()


def split(
    population: Population,
    seed: int,
    *,
    test_share: float = TEST_SHARE,
    unordered_because: str | None = None,
    designated: Designated | None = None,
    searched: bool = True,
) -> Split:
    """Let the later part test where times are known; else judge the making of a model by folds.

    The folds are the sites where sites are known, else drawn by patient. `unordered_because` says
    why the times, if any, don't order the rows; `designated` decides at once which rows test.
    Raises CohortError if a part holds too few events or non-events to fold.
    """
    if designated is not None:
        return _checked(
            population, _apart(population, designated.tests[population.row], designated.method)
        )
    if population.time is not None and unordered_because is None:
        return _checked(population, _by_time(population, test_share))
    everyone = np.arange(len(population))
    check_part(population, everyone, "training part")
    search = "search and calibration" if searched else "calibration (no trials were searched)"
    included = f"{search} included"
    if population.site is not None:
        outer, method = _by_site(population, population.site, included)
    else:
        outer = tuple(folds(population, seed + _OUTER_FOLDS))
        for learning, _ in outer:
            check_part(population, learning, "smallest training part")
        method = (
            f"no split: all rows train, and {FOLDS}-fold nested cross-validation by patient judges "
            f"the whole making of the model, {included}"
        )
    if unordered_because is not None:
        method += f" ({unordered_because})"
    return Split(everyone, everyone, method, outer=outer)


def folds(population: Population, seed: int) -> Iterator[Fold]:
    """Yield (learning, held-out) rows of each fold, grouped by patient, stratified by outcome.

    Patients are shuffled, ordered by their events and rows, and dealt out in turn.
    """
    patients, patient_of = np.unique(population.patient, return_inverse=True)
    rows = np.bincount(patient_of)
    events = np.bincount(patient_of, weights=population.outcome)
    by_chance = np.random.Generator(np.random.PCG64(seed)).permutation(len(patients))
    dealt = np.empty(len(patients), dtype=np.intp)
    dealt[np.lexsort((by_chance, rows, events))] = np.arange(len(patients)) % FOLDS
    fold_of = dealt[patient_of]
    for fold in range(FOLDS):
        yield np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)


def in_parts(sites: npt.NDArray[np.generic]) -> list[npt.NDArray[np.generic]]:
    """Deal sites out to the parts in which they are left out: each alone, or 10 where more."""
    return [sites[number::MOST_PARTS] for number in range(min(MOST_PARTS, len(sites)))]


def site_folds(population: Population, site: npt.NDArray[np.generic]) -> dict[str, Fold]:
    """Return for each part of sites the rows of other sites' patients, and its own rows.

    Sites with too few events or non-events to be judged stand together as one. The name of a part
    is that of its sites.
    """
    names = _with_small_together(population, site)
    found = {}
    for part in in_parts(np.unique(names)):
        own = np.isin(names, part)
        others = ~own & ~np.isin(population.patient, population.patient[own])
        found[", ".join(part.tolist())] = (np.flatnonzero(others), np.flatnonzero(own))
    return found


def _with_small_together(
    population: Population, site: npt.NDArray[np.generic]
) -> npt.NDArray[np.object_]:
    names = np.array([str(name) for name in site], dtype=object)
    small = [name for name in np.unique(names) if min(_outcomes(population, names == name)) < 1]
    names[np.isin(names, small)] = _SMALL_SITES
    return names


def _by_site(
    population: Population, site: npt.NDArray[np.generic], included: str
) -> tuple[tuple[Fold, ...], str]:
    by_name = site_folds(population, site)
    if len(by_name) < 2:
        raise CohortError(
            f"site: only one can be left out ({', '.join(by_name)}), where two are needed that "
            "each have people with and without the event; give more, or leave the column out"
        )
    shared = 0
    for name, (learning, own) in by_name.items():
        elsewhere = len(population) - len(learning) - len(own)
        part = f"training part without site {name!r}"
        check_part(population, learning, part, shared_words(elsewhere) if elsewhere else "")
        shared = max(shared, elsewhere)
    sites = len(np.unique([str(name) for name in site]))
    each = (
        f"each of {len(by_name)} sites"
        if sites <= len(by_name)
        else f"each of {len(by_name)} parts, into which {sites} sites are dealt, those without "
        "events or non-events as one,"
    )
    return tuple(by_name.values()), (
        f"no split: all rows train, and {each} in turn is left out of the whole making of a model, "
        f"{included}, and judges it"
        + (
            f"; with it go up to {shared:,} rows of other sites, of patients who have rows at it"
            if shared
            else ""
        )
    )


def shared_words(rows: int) -> str:
    """Say what becomes of other sites' rows whose patients a site shares, and what to do."""
    return (
        f"; {rows:,} rows of other sites are left out too, as their patients have rows at this one "
        "as well: give patients of one site each, or leave the column site out"
    )


def _by_time(population: Population, test_share: float) -> Split:
    """Let the latest rows test."""
    times = np.asarray(population.time)
    cut = np.sort(times)[round((1 - test_share) * (len(times) - 1))]
    if not (times > cut).any():
        raise CohortError(
            f"time: no row is later than {cut}, the time of more than {test_share:.0%} of rows, so "
            "none is left to test; give times that order the rows, or leave the column out"
        )
    tests = times > cut
    share = float(tests.mean())
    method = f"by time: {_later(times, cut)} test ({share:.0%} of all), earlier ones train"
    divided = _apart(population, tests, method)
    if share >= LEAST_OF_TEST_SHARE * test_share:
        return divided
    few = (
        f"time: {share:.1%} of rows test, where {test_share:.0%} were to, since so many have the "
        f"time {cut}; do the times order the rows?"
    )
    return replace(divided, suspicions=(few,))


def _later(times: npt.NDArray[np.generic], cut: np.generic) -> str:
    """Say which rows test; a number that only orders may be that of somebody's encounter."""
    if times.dtype.kind == "M":
        return f"rows after {cut}"
    return "the latest rows, by numbers that only order them,"


def _apart(population: Population, tests: npt.NDArray[np.bool_], method: str) -> Split:
    """Divide rows into those that train and, without their patients, those that test."""
    seen = np.isin(population.patient, population.patient[~tests])
    return Split(
        np.flatnonzero(~tests),
        np.flatnonzero(tests & ~seen),
        f"{method}; later rows of patients who are in training are left out",
        int((tests & seen).sum()),
    )


def _checked(population: Population, divided: Split) -> Split:
    check_part(population, divided.training, "training part")
    check_part(population, divided.test, "test part")
    return divided


def check_part(population: Population, rows: Rows, name: str, because: str = "") -> None:
    """Raise CohortError where a part has too few events, non-events or patients with them to fold.

    `because` says why so few are in it and what to do, if that isn't to give more of them.
    """
    part = population.part(rows)
    events, non_events = _outcomes(part, np.ones(len(part), dtype=np.bool_))
    if min(events, non_events) < _FEWEST:
        raise CohortError(
            f"the {name} has {events} events and {non_events} non-events among {len(part)} "
            f"rows; at least {_FEWEST} of each are needed{because or ', so give more rows'}"
        )
    known = part.weights() > 0
    patients = [len(np.unique(part.patient[known & (part.outcome == kind)])) for kind in (1, 0)]
    if min(patients) < _FEWEST:
        raise CohortError(
            f"the {name} has {patients[0]} patients with and {patients[1]} without the event among "
            f"{len(part)} rows; at least {_FEWEST} of each are needed"
            f"{because or ', so give more patients'}"
        )


def _outcomes(population: Population, rows: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Return the events and the non-events that carry weight among some of the rows."""
    if not rows.any():
        return 0, 0
    part = population.part(rows)
    known = part.weights() > 0
    events = int(part.outcome[known].sum())
    return events, int(known.sum()) - events
