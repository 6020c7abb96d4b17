"""How a fitted model did on people whom neither its fit nor its calibration has seen."""

import numpy as np
import numpy.typing as npt

from models.definition import Definition
from models.evaluation.comparison import Comparison, compare
from models.evaluation.evaluation import Evaluation, evaluate
from models.evaluation.suppression import ReportingLimits
from models.subgroups import subgroup_labels
from training.population import FloatArray, Population


def evaluate_on(
    test: Population, risk: FloatArray, definition: Definition, *, draws: int, seed: int
) -> Evaluation:
    """Return every figure with its interval; censoring is estimated anew in every draw."""
    weighter = test.censoring()
    return evaluate(
        test.outcome,
        risk,
        thresholds=[threshold.risk for threshold in definition.thresholds],
        patient_ids=test.patient,
        seed=seed,
        reweight=None if weighter is None else weighter.reweight,
        groups=_groups(test, definition),
        draws=draws,
        limits=reporting_limits(definition),
    )


def _groups(rows: Population, definition: Definition) -> dict[str, npt.NDArray[np.object_]]:
    """Return the group of every row in each subgroup, and its site where sites are known."""
    groups = subgroup_labels(definition, rows.columns)
    for group in definition.subgroups:
        if group.column is not None and group.column in rows.characteristics:
            groups[group.name] = rows.characteristics[group.column]
    if rows.site is not None:
        groups["site"] = np.asarray(rows.site, dtype=object)
    return groups


def compare_on(
    test: Population,
    risk: FloatArray,
    other_risk: FloatArray,
    definition: Definition,
    *,
    draws: int,
    seed: int,
) -> Comparison:
    """Return the figures of `risk` minus those of `other_risk`, paired by patient and draw."""
    weighter = test.censoring()
    return compare(
        test.outcome,
        risk,
        other_risk,
        thresholds=[threshold.risk for threshold in definition.thresholds],
        patient_ids=test.patient,
        seed=seed,
        reweight=None if weighter is None else weighter.reweight,
        draws=draws,
    )


def reporting_limits(definition: Definition) -> ReportingLimits:
    """Return the counts below which the definition withholds a subgroup or doesn't judge it."""
    smallest = definition.smallest_group
    return ReportingLimits(
        people=smallest.people, events=smallest.events, non_events=smallest.non_events
    )
