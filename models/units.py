"""Units of measurement: what a unit's text means, and how a value gets from one to another."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from math import isclose
from typing import Final, overload

import numpy as np
from numpy.typing import NDArray

from models.concentration import MICRO, concentration
from models.unit_table import (
    ALIASES,
    ANALYTES,
    BY_CODE,
    DIMENSIONS,
    KINDS,
    MASS_CODES,
    MOLAR_CODES,
    TEXT_ONLY,
    Scale,
    Table,
)

_ANNOTATION = re.compile(r"^\{[!-z|~]{1,40}\}$")
_KNOWN = frozenset(
    unit for table in (*ANALYTES.values(), *BY_CODE.values(), *DIMENSIONS) for unit in table
)
_WORDS = {
    "1": "",
    "a": "years",
    "mo": "months",
    "d": "days",
    "Cel": "°C",
    "[pH]": "",
    "[degF]": "°F",
    "mm[Hg]": "mmHg",
    "[lb_av]": "lb",
    "[in_i]": "in",
    "10*3/uL": "x10³/µL",
    "10*9/L": "x10⁹/L",
    "umol/L": "µmol/L",
    "ug/L": "µg/L",
    "kg/m2": "kg/m²",
    "mL/min/{1.73_m2}": "mL/min/1.73 m²",
}
_TABLES = (*ANALYTES.values(), *DIMENSIONS, {"U/L": Scale(), "[IU]/L": Scale()})
_OF_ONE = {"a": "year", "mo": "month", "d": "day"}


def _by_spelling() -> Mapping[str, frozenset[str]]:
    units: dict[str, set[str]] = {}
    for text, unit in (*((unit, unit) for unit in _KNOWN), *ALIASES.items()):
        units.setdefault("".join(text.lower().split()), set()).add(unit)
    return {text: frozenset(found) for text, found in units.items()}


_BY_SPELLING: Final = _by_spelling()


@lru_cache(maxsize=1024)
def canonical_unit(text: str) -> str | None:
    """Return the UCUM code that a unit's text stands for, or None where it's unknown (UNIT-4)."""
    plain = text.strip().translate(MICRO)
    code = ALIASES.get(plain, plain)
    return code if code in _KNOWN or _ANNOTATION.match(code) else None


def is_text_only(code: str) -> bool:
    """Whether a unit is read as a text, but not as a code of UCUM (FHIR-7)."""
    return code.strip() in TEXT_ONLY


def check_convertible(unit: str, analyte: str | None) -> None:
    """Raise ValueError unless values of the analyte can be stated in the unit."""
    if analyte is not None and analyte not in ANALYTES:
        raise ValueError(f"analyte {analyte!r} is none of {', '.join(sorted(ANALYTES))}")
    code = canonical_unit(unit)
    if code is None:
        raise ValueError(f"unit {unit!r} is not a known UCUM unit")
    if code != unit:
        raise ValueError(f"unit {unit!r} must be written as its UCUM code {code!r}")
    if analyte is not None and code not in ANALYTES[analyte]:
        raise ValueError(
            f"unit {unit!r} can't be converted for {analyte}, which takes "
            f"{', '.join(ANALYTES[analyte])}"
        )


def check_codes(unit: str, analyte: str | None, codes: Iterable[str]) -> None:
    """Raise ValueError where results under LOINC codes couldn't be converted or compared."""
    _check_kinds(frozenset(codes))
    if analyte is not None:
        return
    for code in codes:
        if code in MOLAR_CODES or contradicts_code(unit, code):
            stated = "an amount of substance" if code in MOLAR_CODES else "a mass"
            raise ValueError(
                f"loinc {code} states {stated}, which converts for one analyte at a time: name "
                f"the analyte, one of {', '.join(sorted(ANALYTES))}"
            )


def _check_kinds(codes: frozenset[str]) -> None:
    for what, kinds in KINDS.items():
        given = {kind: sorted(codes & known) for kind, known in kinds.items() if codes & known}
        if len(given) > 1:
            words = "; ".join(f"{kind}: {', '.join(found)}" for kind, found in given.items())
            raise ValueError(
                f"loinc names kinds of {what} that aren't interchangeable ({words}); keep one kind"
            )


def accepted_units(to: str, analyte: str | None) -> tuple[str, ...]:
    """Return the units that convert to the unit `to`, that one first."""
    return (to, *(unit for unit in _table(to, analyte) if unit != to))


@overload
def convert(
    value: float, unit: str, *, to: str, analyte: str | None, code: str | None = None
) -> float: ...
@overload
def convert(
    value: NDArray[np.float64],
    unit: str,
    *,
    to: str,
    analyte: str | None,
    code: str | None = None,
) -> NDArray[np.float64]: ...
def convert(
    value: float | NDArray[np.float64],
    unit: str,
    *,
    to: str,
    analyte: str | None,
    code: str | None = None,
) -> float | NDArray[np.float64]:
    """Return the value in the unit `to`; raise ValueError that names both units if it can't be.

    `code` is the LOINC code under which the value was reported, since a few codes state another
    substance than the analyte's table (urea under urea nitrogen).
    """
    scales = _scales(unit, to, analyte, code)
    if scales is None:
        return value
    source, target = scales
    first = (value + source.shift) * source.multiplier / source.divisor
    if target is None:
        return first
    return first * target.divisor / target.multiplier - target.shift


def contradicts_code(unit: str, code: str) -> bool:
    """Whether a mass unit stands under a molar code or the reverse (UNIT-2)."""
    molar = "mol" in unit
    return code in MASS_CODES if molar else code in MOLAR_CODES


def units_spelt(text: str) -> frozenset[str]:
    """Return each unit that a text may mean, whatever its spaces and capitals; none if unknown.

    Only to compare a text with a code: no value is ever read in a unit that's found so.
    """
    return _BY_SPELLING.get("".join(text.translate(MICRO).lower().split()), frozenset())


@lru_cache(maxsize=1024)
def contradicts_unit(text: str, unit: str, to: str, analyte: str | None) -> bool:
    """Whether a text is a unit too, and another one than the unit that is stated as a code.

    Units of one size are the same, as they're for the analyte where both convert to the unit
    `to`. What is no unit at all contradicts nothing, unless it's the code. A concentration that no
    table has contradicts one of another size or kind.
    """
    meant, coded = units_spelt(text), units_spelt(unit)
    if not meant:
        said, stated = concentration(text), concentration(unit)
        return said is not None and stated is not None and said != stated
    if _ANNOTATION.match(unit):
        coded |= {"1"}
    return bool(meant) and not any(
        _are_one(one, other, to, analyte) for one in meant for other in coded
    )


def _are_one(one: str, other: str, to: str, analyte: str | None) -> bool:
    if one == other or any(
        one in table and other in table and table[one] == table[other] for table in _TABLES
    ):
        return True
    try:
        first, second = (convert(1.0, unit, to=to, analyte=analyte) for unit in (one, other))
    except ValueError:
        return False
    return isclose(first, second, rel_tol=1e-9)


def is_as_it_is(unit: str, analyte: str | None, code: str) -> bool:
    """Whether a value in the unit that's wanted stands under a code that agrees with it."""
    return _scales(unit, unit, analyte, code) is None and not contradicts_code(unit, code)


def unit_words(unit: str, number: str = "") -> str:
    """Write a UCUM unit as people read it behind a number; a pure number has none."""
    if number == "1" and unit in _OF_ONE:
        return _OF_ONE[unit]
    return _WORDS.get(unit, "" if _ANNOTATION.match(unit) else unit)


@lru_cache(maxsize=4096)
def _scales(
    unit: str, to: str, analyte: str | None, code: str | None
) -> tuple[Scale, Scale | None] | None:
    known = canonical_unit(unit)
    table = _table(to, analyte)
    by_code = BY_CODE.get((analyte, code)) if analyte and code else None
    sources = by_code or table
    if known is None or known not in sources:
        raise ValueError(
            f"unit {unit!r} can't be converted to {to!r}; give one of "
            f"{', '.join(accepted_units(to, analyte))}"
        )
    if known == to and by_code is None:
        return None
    return sources[known], None if table[to] == Scale() else table[to]


def _table(to: str, analyte: str | None) -> Table:
    if analyte is not None:
        return ANALYTES[analyte]
    for table in DIMENSIONS:
        if to in table:
            return table
    return {to: Scale(), "1": Scale()}
