"""Features that hold the outcome: refused before any fit, or named when one knows everything."""

import contextlib
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from models.definition import Definition
from models.encoding import is_missing
from models.errors import CohortError
from training.calibration import Separated
from training.data_quality import DataQuality, leaks, strongest
from training.population import FloatArray, Population

_FEWEST_OF_EACH: Final = 20  # people with and without the event; by chance none is so clean
_MOST_CHANGES: Final = 3  # between event and no event along the values, as of one range in another
_ADVICE: Final = (
    "it was taken after the outcome or made from it, so correct the column, or take the feature "
    "out of the definition"
)


def refuse_leaks(definition: Definition, population: Population, source: str) -> None:
    """Raise CohortError that names every feature which alone tells every outcome without error.

    It does so by its values, along which event and no event change places three times at most, or
    by being missing. Nothing that is known at the prediction time is so clean.
    """
    counted = population.part(population.weights() > 0)
    found = []
    for feature in definition.features:
        column = counted.columns[feature.name]
        missing = is_missing(feature, column)
        known = ~missing
        if _tells_all(column[known], counted.outcome[known], counted.patient[known]):
            found.append(f"{feature.name}: its values tell the outcome of all {known.sum():,} rows")
        elif _tells_all(missing, counted.outcome, counted.patient):
            found.append(f"{feature.name}: whether it is missing tells the outcome of every row")
    if found:
        raise CohortError(
            f"{source} can't be used:\n"
            + "\n".join(f"- {words} without error; {_ADVICE}" for words in found)
        )


@contextlib.contextmanager
def suspects_named(quality: DataQuality) -> Iterator[None]:
    """Name the features to look at first where a fit within knows every outcome."""
    try:
        yield
    except Separated as error:
        suspected = "; ".join(leaks(quality.suspicions))
        first = suspected or f"alone these tell it best: {', '.join(strongest(quality))}"
        raise CohortError(
            f"{error} ({first}); look for values that were taken after the outcome or made from "
            "it, and correct those columns, or take the features out of the definition"
        ) from error


def _tells_all(
    values: npt.NDArray[np.generic], outcome: FloatArray, patient: npt.NDArray[np.generic]
) -> bool:
    """Say whether no value occurs with both outcomes, which along the values seldom change.

    Categories have no order, so they are put in that of their outcomes; each needs people enough.
    """
    event = outcome == 1
    people = min(len(np.unique(patient[event])), len(np.unique(patient[~event])))
    named = values.dtype == object
    distinct, place = np.unique(values.astype(str) if named else values, return_inverse=True)
    if people < _FEWEST_OF_EACH * (len(distinct) if named else 1):
        return False
    share = np.bincount(place, weights=outcome) / np.bincount(place)
    changes = np.count_nonzero(np.diff(np.sort(share) if named else share))
    return bool(np.isin(share, (0.0, 1.0)).all() and changes <= _MOST_CHANGES)
