"""What a recalibrated version's evidence answers otherwise than that of one which was trained."""

from collections.abc import Mapping
from typing import Any


def recalibrated_facts(evidence: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the facts that differ, by name; without a recalibration none is external."""
    if "recalibration" not in evidence:
        return {"external_data": None, "external_representativeness": None, "external_method": None}
    made, split = evidence["recalibration"], evidence["split"]
    trees, size = made["trees"], evidence["sample_size"]
    first, source = evidence["recalibrated_from"], evidence["cohort"]["source"]
    fitted = (
        f"{trees['source']} (SHA-256 {trees['digest']}; {split['training']['rows']} rows, "
        f"{split['training']['events']} events)"
    )
    renewed = (
        f"{source} (SHA-256 {evidence['cohort']['digest']}; {split['calibrating']['rows']} rows, "
        f"{split['calibrating']['events']} events)"
    )
    parameters = ", ".join(
        f"{name} {value:g}" for name, value in evidence["model_evidence"]["parameters"].items()
    )
    groups = evidence["model_evidence"]["evaluation"]["subgroups"]
    counts = [f"{one['group']} {one['n']}" for one in groups if one["n"] is not None]
    return {
        "external_data": f"{renewed}. {made['same_people']}",
        "external_representativeness": ", ".join(counts) or None,
        "external_method": split["method"],
        "objectives": f"Updating of version {first} for another population, with its validation "
        "there",
        "data_source": f"Trees: {fitted}. Calibration and figures: {renewed}",
        "sample_size": f"The table as it was. The {size['available']} people that the trees were "
        f"fitted to, and not these, stand against the {size['needed']} that a regression's "
        f"{size['parameters']} candidate parameters need (Riley 2020)",
        "model": f"Gradient-boosted trees ({parameters}), those of version {trees['version']}, "
        f"fitted to {fitted}; calibrated by a sigmoid fitted to all of {renewed}",
        "updating": f"Intercept and slope of version {first}, fitted anew to {renewed}",
        "calculation": "By the trees as they were, with a calibration that was fitted to the other "
        "folds; the one that is served is fitted to all of them",
        "differences": f"Trees: {trees['source']}. Evaluation: {source}. {made['same_people']}",
        "analyses": f"Fitting of the trees: {fitted}. Recalibration, and by folds the evaluation: "
        f"{renewed}",
    }
