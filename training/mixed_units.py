"""Rows of a feature that look as if they were stated in another unit than the rest."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import binom

from models.definition import Definition
from models.feature import Feature
from models.units import accepted_units, convert
from training.cohort import input_features
from training.cohort_faults import numbers, outside_range
from training.population import FloatArray

MIXED: Final = "look like"
_FEWEST_ROWS: Final = 50
_FEWEST_DISTINCT: Final = 3  # a placeholder such as 999 is no value in another unit
_FEWEST_IMPLAUSIBLE: Final = 5
_MOST_OF_THEM: Final = 0.8
_LEAST_SHARE: Final = 0.005  # of all values; fewer are as likely single slips
_MOST_BY_CHANCE: Final = 1e-4
_TIMES_THE_VALLEY: Final = 3.0
_LEAST_WIDTH: Final = 0.02  # of the densest half, on the natural logarithm


def mixtures(frame: pd.DataFrame, definition: Definition) -> tuple[str, ...]:
    """Return in words which features have rows that look like another unit's.

    Their shares may be small: the median hardly moves, and values may be plausible in either unit.
    """
    found = []
    for name in input_features(definition):
        feature = definition.by_name[name]
        if feature.kind == "numeric" and feature.unit is not None:
            amounts = numbers(frame[name]).to_numpy()
            positive = np.isfinite(amounts) & (amounts > 0)
            usable, patients = amounts[positive], frame["patient_id"].to_numpy()[positive]
            if len(usable) >= _FEWEST_ROWS:
                found += list(_words(usable, patients, feature, feature.unit, definition))
    return tuple(found)


def _words(
    usable: FloatArray,
    patients: npt.NDArray[np.generic],
    feature: Feature,
    unit: str,
    definition: Definition,
) -> Iterator[str]:
    for other in accepted_units(unit, feature.analyte)[1:]:
        converted = convert(usable, other, to=unit, analyte=feature.analyte)
        rows = _of_another_unit(usable, converted, feature)
        if not rows.any():
            continue
        fewest = definition.smallest_group.people
        if len(set(patients[rows])) < fewest:
            of = "values" if rows.sum() < fewest else "people's values"
            yield f"{feature.title}: fewer than {fewest} {of} {MIXED} {other} among {unit}"
            continue
        yield (
            f"{feature.title}: {rows.sum():,} of {len(usable):,} values {MIXED} {other} among "
            f"{unit} (median {np.median(usable[rows]):.3g}, which from {other} is "
            f"{np.median(converted[rows]):.3g} {unit}, amid the others); convert them"
        )


def _of_another_unit(
    usable: FloatArray, converted: FloatArray, feature: Feature
) -> npt.NDArray[np.bool_]:
    """Return the rows apart from the others that would be amid them if stated in another unit.

    None are where they are too few, or could as well be the tail of a skewed distribution. Values
    that aren't plausible are no tail.
    """
    logs, shifted = np.log(usable), np.log(np.where(converted > 0, converted, np.nan))
    low, high = _densest_half(logs)
    reach, middle = 1.5 * (high - low), (low + high) / 2
    apart = np.asarray((np.abs(shifted - middle) <= reach) & (np.abs(logs - middle) > reach))
    if len(np.unique(usable[apart])) < _FEWEST_DISTINCT:
        return np.zeros_like(apart)
    if _is_second_hill(logs, shifted, low, high):
        return apart
    implausible = outside_range(pd.Series(usable), feature).to_numpy()
    explained = np.asarray(implausible & apart)
    enough = explained.sum() >= max(
        _FEWEST_IMPLAUSIBLE, _MOST_OF_THEM * implausible.sum(), _LEAST_SHARE * len(usable)
    )
    return explained if enough else np.zeros_like(apart)


def _is_second_hill(logs: FloatArray, shifted: FloatArray, low: float, high: float) -> bool:
    """Say whether more rows lie where the densest half would be than half way there.

    Away from its densest half, a tail thins out however skewed the distribution is. By a binomial
    test of two intervals of equal width on the logarithm, the likelier the further one is, at most
    as probable.
    """
    width = high - low
    further = (shifted >= low) & (shifted <= high)
    if not further.any():
        return False
    offset = float(np.median(logs[further] - shifted[further]))
    if abs(offset) < 2 * width:  # the intervals would overlap: nothing can be told
        return False
    valley = np.abs(logs - (low + high + offset) / 2) <= width / 2
    there, between = int(further.sum()), int(valley.sum())
    by_chance = binom.sf(there - 1, there + between, 0.5)
    return bool(there >= _TIMES_THE_VALLEY * between and by_chance < _MOST_BY_CHANCE)


def _densest_half(logs: FloatArray) -> tuple[float, float]:
    """Return the shortest interval that holds half of the rows, which other units hardly move."""
    ordered = np.sort(logs)
    half = len(ordered) // 2
    first = int(np.argmin(ordered[half:] - ordered[: len(ordered) - half]))
    low, high = float(ordered[first]), float(ordered[first + half])
    slack = max(0.0, _LEAST_WIDTH - (high - low)) / 2
    return low - slack, high + slack
