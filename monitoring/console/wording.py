"""Figures as people read them: risks, counts and units."""

import re
from datetime import date

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

UNITS = {
    "a": "years",
    "mo": "months",
    "d": "days",
    "Cel": "°C",
    "[degF]": "°F",
    "mm[Hg]": "mmHg",
    "10*9/L": "× 10⁹/L",
    "10*12/L": "× 10¹²/L",
    "umol/L": "µmol/L",
    "ug/L": "µg/L",
    "/min": "a minute",
}
OF_ONE = {"a": "year", "mo": "month", "d": "day"}
SURE = 0.001
_WHOLE = re.compile(r"[−+-]?\d[\d.,]* (?:%|SD)|\d{4}-\d\d-\d\d")


def unit_words(unit: str | None, number: str = "") -> str:
    """Return how people write a UCUM unit behind a number; a pure number has none."""
    if number == "1" and unit in OF_ONE:
        return OF_ONE[unit]
    if not unit or unit.startswith("{"):
        return ""
    return UNITS.get(unit, unit)


def with_unit(value: float, decimals: int, unit: str | None) -> str:
    """Word a value with its unit."""
    number = f"{value:z.{decimals}f}"
    return f"{number} {unit_words(unit, number)}".strip().replace("-", "−")


def share_words(share: float) -> str:
    """Word a share: whole percents from ten on, one decimal below."""
    percent = 100 * share
    return f"{percent:.0f} %" if percent >= 10 or percent == 0 else f"{percent:.1f} %"


def risk_words(risk: float) -> str:
    """Word a risk so that it never reads as certain."""
    if risk < SURE:
        return "below 0.1 %"
    return "above 99.9 %" if risk > 1 - SURE else f"{100 * risk:.1f} %"


def count_words(count: int) -> str:
    """Word a count with its thousands apart."""
    return f"{count:,}"


def day_words(day: str) -> str:
    """Word an ISO day as the pages do."""
    moment = date.fromisoformat(day)
    return f"{moment.day} {moment:%b %Y}"


def unbroken(text: str) -> SafeString:
    """Keep each figure with its unit, and each day, on one line."""
    return mark_safe(_WHOLE.sub(r'<span class="whole">\g<0></span>', escape(text)))  # noqa: S308


def signed_words(value: float) -> str:
    """Word a contribution with its sign, a real minus; what rounds to nothing has none."""
    words = f"{value:+.2f}"
    return "0.00" if words[1:] == "0.00" else words.replace("-", "−")
