"""The declared subgroups that have no figures, and what that means to a gate on every one of them.

Where the definition's author states that a subgroup can't be assessed, whoever promotes reads that
on the card. Where the table lacks it unsaid, no gate on every subgroup can pass.
"""

from collections.abc import Iterable, Iterator, Mapping

from models.definition import Definition, Subgroup
from models.figure_names import figure_title
from models.gate import Gate
from models.groups import group_titles
from training.evaluation import groups_of
from training.gates import GateResult
from training.population import Population


def not_assessed(
    definition: Definition, rows: Population, training: Population | None = None
) -> dict[str, str]:
    """Return why a subgroup, or one group of it, of the judged `rows` has no figures, by its title.

    The groups of a column are those that `training` has; of a recalibration's there is none.
    """
    judged = groups_of(rows, definition)
    trained = {} if training is None else groups_of(training, definition)
    empty = {
        f"{group.title}: {title}": "nobody of the judged rows belongs to it"
        for group in definition.subgroups
        if _why_absent(group, rows) is None
        for title in sorted(
            (
                _named(trained, group)
                if group.feature is None
                else {*group_titles(definition, group)}
            )
            - _named(judged, group)
        )
    }
    absent = {
        group.title: reason
        for group in definition.subgroups
        if (reason := _why_absent(group, rows)) is not None
    }
    return {**_stated(definition), **absent, **empty}


def check_unassessed(definition: Definition, reasons: Mapping[str, str]) -> Iterator[GateResult]:
    """Yield, for each gate on every subgroup, those without figures that the definition expects.

    `reasons` are those of `not_assessed`. What the definition itself states as not assessed is no
    fault of the table's and isn't asked.
    """
    stated = _stated(definition)
    unsaid = {title: why for title, why in reasons.items() if stated.get(title) != why}
    for gate in _of_every_subgroup(definition.gates):
        for title, reason in unsaid.items():
            called = f"{figure_title(gate.metric)} of {title} [{gate.metric}]"
            words = f"{called}: not assessed, {reason}"
            yield GateResult(f"{gate.metric} of {title}", "insufficient evidence", words)


def _named(groups: Mapping[str, Iterable[object]], group: Subgroup) -> set[str]:
    """Return which groups of a subgroup have rows."""
    return {str(name) for name in groups.get(group.name, ()) if name is not None}


def _stated(definition: Definition) -> dict[str, str]:
    return {g.title: g.not_assessed for g in definition.subgroups if g.not_assessed is not None}


def _why_absent(group: Subgroup, rows: Population) -> str | None:
    if group.column is None:
        return None
    if group.column not in rows.characteristics:
        return f"the table has no column {group.column}"
    if all(name is None for name in rows.characteristics[group.column]):
        return f"column {group.column} is empty in every judged row"
    return None


def _of_every_subgroup(gates: Iterable[Gate]) -> Iterator[Gate]:
    return (gate for gate in gates if gate.every_subgroup)
