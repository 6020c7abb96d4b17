"""Which of a feature's readings may be used at prediction time, and why the others may not."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Final, NamedTuple

from models.errors import MalformedInput, UnusableValue
from models.feature import Feature
from models.readings import Reading

_USABLE = frozenset(("final", "amended", "corrected"))
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_MASKED = frozenset(("masked", "not-permitted"))

# What keeps a reading from being a candidate: another may stand in, but alone it's not "missing".
SET_ASIDE: Final = {
    "undated": "the value carries no time, so it can't be told whether it's current",
    "partial_time": "the value has no time of day, so it can't be told whether it's current",
    "no_subject": "it can't be told whose value it is",
    "other_focus": "the value is stated of somebody or something else than the patient (focus)",
    "unknown_modifier": "the value carries a rule that isn't known here and may change its meaning",
    "in_the_future": "the value was taken after the prediction time",
    "masked": "the value is withheld for privacy, and a score must not guess it",
}
_MISSING = {
    "entered_in_error": "no value but what was entered in error",
    "cancelled": "no value but what was cancelled",
    "preliminary": "no value but a preliminary one",
    "not_final": "no value that is final",
    "reported_absent": "reported as absent",
    "not_yet_issued": "no value that was issued by the prediction time",
    "outside_look_back": "no value",
    "no_value": "no value",
}


class SortedOut(NamedTuple):
    """A feature's readings that may be used, the slugs of why others may not, those said absent."""

    candidates: list[Reading]
    against: set[str]
    absent: list[Reading]

    @property
    def lacks(self) -> str | None:
        """What another reading lacks that might have counted, had it been known; else None.

        A value from the future, an old one or one that isn't final could never have counted.
        """
        slug = next((slug for slug in SET_ASIDE if slug in self.against - {"in_the_future"}), None)
        return None if slug is None else SET_ASIDE[slug]


def sort_out(feature: Feature, readings: Sequence[Reading], predicted_at: datetime) -> SortedOut:
    """Tell the readings that may be used from others; MalformedInput for a time without offset."""
    candidates: list[Reading] = []
    against: set[str] = set()
    absent: list[Reading] = []
    for reading in readings:
        reason = _against(feature, reading, predicted_at)
        if reason is None:
            candidates.append(reading)
        else:
            against.add(reason)
            if reason == "reported_absent":
                absent.append(reading)
    return SortedOut(candidates, against, absent)


def choose(
    feature: Feature, readings: Sequence[Reading], predicted_at: datetime
) -> tuple[list[Reading], str]:
    """Return the readings that the reduction needs, or none and the slug of why (FHIR-4).

    Raises UnusableValue where there are only such as can't be told to be current or the
    patient's, and MalformedInput for a time without an offset.
    """
    return choose_from(feature, sort_out(feature, readings, predicted_at), predicted_at)


def choose_from(
    feature: Feature, found: SortedOut, predicted_at: datetime
) -> tuple[list[Reading], str]:
    """Return what `choose` does of readings that were sorted out."""
    kept, against = found.candidates, found.against
    if not kept:
        fault = next((slug for slug in SET_ASIDE if slug in against), None)
        if fault is not None:
            raise set_aside(feature, fault)
        return kept, next((slug for slug in _MISSING if slug in against), "no_value")
    if len(kept) > 1 and feature.reduce in ("latest", "earliest"):
        kept = [_first_or_last(kept, feature.reduce, predicted_at)]
    return kept, ""


def set_aside(feature: Feature, reason: str) -> UnusableValue:
    """Make the error that refuses a reading which alone is neither usable nor missing."""
    words = f"{feature.title}: {SET_ASIDE[reason]}"
    return UnusableValue(words, field=feature.name, reason=reason)


def missing_words(feature: Feature, reason: str, readings: Sequence[Reading]) -> str:
    """Say in clinical words why a feature has no value."""
    words = _MISSING[reason]
    if reason in ("no_value", "outside_look_back") and feature.look_back_days is not None:
        words = _none_within(feature.look_back_days)
    if reason == "reported_absent":
        because = {r.absent_because for r in readings if r.absent_because}
        words = f"{words} ({', '.join(sorted(because))})" if because else words
    return f"{feature.title}: {words}"


@cache
def _none_within(days: float) -> str:
    span = f"{days:g} days" if days >= 2 else f"{days * 24:g} hours"
    return f"no value in the last {span}"


def _against(feature: Feature, reading: Reading, predicted_at: datetime) -> str | None:
    """Return the slug of why a reading is no candidate, or None where it is one."""
    if reading.status not in _USABLE:
        unwanted = _status_reason(feature, reading.status)
        if unwanted is not None:
            return unwanted
    untimely = _time_reason(feature, reading, predicted_at)
    if untimely is not None and untimely not in SET_ASIDE:
        return untimely
    if reading.value is None and (reading.fault is None or reading.fault in SET_ASIDE):
        return _absence(reading.absent_because)
    return untimely or (reading.fault if reading.fault in SET_ASIDE else None)


def _absence(because: str | None) -> str:
    if because in _MASKED:
        return "masked"
    return "no_value" if because is None else "reported_absent"


def _time_reason(feature: Feature, reading: Reading, predicted_at: datetime) -> str | None:
    taken_at, issued_at = reading.taken_at, reading.issued_at
    if taken_at is not None:
        if taken_at.tzinfo is None:
            raise _naive(feature, "time")
        if taken_at > predicted_at:
            return "in_the_future"
        look_back = feature.look_back
        if look_back is not None and taken_at < predicted_at - look_back:
            return "outside_look_back"
    if issued_at is not None:
        if issued_at.tzinfo is None:
            raise _naive(feature, "time of issue")
        if issued_at > predicted_at:
            return "not_yet_issued"
    return None


def _status_reason(feature: Feature, status: str) -> str | None:
    if status == "preliminary":
        return None if feature.accept_preliminary else "preliminary"
    slug = status.replace("-", "_")
    return slug if slug in ("entered_in_error", "cancelled") else "not_final"


def _first_or_last(kept: list[Reading], which: str, predicted_at: datetime) -> Reading:
    def moment(reading: Reading) -> tuple[datetime, datetime]:
        return reading.taken_at or predicted_at, reading.issued_at or _LONG_AGO

    if which == "latest":
        return max(reversed(kept), key=moment)
    return min(kept, key=lambda reading: reading.taken_at or predicted_at)


def _naive(feature: Feature, what: str) -> MalformedInput:
    return MalformedInput(
        f"{feature.title}: its {what} has no offset; give one, such as 2026-01-05T10:15:00Z",
        field=feature.name,
        reason="naive_time",
    )
