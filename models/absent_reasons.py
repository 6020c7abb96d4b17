"""FHIR's reasons for which a value is absent (FHIR-16)."""

from typing import Final

# a code that isn't one of these may be anything, so it's never repeated
ABSENT_REASONS: Final = frozenset(
    (
        "unknown",
        "asked-unknown",
        "temp-unknown",
        "not-asked",
        "asked-declined",
        "masked",
        "not-applicable",
        "unsupported",
        "as-text",
        "error",
        "not-a-number",
        "negative-infinity",
        "positive-infinity",
        "not-performed",
        "not-permitted",
    )
)
MASKED: Final = "masked"
WITHHELD: Final = frozenset((MASKED, "not-permitted"))


def known_reason(code: str | None) -> str:
    """Return a data-absent-reason, or `unknown` for a code that is none."""
    return code if code in ABSENT_REASONS else "unknown"
