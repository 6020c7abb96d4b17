"""An evaluation as the flat names and numbers that MLflow keeps and compares."""

from collections.abc import Iterable, Iterator, Mapping

from models.evaluation.bootstrap import Estimate
from models.evaluation.comparison import Comparison
from models.evaluation.evaluation import Evaluation
from models.figure_names import at_threshold
from models.groups import metric_form


def flat_metrics(evaluation: Evaluation, prefix: str = "") -> dict[str, float]:
    """Return every figure by name, with `_low` and `_high` for its interval."""
    named = dict(_named(evaluation))
    flat = {
        f"{prefix}{name}{end}": value
        for name, estimate in named.items()
        for end, value in _parts(estimate).items()
    }
    flat[f"{prefix}effective_n"] = evaluation.effective_n
    return flat


def flat_differences(comparison: Comparison, suffix: str) -> dict[str, float]:
    """Return every difference by name and suffix, with `_low` and `_high` for its interval."""
    named = dict(comparison.differences)
    for at in comparison.at_thresholds:
        named |= {at_threshold(name, at.threshold): one for name, one in at.figures.items()}
    return {
        f"{name}{suffix}{end}": value
        for name, estimate in named.items()
        for end, value in _parts(estimate).items()
    }


def _named(evaluation: Evaluation) -> Iterator[tuple[str, Estimate]]:
    yield from evaluation.figures.items()
    for at in evaluation.at_thresholds:
        for name, estimate in at.figures.items():
            yield at_threshold(name, at.threshold), estimate
    pairs = [(subgroup.characteristic, subgroup.group) for subgroup in evaluation.subgroups]
    for subgroup, group in zip(evaluation.subgroups, group_names(pairs), strict=True):
        for name, estimate in subgroup.figures.items():
            yield f"{name}/{group}", estimate


def group_names(groups: Iterable[tuple[str, str]]) -> list[str]:
    """Return a name that MLflow takes for each (characteristic, group), no two of them alike."""
    names: list[str] = []
    for characteristic, group in groups:
        wanted = f"{characteristic}/{metric_form(group)}"
        again = sum(name == wanted or name.startswith(f"{wanted}:") for name in names)
        names.append(f"{wanted}:{again + 1}" if again else wanted)
    return names


def _parts(estimate: Estimate) -> Mapping[str, float]:
    parts = {"": estimate.value, "_low": estimate.low, "_high": estimate.high}
    return {end: value for end, value in parts.items() if value is not None}
