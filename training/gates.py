"""The gates that a definition sets before one of its versions may be promoted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

from models.evaluation.counts import Counts
from models.evaluation.suppression import FEWEST_OF_EACH, assessable
from models.figure_names import MINUS_BASELINE, MINUS_CHAMPION, at_threshold, figure_title
from models.gate import Gate
from models.groups import metric_form
from training.against_baseline import NO_BASELINE, BaselineMetrics
from training.metrics import group_names

Result = Literal["passed", "failed", "insufficient evidence"]
_Figure = tuple[float | None, float | None, float | None]


@dataclass(frozen=True, slots=True)
class GateResult:
    """How one figure stands to its limits, and that in words."""

    metric: str
    result: Result
    words: str

    @property
    def passed(self) -> bool:
        """Whether the whole interval lies within the limits."""
        return self.result == "passed"

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values that JSON can hold."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ChampionMetrics:
    """A version's figures minus the champion's, and in words whose those are or why none are."""

    metrics: Mapping[str, float]
    words: str
    needed: bool = True


_WHOLE: Final = "all who were judged have"
_NOT_OF_PEOPLE: Final = "data_suspicions"
NOT_COMPARED: Final = ChampionMetrics(
    {}, "held against the champion of the day when it is promoted"
)


def check_gates(
    gates: Iterable[Gate],
    metrics: Mapping[str, float],
    subgroups: Sequence[Mapping[str, Any]] = (),
    champion: ChampionMetrics = NOT_COMPARED,
    judged: Mapping[str, Any] | None = None,
    baseline: BaselineMetrics = NO_BASELINE,
) -> tuple[GateResult, ...]:
    """Hold each gate against a run's figures, named as `training.metrics` names them.

    A gate passes only with its whole interval within the limits, and fails if the figure itself
    lies outside; anything between is insufficient evidence, which is no pass. `subgroups` are those
    of the evidence: a gate for every one of them can't pass where one has no figures. Whatever
    group the definition permits to be shown, no gate passes on one of fewer than 100 patients with
    or without an event, nor do those of the whole where `judged`, the evaluation, counts fewer.
    """
    groups = _by_name(subgroups)
    found: list[GateResult] = []
    for gate in gates:
        if gate.every_subgroup:
            results = _check_subgroups(gate, subgroups)
        elif gate.metric.endswith(MINUS_CHAMPION):
            results = [_of_enough(_check_champion(gate, champion), judged, _WHOLE)]
        elif gate.metric.endswith(MINUS_BASELINE):
            results = [_of_enough(_check_baseline(gate, baseline), baseline.judged, _WHOLE)]
        else:
            results = [_check_one(gate, metrics, groups, judged)]
        found += [_with_reason(gate, result) for result in results]
    return tuple(found)


def _by_name(subgroups: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return each group by the name that its metrics have after that of the figure."""
    pairs = [(group["characteristic"], group["group"]) for group in subgroups]
    return dict(zip(group_names(pairs), subgroups, strict=True))


def _check_one(
    gate: Gate,
    metrics: Mapping[str, float],
    groups: Mapping[str, Mapping[str, Any]],
    judged: Mapping[str, Any] | None,
) -> GateResult:
    """Hold a gate against the figure of the whole or of one group, which is named by its title."""
    figure, _, written = gate.metric.partition("/")
    if not written:
        result = _check(gate, figure, _called(gate), _figure(figure, metrics))
        return result if figure == _NOT_OF_PEOPLE else _of_enough(result, judged, _WHOLE)
    name = _group_written(written, groups)
    group, metric = groups.get(name), f"{figure}/{name}"
    titled = gate.metric if group is None else f"{figure}/{_title(group)}"
    result = _check(gate, metric, f"{figure_title(titled)} [{metric}]", _figure(metric, metrics))
    return _of_enough(result, judged, _WHOLE) if group is None else _of_enough(result, group)


def _group_written(written: str, groups: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the name that metrics have for a group, which is written by its title or by that."""
    for name, group in groups.items():
        if written == _title(group):
            return name
    if written in groups:
        return written
    characteristic, _, title = written.partition("/")
    return f"{characteristic}/{metric_form(title)}"


def _title(group: Mapping[str, Any]) -> str:
    return f"{group['characteristic']}/{group['group']}"


def _with_reason(gate: Gate, result: GateResult) -> GateResult:
    if gate.because is None:
        return result
    return replace(result, words=f"{result.words} (these limits: {gate.because})")


def _figure(metric: str, metrics: Mapping[str, float]) -> _Figure:
    return metrics.get(metric), metrics.get(f"{metric}_low"), metrics.get(f"{metric}_high")


def _check_champion(gate: Gate, champion: ChampionMetrics) -> GateResult:
    if not champion.metrics:
        result: Result = "insufficient evidence" if champion.needed else "passed"
        return GateResult(gate.metric, result, f"{_called(gate)}: {champion.words}")
    found = _check(gate, gate.metric, _called(gate), _figure(gate.metric, champion.metrics))
    return replace(found, words=f"{found.words} ({champion.words})")


def _check_baseline(gate: Gate, baseline: BaselineMetrics) -> GateResult:
    found = _check(gate, gate.metric, _called(gate), _figure(gate.metric, baseline.metrics))
    return replace(found, words=f"{found.words} ({baseline.words})") if baseline.words else found


def _check_subgroups(gate: Gate, subgroups: Sequence[Mapping[str, Any]]) -> list[GateResult]:
    """Hold the gate in every subgroup; where none is known, nothing is shown."""
    if not subgroups:
        words = f"{_called(gate)} in every subgroup: the run has no subgroups"
        return [GateResult(gate.metric, "insufficient evidence", words)]
    found = []
    for group in subgroups:
        whose = f" of {group['characteristic'].replace('_', ' ')}: {group['group']}"
        name, called = f"{gate.metric}{whose}", _called(gate, whose)
        if not group["figures"]:
            words = f"{called}: {group['reason']}"
            found.append(GateResult(name, "insufficient evidence", words))
            continue
        figure = _of_group(group).get(gate.metric) or {}
        interval = figure.get("simultaneous_low"), figure.get("simultaneous_high")
        result = _check(gate, name, called, (figure.get("value"), *interval))
        found.append(_of_enough(result, group))
    return found


def _of_enough(
    result: GateResult, group: Mapping[str, Any] | None, whose: str = "the group has"
) -> GateResult:
    """Let no gate pass on people of whom fewer than 100 have, or haven't, the event."""
    if group is None or not result.passed:
        return result
    counts = _counts(group)
    _, *people = counts.people
    if assessable(*people):
        return result
    kinds = "events and non-events" if counts.one_row_each else "patients with and without an event"
    words = (
        f"{result.words}, and {FEWEST_OF_EACH} {kinds}, of which {whose} "
        f"{people[0]:,} and {people[1]:,}"
    )
    return replace(result, result="insufficient evidence", words=words)


def _counts(group: Mapping[str, Any]) -> Counts:
    """Return an evaluation's or a group's counts, 0 where withheld.

    Evidence from before patients were counted by outcome has no more of each than it tells.
    """
    rows, events, non_events = (group.get(name) or 0 for name in ("n", "events", "non_events"))
    patients = group.get("patients", rows) or 0
    most = min(events, patients or events), min(non_events, patients or non_events)
    return Counts(
        n=rows,
        events=events,
        non_events=non_events,
        patients=patients,
        patients_with_event=group.get("patients_with_event", most[0]) or 0,
        patients_without_event=group.get("patients_without_event", most[1]) or 0,
    )


def _of_group(group: Mapping[str, Any]) -> dict[str, Mapping[str, float | None]]:
    """Return a group's figures by name, those at a threshold too."""
    at = {
        at_threshold(name, one["threshold"]): figure
        for one in group.get("at_thresholds", ())
        for name, figure in one["figures"].items()
    }
    return {**group["figures"], **at}


def shown_only(group: Mapping[str, Any]) -> str | None:
    """Say of a group whose figures are shown that no gate can pass on so few; None if one can."""
    return _counts(group).why_not_assessable() if group["figures"] else None


def _called(gate: Gate, whose: str = "") -> str:
    """Return a figure as a reader says it, and as the definition names it."""
    return f"{figure_title(gate.metric)}{whose} [{gate.metric}]"


def _check(gate: Gate, name: str, called: str, figure: _Figure) -> GateResult:
    value, low, high = figure
    wanted = _wanted(gate)
    if value is None or low is None or high is None:
        words = f"{called}: the run has no such figure with an interval; {wanted} is wanted"
        return GateResult(name, "insufficient evidence", words)
    words = f"{called} {value:z.3f} ({low:z.3f} to {high:z.3f}); {wanted} is wanted"
    if _within(gate, low) and _within(gate, high):
        return GateResult(name, "passed", words)
    if not _within(gate, value):
        return GateResult(name, "failed", words)
    return GateResult(name, "insufficient evidence", f"{words}, for the whole interval")


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
