"""Features' values as the model's input columns: one row or a whole table, by the same rules."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.definition import Definition, Inclusion
from models.errors import MalformedInput, OutOfScope, TooLittleData, UnusableValue
from models.feature import Derived, Feature
from models.formulas import FORMULAS

Column = NDArray[Any]
Value = float | str | None


@dataclass(frozen=True, slots=True)
class RowFault:
    """The rows of a table that can't be scored, for one reason."""

    feature: str
    reason: str
    words: str
    rows: NDArray[np.bool_]


def encode(definition: Definition, values: Mapping[str, Value]) -> NDArray[np.float64]:
    """Encode one patient's values (in the definition's units) as a row; NaN is missing."""
    if definition.is_numeric:
        # NumPy reads None as NaN
        return np.array([values[name] for name in definition.columns], dtype=np.float64)
    row: list[float] = []
    for feature in definition.features:
        value = values[feature.name]
        if feature.kind == "numeric":
            row.append(math.nan if value is None else float(value))
        else:
            row += feature.cells[value]
    return np.array(row, dtype=np.float64)


def encode_table(definition: Definition, columns: Mapping[str, Column]) -> NDArray[np.float64]:
    """Encode a table of features (in the definition's units) as (rows, columns); NaN is missing.

    Raises UnusableValue, OutOfScope or TooLittleData with the count of rows for which it would
    be raised one at a time; also for unusable values that one row could be scored without, as a
    table has no answer that could say so.
    """
    table = complete_columns(definition, columns)
    for fault in row_faults(definition, table):
        raise _refusal(fault)
    return encode_columns(definition, table)


def complete_columns(definition: Definition, columns: Mapping[str, Column]) -> dict[str, Column]:
    """Return every feature's column: numbers as float64, categories as text or None.

    Derived features are computed here, whatever the table holds for them.
    """
    table = measured_columns(definition, columns)
    return {
        feature.name: table[feature.name]
        if feature.derived is None
        else _derived_column(feature, feature.derived, table)
        for feature in definition.features
    }


def measured_columns(definition: Definition, columns: Mapping[str, Column]) -> dict[str, Column]:
    """Return the columns of all features that no formula derives, as `complete_columns` does."""
    table: dict[str, Column] = {}
    for feature in definition.features:
        if feature.derived is None:
            if feature.name not in columns:
                raise MalformedInput(
                    f"column {feature.name!r} ({feature.title}) is not in the table, which has "
                    f"{', '.join(sorted(columns)) or 'none'}",
                    field=feature.name,
                    reason="missing_column",
                )
            table[feature.name] = _typed(feature, np.asarray(columns[feature.name]))
    lengths = {name: len(column) for name, column in table.items()}
    if len(set(lengths.values())) > 1:
        raise MalformedInput(
            f"the table's columns differ in length: {lengths}",
            field=next(iter(lengths)),
            reason="ragged_table",
        )
    return table


def row_faults(definition: Definition, table: Mapping[str, Column]) -> Iterator[RowFault]:
    """Yield every reason for which rows of a completed table can't be scored, with the rows.

    Reasons come in the order in which one row would be refused.
    """
    measured = [feature for feature in definition.features if feature.derived is None]
    derived = [feature for feature in definition.features if feature.derived is not None]
    missing = {f.name: is_missing(f, table[f.name]) for f in definition.features}
    for fault in (
        *(fault for f in measured for fault in unusable_rows(f, table[f.name])),
        *outside_inclusion(definition, table, measured),
        *(_underivable_rows(feature, missing) for feature in derived),
        *(fault for f in derived for fault in unusable_rows(f, table[f.name])),
        *outside_inclusion(definition, table, derived),
        *_too_little(definition, missing),
    ):
        if fault.rows.any():
            yield fault


def is_missing(feature: Feature, column: Column) -> NDArray[np.bool_]:
    """Return which rows of a completed column have no value."""
    if feature.kind == "numeric":
        return np.isnan(column)
    return np.array([value is None for value in column], dtype=np.bool_)


def _typed(feature: Feature, column: Column) -> Column:
    if column.ndim != 1:
        raise MalformedInput(
            f"column {feature.name!r} has {column.ndim} dimensions, not 1",
            field=feature.name,
            reason="malformed_column",
        )
    if feature.kind == "categorical":
        texts = [None if value is None or value != value else value for value in column.tolist()]
        return np.array(texts, dtype=object)
    if column.dtype.kind not in "fiu":
        raise UnusableValue(
            f"column {feature.name!r} holds {column.dtype}, not numbers",
            field=feature.name,
            reason="text_value",
        )
    return column.astype(np.float64)


def unusable_rows(feature: Feature, column: Column) -> Iterator[RowFault]:
    """Yield the rows of a completed column whose values can't be right, by reason."""
    if feature.kind == "categorical":
        known = {None, *feature.categories}
        unseen = np.array([value not in known for value in column], dtype=np.bool_)
        words = f"{feature.title} is none of {', '.join(feature.categories)}"
        yield RowFault(feature.name, "unseen_category", words, unseen)
        return
    infinite = np.isinf(column)
    yield RowFault(feature.name, "not_finite", f"{feature.title} is infinite", infinite)
    low, high = feature.plausible or (-math.inf, math.inf)
    outside = ((column < low) | (column > high)) & ~infinite
    words = f"{feature.title} is outside the plausible range {low:g}-{high:g} {feature.unit}"
    yield RowFault(feature.name, "implausible", words, outside)
    if feature.is_whole:
        broken = (column != np.rint(column)) & np.isfinite(column) & ~outside
        yield RowFault(feature.name, "not_whole", f"{feature.title} is not whole", broken)


def _underivable_rows(feature: Feature, missing: Mapping[str, NDArray[np.bool_]]) -> RowFault:
    """Return the rows for which the formula isn't defined, though its inputs are known."""
    rows = missing[feature.name].copy()
    for name in feature.derived.inputs if feature.derived else ():
        rows &= ~missing[name]
    if feature.if_unusable == "score_without":
        rows[:] = False
    return RowFault(feature.name, "formula", f"{feature.title} can't be computed", rows)


def outside_inclusion(
    definition: Definition, table: Mapping[str, Column], features: Sequence[Feature]
) -> Iterator[RowFault]:
    """Yield the rows that an inclusion rule about one of these features leaves out."""
    by_name = {feature.name: feature for feature in features}
    for rule in definition.inclusion:
        if rule.feature in by_name:
            column = table[rule.feature]
            rows = _outside(rule, column) & ~is_missing(by_name[rule.feature], column)
            yield RowFault(rule.feature, "out_of_scope", f"outside the rule {rule.rule!r}", rows)


def _too_little(
    definition: Definition, missing: Mapping[str, NDArray[np.bool_]]
) -> Iterator[RowFault]:
    needed = [feature.name for feature in definition.features if feature.required]
    needed += [rule.feature for rule in definition.inclusion]
    for name in dict.fromkeys(needed):
        words = f"{definition.by_name[name].title} is required and missing"
        yield RowFault(name, "too_little_data", words, missing[name])
    for group in definition.smallest_set:
        known = np.sum([~missing[name] for name in group.of], axis=0)
        words = f"fewer than {group.count} of {', '.join(group.of)} are known"
        yield RowFault(", ".join(group.of), "too_little_data", words, known < group.count)


def _outside(rule: Inclusion, column: Column) -> NDArray[np.bool_]:
    if rule.one_of:
        return np.array([value not in rule.one_of for value in column], dtype=np.bool_)
    low = -math.inf if rule.at_least is None else rule.at_least
    high = math.inf if rule.at_most is None else rule.at_most
    return (column < low) | (column > high)


def _refusal(fault: RowFault) -> UnusableValue | OutOfScope | TooLittleData:
    count = int(fault.rows.sum())
    words = f"{count} of {len(fault.rows)} rows: {fault.words}"
    if fault.reason == "too_little_data":
        return TooLittleData(words, missing=fault.feature.split(", "))
    kind = OutOfScope if fault.reason == "out_of_scope" else UnusableValue
    return kind(words, field=fault.feature, reason=fault.reason)


def encode_columns(definition: Definition, table: Mapping[str, Column]) -> NDArray[np.float64]:
    """Encode completed columns as (rows, columns), whatever their values are; NaN is missing."""
    blocks = [_block(feature, table[feature.name]) for feature in definition.features]
    return np.ascontiguousarray(np.column_stack(blocks), dtype=np.float64)


def _block(feature: Feature, column: Column) -> NDArray[np.float64]:
    if feature.kind == "numeric":
        return np.asarray(column, dtype=np.float64)[:, np.newaxis]
    block = np.column_stack([column == level for level in feature.levels]).astype(np.float64)
    block[is_missing(feature, column)] = np.nan
    return block


def derive(derived: Derived, inputs: Sequence[Value]) -> float | None:
    """Compute a derived feature from its inputs, None where one is missing.

    Raises ValueError where the formula isn't defined for these inputs.
    """
    if any(value is None or value != value for value in inputs):
        return None
    return FORMULAS[derived.formula].compute(*inputs)


def computed(derived: Derived, table: Mapping[str, Column]) -> NDArray[np.float64]:
    """Compute a formula by rows; NaN where an input is missing or the formula isn't defined."""
    inputs = [table[name].tolist() for name in derived.inputs]
    results = np.full(len(inputs[0]), math.nan)
    for index, row in enumerate(zip(*inputs, strict=True)):
        try:
            value = derive(derived, row)
        except ValueError:
            continue
        if value is not None:
            results[index] = value
    return results


def _derived_column(
    feature: Feature, derived: Derived, table: Mapping[str, Column]
) -> NDArray[np.float64]:
    """Compute a formula; an implausible result is none where the score can do without it."""
    results = computed(derived, table)
    if feature.if_unusable == "score_without" and feature.plausible is not None:
        low, high = feature.plausible
        results[(results < low) | (results > high)] = math.nan
    return results
