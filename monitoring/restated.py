"""What an open alarm's own days show by what is reported now, where that isn't what raised it."""

from dataclasses import dataclass

from monitoring.outcome_bets import Shares

AS_RAISED = ", as reported when this was raised"
NO_LONGER = ", so these days no longer show it"


@dataclass(frozen=True)
class Restated:
    """What the days that raised an alarm show now; None where no outcome of them tells anything.

    `left_out` says why none does.
    """

    now: Shares | None
    holds: bool
    left_out: str = ""

    @property
    def rest(self) -> str:
        """Say which predictions of these days are left out, with a space before it."""
        said = self.now.left_out if self.now else self.left_out
        return f" ({said})" if said else ""

    @property
    def end(self) -> str:
        """End the sentence by saying whether the days still show what was raised."""
        return "." if self.holds else f"{NO_LONGER}."


def differs(now: Shares | None, raised: Shares) -> bool:
    """Say whether the same days show anything else now, as an alarm's sentence would word it."""
    return now is None or _worded(now) != _worded(raised)


def still_shows(now: Shares | None, raised: Shares) -> bool:
    """Say whether the interval still lies where it was raised, beyond what was expected."""
    if now is None:
        return False
    side = (now.observed - now.expected) * (raised.observed - raised.expected)
    return side > 0 and not now.low <= now.expected <= now.high


def _worded(found: Shares) -> tuple[int, str, str]:
    return found.rows, found.interval, f"{100 * found.expected:.1f}"
