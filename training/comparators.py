"""Published formulas beside the model: how far one alone ranks people, and its cut as a rule.

A score with a published cut enters net benefit as a rule, never as a probability.
"""

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.definition import Definition
from models.evaluation.bootstrap import CaseWeighting, Estimate, PatientBootstrap, estimate
from models.evaluation.discrimination import RankedScores
from models.evaluation.inputs import FloatArray
from models.evaluation.net_benefit import DecisionSample
from models.formulas import FORMULAS
from training.population import Population

_LEAST_ROWS = 20


@dataclass(frozen=True, slots=True)
class Rule:
    """Acting on values below a published cut."""

    below: float
    source: str


RULES: Final = {
    "ckd_epi_2021": Rule(60.0, "KDIGO 2024: a GFR below 60 mL/min/1.73 m2 is decreased"),
}


@dataclass(frozen=True, slots=True)
class FormulaEvidence:
    """A formula's own ranking where it is known, and net benefit of its cut at each threshold.

    `auroc` is of low values standing for the event where `low_is_risky`. Rows without a value are
    not acted on by the rule.
    """

    feature: str
    title: str
    formula: str
    source: str
    known: int
    low_is_risky: bool
    auroc: Estimate
    rule: str | None
    net_benefit: dict[str, Estimate]

    def to_dict(self) -> dict[str, Any]:
        """Return the evidence as plain values that JSON can hold."""
        return asdict(self)


def formula_evidence(
    rows: Population, definition: Definition, *, draws: int, seed: int
) -> tuple[FormulaEvidence, ...]:
    """Return the evidence of each derived feature that is known in enough rows."""
    found = []
    for feature in definition.features:
        if feature.derived is None:
            continue
        values = rows.columns[feature.name].astype(np.float64)
        known = rows.part(~np.isnan(values))
        if len(known) < _LEAST_ROWS or len(set(known.outcome.tolist())) < 2:
            continue
        rule = RULES.get(feature.derived.formula)
        ranked = values[~np.isnan(values)]
        low_is_risky = feature.direction == "decreasing" or rule is not None
        found.append(
            FormulaEvidence(
                feature=feature.name,
                title=feature.title,
                formula=feature.derived.formula,
                source=FORMULAS[feature.derived.formula].source,
                known=len(known),
                low_is_risky=low_is_risky,
                auroc=_auroc(known, -ranked if low_is_risky else ranked, draws, seed),
                rule=None if rule is None else f"below {rule.below:g} ({rule.source})",
                net_benefit={}
                if rule is None
                else _net_benefit(rows, values < rule.below, definition, draws, seed),
            )
        )
    return tuple(found)


def _auroc(rows: Population, score: FloatArray, draws: int, seed: int) -> Estimate:
    _, ranks = np.unique(score, return_inverse=True)
    ranked = RankedScores(rows.outcome, ranks / max(1, int(ranks.max())))
    weighting, bootstrap = _draws(rows, draws, seed)
    drawn = np.concatenate([ranked.auroc(cases) for cases in bootstrap.case_weights(weighting)])
    return estimate(float(ranked.auroc(weighting.own)[0]), drawn)


def _net_benefit(
    rows: Population, acted: npt.NDArray[np.bool_], definition: Definition, draws: int, seed: int
) -> dict[str, Estimate]:
    thresholds = [threshold.risk for threshold in definition.thresholds]
    sample = DecisionSample(rows.outcome, acted.astype(np.float64), thresholds)
    weighting, bootstrap = _draws(rows, draws, seed)
    own = sample.decide(weighting.own).net_benefit[0]
    drawn = np.concatenate(
        [sample.decide(cases).net_benefit for cases in bootstrap.case_weights(weighting)]
    )
    return {
        f"{threshold:g}": estimate(float(own[place]), drawn[:, place])
        for place, threshold in enumerate(thresholds)
    }


def _draws(rows: Population, draws: int, seed: int) -> tuple[CaseWeighting, PatientBootstrap]:
    weighter = rows.censoring()
    reweight = None if weighter is None else weighter.reweight
    weighting = CaseWeighting(len(rows), reweight=reweight)
    return weighting, PatientBootstrap(rows.patient, len(rows), draws, seed)
