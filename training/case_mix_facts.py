"""From when the rows of a run are, of whom, and how the judged ones differ, in words."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from models.definition import Definition
from training.table_facts import rows_words, size_words

NOTICED: Final = 0.1  # standardised differences below are negligible (Austin 2009)
_SITE: Final = "Site"
_SAME_ROWS: Final = (
    "The judged rows are the training rows, each with the risk from fits that had not seen its "
    "patient"
)


def case_mix_facts(definition: Definition, evidence: Mapping[str, Any]) -> dict[str, str | None]:
    """Return each such fact by name; None where the evidence has none, as that of older runs."""
    return {
        "accrual": _accrual(evidence),
        "representativeness": representativeness(definition, evidence),
        "comparison": comparison(evidence.get("case_mix"), evidence["split"]["nested_folds"] > 0),
    }


def registration_facts(registered: Mapping[str, str] | None) -> dict[str, str | None]:
    """Return version and date of a version that is registered; None of one that isn't yet."""
    if registered is None:
        return {"version": None, "registered": None}
    return {
        "version": registered["version"],
        "registered": f"Registered {registered['at']}; when it was put into use, "
        "`auscult history` says",
    }


def _accrual(evidence: Mapping[str, Any]) -> str | None:
    parts = evidence.get("accrual") or {}
    trained, judged = parts.get("training"), parts.get("test")
    if trained is not None and trained == judged:
        return f"All rows: predictions of {_span(trained)}"
    found = []
    if "retraining" in evidence:
        records = _of_records(evidence["retraining"])
        found.append(f"trees: {records}" if records and "recalibration" in evidence else records)
    elif trained is not None:
        found.append(f"Training: predictions of {_span(trained)}")
    if judged is not None:
        found.append(f"judged rows: predictions of {_span(judged)}")
    words = "; ".join(part for part in found if part)
    return words[:1].upper() + words[1:] or None


def _of_records(retraining: Mapping[str, Any]) -> str | None:
    """Say from when recorded predictions are; the original table's times only order its rows."""
    if "recorded_from" not in retraining:
        return None
    return (
        f"recorded predictions: {retraining['recorded_from']} to {retraining['recorded_to']}; "
        f"those through {retraining['learnt_through'][:10]} train, with the original table"
    )


def _span(part: Mapping[str, str]) -> str:
    followed = f", followed until {part['followed_until']}" if "followed_until" in part else ""
    return f"{part['first']} to {part['last']}{followed}"


def representativeness(definition: Definition, evidence: Mapping[str, Any]) -> str | None:
    """Say how many of each group are among the rows that the trees learnt from."""
    groups = evidence.get("training_groups")
    if not groups:
        return None
    part = evidence["split"]["training"]
    said = _counts(definition, groups, part["rows"])
    missing = [
        f"{group.title}: not assessed ({group.not_assessed})"
        for group in definition.subgroups
        if group.not_assessed is not None
    ]
    return "; ".join([f"Training: {rows_words(part)}", *said, *missing])


def _counts(definition: Definition, groups: Sequence[Mapping[str, Any]], rows: int) -> list[str]:
    titles = {"site": _SITE, **{group.name: group.title for group in definition.subgroups}}
    by_name: dict[str, list[str]] = {}
    for one in groups:
        shown = one["n"] is not None
        count = f"{size_words(one)} ({one['n'] / rows:.1%})" if shown else "withheld"
        by_name.setdefault(one["characteristic"], []).append(f"{one['group']} {count}")
    return [f"{titles.get(name, name)}: {', '.join(found)}" for name, found in by_name.items()]


def comparison(case_mix: Mapping[str, Any] | None, same_rows: bool = False) -> str | None:
    """Say how the judged rows differ from those of development, the largest difference first."""
    if case_mix is None:
        return _SAME_ROWS if same_rows else None
    rates = case_mix["event_rate"]
    differ = sorted(_differences(case_mix["features"]), key=lambda one: -abs(one[1]))
    noticed = [f"{name} {value:+.2f}" for name, value in differ if abs(value) >= NOTICED]
    features = ", ".join(noticed) or f"none of {NOTICED:g} or more"
    words = (
        f"Event rate {rates['judged']:.1%}, and {rates['development']:.1%} in {case_mix['of']}. "
        f"Standardised differences to it: {features}"
    )
    apart = _apart(case_mix["features"])
    return (
        f"{words}. The same in all rows here and in all there, and not alike: {apart}"
        if apart
        else words
    )


def _apart(features: Sequence[Mapping[str, Any]]) -> str:
    missing = (f"{one['title']}, missing" for one in features if one["missing_apart"])
    return ", ".join([*(one["title"] for one in features if one["apart"]), *missing])


def _differences(features: Sequence[Mapping[str, Any]]) -> list[tuple[str, float]]:
    named = [
        (one["title"] + (f" ({one['category']})" if one["category"] else ""), one["difference"])
        for one in features
    ]
    missing = [(f"{one['title']}, missing", one["missing_difference"]) for one in features]
    return [(name, value) for name, value in [*named, *missing] if value is not None]
