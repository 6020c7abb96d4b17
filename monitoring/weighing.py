"""Which due outcomes count, and by how much: who is lost before the horizon is no unknown outcome.

Of rows whose follow-up ends by chance alone, those without the event are known only where follow-up
reaches the horizon, those with it already where it reaches the event. So an event at t counts by
G(h) / G(t), the chance that follow-up which had reached t would have reached the horizon h too, and
who is lost before it counts by 0: events and others then count by the same chance, G(h). G is the
Kaplan-Meier estimate of censoring among the reported rows of a site's month.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.evaluation.censoring import censoring_survival
from monitoring.evidence.state import Floats
from monitoring.followed import Followed
from records.follow_up import LARGEST_UNREPORTED

# so many rows of a site's month must have reached the horizon without the event to estimate G
LEAST_FOLLOWED = 20


@dataclass(frozen=True, eq=False)
class Weighing:
    """What is known of some rows, (n,) each, and by how much those count that do.

    `settled` rows are known by the horizon, `censored` ones were lost before it; of the others
    nothing is reported. `thin` ones are of a site's month with too many unreported outcomes, `few`
    ones of one with too few followed to the horizon to tell what the censored ones weigh. `weights`
    are 1 where an outcome is unknown, which then counts as the one that speaks least for a bet.
    """

    events: NDArray[np.bool_]
    settled: NDArray[np.bool_]
    censored: NDArray[np.bool_]
    thin: NDArray[np.bool_]
    few: NDArray[np.bool_]
    weights: Floats

    @property
    def counts(self) -> NDArray[np.bool_]:
        """Return which rows count."""
        return ~(self.thin | self.few)


def weigh(rows: Followed, horizon_days: int) -> Weighing:
    """Weigh a month's rows, each site's by themselves; small sites' together."""
    events, settled = rows.events(horizon_days), rows.settled(horizon_days)
    censored = rows.known & ~settled
    _, site = np.unique(rows.sites, return_inverse=True)
    thin = _share(~rows.known, site)[site] > LARGEST_UNREPORTED
    followed = np.bincount(site, weights=settled & ~events)
    # sites are numbered from 0
    group = np.where(followed[site] >= LEAST_FOLLOWED, site, -1)
    few, weights = np.zeros_like(thin), np.ones(thin.size)
    for one in np.unique(group[censored & ~thin]):
        own = (group == one) & ~thin
        if (own & settled & ~events).sum() >= LEAST_FOLLOWED:
            reported = own & rows.known
            weights[reported] = _weights(rows.part(reported), horizon_days)
        elif (own & ~settled).sum() > LARGEST_UNREPORTED * own.sum():
            few |= own
    return Weighing(events, settled, censored, thin, few, weights)


def _weights(rows: Followed, horizon_days: int) -> Floats:
    """Return what reported rows of one group count by: G(h) / G(t), 0 where they are censored."""
    # whoever is followed to the horizon leaves uncensored
    uncensored = rows.happened | (rows.days >= horizon_days)
    survival = censoring_survival(rows.days, uncensored)
    reached = survival.before(np.minimum(rows.days, horizon_days))
    weights = survival.before([horizon_days])[0] / reached
    return np.where(rows.settled(horizon_days), weights, 0.0)


def _share(chosen: NDArray[np.bool_], group: NDArray[np.intp]) -> Floats:
    """Return the share of each group's rows that are chosen."""
    return np.asarray(np.bincount(group, weights=chosen) / np.bincount(group), dtype=np.float64)
