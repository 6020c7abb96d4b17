"""How a version's risks agreed with what became known, by calendar year of the prediction."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.definition import Definition
from models.evaluation.censoring import CensoringWeighter
from models.evaluation.evaluation import Evaluation, evaluate
from monitoring.bounds import bounds
from monitoring.calibration import Miscalibration, Outcomes, miscalibration
from monitoring.evidence.detector import Budget
from monitoring.expected import RiskHistogram
from records.follow_up import LARGEST_UNREPORTED, ONE_DAY, follow_up
from records.models import Prediction

DRAWS = 200
SEED = 20261
CLAIMED = (
    "auroc",
    "brier",
    "calibration_in_the_large",
    "calibration_slope",
    "observed_expected",
    "event_rate",
    "mean_risk",
)


@dataclass(frozen=True)
class YearPerformance:
    """One year's predictions: what is known of them, and the figures that may be claimed.

    `figures` maps a figure's name to its value and 95 % interval; where it's empty, `reason`
    says why nothing is claimed. `bounds` hold whatever the unknown outcomes are, once the window
    has closed. `expected` is what CBPE expects if the risks are still calibrated.
    """

    year: int
    closes_on: date
    predictions: int
    patients: int
    events: int
    non_events: int
    censored: int
    unreported: int
    reason: str | None
    figures: Mapping[str, Mapping[str, float | None]]
    bounds: Mapping[str, tuple[float, float]]
    expected: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {**vars(self), "closes_on": self.closes_on.isoformat()}


@dataclass(frozen=True, eq=False)
class Followed:
    """One year's predictions with the follow-up that is known: NaN days where none is."""

    predicted_on: NDArray[np.datetime64]
    risk: NDArray[np.float64]
    patients: NDArray[np.str_]
    days: NDArray[np.float64]
    happened: NDArray[np.bool_]


def performance_by_year(
    definition: Definition,
    years: Mapping[int, Followed],
    now: datetime,
    progress: Callable[[str, int, int], None],
) -> tuple[YearPerformance, ...]:
    """Evaluate each calendar year of predictions whose window has closed."""
    found = []
    for done, (year, followed) in enumerate(sorted(years.items()), start=1):
        found.append(evaluate_year(definition, year, followed, now.date()))
        progress("performance by year", done, len(years))
    return tuple(found)


def evaluate_year(
    definition: Definition, year: int, followed: Followed, today: date
) -> YearPerformance:
    """Evaluate one year, or say why nothing is claimed of it."""
    outcome = definition.outcome
    horizon = outcome.horizon_days
    closes_on = outcome.closes_on(date(year, 12, 31))
    known = ~np.isnan(followed.days)
    events = known & followed.happened & (followed.days <= horizon)
    free = known & ~events & (followed.days >= horizon)
    counts = {
        "predictions": int(known.size),
        "patients": int(np.unique(followed.patients).size),
        "events": int(events.sum()),
        "non_events": int(free.sum()),
        "censored": int((known & ~events & ~free).sum()),
        "unreported": int((~known).sum()),
    }
    reason = _not_claimed(definition, counts, closes_on, today)
    figures = {} if reason else _figures(_evaluated(definition, followed, known))
    thresholds = [threshold.risk for threshold in definition.thresholds]
    settled = events | free
    return YearPerformance(
        year,
        closes_on,
        reason=reason,
        figures=figures,
        bounds=bounds(followed.risk, events, settled)
        if today > closes_on and not settled.all()
        else {},
        expected=asdict(RiskHistogram.of(followed.risk, thresholds).expected()),
        **counts,
    )


def watch_calibration(
    definition: Definition,
    years: Mapping[int, Followed],
    budget: Budget,
    today: date,
    after: date | None,
) -> Miscalibration | None:
    """Return the calibration alarm over the predictions whose outcomes must be known by today."""
    horizon = definition.outcome.horizon_days
    last = definition.outcome.closed_through(today)
    parts = [years[year] for year in sorted(years)]
    if not parts:
        return None
    columns = ("predicted_on", "patients", "risk", "days", "happened")
    days, patients, risk, known_days, happened = (
        np.concatenate([getattr(part, name) for part in parts]) for name in columns
    )
    due = days <= np.datetime64(last)
    events = happened & (known_days <= horizon)
    known = events | (known_days >= horizon)
    outcomes = Outcomes(days[due], patients[due], risk[due], events[due], known[due])
    # a feed of outcomes that reports next to none is no sign of health, nor of disease
    if not due.any() or outcomes.known.mean() < 1 - LARGEST_UNREPORTED:
        return None
    return miscalibration(outcomes, budget, horizon, after)


def _not_claimed(
    definition: Definition, counts: Mapping[str, int], closes_on: date, today: date
) -> str | None:
    least = definition.smallest_group
    if today <= closes_on:
        return f"no closed window until {closes_on.isoformat()}"
    if counts["patients"] < least.people:
        return f"not claimed: fewer than {least.people} patients"
    if counts["unreported"] > LARGEST_UNREPORTED * counts["predictions"]:
        return (
            f"not claimed: the outcomes of {counts['unreported']:,} of "
            f"{counts['predictions']:,} predictions are unreported"
        )
    for kind, needed in (("events", least.events), ("non_events", least.non_events)):
        if counts[kind] < needed:
            words = kind.replace("_", "-")
            return f"not claimed: {counts[kind]} {words}, {needed} are needed"
    return None


def _evaluated(definition: Definition, followed: Followed, known: NDArray[np.bool_]) -> Evaluation:
    """Evaluate with weights for censoring that are estimated anew in every draw, as in training."""
    weighter = CensoringWeighter(
        followed.days[known], followed.happened[known], definition.outcome.horizon_days
    )
    return evaluate(
        weighter.y,
        followed.risk[known],
        thresholds=[threshold.risk for threshold in definition.thresholds],
        patient_ids=followed.patients[known],
        seed=SEED,
        reweight=weighter.reweight,
        draws=DRAWS,
    )


def _figures(evaluation: Evaluation) -> dict[str, dict[str, float | None]]:
    return {
        name: {"value": found.value, "low": found.low, "high": found.high}
        for name in CLAIMED
        for found in (evaluation.figures[name],)
    }


def followed_by_year(model: str, version: str) -> dict[int, Followed]:
    """Join a version's predictions to the latest reports of their outcomes, by id or patient."""
    reports = follow_up(model)
    rows: dict[int, list[tuple[date, float, str, float, bool]]] = defaultdict(list)
    predictions = Prediction.objects.filter(model=model, version=version, is_test=False)
    columns = predictions.values_list("id", "patient", "predicted_at", "risk")
    for key, patient, predicted_at, risk in columns.iterator(chunk_size=10_000):
        report = reports.of(key, patient, predicted_at)
        days, happened = np.nan, False
        if report is not None:
            days, happened = (report[0] - predicted_at) / ONE_DAY, report[1]
        row = (predicted_at.date(), risk, patient or str(key), days, happened)
        rows[predicted_at.year].append(row)
    return {year: _as_columns(found) for year, found in rows.items()}


def _as_columns(rows: list[tuple[date, float, str, float, bool]]) -> Followed:
    predicted_on, risk, patients, days, happened = zip(*rows, strict=True)
    return Followed(
        np.array(predicted_on, dtype="datetime64[D]"),
        np.array(risk, dtype=np.float64),
        np.array(patients, dtype=np.str_),
        np.array(days, dtype=np.float64),
        np.array(happened, dtype=np.bool_),
    )
