"""How a fitted model did on people whom neither its fit nor its calibration has seen."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from models.definition import Definition
from models.evaluation.evaluation import Beside, Evaluation, evaluate, evaluate_beside
from models.evaluation.suppression import ReportingLimits
from models.subgroups import subgroup_labels
from training.population import FloatArray, Population


def evaluate_on(
    rows: Population, risk: FloatArray, definition: Definition, *, draws: int, seed: int
) -> Evaluation:
    """Return every figure with its interval; censoring is estimated anew in every draw."""
    return evaluate(rows.outcome, risk, **_setting(rows, definition, draws, seed))


def evaluate_beside_on(
    rows: Population,
    risk: FloatArray,
    others: Mapping[str, FloatArray],
    definition: Definition,
    *,
    draws: int,
    seed: int,
) -> Beside:
    """Return that of several models, and the first's differences, paired by patient and draw."""
    setting = _setting(rows, definition, draws, seed)
    return evaluate_beside(rows.outcome, risk, others, **setting)


def reporting_limits(definition: Definition) -> ReportingLimits:
    """Return the counts below which the definition withholds a subgroup or doesn't judge it."""
    smallest = definition.smallest_group
    return ReportingLimits(
        people=smallest.people, events=smallest.events, non_events=smallest.non_events
    )


def _setting(rows: Population, definition: Definition, draws: int, seed: int) -> dict[str, Any]:
    weighter = rows.censoring()
    return {
        "thresholds": [threshold.risk for threshold in definition.thresholds],
        "patient_ids": rows.patient,
        "seed": seed,
        "reweight": None if weighter is None else weighter.reweight,
        "groups": groups_of(rows, definition),
        "draws": draws,
        "limits": reporting_limits(definition),
    }


def groups_of(rows: Population, definition: Definition) -> dict[str, npt.NDArray[np.object_]]:
    """Return the group of every row in each subgroup, and its site where sites are known."""
    groups = subgroup_labels(definition, rows.columns)
    for group in definition.subgroups:
        names = rows.characteristics.get(group.column or "")
        if names is not None and any(name is not None for name in names):
            groups[group.name] = names
    if rows.site is not None:
        groups["site"] = np.asarray(rows.site, dtype=object)
    return groups
