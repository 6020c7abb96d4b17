"""The gates that a definition sets before one of its versions may be promoted."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from models.definition import Gate


@dataclass(frozen=True, slots=True)
class GateResult:
    """How one figure stands to its limits, and that in words."""

    metric: str
    result: Literal["passed", "failed", "insufficient evidence"]
    words: str

    @property
    def passed(self) -> bool:
        """Whether the whole interval lies within the limits."""
        return self.result == "passed"

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values that JSON can hold."""
        return asdict(self)


def check_gates(gates: Iterable[Gate], metrics: Mapping[str, float]) -> tuple[GateResult, ...]:
    """Hold each gate against a run's figures, named as `training.metrics` names them.

    A gate passes only with its whole interval within the limits, and fails if the figure itself
    lies outside; anything between is insufficient evidence, which is no pass.
    """
    return tuple(_check(gate, metrics) for gate in gates)


def _check(gate: Gate, metrics: Mapping[str, float]) -> GateResult:
    value = metrics.get(gate.metric)
    low, high = metrics.get(f"{gate.metric}_low"), metrics.get(f"{gate.metric}_high")
    wanted = _wanted(gate)
    if value is None or low is None or high is None:
        words = f"{gate.metric}: the run has no such figure with an interval; {wanted} is wanted"
        return GateResult(gate.metric, "insufficient evidence", words)
    words = f"{gate.metric} {value:.3f} ({low:.3f} to {high:.3f}); {wanted} is wanted"
    if _within(gate, low) and _within(gate, high):
        return GateResult(gate.metric, "passed", words)
    if not _within(gate, value):
        return GateResult(gate.metric, "failed", words)
    return GateResult(
        gate.metric, "insufficient evidence", f"{words}, for the whole interval; give more data"
    )


def _within(gate: Gate, value: float) -> bool:
    return (gate.at_least is None or value >= gate.at_least) and (
        gate.at_most is None or value <= gate.at_most
    )


def _wanted(gate: Gate) -> str:
    limits = []
    if gate.at_least is not None:
        limits.append(f"at least {gate.at_least:g}")
    if gate.at_most is not None:
        limits.append(f"at most {gate.at_most:g}")
    return " and ".join(limits)
