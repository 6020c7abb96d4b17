"""Who is in a set of rows: from when, of which groups, and how they differ from another's.

A standardised difference is that of the means, or of the shares, over the root of the mean of both
variances (Austin, Stat Med 2009;28:3083), which doesn't grow with the number of rows.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.definition import Definition
from models.evaluation.counts import PatientRows
from models.evaluation.subgroups import group_names
from training.evaluation import groups_of, reporting_limits
from training.population import Population

_DIGITS: Final = 3
_DAY: Final = "datetime64[D]"
Columns = Mapping[str, npt.NDArray[Any]]


def accrual(rows: Population) -> dict[str, str] | None:
    """Return the first and last day of prediction, and of follow-up where it's recorded.

    None where the rows have no dates: a number may order them and be none.
    """
    if rows.time is None or rows.time.dtype.kind != "M" or not len(rows):
        return None
    days = rows.time.astype(_DAY)
    found = {"first": str(days.min()), "last": str(days.max())}
    if rows.follow_up_days is not None and np.isfinite(rows.follow_up_days).all():
        ends = days + np.floor(rows.follow_up_days).astype("timedelta64[D]")
        found["followed_until"] = str(ends.max())
    return found


def group_counts(rows: Population, definition: Definition) -> list[dict[str, Any]]:
    """Return how many rows and patients are of each group; None where that's withheld.

    Withheld is what an evaluation of these rows would withhold.
    """
    limits = reporting_limits(definition)
    people = PatientRows.weighted(rows.patient, rows.outcome, rows.weights())
    found: list[dict[str, Any]] = []
    for characteristic, values in groups_of(rows, definition).items():
        names = group_names(values)
        members = {str(name): names == name for name in np.unique(names)}
        hidden = people.withheld(list(members.values()), limits)
        counts = {name: people.count(own) for name, own in members.items()}
        found += [
            {
                "characteristic": characteristic,
                "group": name,
                "n": None if hide else count.n,
                "patients": None if hide else count.patients,
            }
            for (name, count), hide in zip(counts.items(), hidden, strict=True)
        ]
    return found


def compare_rows(
    definition: Definition,
    development: Columns,
    judged: Columns,
    *,
    of: str,
    event_rates: tuple[float, float],
) -> dict[str, Any]:
    """Return the event rate and each feature of the judged rows beside those of development.

    `of` says in words what the rows of development are. A difference is the judged rows' minus the
    others', None where neither varies (`apart` then says whether they differ throughout); of
    categories it is that of the one that differs most.
    """
    return {
        "of": of,
        "event_rate": dict(zip(("development", "judged"), event_rates, strict=True)),
        "features": [
            _feature(definition, feature.name, development[feature.name], judged[feature.name])
            for feature in definition.features
        ],
    }


def event_rate(rows: Population) -> float:
    """Return the share of people with the event, weighted for censoring."""
    return float(np.average(rows.outcome, weights=rows.weights()))


def _feature(
    definition: Definition, name: str, before: npt.NDArray[Any], now: npt.NDArray[Any]
) -> dict[str, Any]:
    feature = definition.by_name[name]
    missing = [_missing(values) for values in (before, now)]
    known_before, known_now = before[~missing[0]], now[~missing[1]]
    category, difference = None, None
    if not len(known_before) or not len(known_now):
        pass
    elif feature.kind == "numeric":
        difference = standardised_difference(known_before, known_now)
    else:
        each = dict(_of_categories(feature.categories, known_before, known_now))
        category = max(each, key=lambda one: abs(each[one]), default=None)
        difference = None if category is None else each[category]
    return {
        "feature": name,
        "title": feature.title,
        "category": category,
        "difference": difference,
        "missing_difference": standardised_difference(*missing),
        "apart": _apart(known_before, known_now),
        "missing_apart": _apart(*missing),
    }


def _of_categories(
    categories: Mapping[str, str], before: npt.NDArray[Any], now: npt.NDArray[Any]
) -> Iterator[tuple[str, float]]:
    for key, title in categories.items():
        difference = standardised_difference(before == key, now == key)
        if difference is not None:
            yield title, difference


def standardised_difference(
    before: npt.NDArray[np.generic], now: npt.NDArray[np.generic]
) -> float | None:
    """Return the standardised difference of two samples' means; None where neither varies.

    >>> standardised_difference(np.array([0.0, 2.0]), np.array([1.0, 3.0]))
    1.0
    """
    first, second = before.astype(np.float64), now.astype(np.float64)
    spread = float(np.sqrt((first.var() + second.var()) / 2))
    if not spread > 0:
        return None
    return round((float(second.mean()) - float(first.mean())) / spread, _DIGITS)


def _apart(before: npt.NDArray[Any], now: npt.NDArray[Any]) -> bool:
    """Say whether each of both has one value throughout, and not the same."""
    if not len(before) or not len(now):
        return False
    return bool((before == before[0]).all() and (now == now[0]).all() and before[0] != now[0])


def _missing(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    if values.dtype == object:
        return np.array([value is None or value != value for value in values], dtype=np.bool_)
    return np.isnan(values.astype(np.float64))
