"""An evaluation as the flat names and numbers that MLflow keeps and compares."""

from collections.abc import Iterator, Mapping

from models.evaluation.bootstrap import Estimate
from models.evaluation.comparison import Comparison
from models.evaluation.evaluation import Evaluation


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
        named |= {f"{name}_at_{at.threshold:g}": one for name, one in at.figures.items()}
    return {
        f"{name}{suffix}{end}": value
        for name, estimate in named.items()
        for end, value in _parts(estimate).items()
    }


def _named(evaluation: Evaluation) -> Iterator[tuple[str, Estimate]]:
    yield from evaluation.figures.items()
    for at in evaluation.at_thresholds:
        for name, estimate in at.figures.items():
            yield f"{name}_at_{at.threshold:g}", estimate
    for subgroup in evaluation.subgroups:
        group = f"{subgroup.characteristic}/{subgroup.group}".replace(" ", "_")
        for name, estimate in subgroup.figures.items():
            yield f"{name}/{group}", estimate


def _parts(estimate: Estimate) -> Mapping[str, float]:
    parts = {"": estimate.value, "_low": estimate.low, "_high": estimate.high}
    return {end: value for end, value in parts.items() if value is not None}
