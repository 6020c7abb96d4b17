"""The facts of a run in words, each from definition or evidence; None where there is none."""

from collections.abc import Mapping
from typing import Any

from models.amounts import counted
from models.definition import Definition
from models.units import unit_words
from training.case_mix_facts import case_mix_facts, registration_facts, representativeness
from training.gates import shown_only
from training.making_facts import missing_handling, monotone, predictor_handling
from training.recalibrated_facts import recalibrated_facts
from training.retrained_facts import limits_of_records, retrained_facts
from training.table_facts import (
    available_words,
    counts_words,
    group_sizes_words,
    left_out_words,
    missing_words,
    part_words,
    set_to_missing,
    set_to_missing_words,
    suspicions_words,
)

_SHOWN = {
    "auroc": "AUROC",
    "brier": "Brier score",
    "calibration_slope": "calibration slope",
    "calibration_in_the_large": "calibration in the large",
    "ici": "ICI",
}
_AUTHORS_TEXT = "See the authors' own text"
_EXPLAINED = (
    "Every risk is answered with the contribution of each feature to the log-odds; they add up "
    "to the risk exactly"
)


def facts(definition: Definition, evidence: Mapping[str, Any]) -> dict[str, str | None]:
    """Return every fact by its name, as `reporting_items.toml` names them."""
    known = {
        **_of_use(definition),
        **_of_inputs(definition, evidence),
        **_of_making(definition, evidence),
        **_of_performance(evidence),
        **case_mix_facts(definition, evidence),
        **registration_facts(evidence.get("registered")),
        **retrained_facts(definition, evidence),
        **recalibrated_facts(definition, evidence),
    }
    held = monotone(definition)
    return known | ({"model": f"{known['model']}. {held}"} if held else {})


def _of_use(definition: Definition) -> dict[str, str | None]:
    use, outcome = definition.intended_use, definition.outcome
    days = counted(outcome.horizon_days, "day")
    horizon = f"{outcome.definition}, counted from {outcome.time_zero}"
    bands = "; ".join(f"from {band.starts_at:.0%}: {band.action}" for band in definition.bands)
    thresholds = "; ".join(f"{at.risk:.0%}: {at.because}" for at in definition.thresholds)
    prognostic = f"Prognostic, {days} ahead. {use.setting}"
    return {
        "name": f"{definition.title} ({definition.name})",
        "developer": f"{definition.owner}; no contact is provided",
        "status": str(definition.status),
        "title": f"{definition.title} in: {use.population}. Outcome: {outcome.title}",
        "context": prognostic,
        "purpose": f"{use.population}. {use.decision}. Users: {use.user}",
        "objectives": "Development, with internal validation",
        "population": use.population,
        "setting": use.setting,
        "user": use.user,
        "decision": use.decision,
        "role": f"Informs: {use.decision}",
        "actions": bands,
        "out_of_scope": "; ".join(use.not_for),
        "treatment": definition.estimand.treatment_policy,
        "outcome": f"{horizon}; horizon {days}",
        "output": f"A probability, in bands ({bands}) and at thresholds ({thresholds})",
        "output_kind": "A prediction: a probability",
        "explanation": _EXPLAINED,
        "monitoring": _monitoring(definition),
        "review": f"To be reviewed by {definition.review_by}; no other schedule is stated",
        "no_foundation_model": "None",
    }


def _monitoring(definition: Definition) -> str:
    promise = definition.monitoring
    return (
        "Inputs, risks and, once outcomes are known, performance are watched day by day; alarms "
        f"are to be false once in {promise.years_between_false_alarms:g} years at most. Whether "
        "the monitoring runs, the hospital's own record says"
    )


def _of_inputs(definition: Definition, evidence: Mapping[str, Any]) -> dict[str, str | None]:
    features, quality = definition.features, evidence["data_quality"]
    without = [feature.title for feature in features if feature.if_unusable == "score_without"]
    handled = missing_handling(definition, evidence)
    kinds = {feature.kind for feature in features}
    emptied = set_to_missing_words(quality)
    among = f"; among these, {emptied}" if set_to_missing(quality) else ""
    return {
        "eligibility": "; ".join(
            [*(rule.rule for rule in definition.inclusion), left_out_words(quality)]
        ),
        "predictors": "; ".join(
            feature.title + (f" ({unit})" if (unit := unit_words(feature.unit or "")) else "")
            for feature in features
        ),
        "predictor_choice": "Those of the definition, fixed before any fit; none was selected",
        "protected": _protected(definition),
        "data_types": f"Input: {' and '.join(sorted(kinds))} values; output: a probability",
        "preparation": f"Rows are checked as requests are; {emptied}; what "
        f"is suspicious: {suspicions_words(quality)}",
        "missing": f"Missing in all rows: {missing_words(quality)}{among}. {handled}",
        "unusable": "A value that can't be right is refused"
        + (f", save for these, which are scored without: {', '.join(without)}" if without else ""),
    }


def _protected(definition: Definition) -> str:
    sources = {feature.source for feature in definition.features}
    apart = [group.title for group in definition.subgroups if group.column is not None]
    said = [
        f"Date of birth: {'yes, as age' if 'birth_date' in sources else 'no'}",
        f"sex: {'yes' if 'gender' in sources else 'no'}",
        *(f"{title}: for the evaluation alone, never an input" for title in apart),
        "the features are: " + ", ".join(feature.title for feature in definition.features),
    ]
    return "; ".join(said)


def _of_making(definition: Definition, evidence: Mapping[str, Any]) -> dict[str, str | None]:
    quality, split, own = evidence["data_quality"], evidence["split"], evidence["model_evidence"]
    size = evidence["sample_size"]
    parameters = ", ".join(f"{name} {value:g}" for name, value in own["parameters"].items())
    sites = [g for g in own["evaluation"]["subgroups"] if g["characteristic"] == "site"]
    counts = counts_words(quality)
    trained = representativeness(definition, evidence)
    return {
        "data_source": f"{evidence['cohort']['source']} (SHA-256 {evidence['cohort']['digest']})",
        "sample_size": f"The cohort as it was. The regression's {size['parameters']} candidate "
        f"parameters need {size['needed']:,} people; there are {available_words(evidence)} "
        "(Riley 2020)",
        "partition": split["method"],
        "predictor_handling": predictor_handling(definition, evidence),
        "model": f"Gradient-boosted trees ({parameters}; {own['trials']} trials searched), "
        f"calibrated by a sigmoid on margins of patients not learnt from; {split['method']}",
        "clusters": _clusters(evidence, sites),
        "measures": "AUROC, AUPRC, Brier score, calibration (slope, in the large, ICI, smoothed "
        "curve), net benefit and the decision curve, all with bootstrap intervals",
        "updating": None,
        "updating_results": None,
        "calculation": "By the code that serves them, from the sealed artefact"
        if not split["nested_folds"]
        else "By makings of the model that had not seen the person",
        "imbalance": "None was used",
        "differences": None if split["nested_folds"] else f"Same source; {split['method']}",
        "code": "Auscult, open source (Apache-2.0)",
        "flow": f"{counts}; {left_out_words(quality)}",
        "characteristics": f"{counts}. Groups among the judged: {_groups(own)}",
        "development": f"{counts}. {trained}" if trained else counts,
        "analyses": "; ".join(
            f"{part}: {part_words(split[part])}" for part in ("training", "calibrating", "test")
        ),
        "specification": "trees.ubj and scorer.json of the version's artefact",
        "fairness_approach": "Every subgroup is reported apart, with intervals that hold for all "
        "at once; nothing in the making evens performance out"
        if own["evaluation"]["subgroups"]
        else "No subgroup has figures; nothing in the making evens performance out",
        "bias_approach": "None in the making; differences are reported",
        "limitations": _limitations(evidence),
    }


def _limitations(evidence: Mapping[str, Any]) -> str:
    trees = evidence["recalibration"]["trees"] if "recalibration" in evidence else {}
    found = [
        *evidence["data_quality"]["suspicions"],
        *(f"where the trees learnt: {words}" for words in trees.get("suspicions", ())),
        *limits_of_records(evidence),
    ]
    return f"{'; '.join(found)}. See also the authors' own text" if found else _AUTHORS_TEXT


def _clusters(evidence: Mapping[str, Any], sites: list[Any]) -> str | None:
    if not sites:
        return None
    left_out = "; and with each site left out" if evidence["left_out_sites"] else ""
    return f"By site, among the subgroups{left_out}"


def _groups(own: Mapping[str, Any]) -> str:
    return group_sizes_words(own["evaluation"]["subgroups"]) or "none"


def _of_performance(evidence: Mapping[str, Any]) -> dict[str, str | None]:
    evaluation = evidence["model_evidence"]["evaluation"]
    whole = "; ".join(
        f"{title} {_estimate(evaluation['figures'][name])}" for name, title in _SHOWN.items()
    )
    groups = "; ".join(f"{group['group']}: {_group(group)}" for group in evaluation["subgroups"])
    useful = "; ".join(
        f"net benefit at {at['threshold']:.0%} {_estimate(at['figures']['net_benefit'])}, of "
        f"treating all {_estimate(at['figures']['net_benefit_treat_all'])}"
        for at in evaluation["at_thresholds"]
    )
    elsewhere = "recalibration" in evidence  # judged by other people than the trees were made from
    return {
        "performance": whole,
        "group_performance": groups or None,
        "same_source_performance": None if elsewhere else whole,
        "same_source_groups": None if elsewhere else groups or None,
        "external_performance": whole if elsewhere else None,
        "external_groups": groups or None if elsewhere else None,
        "performance_and_groups": f"{whole}. {groups}" if groups else whole,
        "usefulness": useful,
    }


def _group(group: Mapping[str, Any]) -> str:
    figures = group["figures"]
    if not figures:
        return str(group["reason"])
    large = _estimate(figures["calibration_in_the_large"], "simultaneous_")
    words = f"AUROC {_estimate(figures['auroc'], 'simultaneous_')}, in the large {large}"
    few = shown_only(group)
    return words if few is None else f"{words} ({few})"


def _estimate(figure: Mapping[str, Any], kind: str = "") -> str:
    low, high = figure[f"{kind}low"], figure[f"{kind}high"]
    if figure["value"] is None or low is None or high is None:
        return "not estimable"
    return f"{figure['value']:z.3f} ({low:z.3f} to {high:z.3f})"
