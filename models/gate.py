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

if TYPE_CHECKING:
    from models.definition import Definition


class Gate(BaseModel):
    """A figure whose whole interval must lie within limits before a version is promoted.

    A metric that ends in `_minus_champion` is the difference to the champion, in `_minus_baseline`
    to the regression; one such as `brier/sex/Female` is that of one group. With `every_subgroup` it
    must hold in each subgroup, by intervals that hold for all of them at once. `because` says why
    the limits are as they are.
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


_NOTHING_STATED: Final = "the definition states no margin of its own"
# non-inferior to the regression: by 0.01 of AUROC, and 0.01 of the Brier score of the mean risk
NO_WORSE_THAN_BASELINE: Final = tuple(
    Gate(metric=f"{figure}{MINUS_BASELINE}", at_least=-0.01, because=_NOTHING_STATED)
    for figure in ("auroc", "scaled_brier")
)


def gates_asked(definition: "Definition") -> tuple[Gate, ...]:
    """Return the definition's gates, and those beside the regression where it has none of its own.

    Each of the latter stands until the definition states a margin for the same figure.
    """
    stated = {gate.metric for gate in definition.gates}
    return (
        *definition.gates,
        *(gate for gate in NO_WORSE_THAN_BASELINE if gate.metric not in stated),
    )


def gate_faults(definition: "Definition") -> Iterator[str]:
    """Yield every gate on a figure that no run has, as it could never pass."""
    overall = frozenset(figure_names([one.risk for one in definition.thresholds]))
    characteristics = {group.name for group in definition.subgroups} | {"site"}
    for place, gate in enumerate(definition.gates):
        if not _is_figure(gate, overall, characteristics):
            yield (
                f"gates.{place}.metric: {gate.metric!r} is no figure"
                f"{' of a subgroup' if gate.every_subgroup else ''}; name one of "
                f"{', '.join(_known(gate, overall))}"
            )


def _is_figure(gate: Gate, overall: Collection[str], characteristics: Collection[str]) -> bool:
    if gate.every_subgroup:
        return gate.metric in overall
    figure, _, group = gate.metric.partition("/")
    if group:
        return figure in SCALARS and group.partition("/")[0] in characteristics
    return figure in COUNTED or without_comparator(figure) in overall


def _known(gate: Gate, overall: Collection[str]) -> list[str]:
    names = sorted(overall)
    if gate.every_subgroup:
        return names
    differences = f"any of these and {MINUS_CHAMPION!r} or {MINUS_BASELINE!r}"
    return [*names, *COUNTED, differences]
