"""Whether the trees are any better than the regression that they have to beat, in words."""

from collections.abc import Mapping
from typing import Any, Final

from models.figure_names import SCALAR_TITLES
from training.evidence import RECALIBRATED

_BETTER_ABOVE: Final = {"auroc": 1, "brier": -1}
_DIGITS: Final = 3
_MOST_DIGITS: Final = 9
_SIMPLER: Final = "a regression is simpler to check and to explain, so say why these trees are used"


def not_better(evidence: Mapping[str, Any]) -> str | None:
    """Say so where the trees are shown to be worse than the regression, or not to be better.

    By AUROC and Brier score on the same people, paired: shown is what the whole 95 % interval of a
    difference says. None where one of them is better and none worse, and of a recalibrated
    version, which is compared with the version before.
    """
    if RECALIBRATED in evidence:
        return None
    found = evidence["difference_to_baseline"]["differences"]
    sides = [_side(found[name], sign) for name, sign in _BETTER_ABOVE.items()]
    if min(sides) >= 0 and max(sides) > 0:
        return None
    figures = ", ".join(f"{SCALAR_TITLES[name]} {_words(found[name])}" for name in _BETTER_ABOVE)
    shown = "are worse than" if min(sides) < 0 else "aren't shown to be better than"
    return f"the trees {shown} the regression beside them ({figures}); {_SIMPLER}"


def _side(difference: Mapping[str, Any], sign: int) -> int:
    """Return 1 where the trees are shown to be better, -1 where worse, and 0 where neither is."""
    low, high = difference["low"], difference["high"]
    if low is None or high is None or low <= 0 <= high:
        return 0
    return sign if low > 0 else -sign


def _words(difference: Mapping[str, Any]) -> str:
    value, low, high = (difference[end] for end in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return "not estimable"
    digits = _digits(min(abs(low), abs(high))) if _side(difference, 1) else _DIGITS
    return f"{value:+z.{digits}f}, {low:z.{digits}f} to {high:z.{digits}f}"


def _digits(nearest: float) -> int:
    """Return how many digits show that the end of an interval that is nearest to 0 isn't 0."""
    return next((n for n in range(_DIGITS, _MOST_DIGITS) if round(nearest, n)), _MOST_DIGITS)
