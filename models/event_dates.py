"""Whether reported events seem dated by when they came, or by when they became known."""

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from models.amounts import counted
from models.definition import Outcome

# of events after the horizon, how many would be too many if they came as often as before it
DENSER: Final = 1.25
SMALLEST_SHARE: Final = 0.05
CHANCE: Final = 0.001
WHEN_KNOWN: Final = "dated by when they became known"


@dataclass(frozen=True, slots=True)
class EventDates:
    """How many reported events are dated by the horizon, in the reporting delay after it, or later.

    An event after the horizon counts as none within it, rightly if it was then. Dated by when they
    became known, events move past the horizon by up to the reporting delay and gather there.
    """

    outcome: Outcome
    within: int
    in_delay: int
    later: int

    @classmethod
    def of(
        cls, outcome: Outcome, days: npt.NDArray[np.float64], happened: npt.NDArray[np.bool_]
    ) -> Self:
        """Count the events among reports, by days since their predictions, (n,) each.

        Days are NaN where nothing was reported.
        """
        dated = days[happened & ~np.isnan(days)]
        within = int((dated <= outcome.horizon_days).sum())
        in_delay = int((dated <= outcome.horizon_days + outcome.reporting_delay_days).sum())
        return cls(outcome, within, in_delay - within, dated.size - in_delay)

    def joined(self, other: Self) -> Self:
        """Return the counts of these reports and others together."""
        return replace(
            self,
            within=self.within + other.within,
            in_delay=self.in_delay + other.in_delay,
            later=self.later + other.later,
        )

    @property
    def after(self) -> int:
        """Return how many come after the horizon."""
        return self.in_delay + self.later

    @property
    def notes(self) -> tuple[str, ...]:
        """Say how many count as none, if any do."""
        if not self.after:
            return ()
        verb = (
            "is dated after the horizon and counts"
            if self.after == 1
            else ("are dated after the horizon and count")
        )
        return (
            f"{counted(self.after, 'reported event')} {verb} as none within "
            f"{counted(self.outcome.horizon_days, 'day')} of the prediction",
        )

    @property
    def suspicions(self) -> tuple[str, ...]:
        """Say so where more events gather in the delay after the horizon than come before it.

        That is where they come more than a quarter oftener a day than before the horizon, by a
        one-sided binomial test at 0.001, and are more than 5 % of those until then.
        """
        near = self.within + self.in_delay
        delay = DENSER * self.outcome.reporting_delay_days
        if not self.in_delay or self.in_delay <= SMALLEST_SHARE * near or not delay:
            return ()
        from scipy.stats import binom  # a second that commands without outcomes don't need

        share = delay / (delay + self.outcome.horizon_days)
        if binom.sf(self.in_delay - 1, near, share) >= CHANCE:
            return ()
        return (
            f"outcome: {self.in_delay / near:.0%} of the reported events are dated in the "
            f"{counted(self.outcome.reporting_delay_days, 'day')} after the horizon and count as "
            f"none, many more a day than before it; are they {WHEN_KNOWN}? If so, report them "
            "again with happened_at, the time of the event",
        )
