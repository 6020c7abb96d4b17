"""LOINC codes and their check digits."""

import re
from collections.abc import Mapping
from typing import Final

LOINC = "http://loinc.org"  # how FHIR names the system
# the panel as whose component a value is stored: https://loinc.org/85354-9 and its children
PANELS: Final[Mapping[str, str]] = {
    "8480-6": "85354-9",
    "8462-4": "85354-9",
    "8478-0": "85354-9",
}
_PRESSURES: Final = tuple(PANELS)
# what a panel may hold, of those that are read wherever they come from: https://loinc.org/35094-2
# is the older one, and the components of https://loinc.org/96607-7 may have these codes beside
# those of means: https://hl7.org/fhir/us/core/2024Jan/Observation-average-blood-pressure.html
HELD_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "85354-9": _PRESSURES,
    "35094-2": _PRESSURES,
    "96607-7": (*_PRESSURES, "96608-5", "96609-3"),
}
_FORM = re.compile(r"^(\d{1,7})-(\d)$")


def check_digit(number: str) -> int:
    """Return the mod-10 check digit of a LOINC base number (LOINC Users' Guide, appendix)."""
    doubled = "".join(
        str(int(digit) * 2) if place % 2 == 0 else digit
        for place, digit in enumerate(reversed(number))
    )
    return (10 - sum(int(digit) for digit in doubled) % 10) % 10


def check_loinc(code: str) -> str:
    """Return the code, or raise ValueError where its form or check digit is wrong."""
    match = _FORM.match(code)
    if match is None:
        raise ValueError(f"{code!r} is not of the form of a LOINC code, such as 2160-0")
    expected = check_digit(match[1])
    if int(match[2]) != expected:
        raise ValueError(f"LOINC code {code!r} has a wrong check digit; expected {expected}")
    return code
