"""The sequential alarm on calibration: do outcomes still agree with the risks that were given?

Days of prediction are weighed in their order once their outcomes must be known. A bet says that
the log-odds are off by so much; its likelihood ratio against the risks as given has mean 1 while
these are calibrated, so the same limit holds as for any stream. An outcome that nobody knows counts
as the one that speaks least for the bet; who was lost before the horizon is weighted for (see
`weighing`). One row a patient within a horizon counts.
"""

from collections.abc import Iterable, Iterator
from datetime import date

import numpy as np

from monitoring.evidence.bets import Bet
from monitoring.evidence.state import Floats
from monitoring.independence import Outcomes, independent
from monitoring.outcome_bets import DayOfOutcomes, OutcomeBets, Shares, log_odds, sums_of, weighted
from monitoring.restated import AS_RAISED, Restated

CALIBRATION = "calibration"
SHIFTS = (0.25, 0.5, 1.0)
# `size` is the shift of the log-odds
BETS = OutcomeBets(
    "Calibration",
    tuple(
        Bet("rate", direction, sign * shift, 1 / (2 * len(SHIFTS)))
        for shift in SHIFTS
        for sign, direction in ((1.0, "too low"), (-1.0, "too high"))
    ),
)


def sentence(
    direction: str, seen: Shares, later: Shares | None, restated: Restated | None = None
) -> str:
    """Say what is seen."""
    by = AS_RAISED if restated else ""
    words = (
        f"Risks are {direction}{by}: {seen.interval} of {seen.rows:,} predictions {seen.days} were "
        f"events, {100 * seen.expected:.1f} % were expected."
    )
    if restated:
        words = f"{words} {_as_reported_now(restated)}"
    if later is None:
        return words
    return (
        f"{words} Of the {later.rows:,} after that, {later.days}, {later.interval} were, and "
        f"{100 * later.expected:.1f} % were expected."
    )


def _as_reported_now(restated: Restated) -> str:
    now = restated.now
    if now is None:
        return f"As reported now, none of these days can be weighed{restated.rest}{restated.end}"
    return (
        f"As reported now, {now.interval} of {now.rows:,} predictions of these days{restated.rest} "
        f"were, {100 * now.expected:.1f} % were expected{restated.end}"
    )


def log_ratio(rows: Outcomes) -> Floats:
    """Return each bet's log evidence of some rows' outcomes, [bets]: their likelihood ratio."""
    odds = log_odds(rows.risk)
    if_not = np.logaddexp(0.0, odds)[:, None] - np.logaddexp(0.0, odds[:, None] + BETS.sizes)
    if_event = if_not + BETS.sizes
    found = np.where(rows.happened[:, None], if_event, if_not)
    ratios = np.where(rows.known[:, None], found, np.minimum(if_event, if_not))
    return np.asarray(weighted(ratios, rows.weights).sum(axis=0), dtype=np.float64)


def days_of_risks(
    parts: Iterable[Outcomes], horizon_days: int, after: date | None
) -> Iterator[DayOfOutcomes]:
    """Yield what each day of prediction after one shows."""
    for part in independent(parts, horizon_days, after):
        for day in np.unique(part.predicted_on).astype("datetime64[D]"):
            rows = part.part(part.predicted_on.astype("datetime64[D]") == day)
            known = rows.part(rows.known)
            sums = sums_of(known.happened, known.risk, known.weights)
            yield DayOfOutcomes(day.astype(object), rows.risk.size, log_ratio(rows), sums)
