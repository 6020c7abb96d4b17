"""How later people of a site fare by a model that has learnt from no row of that site.

Where times divide the rows, a site's earlier rows are learnt from. This is what tells of a new one.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from training.booster import Trees
from training.fitting import Calibrated
from training.population import FloatArray, Population

MOST_PARTS: Final = 10
_FEWEST_OF_EACH: Final = 10  # events and non-events to learn from, two a fold


def risks_of_left_out_sites(
    fit: Callable[[Population], Calibrated[Trees]],
    training: Population,
    test: Population,
    *,
    step: Callable[[int, int], None],
) -> FloatArray | None:
    """Return the risk of each test row by a fit on the training rows of other sites.

    More than 10 sites are left out in 10 parts. None where there are no two sites, or where those
    that would be left have too few events or non-events.
    """
    if training.site is None or test.site is None:
        return None
    own, later = _names(training.site), _names(test.site)
    sites = np.unique(later)
    if len(np.union1d(own, sites)) < 2:
        return None
    parts = [sites[number::MOST_PARTS] for number in range(min(MOST_PARTS, len(sites)))]
    risk = np.full(len(test), np.nan)
    for number, left_out in enumerate(parts):
        others = training.part(~np.isin(own, left_out))
        if not _enough(others):
            return None
        rows = np.isin(later, left_out)
        risk[rows] = fit(others).risk(test.inputs[rows])
        step(number + 1, len(parts))
    return risk


def _names(site: npt.NDArray[np.generic]) -> npt.NDArray[np.str_]:
    return np.array([str(name) for name in site])


def _enough(rows: Population) -> bool:
    if not len(rows):
        return False
    known = rows.outcome[rows.weights() > 0]
    return bool(min((known == 1).sum(), (known == 0).sum()) >= _FEWEST_OF_EACH)
