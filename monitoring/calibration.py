"""The sequential alarm on calibration: do outcomes still agree with the risks that were given?

Days of prediction are weighed in their order once their outcomes must be known. A bet says that
the log-odds are off by so much; its likelihood ratio against the risks as given has mean 1 while
these are calibrated, so the same limit holds as for any stream. An outcome that nobody knows counts
as the one that speaks least for the bet. One row a patient within a horizon counts.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from monitoring.evidence.bets import Bet
from monitoring.evidence.detector import Budget
from monitoring.evidence.state import Floats
from monitoring.outcome_bets import OutcomeBets, Raised, first_alarm, log_odds
from monitoring.wilson import wilson

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


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Predictions whose horizon and reporting delay have passed; `happened` where `known`."""

    predicted_on: NDArray[np.datetime64]
    patients: NDArray[np.integer]
    risk: Floats
    happened: NDArray[np.bool_]
    known: NDArray[np.bool_]


@dataclass(frozen=True)
class Miscalibration:
    """What the calibration alarm says, on predictions from `onset` through `day`."""

    onset: date
    day: date
    direction: str
    rows: int
    expected: float
    observed: float
    low: float
    high: float

    @property
    def sentence(self) -> str:
        """Say what is seen."""
        return (
            f"Risks are {self.direction}: {100 * self.observed:.1f} % ({100 * self.low:.1f} to "
            f"{100 * self.high:.1f} %) of {self.rows:,} predictions since {self.onset} were "
            f"events, {100 * self.expected:.1f} % were expected."
        )


def log_ratio(risk: Floats, happened: NDArray[np.bool_], known: NDArray[np.bool_]) -> Floats:
    """Return each bet's log likelihood ratio of some rows' outcomes, [bets]."""
    odds = log_odds(risk)
    if_not = np.logaddexp(0.0, odds)[:, None] - np.logaddexp(0.0, odds[:, None] + BETS.sizes)
    if_event = if_not + BETS.sizes
    found = np.where(happened[:, None], if_event, if_not)
    least = np.minimum(if_event, if_not)
    return np.asarray(np.where(known[:, None], found, least).sum(axis=0), dtype=np.float64)


def miscalibration(
    outcomes: Outcomes, budget: Budget, horizon_days: int, after: date | None
) -> Miscalibration | None:
    """Return the first alarm over days of prediction after one that alarmed already."""
    chosen = independent(outcomes, horizon_days)
    if after is not None:
        chosen &= outcomes.predicted_on > np.datetime64(after)
    risk, happened, known = (
        outcomes.risk[chosen],
        outcomes.happened[chosen],
        outcomes.known[chosen],
    )

    def evidence(rows: NDArray[np.bool_]) -> Floats:
        return log_ratio(risk[rows], happened[rows], known[rows])

    raised = first_alarm(BETS, outcomes.predicted_on[chosen], evidence, budget)
    return None if raised is None else _described(outcomes, chosen, raised)


def independent(outcomes: Outcomes, horizon_days: int) -> NDArray[np.bool_]:
    """Return the rows of which no earlier one of the same patient has the same outcome."""
    days = outcomes.predicted_on.astype("datetime64[D]").astype(np.int64)
    found = np.zeros(days.size, dtype=np.bool_)
    if not days.size:
        return found
    days -= days.min()
    # each patient's days lie further apart from the next one's than any horizon
    span = int(days.max()) + int(horizon_days) + 1
    days += outcomes.patients.astype(np.int64) * span
    order = np.argsort(days, kind="stable")
    ranked = days[order]
    patient = outcomes.patients[order]
    begins = np.ones(patient.size, dtype=np.bool_)
    begins[1:] = patient[1:] != patient[:-1]
    chosen = np.flatnonzero(begins)
    while chosen.size:
        found[order[chosen]] = True
        after = np.searchsorted(ranked, ranked[chosen] + horizon_days, side="right")
        there = after < ranked.size
        after, chosen = after[there], chosen[there]
        chosen = after[patient[after] == patient[chosen]]
    return found


def _described(outcomes: Outcomes, chosen: NDArray[np.bool_], raised: Raised) -> Miscalibration:
    onset, day, days = raised.onset, raised.day, outcomes.predicted_on
    rows = chosen & outcomes.known & (days >= np.datetime64(onset)) & (days <= np.datetime64(day))
    size = int(rows.sum())
    observed, low, high = wilson(int(outcomes.happened[rows].sum()), size)
    expected = float(outcomes.risk[rows].mean())
    return Miscalibration(onset, day, raised.direction, size, expected, observed, low, high)
