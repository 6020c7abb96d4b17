"""How a version's risks agreed with what became known, by calendar window of the prediction."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import reduce
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from models.amounts import counted as number_of
from models.definition import Definition
from models.evaluation.bootstrap import Estimate
from models.evaluation.censoring import CensoringWeighter
from models.evaluation.condensed import condense
from models.evaluation.counts import Counts
from models.evaluation.evaluation import evaluate
from models.evaluation.figures import ThresholdEvaluation
from models.evaluation.ranked_censoring import RankedCensoring, parts
from models.event_dates import EventDates
from monitoring.bounds import bounds
from monitoring.expected import RiskHistogram
from monitoring.followed import Followed
from monitoring.periods import Period
from records.follow_up import LARGEST_UNREPORTED

# the characteristic by which shown and silent predictions are judged apart
SHOWN = "shown"
DRAWS = 200
SEED = 20261
# of more rows than these, figures come from a histogram, which is the faster then
CONDENSED_ABOVE = 4_000
CLAIMED = (
    "auroc",
    "brier",
    "calibration_in_the_large",
    "calibration_slope",
    "observed_expected",
    "ici",
    "event_rate",
    "mean_risk",
)
CLAIMED_AT_THRESHOLDS = ("net_benefit", "ppv", "sensitivity", "alerts_per_100")
Figure = Mapping[str, float | None]


@dataclass(frozen=True)
class Judged:
    """Some predictions of a window: what is known of them, and the figures that may be claimed.

    `figures` maps a figure's name to its value and 95 % interval, `at_thresholds` each threshold to
    such figures; where they're empty, `reason` says why nothing is claimed. `after_horizon` counts
    the reported events that count as none, being dated after the horizon.
    """

    predictions: int
    patients: int
    events: int
    non_events: int
    censored: int
    unreported: int
    reason: str | None
    figures: Mapping[str, Figure]
    at_thresholds: Mapping[str, Mapping[str, Figure]]
    after_horizon: int = 0


@dataclass(frozen=True)
class WindowPerformance:
    """One window's predictions, all together.

    `bounds` hold whatever the unknown outcomes are, once the window has closed. `expected` is what
    CBPE expects if the risks are still calibrated. `shown` counts the predictions that were shown
    to anyone. `apart` holds groups of the predictions (see `monitoring.apart`), and `seen` tells
    whether what this rests on is what it was.
    """

    label: str
    first: date
    closes_on: date
    judged: Judged
    shown: int
    bounds: Mapping[str, tuple[float, float]]
    expected: Mapping[str, Any]
    apart: Sequence[Mapping[str, Any]] = ()
    seen: str = ""

    @property
    def figures(self) -> Mapping[str, Figure]:
        """Return what is claimed of all of its predictions."""
        return self.judged.figures

    @property
    def withholds_shown(self) -> bool:
        """Whether shown and silent predictions are withheld, and so how many of each there are."""
        of_shown = (one for one in self.apart if one["characteristic"] == SHOWN)
        return any(one["predictions"] is None for one in of_shown)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        dates = {"first": self.first.isoformat(), "closes_on": self.closes_on.isoformat()}
        own = {name: value for name, value in vars(self).items() if name != "judged"}
        return {**own, **vars(self.judged), **dates}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Self:
        """Read what `to_dict` returned, once JSON has held it."""
        names = [name for name in Judged.__dataclass_fields__ if name in found]
        judged = Judged(**{name: found[name] for name in names})
        own = {name: found[name] for name in cls.__dataclass_fields__ if name != "judged"}
        dates = {name: date.fromisoformat(found[name]) for name in ("first", "closes_on")}
        return cls(**{**own, **dates}, judged=judged)


def evaluate_window(
    definition: Definition, period: Period, followed: Followed, today: date
) -> WindowPerformance:
    """Evaluate one window, or say why nothing is claimed of it."""
    outcome = definition.outcome
    closes_on = outcome.closes_on(period.last)
    judged = judge(definition, followed, None if today > closes_on else closes_on)
    events, settled = (
        followed.events(outcome.horizon_days),
        followed.settled(outcome.horizon_days),
    )
    thresholds = [threshold.risk for threshold in definition.thresholds]
    return WindowPerformance(
        period.label,
        period.first,
        closes_on,
        judged,
        int(followed.shown.sum()),
        bounds(followed.risk, events, settled)
        if today > closes_on and not settled.all() and _may_suffice(definition, judged)
        else {},
        asdict(_histogram(followed.risk, thresholds).expected()),
    )


def judge(definition: Definition, followed: Followed, closes_on: date | None) -> Judged:
    """Count some rows' outcomes and evaluate them, or say why nothing is claimed of them.

    `closes_on` is the last day before their window closes, None where it has closed.
    """
    horizon = definition.outcome.horizon_days
    known, settled = followed.known, followed.settled(horizon)
    dates = EventDates.of(definition.outcome, followed.days, followed.happened)
    counts = followed.by_patient(horizon).count()
    counted = Judged(
        predictions=counts.n,
        patients=counts.patients,
        events=counts.events,
        non_events=counts.non_events,
        censored=int((known & ~settled).sum()),
        unreported=int((~known).sum()),
        reason=None,
        figures={},
        at_thresholds={},
        after_horizon=dates.after,
    )
    reason = _not_claimed(definition, counted, counts, closes_on)
    if not reason and dates.suspicions:
        reason = f"not claimed: {'; '.join(dates.suspicions)}"
    if reason:
        return replace(counted, reason=reason)
    figures, at_thresholds = _estimates(
        definition, followed if known.all() else followed.part(known)
    )
    return replace(
        counted,
        figures=_plain(figures, CLAIMED),
        at_thresholds={
            f"{one.threshold:g}": _plain(one.figures, CLAIMED_AT_THRESHOLDS)
            for one in at_thresholds
        },
    )


def _not_claimed(
    definition: Definition, counted: Judged, counts: Counts, closes_on: date | None
) -> str | None:
    least = definition.smallest_group
    if closes_on is not None:
        return f"no closed window until {closes_on.isoformat()}"
    if counted.patients < least.people:
        return f"not claimed: fewer than {least.people} patients"
    if counted.unreported > LARGEST_UNREPORTED * counted.predictions:
        return (
            f"not claimed: the outcomes of {counted.unreported:,} of "
            f"{counted.predictions:,} predictions are unreported"
        )
    for kind, rows, patients, needed in (
        ("event", counts.events, counts.patients_with_event, least.events),
        ("non-event", counts.non_events, counts.patients_without_event, least.non_events),
    ):
        if patients < needed:
            whose = "" if patients == rows else f" of {number_of(patients, 'patient')}"
            return f"not claimed: {number_of(rows, kind)}{whose}, {needed} are needed"
    return None


def _may_suffice(definition: Definition, counted: Judged) -> bool:
    """Say whether there could be events and non-events enough, whatever the unknown ones are."""
    least, unknown = definition.smallest_group, counted.censored + counted.unreported
    return (
        counted.patients >= least.people
        and counted.events + unknown >= least.events
        and counted.non_events + unknown >= least.non_events
    )


def _estimates(
    definition: Definition, followed: Followed
) -> tuple[Mapping[str, Estimate], Sequence[ThresholdEvaluation]]:
    """Evaluate with weights for censoring that are estimated anew in every draw, as in training."""
    days, happened, horizon = followed.days, followed.happened, definition.outcome.horizon_days
    settings: dict[str, Any] = {
        "patient_ids": np.unique(followed.patients, return_inverse=True)[1],
        "thresholds": [threshold.risk for threshold in definition.thresholds],
        "seed": SEED,
        "draws": DRAWS,
    }
    if days.size > CONDENSED_ABOVE:
        censoring = RankedCensoring(days, happened, horizon)
        condensed = condense(censoring.y, followed.risk, censoring=censoring, **settings)
        return condensed.figures, condensed.at_thresholds
    weighter = CensoringWeighter(days, happened, horizon)
    found = evaluate(weighter.y, followed.risk, reweight=weighter.reweight, **settings)
    return found.figures, found.at_thresholds


def _histogram(risk: NDArray[np.float64], thresholds: Sequence[float]) -> RiskHistogram:
    """Count risks part by part, since what is computed of a risk takes five times its memory."""
    counted = (RiskHistogram.of(risk[rows], thresholds) for rows in parts(risk.size))
    return reduce(RiskHistogram.__add__, counted)


def _plain(estimates: Mapping[str, Estimate], names: Sequence[str]) -> dict[str, Figure]:
    return {
        name: {"value": found.value, "low": found.low, "high": found.high}
        for name in names
        for found in (estimates[name],)
    }
