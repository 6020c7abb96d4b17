"""Putting into words where a change sits, from the part of it that each group accounts for."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from monitoring.evidence.alarm import percent
from monitoring.evidence.apportion import Apportioned, Part
from monitoring.evidence.bets import Bet

Verdict = Literal["sits", "leans", "spread", "one", "unknown"]
# what a group holds beyond its rows must be most of the change, and a request elsewhere show at
# most a third of what it shows there
MOST, ELSEWHERE_AT_MOST = 0.5, 1 / 3
SITE, SYSTEM, WARD, CODE = "site", "sending system", "ward", "code"
NO_SITE, NO_WARD, NO_CODE = "no site named", "no ward named", "no code"
# how a group is spoken of: where it is, and where there's none of it any more
_PLACES = {SITE: "at {}", SYSTEM: "in requests from {}", WARD: "on {}", CODE: "in values under {}"}
_GONE = {
    SYSTEM: "requests any more from {}",
    CODE: "values any more under {}",
}

# words of a mean score, given the usual one
Figure = Callable[[float, float], str]


@dataclass(frozen=True)
class Placed:
    """How a change is divided among a dimension's groups, in words and figures."""

    dimension: str
    verdict: Verdict
    words: str
    groups: tuple[dict[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {**vars(self), "groups": list(self.groups)}


@dataclass(frozen=True)
class _Tense:
    """The words that tell whether a change is over."""

    sits: str
    leans: str
    comes: str
    stands: str
    look: str


_PRESENT = _Tense("It sits", "It is seen elsewhere too, but more", "It comes", "stands", "look")
_PAST = _Tense("It sat", "It was seen elsewhere too, but more", "It came", "stood", "looked")


def figure_of(bet: Bet) -> Figure:
    """Return what words a mean score on the scale of a bet."""
    if bet.family == "location":
        return lambda score, usual: f"{score:+.2f} SD".replace("-", "−")
    if bet.family == "scale":
        return lambda score, usual: f"{math.sqrt(score / usual):.2f} times as wide"
    return lambda score, usual: percent(score)


def _whole(share: float) -> str:
    """Word a part of a change, which may be less than nothing, in whole percents."""
    return f"{round(100 * share)} %".replace("-", "−")


def placed(
    dimension: str,
    groups: Sequence[str],
    found: Apportioned | None,
    bet: Bet,
    began: Mapping[str, date],
    looks_like: str = "",
    *,
    over: bool = False,
) -> Placed:
    """Say where a change sits among groups, of which `groups` are all that there are.

    `began` has the first day since the onset on which a group was seen; `looks_like` is what the
    readings look like of which the bet is on the share, if it is of readings; `over` says that the
    change has ended.
    """
    tense = _PAST if over else _PRESENT
    if len(groups) < 2:
        return Placed(dimension, "one", _only(dimension, groups))
    if found is None:
        words = f"Too few requests to divide the change among {len(groups)} {dimension}s."
        return Placed(dimension, "unknown", words)
    parts = sorted(found.parts, key=lambda part: (-part.share, part.group))
    figure = figure_of(bet)
    verdict, there = _verdict(parts)
    shown = tuple(_shown(part, found, figure) for part in parts)
    if not there:
        words = f"No {dimension} {tense.stands} out among {len(parts)}."
        return Placed(dimension, verdict, words, shown)
    elsewhere = [part for part in parts if part not in there]
    new = _new(there, found, began)
    looks = f" {tense.look} like {looks_like}" if looks_like else ""
    words = _sentence(dimension, verdict, there, elsewhere, found, figure, new, looks, tense)
    return Placed(dimension, verdict, words, shown)


def _only(dimension: str, groups: Sequence[str]) -> str:
    if dimension in (SITE, WARD):
        if not groups or groups[0] in (NO_SITE, NO_WARD):
            return f"Requests name no {dimension}."
        return f"All requests name the {dimension} {groups[0]}."
    if dimension == CODE and groups:
        return f"All values came under {groups[0]}."
    return f"All requests are from {groups[0]}." if groups else f"No {dimension} is known."


def _verdict(parts: Sequence[Part]) -> tuple[Verdict, list[Part]]:
    """Return the groups that hold more of the change than of the rows, if they hold most of it."""
    rows = sum(part.rows for part in parts)
    there = [part for part in parts if part.low > part.rows / rows]
    held, own = sum(part.share for part in there), sum(part.rows for part in there)
    if held <= MOST or own == rows:
        return "spread", []
    elsewhere = (1 - held) / (rows - own) * own
    return ("sits" if elsewhere <= held * ELSEWHERE_AT_MOST else "leans"), there


def _sentence(
    dimension: str,
    verdict: Verdict,
    there: Sequence[Part],
    elsewhere: Sequence[Part],
    found: Apportioned,
    figure: Figure,
    new: str,
    looks: str,
    tense: _Tense,
) -> str:
    names = " and ".join(part.group for part in there)
    place = _PLACES[dimension].format(names)
    begins = tense.sits if verdict == "sits" else tense.leans
    if not any(part.rows for part in there):
        gone = _GONE.get(dimension, f"requests any more {place}").format(names)
        return f"{tense.comes} of there being no {gone}."
    own, others = _joined(there, found, figure), _joined(elsewhere, found, figure)
    of = " of readings" if looks else ""
    words = f"{begins} {place}{new}: {own[0]}{of} there{own[1]}, {others[0]} elsewhere{others[1]}"
    usual = f", {figure(found.usual, found.usual)} in the reference" if found.by_reference else ""
    return f"{words}{usual}{looks}."


def _new(there: Sequence[Part], found: Apportioned, began: Mapping[str, date]) -> str:
    """Say since when all of some groups have been seen, if they are new."""
    if found.by_reference or not all(one.is_new for one in there):
        return ""
    days = [began[one.group] for one in there if one.group in began]
    return f" (none before {min(days).isoformat()})" if days else " (none before)"


def _joined(parts: Sequence[Part], found: Apportioned, figure: Figure) -> tuple[str, str]:
    """Return the words of several groups' figure now, and of that before, if they had one."""
    now = _weighted([(part.now, part.rows) for part in parts])
    before = _weighted([(part.before, part.rows_before) for part in parts])
    return (
        "no requests"
        if now is None
        else bounded(figure(now, found.usual), beyond=any(part.beyond for part in parts)),
        "" if before is None else f" ({figure(before, found.usual)} in earlier requests)",
    )


def bounded(figure: str, *, beyond: bool) -> str:
    """Word a figure of today's rows, which is the least one where they lie beyond all cuts."""
    return f"beyond {figure}" if beyond else figure


def _weighted(means: Sequence[tuple[float | None, int]]) -> float | None:
    known = [(mean, rows) for mean, rows in means if mean is not None]
    total = sum(rows for _, rows in known)
    return sum(mean * rows for mean, rows in known) / total if total else None


def _shown(part: Part, found: Apportioned, figure: Figure) -> dict[str, Any]:
    before = "" if found.by_reference else "none before"
    if part.before is not None:
        before = figure(part.before, found.usual)
    return {
        "name": part.group,
        "rows": part.rows,
        "now": "none now"
        if part.now is None
        else bounded(figure(part.now, found.usual), beyond=part.beyond),
        "before": before,
        "share": _whole(part.share),
        "interval": f"{_whole(part.low)} to {_whole(part.high)}",
    }
