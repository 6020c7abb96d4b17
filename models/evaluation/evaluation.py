"""One model's whole evaluation: every figure with its interval, overall and by subgroup."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from models.evaluation.bootstrap import CaseWeighting, Estimate, PatientBootstrap, Reweight
from models.evaluation.censoring import effective_size
from models.evaluation.comparison import Comparison
from models.evaluation.counts import PatientRows
from models.evaluation.figures import (
    Drawn,
    Figures,
    ThresholdEvaluation,
    estimates,
    estimates_at,
    gather,
    subtract,
)
from models.evaluation.inputs import (
    FloatArray,
    check_both_outcomes,
    check_outcomes,
    check_risks,
    check_thresholds,
)
from models.evaluation.net_benefit import DecisionSample
from models.evaluation.subgroups import SubgroupEvaluation, divide, evaluate_subgroups
from models.evaluation.suppression import ReportingLimits

CURVE_THRESHOLDS = tuple(percent / 100 for percent in range(1, 100))


@dataclass(frozen=True, slots=True)
class CalibrationCurve:
    """Smoothed observed frequency at each risk, with its pointwise interval."""

    risk: tuple[float, ...]
    observed: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class DecisionCurve:
    """Net benefit over thresholds, with its pointwise interval; treating none is worth 0."""

    thresholds: tuple[float, ...]
    net_benefit: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    treat_all: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How a model's risks agreed with what happened.

    `n`, `events` and `non_events` count rows. A patient with rows of both kinds is among those with
    and among those without an event. `unknown` rows carry no weight, their outcome being censored;
    `calibration_curve` is None where the smoothed curve isn't defined.
    """

    n: int
    patients: int
    patients_with_event: int
    patients_without_event: int
    events: int
    non_events: int
    unknown: int
    effective_n: float
    draws: int
    seed: int
    level: float
    figures: dict[str, Estimate]
    at_thresholds: tuple[ThresholdEvaluation, ...]
    calibration_curve: CalibrationCurve | None
    decision_curve: DecisionCurve
    subgroups: tuple[SubgroupEvaluation, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the evaluation as plain values that JSON can hold."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Beside:
    """An evaluation, others on the same rows and draws, and the paired differences to each."""

    own: Evaluation
    others: dict[str, Evaluation]
    comparisons: dict[str, Comparison]


def evaluate(
    y: npt.ArrayLike,
    risk: npt.ArrayLike,
    *,
    thresholds: Sequence[float],
    patient_ids: npt.ArrayLike,
    seed: int,
    weights: npt.ArrayLike | None = None,
    reweight: Reweight | None = None,
    groups: Mapping[str, npt.ArrayLike] | None = None,
    draws: int = 1000,
    level: float = 0.95,
    limits: ReportingLimits | None = None,
) -> Evaluation:
    """Return every figure with its patient-clustered bootstrap interval.

    `weights` are fixed case weights; `reweight` estimates them anew in every draw (see
    CaseWeighting). `groups` names, for each characteristic, the group of every row. Raises
    StatisticsError for anything that can't be evaluated.
    """
    return evaluate_beside(
        y,
        risk,
        {},
        thresholds=thresholds,
        patient_ids=patient_ids,
        seed=seed,
        weights=weights,
        reweight=reweight,
        groups=groups,
        draws=draws,
        level=level,
        limits=limits,
    ).own


def evaluate_beside(
    y: npt.ArrayLike,
    risk: npt.ArrayLike,
    others: Mapping[str, npt.ArrayLike],
    *,
    thresholds: Sequence[float],
    patient_ids: npt.ArrayLike,
    seed: int,
    weights: npt.ArrayLike | None = None,
    reweight: Reweight | None = None,
    groups: Mapping[str, npt.ArrayLike] | None = None,
    draws: int = 1000,
    level: float = 0.95,
    limits: ReportingLimits | None = None,
) -> Beside:
    """Evaluate a model and others on the same rows and draws, all in one pass over the draws.

    Only the first is divided by `groups`. The differences are those of `risk` minus the other's.
    """
    outcomes = check_outcomes(y)
    at = check_thresholds(thresholds)
    weighting = CaseWeighting(outcomes.size, weights, reweight)
    check_both_outcomes(outcomes, weighting.own)
    bootstrap = PatientBootstrap(patient_ids, outcomes.size, draws, seed)

    def sample(name: str, risks: npt.ArrayLike) -> EvaluationSample:
        checked = check_risks(risks, outcomes.size, name)
        return EvaluationSample(Figures(outcomes, checked, at, weighting.own))

    own = sample("risk", risk)
    beside = {name: sample(name, risks) for name, risks in others.items()}
    subgroups = divide(groups or {}, own.figures, bootstrap.patient, limits or ReportingLimits())
    for cases in bootstrap.case_weights(weighting):
        for one in (own, *beside.values()):
            one.draw(cases)
        for subgroup in subgroups:
            subgroup.draw(cases)
    found = {name: one.evaluation(bootstrap, level, ()) for name, one in beside.items()}
    return Beside(
        own.evaluation(bootstrap, level, evaluate_subgroups(subgroups, at, level)),
        found,
        {name: own.minus(one, bootstrap, level) for name, one in beside.items()},
    )


class EvaluationSample:
    """One model's risks of the rows, and its figures of the draws so far."""

    def __init__(self, figures: Figures) -> None:
        self.figures = figures
        self._curve = DecisionSample(figures.y, figures.risk, CURVE_THRESHOLDS)
        self._blocks: list[Drawn] = []
        self._curve_blocks: list[FloatArray] = []

    def draw(self, cases: FloatArray) -> None:
        """Compute and keep the figures for case weights (draws, rows)."""
        self._blocks.append(self.figures.draw(cases))
        self._curve_blocks.append(self._curve.decide(cases).net_benefit)

    def evaluation(
        self, bootstrap: PatientBootstrap, level: float, subgroups: tuple[SubgroupEvaluation, ...]
    ) -> Evaluation:
        """Return the figures with their intervals."""
        figures, own = self.figures, self.figures.weights[None, :]
        value, drawn = self._drawn
        counts = PatientRows.weighted(bootstrap.patient, figures.y, figures.weights).count()
        return Evaluation(
            **asdict(counts),
            unknown=counts.n - counts.events - counts.non_events,
            effective_n=effective_size(figures.weights),
            draws=bootstrap.draws,
            seed=bootstrap.seed,
            level=level,
            figures=estimates(value, drawn, level),
            at_thresholds=estimates_at(value, drawn, figures.thresholds, level),
            calibration_curve=_calibration_curve(figures.curve_risks, value, drawn, level),
            decision_curve=_decision_curve(
                self._curve, own, np.concatenate(self._curve_blocks), level
            ),
            subgroups=subgroups,
        )

    def minus(
        self, other: "EvaluationSample", bootstrap: PatientBootstrap, level: float
    ) -> Comparison:
        """Return each figure minus the other's, draw by draw."""
        (value, drawn), (its_value, its_drawn) = self._drawn, other._drawn
        difference, drawn_difference = subtract(value, its_value), subtract(drawn, its_drawn)
        return Comparison(
            draws=bootstrap.draws,
            seed=bootstrap.seed,
            level=level,
            differences=estimates(difference, drawn_difference, level),
            at_thresholds=estimates_at(
                difference, drawn_difference, self.figures.thresholds, level
            ),
        )

    @cached_property
    def _drawn(self) -> tuple[Drawn, Drawn]:
        """The figures of the rows themselves, and of all draws."""
        return self.figures.draw(self.figures.weights[None, :]), gather(self._blocks)


def _calibration_curve(
    risks: FloatArray, value: Drawn, drawn: Drawn, level: float
) -> CalibrationCurve | None:
    observed = value["curve"][0]
    usable = drawn["curve"][np.isfinite(drawn["curve"]).all(axis=1)]
    if not risks.size or not np.isfinite(observed).all() or 2 * len(usable) < len(drawn["curve"]):
        return None
    low, high = np.quantile(usable, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return CalibrationCurve(_plain(risks), _plain(observed), _plain(low), _plain(high))


def _decision_curve(
    curve: DecisionSample, own: FloatArray, drawn: FloatArray, level: float
) -> DecisionCurve:
    value = curve.decide(own)
    low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return DecisionCurve(
        CURVE_THRESHOLDS,
        _plain(value.net_benefit[0]),
        _plain(low),
        _plain(high),
        _plain(value.net_benefit_treat_all[0]),
    )


def _plain(values: FloatArray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
