"""What a retrained version's evidence answers otherwise than that of one trained on a table."""

from collections.abc import Mapping
from typing import Any

from models.definition import Definition
from training.beside_champion import champion_words
from training.evidence import RETRAINING


def retrained_facts(definition: Definition, evidence: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the facts that differ, by name; of a version that wasn't retrained there are none."""
    if RETRAINING not in evidence:
        return {}
    made = evidence[RETRAINING]
    champion, source = made["challenges"], made["original_cohort"]["source"]
    learnt = f"recorded predictions through {made['learnt_through'][:10]}"
    return {
        "objectives": f"Updating of version {champion}, the champion, by a retraining, with "
        "internal validation on later predictions",
        "updating": f"Made anew from {source}, the table of version {champion}, and {learnt}"
        f"{_bounds(definition)}; features, outcome and inclusion limits stayed as they were",
        "updating_results": champion_words(evidence.get("champion")),
        "differences": f"Training: {source} and {learnt}. Evaluation: recorded predictions after "
        "that, of other patients, so far as pseudonyms tell",
    }


def limits_of_records(evidence: Mapping[str, Any]) -> list[str]:
    """Return what has to be borne in mind of a version whose trees learnt from recorded rows."""
    if RETRAINING not in evidence:
        return []
    made = evidence[RETRAINING]
    found = [
        f"of the retraining's rows, {made['recorded']:,} are recorded predictions of people whose "
        "outcome was reported",
        "whether a person of the original table is also among the recorded ones can't be told from "
        "a pseudonym",
    ]
    if made["shown"]:
        found.append(
            f"{made['shown']:,} of them were shown, so what was done about them may have changed "
            "their outcomes: people whom treatment helped teach a model that people like them "
            "were at low risk"
        )
    return found


def _bounds(definition: Definition) -> str:
    plan = definition.change_plan
    if plan is None:
        return ""
    depth, rate = plan.max_depth, plan.learning_rate
    return (
        f", of the last {plan.window_days:,} days ({plan.learn_from}), by trees of depth "
        f"{depth[0]} to {depth[1]} and a learning rate of {rate[0]:g} to {rate[1]:g}, as the "
        "change plan allows"
    )
