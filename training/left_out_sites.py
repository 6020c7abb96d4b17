"""How later people of a site fare by a model that has learnt from no row of that site.

Where times divide the rows, a site's earlier rows are learnt from. This is what tells of a new one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from training.booster import Trees
from training.fitting import Calibrated
from training.population import FloatArray, Population
from training.split import in_parts

_FEWEST_OF_EACH: Final = 10  # events and non-events to learn from, two a fold


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

    More than 10 sites are left out in 10 parts. Sites without which too few events or non-events
    would be left to learn from are named, and the others judged. None where there are no two sites.
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
        others = training.part(~np.isin(own, left_out))
        why = _too_few(left_out.tolist(), others)
        if why is None:
            rows = np.isin(later, left_out)
            risk[rows] = fit(others).risk(test.inputs[rows])
        else:
            kept.append(why)
        step(number + 1, len(parts))
    return LeftOut(risk, tuple(kept))


def _names(site: npt.NDArray[np.generic]) -> npt.NDArray[np.str_]:
    return np.array([str(name) for name in site])


def _too_few(left_out: Sequence[str], others: Population) -> str | None:
    """Say why these sites can't be left out, None where enough would be left to learn from."""
    events, non_events = 0, 0
    if len(others):
        known = others.outcome[others.weights() > 0]
        events, non_events = int((known == 1).sum()), int((known == 0).sum())
    if min(events, non_events) >= _FEWEST_OF_EACH:
        return None
    return (
        f"{', '.join(left_out)}: not left out, as the {len(others):,} training rows of the other "
        f"sites have fewer than {_FEWEST_OF_EACH} events or non-events to learn from; give more "
        "rows of them"
    )
