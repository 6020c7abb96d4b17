"""What is doubtful about the readings that are used, by themselves and beside the others."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from models.candidates import SET_ASIDE, SortedOut, sort_out
from models.definition import Definition
from models.errors import UnusableValue
from models.feature import Feature
from models.readings import Finding, Reading, Readings
from models.values import amount, is_issued_early, value_of

# the same result in two units, or rounded otherwise, is no contradiction
_TOLERANCE: Final = 0.01
# of these one result that came twice makes another number
_COUNTING: Final = ("mean", "median")
# of a value whose time is after the present
_NOT_YET: Final = {
    "in_the_future": SET_ASIDE["in_the_future"],
    "not_yet_issued": "the value was issued after the prediction time",
}
_ARE: Final = {True: "is", False: "are"}


def cautions(
    feature: Feature,
    used: Sequence[Reading],
    values: Sequence[float | str],
    predicted_at: datetime,
) -> Iterator[Finding]:
    """Yield what the readings that are used give to think by themselves.

    They may be preliminary, be issued before they were taken, or come twice.
    """
    early = sum(reading.status == "preliminary" for reading in used)
    if early:
        which = "its value" if len(used) == 1 else f"{early} of its {len(used)} values"
        words = f"{feature.title}: {which} {_ARE[early == 1]} preliminary and may still change"
        yield Finding(feature.name, "flagged", "preliminary_used", words)
    if any(is_issued_early(reading) for reading in used):
        words = (
            f"{feature.title}: a value was issued before the time at which it is said to have been "
            "taken, so that one of the two times is wrong"
        )
        yield Finding(feature.name, "flagged", "issued_before_taken", words)
    if len(used) > 1 and feature.reduce in _COUNTING:
        given = [
            (one.taken_at or predicted_at, value) for one, value in zip(used, values, strict=True)
        ]
        repeated = len(given) - len(set(given))
        if repeated:
            words = (
                f"{feature.title}: {repeated} of its {len(used)} values {_ARE[repeated == 1]} the "
                f"same as another of the same time, as a result is that came twice; each counts"
            )
            yield Finding(feature.name, "flagged", "repeated", words)


def doubts(
    feature: Feature,
    used: Sequence[Reading],
    values: Sequence[float | str],
    found: SortedOut,
    predicted_at: datetime,
) -> Iterator[Finding]:
    """Yield what readings beside those that are used give to think: contradicting or left out."""
    if len(used) == 1:
        given = (feature, used[0], values[0], found.candidates, predicted_at)
        doubt = _contradiction(*given) or _untimed(*given)
        if doubt is not None:
            yield doubt
    if found.lacks:
        words = f"{feature.title}: another value was left out: {found.lacks}"
        yield Finding(feature.name, "excluded", "set_aside", words)
    if found.absent and (doubt := _absence(feature, used, found.absent, predicted_at)):
        yield doubt


def not_yet_true(
    definition: Definition,
    readings: Readings,
    values: Mapping[str, float | str | None],
    now: datetime,
) -> Iterator[Finding]:
    """Yield what was left out beside values that are used because its time is after `now`.

    `now` is the present, which no true time is after. What is only later than a prediction time
    in the past couldn't be known then, and is left out without a word (FHIR-4).
    """
    for name, given in readings.items():
        if isinstance(given, float) or len(given) < 2 or values[name] is None:
            continue
        if not any(_is_after(reading, now) for reading in given):
            continue
        feature = definition.by_name[name]
        against = sort_out(feature, given, now).against
        for reason, because in _NOT_YET.items():
            if reason in against:
                words = f"{feature.title}: another value was left out: {because}"
                yield Finding(name, "excluded", "set_aside", words)


def _is_after(reading: Reading, now: datetime) -> bool:
    taken_at, issued_at = reading.taken_at, reading.issued_at
    return (taken_at is not None and taken_at > now) or (issued_at is not None and issued_at > now)


def _absence(
    feature: Feature, used: Sequence[Reading], absent: Sequence[Reading], predicted_at: datetime
) -> Finding | None:
    """Return what says that later results have no value, with their reasons, or None (FHIR-16)."""
    newest = max(reading.taken_at or predicted_at for reading in used)
    later = [one for one in absent if one.taken_at is None or newest < one.taken_at <= predicted_at]
    if not later:
        return None
    because = ", ".join(sorted({one.absent_because or "unknown" for one in later}))
    which = "a later result" if all(one.taken_at for one in later) else "a result without a time"
    if len(later) > 1:
        which = f"{len(later)} results, later or without a time,"
    have = "has" if len(later) == 1 else "have"
    words = f"{feature.title}: {which} {have} no value ({because}); another result is used"
    return Finding(feature.name, "flagged", "newer_absent", words)


def _contradiction(
    feature: Feature,
    used: Reading,
    value: float | str,
    candidates: Sequence[Reading],
    predicted_at: datetime,
) -> Finding | None:
    """Return what flags a used value that another of the same time contradicts, or None.

    Which of them is used is settled by the time of issue, then by their order (FHIR-4); that says
    nothing on which is right. Numbers within 1 % are the same. Another that can't be used, such
    as a text, contradicts too.
    """
    moment = used.taken_at or predicted_at
    for other in candidates:
        if other is used or (other.taken_at or predicted_at) != moment:
            continue
        words = _otherwise(feature, value, other, predicted_at)
        if words is not None:
            same = f"another value of the same time {words}"
            said = f"{feature.title}: {same}; {_said(feature, value)} is used"
            return Finding(feature.name, "flagged", "contradictory", said)
    return None


def _untimed(
    feature: Feature,
    used: Reading,
    value: float | str,
    candidates: Sequence[Reading],
    predicted_at: datetime,
) -> Finding | None:
    """Return what flags a value that is taken as current, without a time, before dated ones.

    The newest of these tells whether they are of one opinion.
    """
    dated = [one for one in candidates if one.taken_at is not None]
    if used.taken_at is not None or not dated:
        return None
    newest = max(dated, key=lambda one: one.taken_at or predicted_at)
    other = _otherwise(feature, value, newest, predicted_at)
    if other is None:
        return None
    words = (
        f"{feature.title}: {_said(feature, value)} has no time and is taken as current; the newest "
        f"that has one {other}"
    )
    return Finding(feature.name, "flagged", "untimed_used", words)


def _otherwise(
    feature: Feature, value: float | str, other: Reading, predicted_at: datetime
) -> str | None:
    """Return how another reading differs from a value, or None where it says the same."""
    try:
        second = value_of(feature, other, predicted_at, [])
    except UnusableValue:
        return "can't be used"
    if isinstance(value, float) and isinstance(second, float):
        same = abs(value - second) <= _TOLERANCE * max(abs(value), abs(second))
    else:
        same = value == second
    return None if same else f"is {_said(feature, second)}"


def _said(feature: Feature, value: float | str) -> str:
    return feature.categories[value] if isinstance(value, str) else amount(value, feature.unit)
