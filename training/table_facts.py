"""What is said of a table: its rows, those left out, what is missing and what is suspicious."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from models.definition import Definition

_LEAST_SHOWN: Final = 0.001
# how the evidence of earlier releases has these among the rows that were left out
_ROWS_KEPT: Final = ": implausible, taken as unknown (the rows are kept)"


def counts_words(quality: Mapping[str, Any]) -> str:
    """Return how many rows, patients and events a table has."""
    return (
        f"{quality['rows']:,} rows of {quality['patients']:,} patients, {quality['events']:,} "
        "events"
    )


def left_out(quality: Mapping[str, Any]) -> list[tuple[str, int | None]]:
    """Return each reason for which rows of a table were left out, and how many; None: withheld."""
    return [(why, rows) for why, rows in quality["exclusions"] if not why.endswith(_ROWS_KEPT)]


def set_to_missing(quality: Mapping[str, Any]) -> list[tuple[str, int | None]]:
    """Return of which features implausible values in rows that were kept are taken as unknown."""
    earlier = (one for one in quality["exclusions"] if one[0].endswith(_ROWS_KEPT))
    return [
        *((why.removesuffix(_ROWS_KEPT), rows) for why, rows in earlier),
        *((title, rows) for title, rows in quality.get("set_to_missing", ())),
    ]


def left_out_words(quality: Mapping[str, Any]) -> str:
    """Return why rows were left out, and how many, or that none was."""
    found = [f"{why}: {_count(rows)}" for why, rows in left_out(quality)]
    return f"left out: {'; '.join(found)}" if found else "no row was left out"


def set_to_missing_words(quality: Mapping[str, Any]) -> str:
    """Return how many implausible values of each feature are taken as unknown, or that none is."""
    found = [f"{title} {_count(rows)}" for title, rows in set_to_missing(quality)]
    return (
        f"implausible values set to missing, the rows being kept: {', '.join(found)}"
        if found
        else "no value was set to missing"
    )


def missing_words(quality: Mapping[str, Any]) -> str:
    """Return which features are missing in how many of a table's rows, or that none is."""
    shares = [
        f"{one['title']} {_share(one['missing_share'])}"
        for one in quality["features"]
        if one["missing"]
    ]
    return "; ".join(shares) or "nothing"


def missing_in_training_words(definition: Definition, shares: Mapping[str, float]) -> str:
    """Return which features are missing in how many of the rows that the trees learnt from."""
    found = [
        f"{feature.title} {_share(shares[feature.name])}"
        for feature in definition.features
        if shares[feature.name] > 0
    ]
    return "; ".join(found) or "nothing"


def _count(rows: int | None) -> str:
    return "withheld" if rows is None else f"{rows:,}"


def _share(share: float | None) -> str:
    """Return a share that isn't 0, and doesn't look so."""
    if share is None:
        return "withheld"
    return "under 0.1%" if share < _LEAST_SHOWN else f"{share:.1%}"


def suspicions_words(quality: Mapping[str, Any]) -> str:
    """Return what is suspicious in a table, or that nothing is."""
    return "; ".join(quality["suspicions"]) or "nothing"


def available_words(evidence: Mapping[str, Any], noun: str = "") -> str:
    """Say how many people the sample size is held against, and of how many rows if they differ.

    In evidence from before patients were counted they are rows.
    """
    people, part = evidence["sample_size"]["available"], evidence["split"]["training"]
    words = f"{people:,} {noun}".strip()
    if part["rows"] in (part["patients"], people):
        return words
    return f"{words} (in {part['rows']:,} rows)"


def group_sizes_words(groups: Iterable[Mapping[str, Any]]) -> str:
    """List the groups that are shown with their rows, and their patients where these are fewer."""
    return ", ".join(
        f"{group['group']} {size_words(group)}" for group in groups if group["n"] is not None
    )


def part_words(part: Mapping[str, Any]) -> str:
    """Return a part's rows, its patients where these are fewer, and its events."""
    return f"{rows_words(part)}, {part['events']:,} events"


def rows_words(part: Mapping[str, Any]) -> str:
    """Return how many rows a part has, and of how many patients where these are fewer."""
    patients = part.get("patients", part["rows"])
    of = "" if patients == part["rows"] else f" of {patients:,} patients"
    return f"{part['rows']:,} rows{of}"


def size_words(group: Mapping[str, Any]) -> str:
    """Return the rows of a group that is shown, and its patients where these are fewer."""
    rows, patients = group["n"], group.get("patients", group["n"])
    return f"{rows:,}" if rows == patients else f"{rows:,} rows of {patients:,} patients"
