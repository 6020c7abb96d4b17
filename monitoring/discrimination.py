"""The sequential alarm on discrimination: do risks still tell apart who has the event?

Predictions that follow each other in a week make a pair, before anything of their outcomes is
looked at. Where exactly one of a pair has the event, risks that hold say how likely it's the one
with the higher risk: 1 / (1 + exp(-d)), d the difference of their log-odds. A bet says that d
counts for less than it claims, or for more; its likelihood ratio has mean 1 while the differences
hold. A shift that all log-odds share leaves them as they are: that is calibration's to find. An
outcome that nobody knows counts as the one that speaks least for the bet; who was lost before the
horizon is weighted for (see `weighing`), a pair by the weights of both.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from monitoring.evidence.bets import Bet
from monitoring.evidence.state import Floats
from monitoring.independence import Outcomes, independent
from monitoring.outcome_bets import DayOfOutcomes, OutcomeBets, Shares, log_odds, sums_of, weighted
from monitoring.restated import AS_RAISED, Restated

DISCRIMINATION = "discrimination"
# what a difference of one in log-odds is worth by each bet; 1 is what risks claim
WORTH = (0.0, 0.3, 0.6, 1.6, 2.5)
LESS, MORE = "less", "more"
MONDAY = np.datetime64("1970-01-05")


# `size` is what a difference of one in log-odds is worth
BETS = OutcomeBets(
    "Discrimination",
    tuple(Bet("rate", LESS if size < 1 else MORE, size, 1 / len(WORTH)) for size in WORTH),
)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of predictions, (n,): the later one's day, and the first's log-odds less the other's.

    `happened` and `known` are (n, 2), `weights` are (n,).
    """

    day: NDArray[np.datetime64]
    difference: Floats
    happened: NDArray[np.bool_]
    known: NDArray[np.bool_]
    weights: Floats

    def part(self, chosen: NDArray[np.bool_]) -> "Pairs":
        """Return some of the pairs."""
        return Pairs(*(column[chosen] for column in vars(self).values()))

    @property
    def telling(self) -> NDArray[np.bool_]:
        """Return in which pairs one is known to have had the event, and the other not."""
        differ = self.happened[:, 0] != self.happened[:, 1]
        return np.asarray(self.known.all(axis=1) & differ, dtype=np.bool_)


def sentence(
    direction: str, seen: Shares, later: Shares | None, restated: Restated | None = None
) -> str:
    """Say what is seen."""
    by = AS_RAISED if restated else ""
    words = (
        f"Risks tell patients apart {direction} than they claim{by}: of {seen.rows:,} pairs "
        f"{seen.days} in which one had the event, it had the higher risk in {seen.interval}, "
        f"{100 * seen.expected:.1f} % were expected."
    )
    if restated:
        words = f"{words} {_as_reported_now(restated)}"
    if later is None:
        return words
    return (
        f"{words} Of the {later.rows:,} after that, {later.days}, it had in {later.interval}, and "
        f"{100 * later.expected:.1f} % were expected."
    )


def _as_reported_now(restated: Restated) -> str:
    now = restated.now
    if now is None:
        return (
            "As reported now, of no pair of these days did one have the event and the other not"
            f"{restated.rest}{restated.end}"
        )
    return (
        f"As reported now, of {now.rows:,} such pairs of these days{restated.rest}, it had in "
        f"{now.interval}, {100 * now.expected:.1f} % were expected{restated.end}"
    )


def paired(parts: Iterable[Outcomes]) -> Iterator[Pairs]:
    """Pair rows that follow each other in a week; one that is left over has no pair."""
    held: Outcomes | None = None
    for part in parts:
        if not part.risk.size:
            continue
        rows = part if held is None else held.joined(part)
        days = rows.predicted_on.astype("datetime64[D]")
        if (days[1:] < days[:-1]).any():
            order = np.argsort(days, kind="stable")
            rows, days = rows.part(order), days[order]
        week = ((days - MONDAY).astype(np.int64) // 7).astype(np.int32)
        place = np.arange(week.size) - np.searchsorted(week, week)
        first = np.flatnonzero((place[:-1] % 2 == 0) & (week[:-1] == week[1:]))
        both = np.stack([first, first + 1], axis=1)
        odds = log_odds(rows.risk[both])
        difference, weights = odds[:, 0] - odds[:, 1], rows.weights[both].prod(axis=1)
        yield Pairs(days[first + 1], difference, rows.happened[both], rows.known[both], weights)
        # the week may go on in the next part
        held = rows.part(np.array([week.size - 1])) if place[-1] % 2 == 0 else None


def log_ratio(pairs: Pairs) -> Floats:
    """Return each bet's log evidence of some pairs' outcomes, [bets]: their likelihood ratio."""
    of_first, of_other = (_log_chance_ratio(sign * pairs.difference) for sign in (1.0, -1.0))
    neither = np.zeros_like(of_first)
    could_be = [
        (~pairs.known[:, 0] | (pairs.happened[:, 0] == first))
        & (~pairs.known[:, 1] | (pairs.happened[:, 1] == other))
        for first, other in ((True, False), (False, True), (True, True), (False, False))
    ]
    ratios = (of_first, of_other, neither, neither)
    possible = np.stack(
        [np.where(may[:, None], ratio, np.inf) for may, ratio in zip(could_be, ratios, strict=True)]
    )
    least = possible.min(axis=0)
    return np.asarray(weighted(least, pairs.weights).sum(axis=0), dtype=np.float64)


def _log_chance_ratio(difference: Floats) -> Floats:
    """Return log of each bet's chance, over what is claimed, [pairs, bets], of one having it."""
    claimed = np.logaddexp(0.0, -difference)[:, None]
    return np.asarray(
        claimed - np.logaddexp(0.0, -difference[:, None] * BETS.sizes), dtype=np.float64
    )


def days_of_pairs(
    parts: Iterable[Outcomes], horizon_days: int, after: date | None
) -> Iterator[DayOfOutcomes]:
    """Yield what each day's pairs, of predictions after one day, show."""
    for part in paired(independent(parts, horizon_days, after)):
        for day in np.unique(part.day):
            pairs = part.part(part.day == day)
            seen = pairs.part(pairs.telling)
            higher = np.where(seen.happened[:, 0], seen.difference, -seen.difference)
            # two equal risks are a pair half won
            concordant = (higher > 0) + (higher == 0) / 2
            expected = 1 / (1 + np.exp(-np.abs(seen.difference)))
            sums = sums_of(concordant, expected, seen.weights)
            yield DayOfOutcomes(day.astype(object), pairs.day.size, log_ratio(pairs), sums)
