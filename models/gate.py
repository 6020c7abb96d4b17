"""What must hold before a version is promoted, and the names of the figures that can be asked."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

from models.figure_names import (
    COUNTED,
    MINUS_BASELINE,
    MINUS_CHAMPION,
    SCALARS,
    figure_names,
    without_comparator,
)
from models.groups import possible_groups, title_of

if TYPE_CHECKING:
    from models.definition import Definition, Subgroup


class Gate(BaseModel):
    """A figure whose whole interval must lie within limits before a version is promoted.

    A metric that ends in `_minus_champion` is the difference to the champion, in `_minus_baseline`
    to the regression; one such as `brier/age_band/75 or more` is that of one group. With
    `every_subgroup` it must hold in each subgroup, by intervals that hold for all of them at once.
    `because` says why the limits are as they are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: Annotated[str, StringConstraints(min_length=3, strip_whitespace=True)]
    at_least: float | None = None
    at_most: float | None = None
    every_subgroup: bool = False
    because: Annotated[str, StringConstraints(min_length=10, strip_whitespace=True)] | None = None

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError("give at_least or at_most")
        return self

    @model_validator(mode="after")
    def _says_why_such_a_margin(self) -> Self:
        if self.metric.endswith(MINUS_BASELINE) and self.because is None:
            raise ValueError(
                f"say in because why {self.metric} may be that: how much worse than the regression "
                "is still acceptable is a judgement that reviewers have to be able to read"
            )
        return self


_SITE: Final = "site"
_NOTHING_STATED: Final = "the definition states no margin of its own"
# non-inferior to the regression: by 0.01 of AUROC, and 0.01 of the Brier score of the mean risk
NO_WORSE_THAN_BASELINE: Final = tuple(
    Gate(metric=f"{figure}{MINUS_BASELINE}", at_least=-0.01, because=_NOTHING_STATED)
    for figure in ("auroc", "scaled_brier")
)


def gates_asked(definition: "Definition") -> tuple[Gate, ...]:
    """Return the definition's gates, and those beside the regression where it has none of its own.

    Each of the latter stands until the definition states a margin for the same figure. A gate of
    one group names it by its title, however the definition writes it.
    """
    stated = {gate.metric for gate in definition.gates}
    return (
        *(_by_title(definition, gate) for gate in definition.gates),
        *(gate for gate in NO_WORSE_THAN_BASELINE if gate.metric not in stated),
    )


def _by_title(definition: "Definition", gate: Gate) -> Gate:
    figure, characteristic, written = _parts(gate)
    group = _subgroup(definition, characteristic)
    title = None if group is None else title_of(definition, group, written)
    if title is None:
        return gate
    return gate.model_copy(update={"metric": f"{figure}/{characteristic}/{title}"})


def gate_faults(definition: "Definition") -> Iterator[str]:
    """Yield every gate on a figure that no run has, as it could never pass."""
    overall = frozenset(figure_names([one.risk for one in definition.thresholds]))
    for place, gate in enumerate(definition.gates):
        if "/" in gate.metric and not gate.every_subgroup:
            fault = _group_fault(definition, gate)
        else:
            fault = _figure_fault(gate, overall)
        if fault is not None:
            yield f"gates.{place}.metric: {gate.metric!r} {fault}"


def _figure_fault(gate: Gate, overall: Collection[str]) -> str | None:
    if gate.every_subgroup:
        known = gate.metric in overall
    else:
        known = gate.metric in COUNTED or without_comparator(gate.metric) in overall
    whose = " of a subgroup" if gate.every_subgroup else ""
    return None if known else f"is no figure{whose}; name one of {', '.join(_known(gate, overall))}"


def _group_fault(definition: "Definition", gate: Gate) -> str | None:
    """Say why no run can have this figure of one group."""
    figure, characteristic, written = _parts(gate)
    if figure not in SCALARS:
        return f"is no figure of a group; name one of {', '.join(SCALARS)}"
    group = _subgroup(definition, characteristic)
    if group is None and characteristic != _SITE:
        names = dict.fromkeys((*(one.name for one in definition.subgroups), _SITE))
        return f"is no figure; name a group of one of {', '.join(names)}"
    if group is not None and group.not_assessed is not None:
        return f"is no figure, as {characteristic} is not assessed: {group.not_assessed}"
    if written and (group is None or title_of(definition, group, written) is not None):
        return None
    titles = () if group is None else possible_groups(definition, group)
    listed = ", ".join(map(repr, titles)) or f"the groups that tables have as {characteristic}"
    return f"names no group of {characteristic}; name one of {listed}"


def _parts(gate: Gate) -> tuple[str, str, str]:
    """Return figure, characteristic and group of a metric; empty where it has none."""
    figure, _, of = gate.metric.partition("/")
    characteristic, _, group = of.partition("/")
    return figure, characteristic, group


def _subgroup(definition: "Definition", name: str) -> "Subgroup | None":
    """Return the declared subgroup; None of sites, which are as tables have them."""
    if name == _SITE:
        return None
    return next((group for group in definition.subgroups if group.name == name), None)


def _known(gate: Gate, overall: Collection[str]) -> list[str]:
    names = sorted(overall)
    if gate.every_subgroup:
        return names
    differences = f"any of these and {MINUS_CHAMPION!r} or {MINUS_BASELINE!r}"
    return [*names, *COUNTED, differences]
