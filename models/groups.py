"""The groups into which a definition's subgroups divide people, and the names that gates use."""

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from models.definition import Definition, Subgroup
    from models.feature import Feature

UNKNOWN: Final = "unknown"
_NOT_IN_METRICS: Final = re.compile(r"[^A-Za-z0-9_.-]")
_LONGEST: Final = 100


def metric_form(group: str) -> str:
    """Return a group's name as metrics have it, without spaces and what MLflow doesn't take.

    >>> metric_form("75 or more")
    '75_or_more'
    """
    return _NOT_IN_METRICS.sub("_", group)[:_LONGEST]


def cut_titles(cuts: tuple[float, ...]) -> tuple[str, ...]:
    """Name the ranges between cuts: a row at a cut belongs to the range above it."""
    between = [f"{low:g} to under {high:g}" for low, high in pairwise(cuts)]
    return f"under {cuts[0]:g}", *between, f"{cuts[-1]:g} or more"


def group_titles(definition: "Definition", group: "Subgroup") -> tuple[str, ...]:
    """Name the groups into which a feature divides people, whether anybody is there or not."""
    if group.feature is None:
        return ()
    feature = _feature(definition, group.feature)
    if feature.kind == "categorical":
        return tuple(feature.categories.values())
    return cut_titles(group.cuts)


def possible_groups(definition: "Definition", group: "Subgroup") -> tuple[str, ...]:
    """Name those and, of a feature that may be missing, the group of whom it isn't known."""
    titles = group_titles(definition, group)
    if group.feature is None or _feature(definition, group.feature).required:
        return titles
    return tuple(dict.fromkeys((*titles, UNKNOWN)))


def title_of(definition: "Definition", group: "Subgroup", written: str) -> str | None:
    """Return the title of the group that's written so; None if there can't be one.

    It may be written as its title, as a category's key, or as metrics have it where that is one
    group's alone. The groups of a column are in the tables, so any name may be one.
    """
    if group.column is not None:
        return written or None
    titles = possible_groups(definition, group)
    if written in titles:
        return written
    categories = {} if group.feature is None else _feature(definition, group.feature).categories
    if written in categories:
        return categories[written]
    alike = {title for title in titles if metric_form(title) == written}
    return alike.pop() if len(alike) == 1 else None


def _feature(definition: "Definition", name: str) -> "Feature":
    # not `by_name`, which would be kept by copies with other features if validation had asked it
    return next(feature for feature in definition.features if feature.name == name)
