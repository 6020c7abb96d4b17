"""How later people of a site fare by a model that has learnt from no row of that site.

Where times divide the rows, a site's earlier rows are learnt from. This is what tells of a new one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from models.errors import CohortError
from models.evaluation.counts import PatientRows
from training.booster import Trees
from training.fitting import Calibrated
from training.population import FloatArray, Population
from training.split import in_parts

_FEWEST_OF_EACH: Final = 10  # patients with and without the event to learn from, two a fold


@dataclass(frozen=True, eq=False)
class LeftOut:
    """The risk of each test row by a fit without its site, NaN where `not_left_out` says why."""

    risk: FloatArray
    not_left_out: tuple[str, ...]


def risks_of_left_out_sites(
    fit: Callable[[Population], Calibrated[Trees]],
    training: Population,
    test: Population,
    *,
    step: Callable[[int, int], None],
) -> LeftOut | None:
    """Return the risk of each test row by a fit on the training rows of other sites.

    More than 10 sites are left out in 10 parts. Sites without which too few people would be
    left to learn from, or nothing can be learnt, are named, and the others judged. None where there
    are no two sites.
    """
    if training.site is None or test.site is None:
        return None
    own, later = _names(training.site), _names(test.site)
    sites = np.unique(later)
    if len(np.union1d(own, sites)) < 2:
        return None
    parts = in_parts(sites)
    risk, kept = np.full(len(test), np.nan), []
    for number, left_out in enumerate(parts):
        others, rows = training.part(~np.isin(own, left_out)), np.isin(later, left_out)
        fitted = _fitted(fit, others)
        if isinstance(fitted, str):
            kept.append(f"{', '.join(left_out.tolist())}: not left out, as {fitted}")
        else:
            risk[rows] = fitted.risk(test.inputs[rows])
        step(number + 1, len(parts))
    return LeftOut(risk, tuple(kept))


def _names(site: npt.NDArray[np.generic]) -> npt.NDArray[np.str_]:
    return np.array([str(name) for name in site])


def _fitted(
    fit: Callable[[Population], Calibrated[Trees]], others: Population
) -> Calibrated[Trees] | str:
    """Return the fit on these rows, or why there is none."""
    few = _too_few(others)
    if few is not None:
        return few
    try:
        return fit(others)
    except CohortError as error:
        return f"no model can be made of the {len(others):,} training rows of the others: {error}"


def _too_few(others: Population) -> str | None:
    """Say why nothing can be learnt from these rows, None where enough people are in them."""
    people = (0, 0)
    if len(others):
        counted = PatientRows.weighted(others.patient, others.outcome, others.weights()).count()
        people = counted.people[1:]
    if min(people) >= _FEWEST_OF_EACH:
        return None
    return (
        f"the {len(others):,} training rows of the other sites are of fewer than "
        f"{_FEWEST_OF_EACH} patients with or without the event to learn from; give more patients "
        "of them"
    )
