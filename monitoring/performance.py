"""How a version's risks agreed with what became known, by calendar year of the prediction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from functools import reduce
from hashlib import blake2b
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from models.definition import Definition
from models.evaluation.bootstrap import Estimate
from models.evaluation.censoring import CensoringWeighter
from models.evaluation.condensed import condensed_figures
from models.evaluation.evaluation import evaluate
from models.evaluation.ranked_censoring import RankedCensoring, parts
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
COLUMNS = ("predicted_on", "risk", "patients", "sites", "days", "happened")
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

    `patients` are numbers that stand for pseudonyms, `sites` numbers that stand for sites' names,
    the same ones in all years of a version.
    """

    predicted_on: NDArray[np.datetime64]
    risk: NDArray[np.float64]
    patients: NDArray[np.int32]
    sites: NDArray[np.int32]
    days: NDArray[np.float64]
    happened: NDArray[np.bool_]

    def part(self, chosen: NDArray[np.bool_] | slice) -> Self:
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
        expected=asdict(_histogram(followed.risk, thresholds).expected()),
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
    if not known.all():
        followed = followed.part(known)
    days, happened, horizon = followed.days, followed.happened, definition.outcome.horizon_days
    settings: dict[str, Any] = {"patient_ids": followed.patients, "seed": SEED, "draws": DRAWS}
    if days.size > CONDENSED_ABOVE:
        censoring = RankedCensoring(days, happened, horizon)
        return condensed_figures(censoring.y, followed.risk, censoring=censoring, **settings)
    weighter = CensoringWeighter(days, happened, horizon)
    thresholds = [threshold.risk for threshold in definition.thresholds]
    settings |= {"reweight": weighter.reweight, "thresholds": thresholds}
    return evaluate(weighter.y, followed.risk, **settings).figures


def _histogram(risk: NDArray[np.float64], thresholds: Sequence[float]) -> RiskHistogram:
    """Count risks part by part, since what is computed of a risk takes five times its memory."""
    counted = (RiskHistogram.of(risk[rows], thresholds) for rows in parts(risk.size))
    return reduce(RiskHistogram.__add__, counted)


def _figures(estimates: Mapping[str, Estimate]) -> dict[str, dict[str, float | None]]:
    return {
        name: {"value": found.value, "low": found.low, "high": found.high}
        for name in CLAIMED
        for found in (estimates[name],)
    }


def followed_by_year(model: str, version: str) -> dict[int, Followed]:
    """Join a version's predictions to the latest reports of their outcomes, by id or patient."""
    columns = _joined_columns(model, version)
    patients = _in_order(np.concatenate(columns.pop("patients")))
    # each column lets go of its parts before the next is made
    found = {name: np.concatenate(columns.pop(name)) for name in list(columns)}
    whole = Followed(**found, patients=patients)
    if not whole.risk.size:
        return {}
    first, last = (whole.predicted_on[row].astype(object).year for row in (0, -1))
    years = np.arange(first, last + 2)
    begins = [np.datetime64(f"{year}-01-01") for year in years.tolist()]
    starts = np.searchsorted(whole.predicted_on, begins).tolist()
    parts_of = zip(years.tolist(), starts, starts[1:], strict=False)
    return {year: whole.part(slice(*rows)) for year, *rows in parts_of if rows[0] < rows[1]}


def _joined_columns(model: str, version: str) -> dict[str, list[NDArray[Any]]]:
    """Return the columns of `Followed` in parts, in order of prediction time."""
    reports = follow_up(model)
    chosen = Prediction.objects.filter(model=model, version=version, is_test=False)
    columns = chosen.order_by("predicted_at", "id").values_list(
        Moment("predicted_at"), "id", "patient", "risk", "site"
    )
    numbers: dict[str, int] = {}
    found: dict[str, list[NDArray[Any]]] = {
        "predicted_on": [times(()).astype("datetime64[D]")],
        "risk": [np.zeros(0)],
        "patients": [np.zeros(0, dtype=np.uint64)],
        "sites": [np.zeros(0, dtype=np.int32)],
        "days": [np.zeros(0)],
        "happened": [np.zeros(0, dtype=np.bool_)],
    }
    for chunk in raw_rows(columns, ROWS_AT_ONCE):
        moments, ids, patients, risk, sites = zip(*chunk, strict=True)
        predicted_at = times(moments)
        known_at, happened = reports.of_all(prediction_keys(ids), patients, predicted_at)
        found["predicted_on"].append(predicted_at.astype("datetime64[D]"))
        found["risk"].append(np.array(risk, dtype=np.float64))
        found["patients"].append(_marks(patients, ids))
        numbered = [numbers.setdefault(site, len(numbers)) for site in sites]
        found["sites"].append(np.array(numbered, dtype=np.int32))
        found["days"].append((known_at - predicted_at) / np.timedelta64(1, "D"))
        found["happened"].append(happened)
    return found


def _marks(patients: Sequence[str], ids: Sequence[Any]) -> NDArray[np.uint64]:
    """Return 64 bits for each patient; a prediction without one is a patient of its own.

    Two of ten million patients share theirs with a chance of 3 in a million.
    """
    named = (patient or str(id_) for patient, id_ in zip(patients, ids, strict=True))
    return np.frombuffer(
        b"".join(blake2b(one.encode(), digest_size=8).digest() for one in named), dtype=np.uint64
    )


def _in_order(marks: NDArray[np.uint64]) -> NDArray[np.int32]:
    """Number patients from 0 on, as they appear first."""
    order = np.argsort(marks, kind="stable")
    ranked = marks[order]
    begins = np.ones(marks.size, dtype=np.bool_)
    begins[1:] = ranked[1:] != ranked[:-1]
    del ranked
    first = order[begins]
    numbers = np.empty(first.size, dtype=np.int32)
    numbers[np.argsort(first)] = np.arange(first.size)
    found = np.empty(marks.size, dtype=np.int32)
    found[order] = numbers[np.cumsum(begins, dtype=np.int32) - 1]
    return found
