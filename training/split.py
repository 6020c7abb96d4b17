"""Which patients a model learns from, which test it, and how the learning part is folded."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedKFold

from models.errors import CohortError
from training.population import Population

TEST_SHARE = 0.4
FOLDS = 5
_FEWEST = 2 * FOLDS

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Split:
    """Rows to learn from and rows to test on; no patient has rows in both."""

    training: Rows
    test: Rows
    method: str
    left_out: int = 0


def split(population: Population, seed: int, *, random_because: str | None = None) -> Split:
    """Divide by patient: the later part tests where times are known, else a seeded stratified draw.

    Raises CohortError if a part holds too few events or non-events to fold.
    """
    if population.time is None or random_because is not None:
        divided = _at_random(population, seed, random_because)
    else:
        divided = _by_time(population)
    _check_part(population, divided.training, "training")
    _check_part(population, divided.test, "test")
    return divided


def folds(population: Population, seed: int) -> Iterator[tuple[Rows, Rows]]:
    """Yield (learning, held-out) rows of each fold: patients folded, stratified by any event."""
    patients, patient_of, has_event = _patients(population)
    divider = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for _, chosen in divider.split(patients, has_event):
        held_out = np.isin(patient_of, chosen)
        yield np.flatnonzero(~held_out), np.flatnonzero(held_out)


def _patients(
    population: Population,
) -> tuple[npt.NDArray[np.object_], Rows, npt.NDArray[np.float64]]:
    """Return the patients, each row's index among them, and whether each ever had the event."""
    patients, patient_of = np.unique(population.patient, return_inverse=True)
    has_event = np.zeros(len(patients))
    np.maximum.at(has_event, patient_of, population.outcome)
    return patients, patient_of, has_event


def _at_random(population: Population, seed: int, because: str | None) -> Split:
    patients, patient_of, has_event = _patients(population)
    generator = np.random.Generator(np.random.PCG64(seed))
    tests = np.zeros(len(patients), dtype=np.bool_)
    for group in (np.flatnonzero(has_event == label) for label in (0.0, 1.0)):
        chosen = generator.permutation(group)[: round(TEST_SHARE * len(group))]
        tests[chosen] = True
    in_test = tests[patient_of]
    method = f"at random by patient, {TEST_SHARE:.0%} for testing, stratified by outcome"
    if because is not None:
        method += f": {because}"
    return Split(np.flatnonzero(~in_test), np.flatnonzero(in_test), method)


def _by_time(population: Population) -> Split:
    """The latest rows test; of these, rows of patients already learnt from are left out."""
    times = np.asarray(population.time)
    cut = np.sort(times)[round((1 - TEST_SHARE) * (len(times) - 1))]
    later = times > cut
    seen = np.isin(population.patient, population.patient[~later])
    tests = later & ~seen
    method = (
        f"by time: rows after {cut} test ({TEST_SHARE:.0%} of all), earlier ones train; later rows "
        "of patients who are in training are left out"
    )
    return Split(np.flatnonzero(~later), np.flatnonzero(tests), method, int((later & seen).sum()))


def _check_part(population: Population, rows: Rows, name: str) -> None:
    part = population.part(rows)
    known = part.weights() > 0 if len(part) else np.zeros(0, dtype=np.bool_)
    events = int(part.outcome[known].sum())
    non_events = int(known.sum()) - events
    if min(events, non_events) < _FEWEST:
        raise CohortError(
            f"the {name} part has {events} events and {non_events} non-events among {len(part)} "
            f"rows; at least {_FEWEST} of each are needed, so give more rows"
        )
