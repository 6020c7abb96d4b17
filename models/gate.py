"""What must hold before a version is promoted, and the names of the figures that can be asked."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

from models.figure_names import COUNTED, MINUS_CHAMPION, SCALARS, figure_names

if TYPE_CHECKING:
    from models.definition import Definition


class Gate(BaseModel):
    """A figure whose whole interval must lie within limits before a version is promoted.

    A metric that ends in `_minus_champion` is the difference to the champion; one such as
    `brier/sex/Female` is that of one group. With `every_subgroup` it must hold in each subgroup,
    by intervals that hold for all of them at once.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: Annotated[str, StringConstraints(min_length=3, strip_whitespace=True)]
    at_least: float | None = None
    at_most: float | None = None
    every_subgroup: bool = False

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError("give at_least or at_most")
        return self


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
    return figure in COUNTED or figure.removesuffix(MINUS_CHAMPION) in overall


def _known(gate: Gate, overall: Collection[str]) -> list[str]:
    names = sorted(overall)
    if gate.every_subgroup:
        return names
    return [*names, *COUNTED, f"any of these and {MINUS_CHAMPION!r}"]
