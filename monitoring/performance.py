"""How a version's risks agreed with what became known, by calendar year of the prediction."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from models.definition import Definition
from models.evaluation.bootstrap import Estimate
from models.evaluation.censoring import CensoringWeighter
from models.evaluation.condensed import condensed_figures
from models.evaluation.evaluation import evaluate
from monitoring.bounds import bounds
from monitoring.expected import RiskHistogram
from records.answers import Moment, raw_rows, times
from records.follow_up import LARGEST_UNREPORTED, follow_up, prediction_keys
from records.models import Prediction

DRAWS = 200
SEED = 20261
# of more rows than these, intervals come from a histogram; each draw would take seconds else
CONDENSED_ABOVE = 20_000
ROWS_AT_ONCE = 20_000
FIRST_NUMPY_YEAR = 1970
COLUMNS = ("predicted_on", "risk", "patients", "days", "happened")
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
    """One year's predictions with the follow-up that is known: NaN days where none is.

    `patients` are numbers that stand for pseudonyms, the same ones in all years of a version.
    """

    predicted_on: NDArray[np.datetime64]
    risk: NDArray[np.float64]
    patients: NDArray[np.int64]
    days: NDArray[np.float64]
    happened: NDArray[np.bool_]

    def part(self, chosen: NDArray[np.bool_]) -> Self:
        """Return some of the rows."""
        return type(self)(*(getattr(self, name)[chosen] for name in COLUMNS))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the rows of several parts, one part after the other."""
        return cls(*(np.concatenate([getattr(one, name) for one in parts]) for name in COLUMNS))


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
    figures = {} if reason else _figures(_estimates(definition, followed, known))
    thresholds = [threshold.risk for threshold in definition.thresholds]
    settled = events | free
    return YearPerformance(
        year,
        closes_on,
        reason=reason,
        figures=figures,
        bounds=bounds(followed.risk, events, settled)
        if today > closes_on and not settled.all() and _may_suffice(definition, counts)
        else {},
        expected=asdict(RiskHistogram.of(followed.risk, thresholds).expected()),
        **counts,
    )


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
            words = kind.replace("_", "-").removesuffix("s" if counts[kind] == 1 else "")
            return f"not claimed: {counts[kind]} {words}, {needed} are needed"
    return None


def _may_suffice(definition: Definition, counts: Mapping[str, int]) -> bool:
    """Say whether there could be events and non-events enough, whatever the unknown ones are."""
    least, unknown = definition.smallest_group, counts["censored"] + counts["unreported"]
    return (
        counts["patients"] >= least.people
        and counts["events"] + unknown >= least.events
        and counts["non_events"] + unknown >= least.non_events
    )


def _estimates(
    definition: Definition, followed: Followed, known: NDArray[np.bool_]
) -> Mapping[str, Estimate]:
    """Evaluate with weights for censoring that are estimated anew in every draw, as in training."""
    weighter = CensoringWeighter(
        followed.days[known], followed.happened[known], definition.outcome.horizon_days
    )
    y, risk = weighter.y, followed.risk[known]
    settings: dict[str, Any] = {
        "patient_ids": followed.patients[known],
        "seed": SEED,
        "reweight": weighter.reweight,
        "draws": DRAWS,
    }
    if y.size > CONDENSED_ABOVE:
        return condensed_figures(y, risk, **settings)
    thresholds = [threshold.risk for threshold in definition.thresholds]
    return evaluate(y, risk, thresholds=thresholds, **settings).figures


def _figures(estimates: Mapping[str, Estimate]) -> dict[str, dict[str, float | None]]:
    return {
        name: {"value": found.value, "low": found.low, "high": found.high}
        for name in CLAIMED
        for found in (estimates[name],)
    }


def followed_by_year(model: str, version: str) -> dict[int, Followed]:
    """Join a version's predictions to the latest reports of their outcomes, by id or patient."""
    reports, codes = follow_up(model), _Codes()
    chosen = Prediction.objects.filter(model=model, version=version, is_test=False)
    columns = chosen.order_by("predicted_at", "id").values_list(
        Moment("predicted_at"), "id", "patient", "risk"
    )
    parts: dict[int, list[Followed]] = defaultdict(list)
    for chunk in raw_rows(columns, ROWS_AT_ONCE):
        moments, ids, patients, risk = zip(*chunk, strict=True)
        predicted_at = times(moments)
        known_at, happened = reports.of_all(prediction_keys(ids), patients, predicted_at)
        rows = Followed(
            predicted_at.astype("datetime64[D]"),
            np.array(risk, dtype=np.float64),
            np.array([codes[one] for one in patients], dtype=np.int64),
            (known_at - predicted_at) / np.timedelta64(1, "D"),
            happened,
        )
        years = predicted_at.astype("datetime64[Y]").astype(int) + FIRST_NUMPY_YEAR
        for year in np.unique(years).tolist():
            parts[year].append(rows.part(years == year))
    return {year: Followed.joined(parts.pop(year)) for year in list(parts)}


class _Codes(dict[str, int]):
    """A number for each patient; a prediction without one is a patient of its own."""

    def __init__(self) -> None:
        self._given = 0

    def __missing__(self, patient: str) -> int:
        self._given += 1
        if patient:
            self[patient] = self._given
        return self._given
