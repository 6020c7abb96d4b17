"""Concentrations as texts of units say them, whether a table of units has them or not."""

import re
from typing import Final

# powers of ten
_PREFIXES: Final = {"": 0, "k": 3, "d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15}
_WORDS: Final = (("milli", "m"), ("micro", "u"), ("mcg", "ug"), ("nano", "n"), ("pico", "p"))
MICRO: Final = str.maketrans({"\u00b5": "u", "\u03bc": "u"})
_CONCENTRATION: Final = re.compile(
    r"(?<![a-z])([kdcmunpf]?)(gram|g|mole|mol)s?(?:/|per)(10+)?([dcmun]?)(?:l|liter|litre)(?![a-z0-9^*/.])"
)


def concentration(text: str) -> tuple[str, int] | None:
    """Return the kind of amount in a volume that a text names, and its power of ten per litre.

    None is for what isn't such a unit; what stands in brackets behind it is no part of it.

    >>> concentration("ug/mL") == concentration("mg/L")
    True
    """
    plain = "".join(text.lower().translate(MICRO).split())
    for word, sign in _WORDS:
        plain = plain.replace(word, sign)
    found = _CONCENTRATION.search(plain)
    if found is None:
        return None
    many = 0 if not found[3] else len(found[3]) - 1
    power = _PREFIXES[found[1]] - many - _PREFIXES[found[4]]
    return found[2][0], power
