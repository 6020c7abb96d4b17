"""The evidence of a run as plain values: what the model card, the gates and reviewers read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.definition import Definition, DefinitionFile
from models.encoding import is_missing
from models.evaluation.comparison import Comparison
from models.evaluation.evaluation import Evaluation
from models.gate import gates_asked
from models.scoring.calibration import Sigmoid
from training.against_baseline import BaselineMetrics, baseline_metrics
from training.case_mix import compare_rows, event_rate, group_counts
from training.cohort import Cohort
from training.comparators import FormulaEvidence
from training.data_quality import DataQuality, check_data_quality
from training.gates import check_gates
from training.learning_curve import LearningPoint
from training.making_facts import baseline_title
from training.metrics import flat_metrics
from training.population import Population
from training.sample_size import SampleSize
from training.search import Trial
from training.split import Split
from training.stability import Stability
from training.unassessed import check_unassessed, not_assessed

FORMAT = 1
RETRAINING = "retraining"
SITE = "site"
RECALIBRATED = "recalibrated_from"


@dataclass(frozen=True, eq=False)
class CandidateEvidence:
    """One fitted model: how it was found, calibrated, and how it did on the test part."""

    parameters: dict[str, float]
    trials: tuple[Trial, ...]
    sigmoid: Sigmoid
    evaluation: Evaluation

    def to_dict(self) -> dict[str, Any]:
        """Return the evidence as plain values that JSON can hold."""
        return {
            "parameters": self.parameters,
            "trials": len(self.trials),
            "calibration": {"a": self.sigmoid.a, "b": self.sigmoid.b},
            "evaluation": self.evaluation.to_dict(),
        }


@dataclass(frozen=True, eq=False)
class RunEvidence:
    """Everything that one run established."""

    file: DefinitionFile
    cohort: Cohort
    quality: DataQuality
    split: Split
    training: Population
    calibrating: Population
    test: Population
    accrual: dict[str, dict[str, str] | None]
    trees: CandidateEvidence
    baseline: CandidateEvidence
    baseline_terms: dict[str, bool]
    difference: Comparison
    without_indicators: Evaluation | None
    calibrations: dict[str, dict[str, float | None]]
    sample_size: SampleSize
    learning_curve: tuple[LearningPoint, ...]
    formulas: tuple[FormulaEvidence, ...]
    stability: Stability | None
    left_out_sites: Evaluation | None
    sites_not_left_out: tuple[str, ...]
    importance: dict[str, float]
    nested_trials: tuple[int, ...]
    quick: bool
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return the evidence as plain values that JSON can hold, without clock or machine."""
        definition = self.file.definition
        metrics = {**flat_metrics(self.trees.evaluation), **self._counts()}
        own = self.trees.to_dict()
        quality = self.quality.to_dict()
        unassessed = not_assessed(definition, self.test, self.training)
        difference = self.difference.to_dict()
        baseline = baseline_metrics(difference, own["evaluation"])
        return {
            "format": FORMAT,
            "model": definition.name,
            "definition_digest": self.file.digest,
            "quick": self.quick,
            "seed": self.seed,
            "cohort": {"source": self.cohort.source, "digest": self.cohort.digest},
            **self._retraining(),
            "data_quality": quality,
            "missing_in_training": missing_shares(definition, self.training),
            "split": {
                "method": self.split.method,
                "training": describe_part(self.training),
                "calibrating": describe_part(self.calibrating),
                "test": describe_part(self.test),
                "left_out": self.split.left_out,
                "nested_folds": len(self.split.outer),
                "nested_trials": list(self.nested_trials),
            },
            "accrual": self.accrual,
            "training_groups": group_counts(self.training, definition),
            "case_mix": self._case_mix(),
            "model_evidence": own,
            "baseline_title": baseline_title(self.baseline_terms),
            "baseline_terms": self.baseline_terms,
            "baseline_evidence": self.baseline.to_dict(),
            "difference_to_baseline": difference,
            "without_indicators": None
            if self.without_indicators is None
            else self.without_indicators.to_dict(),
            "calibrations": self.calibrations,
            "sample_size": self.sample_size.to_dict(),
            "learning_curve": [point.to_dict() for point in self.learning_curve],
            "stability": None if self.stability is None else self.stability.to_dict(),
            "left_out_sites": self._left_out_sites(),
            "formulas": [formula.to_dict() for formula in self.formulas],
            "importance": self.importance,
            "metrics": metrics,
            "gates": asked(definition, metrics, own["evaluation"], quality, baseline, unassessed),
            "not_assessed": unassessed,
        }

    def _retraining(self) -> dict[str, Any]:
        found = self.cohort.retraining
        return {} if found is None else {RETRAINING: dict(found)}

    def _case_mix(self) -> dict[str, Any] | None:
        """Return how the test part differs from the training part; None where they are the same."""
        if self.split.outer:
            return None
        return compare_rows(
            self.file.definition,
            self.training.columns,
            self.test.columns,
            of="the training part",
            event_rates=(event_rate(self.training), event_rate(self.test)),
        )

    def _left_out_sites(self) -> dict[str, Any] | None:
        """Return the figures over the sites and of each, by fits that had left it out."""
        kept = list(self.sites_not_left_out)
        if self.left_out_sites is None:
            return {"figures": None, "sites": [], "not_left_out": kept} if kept else None
        found = self.left_out_sites.to_dict()
        sites = [group for group in found["subgroups"] if group["characteristic"] == SITE]
        return {"figures": found["figures"], "sites": sites, "not_left_out": kept}

    def _counts(self) -> dict[str, float]:
        """Return the count of suspicions about the data as a figure that is known exactly."""
        count = float(len(self.quality.suspicions))
        return {f"data_suspicions{end}": count for end in ("", "_low", "_high")}


def asked(
    definition: Definition,
    metrics: Mapping[str, float],
    judged: Mapping[str, Any],
    quality: Mapping[str, Any],
    baseline: BaselineMetrics,
    unassessed: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Return how a run stands to the definition's gates, and to those which are always asked."""
    gates = gates_asked(definition)
    found = check_gates(gates, metrics, judged["subgroups"], judged=judged, baseline=baseline)
    results = (*found, *check_unassessed(definition, unassessed), check_data_quality(quality))
    return [result.to_dict() for result in results]


def missing_shares(definition: Definition, rows: Population) -> dict[str, float]:
    """Return the share of rows in which each feature is missing."""
    return {
        feature.name: float(is_missing(feature, rows.columns[feature.name]).mean())
        for feature in definition.features
    }


def describe_part(population: Population) -> dict[str, Any]:
    """Return the counts of some rows, and what the censoring weighs in them."""
    weights = population.weights()
    counted = weights > 0
    weighter = population.censoring()
    part: dict[str, Any] = {
        "rows": len(population),
        "patients": len(np.unique(population.patient)),
        "events": int(population.outcome[counted].sum()),
        "non_events": int((population.outcome[counted] == 0).sum()),
    }
    if weighter is not None:
        found = weighter.weights()
        part["censoring"] = {
            "censored_before_horizon": found.censored_before_horizon,
            "effective_n": found.effective_n,
            "largest_weight": float(found.weights.max()),
            "capped": found.capped,
            "cap": weighter.cap,
        }
    return part
