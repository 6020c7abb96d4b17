"""The least sample for a regression of a binary outcome (Riley et al., BMJ 2020;368:m441).

Trees have no count of candidate parameters; for them the learning curve stands instead.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, Final

from models.scoring.linear import LinearModel

SHRINKAGE: Final = 0.9
OPTIMISM: Final = 0.05
MARGIN: Final = 0.05
SHARE_OF_MOST_R2: Final = 0.15  # assumed where nothing is known before (Riley et al. 2020)


@dataclass(frozen=True, slots=True)
class SampleSize:
    """The people needed by each criterion, and the people there are, who are no rows.

    `for_shrinkage`: predictors' effects shrink by 10 % at most; `for_optimism`: the apparent
    Nagelkerke R2 exceeds the true one by 0.05 at most; `for_the_mean`: the overall risk is known
    to within 0.05.
    """

    parameters: int
    event_rate: float
    cox_snell_r2: float
    for_shrinkage: int
    for_optimism: int
    for_the_mean: int
    needed: int
    available: int

    @property
    def enough(self) -> bool:
        """Whether there are as many people as are needed."""
        return self.available >= self.needed

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as plain values that JSON can hold."""
        return {**asdict(self), "enough": self.enough}


def least_sample(
    parameters: int, event_rate: float, available: int, *, cox_snell_r2: float | None = None
) -> SampleSize:
    """Return the sample that so many candidate parameters need at this event rate.

    Without `cox_snell_r2`, 15 % of the greatest that this event rate allows is assumed.
    """
    greatest = 1.0 - (event_rate**event_rate * (1.0 - event_rate) ** (1.0 - event_rate)) ** 2
    r2 = SHARE_OF_MOST_R2 * greatest if cox_snell_r2 is None else cox_snell_r2
    for_shrinkage = _for_shrinkage(parameters, r2, SHRINKAGE)
    for_optimism = _for_shrinkage(parameters, r2, r2 / (r2 + OPTIMISM * greatest))
    for_the_mean = math.ceil((1.96 / MARGIN) ** 2 * event_rate * (1.0 - event_rate))
    return SampleSize(
        parameters=parameters,
        event_rate=event_rate,
        cox_snell_r2=r2,
        for_shrinkage=for_shrinkage,
        for_optimism=for_optimism,
        for_the_mean=for_the_mean,
        needed=max(for_shrinkage, for_optimism, for_the_mean),
        available=available,
    )


def candidate_parameters(model: LinearModel) -> int:
    """Return how many coefficients the regression could choose: splines and indicators count."""
    return sum(len(term.coefficients) + (term.missing_mean > 0) for term in model.terms)


def _for_shrinkage(parameters: int, r2: float, shrinkage: float) -> int:
    return math.ceil(parameters / ((shrinkage - 1.0) * math.log(1.0 - r2 / shrinkage)))
