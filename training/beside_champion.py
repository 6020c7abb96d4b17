"""How a run's version stands to the champion of its day, in figures and in words."""

from collections.abc import Mapping
from typing import Any, Final

from models.figure_names import MINUS_CHAMPION, SCALAR_TITLES

_ENDS: Final = {"value": "", "low": "_low", "high": "_high"}
_DIGITS: Final = 3
_MORE_DIGITS: Final = 6  # where fewer would show nothing
_SHOWN: Final = ("auroc", "brier", "calibration_slope", "calibration_in_the_large")


def champion_differences(comparison: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """Return a version's figures minus the champion's, with their intervals, by name."""
    metrics = comparison["metrics"]
    return {
        name: {part: metrics.get(f"{name}{MINUS_CHAMPION}{end}") for part, end in _ENDS.items()}
        for name in SCALAR_TITLES
        if f"{name}{MINUS_CHAMPION}" in metrics
    }


def champion_words(comparison: Mapping[str, Any] | None) -> str | None:
    """Say how a version stands to the champion; None where the two were not compared."""
    if comparison is None:
        return None
    differences = champion_differences(comparison)
    figures = differences_words({name: differences[name] for name in _SHOWN if name in differences})
    used = comparison.get("used")
    apart = f"no evidence, for of that version {used}" if used else comparison["basis"]
    return (
        f"Minus version {comparison['version']}, the champion, on the same people: {figures} "
        f"({apart})"
    )


def differences_words(differences: Mapping[str, Mapping[str, float | None]]) -> str:
    """Return each difference with its interval."""
    return "; ".join(
        f"{SCALAR_TITLES[name]} {_with_interval(one)}" for name, one in differences.items()
    )


def _with_interval(difference: Mapping[str, float | None]) -> str:
    value, low, high = (difference[part] for part in _ENDS)
    if value is None or low is None or high is None:
        return "not estimable"
    digits = _DIGITS if any(round(end, _DIGITS) for end in (value, low, high)) else _MORE_DIGITS
    return f"{value:+z.{digits}f} ({low:z.{digits}f} to {high:z.{digits}f})"
