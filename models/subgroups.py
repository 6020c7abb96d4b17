"""The subgroups that a definition names, as labels of a table's rows."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.definition import Definition, Subgroup
from models.groups import UNKNOWN, cut_titles


def subgroup_labels(
    definition: Definition, columns: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[np.object_]]:
    """Return each row's label in every subgroup that can be assessed, by the subgroup's name.

    `columns` are completed ones, in the definition's units.
    """
    return {
        group.name: _labels(definition, group, group.feature, columns[group.feature])
        for group in definition.subgroups
        if group.feature is not None
    }


def _labels(
    definition: Definition, group: Subgroup, feature: str, column: NDArray[Any]
) -> NDArray[np.object_]:
    if definition.by_name[feature].kind == "categorical":
        titles = definition.by_name[feature].categories
        return np.array([titles.get(value, UNKNOWN) for value in column], dtype=object)
    names = np.array(cut_titles(group.cuts), dtype=object)
    labels: NDArray[np.object_] = names[
        np.searchsorted(group.cuts, column, side="right").clip(0, len(names) - 1)
    ]
    labels[np.isnan(column)] = UNKNOWN
    return labels
