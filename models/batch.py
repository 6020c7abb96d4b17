"""Many rows scored at once: the same features, risks and refusals as each row would get alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.definition import Definition
from models.encoding import (
    Column,
    RowFault,
    computed,
    encode_columns,
    is_missing,
    measured_columns,
    outside_inclusion,
    unusable_rows,
)
from models.errors import ExplanationMismatch
from models.feature import Derived, Feature
from models.readings import Reading
from models.risk_model import RiskModel

Rows = NDArray[np.bool_]
_NO_TEXTS: Mapping[str, Rows] = {}


@dataclass(frozen=True, slots=True, eq=False)
class ScoredRows:
    """What became of some rows; each is scored, or refused for its first reason.

    A refused row has NaN for every figure and stands in one of `refusals`, whose rows don't
    overlap. `missing` is (rows, features); `excluded` are the values that the score did without.
    """

    scored: Rows
    risk: NDArray[np.float64]  # (rows,)
    margin: NDArray[np.float64]  # (rows,)
    base: float
    contributions: NDArray[np.float64]  # (rows, features)
    band: NDArray[np.int64]  # (rows,), the index among the definition's bands; -1 if refused
    missing: Rows
    excluded: tuple[RowFault, ...]
    refusals: tuple[RowFault, ...]


def score_rows(
    model: RiskModel,
    columns: Mapping[str, Column],
    *,
    texts: Mapping[str, Rows] = _NO_TEXTS,
    faults: Iterable[RowFault] = (),
) -> ScoredRows:
    """Score rows of features in the definition's units; NaN and None are missing.

    `texts` marks the rows where a text stands in a column of numbers, and `faults` rows that may
    not be scored whatever their features are. Raises MalformedInput for an absent column and
    UnusableValue for one of another type, but never for a row.
    """
    definition = model.definition
    table = measured_columns(definition, columns)
    judged = _judge(definition, table, texts, faults)
    vectors = encode_columns(definition, table)
    if not judged.accepted.all():
        vectors = vectors[judged.accepted]
    risk, margin, contributions = _explain(model, vectors)
    mismatched = np.zeros(len(judged.accepted), np.bool_)
    mismatched[judged.accepted] = np.isnan(risk)
    judged.refuse(RowFault("explanation", "explanation_mismatch", "doesn't add up", mismatched))
    scored = judged.accepted
    kept = ~np.isnan(risk)
    starts = [band.starts_at for band in definition.bands]
    return ScoredRows(
        scored=scored,
        risk=_spread(risk[kept], scored),
        margin=_spread(margin[kept], scored),
        base=model.scorer.base,
        contributions=_spread(contributions[kept], scored),
        band=np.where(scored, np.searchsorted(starts, _spread(risk[kept], scored), "right"), 0) - 1,
        missing=judged.missing(definition, table),
        excluded=tuple(judged.exclusions()),
        refusals=tuple(judged.refusals),
    )


def readings_of(
    definition: Definition,
    columns: Mapping[str, Column],
    row: int,
    texts: Mapping[str, Rows] = _NO_TEXTS,
) -> dict[str, Sequence[Reading]]:
    """Return the readings that a row means: what is stated, in the definition's units."""
    readings: dict[str, Sequence[Reading]] = {}
    for feature in definition.features:
        if feature.derived is None:
            value = columns[feature.name][row]
            if feature.name in texts and texts[feature.name][row]:
                reading = Reading(None, feature.unit, fault="text_value")
            elif value is None or value != value:
                reading = Reading(None, feature.unit)
            elif feature.kind == "numeric":
                reading = Reading(float(value), feature.unit)
            else:
                reading = Reading(value)
            readings[feature.name] = (reading,)
    return readings


@dataclass(slots=True, eq=False)
class _Judged:
    """Which rows are still accepted, and what was found, in the order of `features.assemble`."""

    accepted: Rows
    refusals: list[RowFault] = field(default_factory=list)
    excluded: list[RowFault] = field(default_factory=list)

    def refuse(self, fault: RowFault) -> None:
        """Refuse the rows of a fault, unless they were refused before."""
        self._take(fault, self.refusals)
        self.accepted &= ~fault.rows

    def take(self, feature: Feature, fault: RowFault, column: Column) -> None:
        """Refuse the rows of a feature's fault, or empty their cells where that is allowed."""
        if feature.if_unusable == "refuse":
            self.refuse(fault)
        elif fault.rows.any():
            self._take(fault, self.excluded)
            column[fault.rows] = None if feature.kind == "categorical" else np.nan

    def missing(self, definition: Definition, table: Mapping[str, Column]) -> Rows:
        """Return which features of each row (rows, features) are missing, and not excluded."""
        missing = np.column_stack([is_missing(f, table[f.name]) for f in definition.features])
        names = [feature.name for feature in definition.features]
        for fault in self.excluded:
            missing[fault.rows, names.index(fault.feature)] = False
        return np.asarray(missing & self.accepted[:, np.newaxis])

    def exclusions(self) -> Iterator[RowFault]:
        """Yield the excluded values of the rows that are accepted."""
        for fault in self.excluded:
            rows = fault.rows & self.accepted
            if rows.any():
                yield RowFault(fault.feature, fault.reason, fault.words, rows)

    def _take(self, fault: RowFault, found: list[RowFault]) -> None:
        rows = fault.rows & self.accepted
        if rows.any():
            found.append(RowFault(fault.feature, fault.reason, fault.words, rows))


def _judge(
    definition: Definition,
    table: dict[str, Column],
    texts: Mapping[str, Rows],
    faults: Iterable[RowFault],
) -> _Judged:
    """Judge every row, and complete the table by its derived features."""
    measured = [feature for feature in definition.features if feature.derived is None]
    judged = _Judged(np.ones(len(table[measured[0].name]), np.bool_))
    for fault in faults:
        judged.refuse(fault)
    for feature in measured:
        for fault in _cell_faults(feature, table[feature.name], texts):
            judged.take(feature, fault, table[feature.name])
    for fault in outside_inclusion(definition, table, measured):
        judged.refuse(fault)
    derived = [feature for feature in definition.features if feature.derived is not None]
    for feature in derived:
        _judge_derived(definition, feature, table, judged)
    for fault in outside_inclusion(definition, table, derived):
        judged.refuse(fault)
    for fault in _too_little(definition, table, judged.accepted):
        judged.refuse(fault)
    return judged


def _cell_faults(feature: Feature, column: Column, texts: Mapping[str, Rows]) -> Iterator[RowFault]:
    if feature.name in texts:
        words = f"{feature.title} is a text"
        yield RowFault(feature.name, "text_value", words, texts[feature.name])
    yield from unusable_rows(feature, column)


def _judge_derived(
    definition: Definition, feature: Feature, table: dict[str, Column], judged: _Judged
) -> None:
    derived = feature.derived
    if derived is None:
        return
    column = table[feature.name] = _computed_where(derived, table, judged.accepted)
    undefined = np.isnan(column)
    for name in derived.inputs:
        undefined &= ~is_missing(definition.by_name[name], table[name])
    words = f"{feature.title} can't be computed"
    judged.take(feature, RowFault(feature.name, "formula", words, undefined), column)
    for fault in unusable_rows(feature, column):
        judged.take(feature, fault, column)


def _computed_where(derived: Derived, table: Mapping[str, Column], rows: Rows) -> Column:
    """Compute a formula for these rows only, since it needn't be defined for a refused one."""
    part = {name: table[name][rows] for name in derived.inputs}
    return _spread(computed(derived, part), rows)


def _too_little(
    definition: Definition, table: Mapping[str, Column], accepted: Rows
) -> Iterator[RowFault]:
    """Yield the rows below the smallest set by what they lack, which is named in full."""
    missing = {f.name: is_missing(f, table[f.name]) & accepted for f in definition.features}
    lacking = [(f.name, missing[f.name]) for f in definition.features if f.required]
    lacking += [(rule.feature, missing[rule.feature]) for rule in definition.inclusion]
    for group in definition.smallest_set:
        absent = np.sum([missing[name] for name in group.of], axis=0)
        below = len(group.of) - absent < group.count
        lacking += [(name, missing[name] & below) for name in group.of]
    if not lacking:
        return
    names = [name for name, _ in lacking]
    patterns = np.column_stack([rows for _, rows in lacking])
    short = np.flatnonzero(patterns.any(axis=1))
    kinds, of_row = np.unique(patterns[short], axis=0, return_inverse=True)
    for index, kind in enumerate(kinds):
        lacked = dict.fromkeys(
            name for name, is_lacking in zip(names, kind, strict=True) if is_lacking
        )
        rows = np.zeros(len(accepted), np.bool_)
        rows[short[of_row == index]] = True
        yield RowFault(", ".join(lacked), "too_little_data", "too little is known", rows)


def _explain(
    model: RiskModel, vectors: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return risks, margins and contributions; NaN where an explanation doesn't add up."""
    try:
        all_rows = model.scorer.explain_batch(vectors)
    except ExplanationMismatch:
        return _explain_singly(model, vectors)
    return all_rows.risk, all_rows.margin, all_rows.contributions


def _explain_singly(
    model: RiskModel, vectors: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    risk, margin = np.full(len(vectors), np.nan), np.full(len(vectors), np.nan)
    contributions = np.full((len(vectors), len(model.definition.features)), np.nan)
    for row, vector in enumerate(vectors):
        try:
            one = model.scorer.explain(vector)
        except ExplanationMismatch:
            continue  # this row stays without a risk, and its refusal says why
        risk[row], margin[row], contributions[row] = one.risk, one.margin, one.contributions
    return risk, margin, contributions


def _spread(values: NDArray[np.float64], rows: Rows) -> NDArray[np.float64]:
    """Return the values at their rows, NaN at all others."""
    if rows.all():
        return values
    spread = np.full((len(rows), *values.shape[1:]), np.nan)
    spread[rows] = values
    return spread
