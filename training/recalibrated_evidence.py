"""The evidence of a recalibrated version: that of its trees, and all that the new people say."""

import json
from collections.abc import Mapping
from typing import Any, Final

from models.evaluation.evaluation import Beside
from models.scoring.calibration import Sigmoid
from training.against_baseline import OF_TREES, against_baseline, of_trees
from training.case_mix import accrual
from training.evidence import RECALIBRATED, asked, describe_part
from training.lineage import Made
from training.metrics import flat_metrics
from training.shap_values import mean_sizes
from training.split import FOLDS
from training.unassessed import not_assessed
from training.validation import Examined, beside_development

BEFORE: Final = "before"
_OF_TABLE: Final = ("rows", "patients", "events", "exclusions", "set_to_missing", "suspicions")


def recalibrated_evidence(
    examined: Examined, beside: Beside, fitted: Sigmoid, served: Sigmoid, seed: int
) -> dict[str, Any]:
    """Return the first version's evidence, all that the new population says put in its place.

    `fitted` is the calibration of the version's margins, `served` that of the trees' own.
    """
    first: Mapping[str, Any] = json.loads((examined.artefact / "evidence.json").read_bytes())
    definition, rows = examined.file.definition, examined.rows
    own = {
        **first["model_evidence"],
        "calibration": {"a": served.a, "b": served.b},
        "evaluation": beside.own.to_dict(),
    }
    before = {**first["model_evidence"], "evaluation": beside.others[BEFORE].to_dict()}
    metrics, quality = flat_metrics(beside.own), examined.quality.to_dict()
    version, trees = examined.version.version, examined.made[-1]
    values = {
        **first,
        RECALIBRATED: version,
        OF_TREES: of_trees(trees.version.version, trees.evidence),
        "recalibration": {"trees": _of_trees(trees), "same_people": _same_people(examined)},
        "seed": seed,
        "cohort": {"source": examined.cohort.source, "digest": examined.cohort.digest},
        "data_quality": quality,
        "split": _split(examined, trees),
        "accrual": {
            "training": (trees.evidence.get("accrual") or {}).get("training"),
            "test": accrual(rows),
        },
        "case_mix": beside_development(examined),
        "model_evidence": own,
        "baseline_title": f"version {version} as it was",
        "baseline_evidence": before,
        "difference_to_baseline": beside.comparisons[BEFORE].to_dict(),
        "without_indicators": None,
        "calibrations": {},
        "formulas": [],
        "stability": None,
        "left_out_sites": None,
        "importance": mean_sizes(definition, fitted.a * examined.explained.contributions),
        "metrics": metrics,
        "not_assessed": not_assessed(definition, rows),
    }
    baseline = against_baseline(values)
    found = asked(definition, metrics, own["evaluation"], quality, baseline, values["not_assessed"])
    return values | {"gates": found}


def _of_trees(trees: Made) -> dict[str, Any]:
    """Return which version the trees are from, and what its table was like."""
    quality = trees.evidence["data_quality"]
    of_table = {name: quality[name] for name in _OF_TABLE if name in quality}
    return {**trees.evidence["cohort"], "version": trees.version.version, **of_table}


def _same_people(examined: Examined) -> str:
    if examined.seen_before is None:
        return "Nothing tells of people who are in both tables; that some are can't be ruled out"
    return f"Known of people who are in both tables: {examined.seen_before.words}"


def _split(examined: Examined, trees: Made) -> dict[str, Any]:
    part = describe_part(examined.rows)
    return {
        "method": f"the trees are those of version {trees.version.version}; their calibration was "
        f"fitted to this population, and is judged by {FOLDS}-fold cross-validation by patient",
        "training": trees.evidence["split"]["training"],
        "calibrating": part,
        "test": part,
        "left_out": 0,
        "nested_folds": FOLDS,
        "nested_trials": [],
    }
