"""How a version is to be trained."""

from dataclasses import dataclass
from typing import Final

from training.booster import ANY_GROWTH, Growth

QUICK_DRAWS: Final = 200
STABILITY_TRIALS: Final = 10


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How to train; `quick` searches nothing and makes no more than 200 bootstrap draws.

    `timeout_seconds` bounds all searches of trees together. `repeated_trials`, one number a search,
    repeats a run whose searches were ended by time. `stability` is the number of bootstrap samples
    from which the trees are made again, each with a search of `stability_trials` trials at most.
    `growth` bounds how trees may grow. `requested_by` signed the request that a retraining answers.
    """

    trained_by: str
    quick: bool = False
    trials: int = 50
    draws: int = 1000
    seed: int = 20261
    timeout_seconds: float | None = None
    repeated_trials: tuple[int, ...] = ()
    stability: int = 0
    stability_trials: int = STABILITY_TRIALS
    growth: Growth = ANY_GROWTH
    requested_by: str | None = None

    @property
    def bootstrap_draws(self) -> int:
        """How many bootstrap draws each interval rests on."""
        return min(self.draws, QUICK_DRAWS) if self.quick else self.draws
