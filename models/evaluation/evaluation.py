"""One model's whole evaluation: every figure with its interval, overall and by subgroup."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.evaluation.bootstrap import CaseWeighting, Estimate, PatientBootstrap, Reweight
from models.evaluation.censoring import effective_size
from models.evaluation.figures import (
    Drawn,
    Figures,
    ThresholdEvaluation,
    estimates,
    estimates_at,
    gather,
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

    `unknown` rows carry no weight, their outcome being censored; `calibration_curve` is None where
    the smoothed curve isn't defined.
    """

    n: int
    patients: int
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
    outcomes = check_outcomes(y)
    risks = check_risks(risk, outcomes.size)
    at = check_thresholds(thresholds)
    weighting = CaseWeighting(outcomes.size, weights, reweight)
    check_both_outcomes(outcomes, weighting.own)
    bootstrap = PatientBootstrap(patient_ids, outcomes.size, draws, seed)
    own = weighting.own[None, :]
    overall = Figures(outcomes, risks, at, weighting.own)
    curve = DecisionSample(outcomes, risks, CURVE_THRESHOLDS)
    subgroups = divide(groups or {}, overall, limits or ReportingLimits())
    blocks: list[Drawn] = []
    curve_blocks: list[FloatArray] = []
    for cases in bootstrap.case_weights(weighting):
        blocks.append(overall.draw(cases))
        curve_blocks.append(curve.decide(cases).net_benefit)
        for subgroup in subgroups:
            subgroup.draw(cases)
    value, drawn = overall.draw(own), gather(blocks)
    counted = weighting.own > 0
    events = int(outcomes[counted].sum())
    return Evaluation(
        n=outcomes.size,
        patients=bootstrap.patients,
        events=events,
        non_events=int(counted.sum()) - events,
        unknown=int((~counted).sum()),
        effective_n=effective_size(weighting.own),
        draws=draws,
        seed=seed,
        level=level,
        figures=estimates(value, drawn, level),
        at_thresholds=estimates_at(value, drawn, at, level),
        calibration_curve=_calibration_curve(overall.curve_risks, value, drawn, level),
        decision_curve=_decision_curve(curve, own, np.concatenate(curve_blocks), level),
        subgroups=evaluate_subgroups(subgroups, at, level),
    )


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
