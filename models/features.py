"""The one path by which a patient's readings become a model's input."""

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.basis import keepable
from models.candidates import choose_from, missing_words, sort_out
from models.definition import Definition, Inclusion
from models.encoding import derive, encode, encode_table
from models.errors import MalformedInput, OutOfScope, TooLittleData, UnusableValue
from models.feature import Derived, Feature
from models.origin import codes_of, sources_of
from models.other_readings import cautions, doubts
from models.readings import Finding, Reading, Readings
from models.values import amount, check_plausible, plain_value, unusable, value_of

__all__ = ["FeatureSet", "assemble", "check_inclusion", "encode", "encode_table"]

Value = float | str | None

_NAME = re.compile(r"^[a-z][a-z0-9_]{0,62}$")


class FeatureSet(msgspec.Struct, frozen=True):
    """A patient's features in the definition's units, their vector, and what was found.

    `vector` is float64, one entry a column of the definition, NaN where missing. `sources`
    names the resources that were used, `codes` the code of each value that had one of several.
    `given` has all readings of each feature that got some from resources.
    """

    values: Mapping[str, Value]
    vector: NDArray[np.float64]
    findings: tuple[Finding, ...]
    sources: tuple[str, ...]
    codes: dict[str, str] = {}
    given: Mapping[str, Sequence[Reading]] = {}


def assemble(definition: Definition, readings: Readings, predicted_at: datetime) -> FeatureSet:
    """Turn readings into features as they were known at `predicted_at`.

    Raises UnusableValue for a value that can't be right, OutOfScope outside the inclusion
    limits, TooLittleData below the smallest set, MalformedInput for an unknown feature or a time
    without an offset.
    """
    _check_form(definition, readings, predicted_at)
    findings: list[Finding] = []
    used: dict[str, Sequence[Reading]] = {}
    sent: dict[str, Sequence[Reading]] = {}
    values = _values(definition, readings, predicted_at, findings, used, sent)
    check_inclusion(definition, values)
    if len(values) < len(definition.features):
        values = _with_derived(definition, values, findings)
        check_inclusion(definition, values)
    if None in values.values():
        _check_smallest_set(definition, values, findings)
    vector = encode(definition, values)
    if not used:
        return FeatureSet(values, vector, tuple(findings), (), given=sent)
    codes = codes_of(definition, used)
    return FeatureSet(values, vector, tuple(findings), sources_of(used), codes, sent)


def check_inclusion(definition: Definition, values: Mapping[str, Value]) -> None:
    """Raise OutOfScope, with the rule named, for a patient outside the inclusion limits.

    A rule about a value that isn't known is not applied here; without it there is no score.
    """
    for rule in definition.inclusion:
        value = values.get(rule.feature)
        if value is None:
            continue
        if not _is_inside(rule, value):
            feature = definition.by_name[rule.feature]
            given = value if isinstance(value, str) else amount(value, feature.unit)
            raise OutOfScope(
                f"{definition.title} is made for: {rule.rule}; {feature.title} is {given}",
                field=rule.feature,
                reason="out_of_scope",
            )


def _check_form(definition: Definition, readings: Readings, predicted_at: datetime) -> None:
    if predicted_at.tzinfo is None:
        raise MalformedInput(
            "the prediction time has no offset; give one, such as 2026-01-05T10:15:00Z",
            field="predicted_at",
            reason="naive_time",
        )
    if readings.keys() <= definition.given:
        return
    for name in readings:
        feature = definition.by_name.get(name)
        if feature is None:
            taken = [f.name for f in definition.features if f.derived is None]
            raise MalformedInput(
                f"{definition.name} takes no such feature; it takes {', '.join(taken)}",
                field=name if _NAME.match(name) else "values",
                reason="unknown_feature",
            )
        if feature.derived is not None:
            inputs = ", ".join(feature.derived.inputs)
            raise MalformedInput(
                f"{feature.title} is computed here by {feature.derived.formula}; give {inputs}",
                field=name,
                reason="derived_feature",
            )


def _values(
    definition: Definition,
    readings: Readings,
    predicted_at: datetime,
    findings: list[Finding],
    used: dict[str, Sequence[Reading]],
    sent: dict[str, Sequence[Reading]],
) -> dict[str, Value]:
    """Return the value of each feature that isn't derived.

    `findings`, and the readings that were `used` and `sent` of resources, are filled.
    """
    values: dict[str, Value] = {}
    for feature, plain, name, low, high, whole, absent in definition.measured:
        given = readings.get(name)
        if given is None:
            findings.append(absent)
            values[name] = None
        elif type(given) is float and low <= given <= high and not (whole and given % 1):
            values[name] = given
        else:
            sequence = (Reading(given),) if isinstance(given, float) else given
            value = None
            if len(sequence) == 1:
                value = plain_value(plain, sequence[0], predicted_at)
            if value is None:
                value = _looked_at(feature, sequence, predicted_at, findings, used, sent)
            elif sequence[0].source is not None:
                used[name] = sent[name] = sequence
            values[name] = value
    return values


def _looked_at(
    feature: Feature,
    readings: Sequence[Reading],
    predicted_at: datetime,
    findings: list[Finding],
    used: dict[str, Sequence[Reading]],
    sent: dict[str, Sequence[Reading]],
) -> Value:
    """Return the value of readings that aren't one plain value, or None without a usable one."""
    if any(reading.source is not None for reading in readings):
        sent[feature.name] = keepable(feature, readings)
    return _measured(feature, readings, predicted_at, findings, used)


def _measured(
    feature: Feature,
    readings: Sequence[Reading],
    predicted_at: datetime,
    findings: list[Finding],
    used: dict[str, Sequence[Reading]],
) -> Value:
    try:
        found = sort_out(feature, readings, predicted_at)
        kept, reason = choose_from(feature, found, predicted_at)
        if not kept:
            words = missing_words(feature, reason, readings)
            findings.append(Finding(feature.name, "missing", reason, words))
            return None
        noticed: list[Finding] = []
        values = [value_of(feature, reading, predicted_at, noticed) for reading in kept]
    except UnusableValue as error:
        if feature.if_unusable == "refuse":
            raise
        words = f"{error}; the score does without it"
        findings.append(Finding(feature.name, "excluded", error.reason, words))
        return None
    noticed.extend(cautions(feature, kept, values, predicted_at))
    if len(kept) < len(readings):
        noticed.extend(doubts(feature, kept, values, found, predicted_at))
    if noticed:
        findings.extend({finding.reason: finding for finding in noticed}.values())
    used[feature.name] = kept
    return values[0] if len(values) == 1 else _reduce(feature, values)


def _reduce(feature: Feature, values: Sequence[float | str]) -> float:
    numbers = [float(value) for value in values]
    if feature.reduce == "maximum":
        return max(numbers)
    if feature.reduce == "minimum":
        return min(numbers)
    if feature.reduce == "mean":
        return math.fsum(numbers) / len(numbers)
    return statistics.median(numbers)


def _with_derived(
    definition: Definition, values: Mapping[str, Value], findings: list[Finding]
) -> dict[str, Value]:
    return {
        feature.name: values[feature.name]
        if feature.derived is None
        else _derived(definition, feature, feature.derived, values, findings)
        for feature in definition.features
    }


def _derived(
    definition: Definition,
    feature: Feature,
    derived: Derived,
    values: Mapping[str, Value],
    findings: list[Finding],
) -> Value:
    names = derived.inputs
    try:
        value = derive(derived, [values[name] for name in names])
        if value is not None:
            check_plausible(feature, value)
            return value
    except (ValueError, UnusableValue) as error:
        refusal = (
            error
            if isinstance(error, UnusableValue)
            else unusable(feature, "formula", f"can't be computed: {error}")
        )
        if feature.if_unusable == "refuse":
            raise refusal from error
        words = f"{refusal}; the score does without it"
        findings.append(Finding(feature.name, "excluded", refusal.reason, words))
        return None
    absent = ", ".join(definition.by_name[name].title for name in names if values[name] is None)
    words = f"{feature.title}: can't be computed without {absent}"
    findings.append(Finding(feature.name, "missing", "inputs_missing", words))
    return None


def _is_inside(rule: Inclusion, value: float | str) -> bool:
    if isinstance(value, str):
        return value in rule.one_of
    at_least = -math.inf if rule.at_least is None else rule.at_least
    at_most = math.inf if rule.at_most is None else rule.at_most
    return at_least <= value <= at_most


def _check_smallest_set(
    definition: Definition, values: Mapping[str, Value], findings: Sequence[Finding]
) -> None:
    missing = [name for name in definition.required if values[name] is None]
    needed = [rule.feature for rule in definition.inclusion if values[rule.feature] is None]
    for group in definition.smallest_set:
        absent = [name for name in group.of if values[name] is None]
        if len(group.of) - len(absent) < group.count:
            needed += absent
    missing = list(dict.fromkeys(missing + needed))
    if not missing:
        return
    words = {finding.feature: finding.words for finding in findings}
    raise TooLittleData(
        f"too little is known for {definition.title}. "
        + "; ".join(words.get(name, definition.by_name[name].title) for name in missing),
        missing=missing,
    )
