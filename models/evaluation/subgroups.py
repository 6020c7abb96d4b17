"""The figures of each subgroup, with simultaneous intervals and differences to the rest.

AUROC differs across groups of different case mix, age bands above all, without the model being any
worse for one of them: read calibration and net benefit first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from models.evaluation.bootstrap import Estimate, estimate, simultaneous
from models.evaluation.counts import PatientRows
from models.evaluation.figures import (
    BOUNDS,
    Drawn,
    Figures,
    ThresholdEvaluation,
    gather,
    subtract,
)
from models.evaluation.inputs import FloatArray, IntArray, check_length
from models.evaluation.suppression import ReportingLimits
from models.figure_names import AT_THRESHOLDS, SCALARS

NOT_RECORDED = "not recorded"


@dataclass(frozen=True, slots=True)
class SubgroupEvaluation:
    """One group of one characteristic; counts, of rows and of patients, are None where withheld.

    A group that isn't assessable has a `reason`; where the limits of reporting don't let it be
    shown, it has no figures either. `differences` are to all rows outside the group (that of
    sensitivity is the equal-opportunity difference) and empty where the rest may not be shown.
    Every simultaneous interval holds for all groups reported together.
    """

    characteristic: str
    group: str
    n: int | None
    events: int | None
    non_events: int | None
    patients: int | None
    patients_with_event: int | None
    patients_without_event: int | None
    assessable: bool
    reason: str | None
    figures: dict[str, Estimate]
    at_thresholds: tuple[ThresholdEvaluation, ...]
    differences: dict[str, Estimate]
    differences_at_thresholds: tuple[ThresholdEvaluation, ...]


class SubgroupSample:
    """One group's rows, its counts, and the figures of the draws so far."""

    def __init__(
        self,
        characteristic: str,
        group: str,
        members: npt.NDArray[np.bool_],
        overall: Figures,
        rows: PatientRows,
        limits: ReportingLimits,
        hidden: bool,
    ) -> None:
        self.characteristic = characteristic
        self.group = group
        self.hidden = hidden
        self.counts = rows.count(members)
        not_shown = _why_withheld(limits) if hidden else self.counts.why_without_figures(limits)
        self.reason = not_shown or self.counts.why_not_assessable()
        self._members = members
        self._figures = overall.part(members) if not_shown is None else None
        rest = rows.count(~members).why_without_figures(limits)
        self._rest = overall.part(~members) if self._figures and rest is None else None
        self._drawn: list[Drawn] = []
        self._rest_drawn: list[Drawn] = []

    def draw(self, cases: FloatArray) -> None:
        """Compute and keep this group's figures for case weights of all rows (draws, rows)."""
        if self._figures is not None:
            self._drawn.append(self._figures.draw(cases[:, self._members]))
        if self._rest is not None:
            self._rest_drawn.append(self._rest.draw_contrast(cases[:, ~self._members]))

    def figures(self) -> tuple[Drawn, Drawn] | None:
        """Return the figures of the rows themselves and of all draws, if shown."""
        if self._figures is None:
            return None
        return self._figures.draw(self._figures.weights[None, :]), gather(self._drawn)

    def differences(self) -> tuple[Drawn, Drawn] | None:
        """Return the differences to the rest, likewise, if the rest may be shown too."""
        figures = self.figures()
        if figures is None or self._rest is None:
            return None
        rest = self._rest.draw_contrast(self._rest.weights[None, :])
        return subtract(figures[0], rest), subtract(figures[1], gather(self._rest_drawn))


def divide(
    groups: Mapping[str, npt.ArrayLike],
    overall: Figures,
    patient: IntArray,
    limits: ReportingLimits,
) -> tuple[SubgroupSample, ...]:
    """Divide the rows by each characteristic and decide which groups may be shown and judged.

    `patient` says whose each row is, for few people may have many rows.
    """
    rows = PatientRows.weighted(patient, overall.y, overall.weights)
    samples: list[SubgroupSample] = []
    for characteristic, values in groups.items():
        names = group_names(values)
        check_length(names, overall.y.size, f"groups[{characteristic!r}]")
        found = np.unique(names)
        hidden = rows.withheld([names == name for name in found], limits)
        samples += [
            SubgroupSample(
                characteristic, str(name), names == name, overall, rows, limits, bool(hide)
            )
            for name, hide in zip(found, hidden, strict=True)
        ]
    return tuple(samples)


def evaluate_subgroups(
    samples: Sequence[SubgroupSample], thresholds: FloatArray, level: float
) -> tuple[SubgroupEvaluation, ...]:
    """Return each group's evaluation; per figure, all groups form one simultaneous family."""
    figures = _tabulate([sample.figures() for sample in samples], thresholds, level, BOUNDS)
    differences = _tabulate([sample.differences() for sample in samples], thresholds, level, {})
    return tuple(
        SubgroupEvaluation(
            characteristic=sample.characteristic,
            group=sample.group,
            **_shown_counts(sample),
            assessable=sample.reason is None,
            reason=sample.reason,
            figures=own[0],
            at_thresholds=own[1],
            differences=difference[0],
            differences_at_thresholds=difference[1],
        )
        for sample, own, difference in zip(samples, figures, differences, strict=True)
    )


def _tabulate(
    results: Sequence[tuple[Drawn, Drawn] | None],
    thresholds: FloatArray,
    level: float,
    bounds: Mapping[str, tuple[float, float]],
) -> list[tuple[dict[str, Estimate], tuple[ThresholdEvaluation, ...]]]:
    """Return each group's estimates, each figure being one family over the groups."""
    present = [result for result in results if result is not None]
    if not present:
        return [({}, ()) for _ in results]
    columns = {name: _family(present, name, level, bounds) for name in (*SCALARS, *AT_THRESHOLDS)}
    positions = iter(range(len(present)))
    tables: list[tuple[dict[str, Estimate], tuple[ThresholdEvaluation, ...]]] = []
    for result in results:
        if result is None:
            tables.append(({}, ()))
            continue
        group = next(positions)
        scalars = {name: columns[name][0][group] for name in SCALARS if columns[name]}
        at = tuple(
            ThresholdEvaluation(
                float(threshold), {name: columns[name][place][group] for name in AT_THRESHOLDS}
            )
            for place, threshold in enumerate(thresholds)
        )
        tables.append((scalars, at))
    return tables


def _family(
    results: Sequence[tuple[Drawn, Drawn]],
    name: str,
    level: float,
    bounds: Mapping[str, tuple[float, float]],
) -> list[list[Estimate]]:
    """Return, for each threshold (a scalar figure has one place), the groups' estimates."""
    if name not in results[0][0]:
        return []
    limits = bounds.get(name, (-np.inf, np.inf))
    values = np.stack([np.atleast_1d(own[name][0]) for own, _ in results])
    draws = [drawn[name].reshape(len(drawn[name]), -1) for _, drawn in results]
    return [
        simultaneous(
            [
                (estimate(float(values[group, place]), draws[group][:, place], level))
                for group in range(len(results))
            ],
            np.stack([one[:, place] for one in draws]),
            level,
            limits,
        )
        for place in range(values.shape[1])
    ]


def group_names(values: npt.ArrayLike) -> npt.NDArray[np.str_]:
    """Return groups' names as text, with one name for all that is missing."""
    given = np.asarray(values, dtype=object)
    missing = [value is None or value != value or value == "" for value in given.ravel()]
    names = [
        NOT_RECORDED if absent else str(value)
        for value, absent in zip(given.ravel(), missing, strict=True)
    ]
    return np.array(names, dtype=np.str_).reshape(given.shape)


def _shown_counts(sample: SubgroupSample) -> dict[str, int | None]:
    return {name: None if sample.hidden else count for name, count in asdict(sample.counts).items()}


def _why_withheld(limits: ReportingLimits) -> str:
    return (
        f"withheld: a group here has fewer than {limits.people} people, or fewer than "
        f"{limits.cell} with or without the event, or would give such a group away"
    )
