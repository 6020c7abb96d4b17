"""What a recalibrated version's evidence answers otherwise than that of one which was trained."""

from collections.abc import Mapping
from typing import Any, Final

from models.definition import Definition
from training.beside_champion import differences_words
from training.case_mix_facts import representativeness
from training.making_facts import TREES_MISSING, trees_handling
from training.table_facts import (
    available_words,
    counts_words,
    group_sizes_words,
    left_out_words,
    missing_in_training_words,
    missing_words,
    set_to_missing_words,
    suspicions_words,
)

_COMPARED: Final = ("brier", "calibration_slope", "calibration_in_the_large", "ici")


def recalibrated_facts(
    definition: Definition, evidence: Mapping[str, Any]
) -> dict[str, str | None]:
    """Return the facts that differ, by name; without a recalibration none is external."""
    if "recalibration" not in evidence:
        return {"external_data": None, "external_representativeness": None, "external_method": None}
    return {
        **_of_tables(definition, evidence),
        **_of_making(definition, evidence),
        **_of_evaluation(evidence),
    }


def _of_tables(definition: Definition, evidence: Mapping[str, Any]) -> dict[str, str | None]:
    """Return what both tables were like, that of the trees and that of the recalibration."""
    trees, quality = evidence["recalibration"]["trees"], evidence["data_quality"]
    source = evidence["cohort"]["source"]
    tables = (("the trees'", trees), ("the recalibration's", quality))
    out = "; ".join(f"of {whose} table {left_out_words(of)}" for whose, of in tables)
    emptied = "; ".join(f"in {whose} table {set_to_missing_words(of)}" for whose, of in tables)
    rules = "; ".join(rule.rule for rule in definition.inclusion) or "No limits are stated"
    trained = representativeness(definition, evidence)
    missing = missing_in_training_words(definition, evidence["missing_in_training"])
    return {
        "data_source": f"Trees: {_fitted(evidence)}. Calibration and figures: {_renewed(evidence)}",
        "eligibility": f"{rules}; {out}",
        "preparation": f"Rows are checked as requests are; {emptied}; what is suspicious in "
        f"{trees['source']}, the trees' table: {suspicions_words(trees)}; in {source}, that of the "
        f"recalibration: {suspicions_words(quality)}",
        "missing": f"Missing where the trees learnt: {missing}; in {source}, the recalibration's "
        f"table: {missing_words(quality)}. {TREES_MISSING}",
        "flow": f"Trees: {counts_words(trees)}. Recalibration: {counts_words(quality)}; {out}",
        "development": f"Trees: {trees['source']}, {counts_words(trees)}"
        + (f". {trained}" if trained else "")
        + f". Recalibration: {source}, {counts_words(quality)}",
    }


def _of_making(definition: Definition, evidence: Mapping[str, Any]) -> dict[str, str | None]:
    size, first = evidence["sample_size"], evidence["recalibrated_from"]
    trees, source = evidence["recalibration"]["trees"], evidence["cohort"]["source"]
    differences = evidence["difference_to_baseline"]["differences"]
    compared = differences_words({name: differences[name] for name in _COMPARED})
    parameters = ", ".join(
        f"{name} {value:g}" for name, value in evidence["model_evidence"]["parameters"].items()
    )
    return {
        "objectives": f"Updating of version {first} for another population, with its validation "
        "there",
        "sample_size": f"The table as it was. The {available_words(evidence, 'people')} that the "
        f"trees were fitted to, and not these, stand against the {size['needed']:,} that a "
        "regression's "
        f"{size['parameters']} candidate parameters need (Riley 2020)",
        "predictor_handling": f"As in version {trees['version']}: {trees_handling(definition)}",
        "model": f"Gradient-boosted trees ({parameters}), those of version {trees['version']}, "
        f"fitted to {_fitted(evidence)}; calibrated by a sigmoid fitted to all of "
        f"{_renewed(evidence)}",
        "updating": f"Intercept and slope of version {first}, fitted anew to {_renewed(evidence)}",
        "updating_results": f"Minus version {first} as it was, on {source}: {compared}",
    }


def _of_evaluation(evidence: Mapping[str, Any]) -> dict[str, str | None]:
    made, source = evidence["recalibration"], evidence["cohort"]["source"]
    groups = evidence["model_evidence"]["evaluation"]["subgroups"]
    return {
        "external_data": f"{_renewed(evidence)}. {made['same_people']}",
        "external_representativeness": group_sizes_words(groups) or None,
        "external_method": evidence["split"]["method"],
        "calculation": "By the trees as they were, with a calibration that was fitted to the other "
        "folds; the one that is served is fitted to all of them",
        "differences": f"Trees: {made['trees']['source']}. Evaluation: {source}. "
        f"{made['same_people']}",
        "analyses": f"Fitting of the trees: {_fitted(evidence)}. Recalibration, and by folds the "
        f"evaluation: {_renewed(evidence)}",
    }


def _fitted(evidence: Mapping[str, Any]) -> str:
    """Return the table and the rows that the trees were fitted to."""
    trees, part = evidence["recalibration"]["trees"], evidence["split"]["training"]
    return (
        f"{trees['source']} (SHA-256 {trees['digest']}; {part['rows']:,} rows, "
        f"{part['events']:,} events)"
    )


def _renewed(evidence: Mapping[str, Any]) -> str:
    """Return the table and the rows that the calibration was fitted to."""
    table, part = evidence["cohort"], evidence["split"]["calibrating"]
    return (
        f"{table['source']} (SHA-256 {table['digest']}; {part['rows']:,} rows, "
        f"{part['events']:,} events)"
    )
