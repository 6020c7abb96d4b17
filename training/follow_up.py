"""Whether people were lost before the horizon although the definition claims that nobody is."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.amounts import counted
from models.definition import Definition
from models.errors import CohortError
from training.cohort_faults import claims_nobody_censored
from training.population import Population

_OF_TABLE: Final = "If these outcomes are known all the same, leave the column follow_up_days out"
_OF_ORIGINAL: Final = (
    "The original table has to be as it was: if its outcomes are known all the same, leave its "
    "column follow_up_days out and make a champion of it with `auscult train`"
)


def refuse_lost(
    definition: Definition,
    population: Population,
    source: str,
    retraining: Mapping[str, Any] | None = None,
) -> None:
    """Raise CohortError rather than make a version whose card would claim what its table denies.

    What to do about it depends on where the rows are from, which `retraining` says of a challenger.
    """
    lost = int(_lost(definition, population).sum())
    if lost:
        raise CohortError(
            f"{source} can't be used: {_words(definition, counted(lost, 'row'))}. "
            f"{_remedy(definition, lost, retraining)}; else say in [estimand], under censoring, "
            "how people who are lost are taken"
        )


def _remedy(definition: Definition, lost: int, retraining: Mapping[str, Any] | None) -> str:
    if retraining is None:
        return _OF_TABLE
    recorded = retraining["censored"]
    if not recorded:
        return _OF_ORIGINAL
    words = (
        f"{counted(recorded, 'recorded prediction')} of them: if the outcome is known all the "
        "same, report it again with `auscult outcomes`, and as known_at a time at or after day "
        f"{definition.outcome.horizon_days}, the end of its follow-up"
    )
    return words if lost <= recorded else f"{words}. {_OF_ORIGINAL}"


def suspect_lost(definition: Definition, population: Population) -> tuple[str, ...]:
    """Say the same as a suspicion, without the count of few; a made version can't be refused it."""
    lost = _lost(definition, population)
    if not lost.any():
        return ()
    few = len(np.unique(population.patient[lost])) < definition.smallest_group.people
    return (_words(definition, "a few rows" if few else counted(int(lost.sum()), "row")),)


def _lost(definition: Definition, population: Population) -> npt.NDArray[np.bool_]:
    days = population.follow_up_days
    if days is None or not claims_nobody_censored(definition):
        return np.zeros(len(population), dtype=np.bool_)
    return np.asarray((population.outcome == 0) & (days < population.horizon_days))


def _words(definition: Definition, rows: str) -> str:
    verb = "ends" if rows == "1 row" else "end"
    return (
        f"follow_up_days: {rows} without the event {verb} before day "
        f"{definition.outcome.horizon_days}, the horizon, but the definition says "
        f"{definition.estimand.censoring!r}"
    )
