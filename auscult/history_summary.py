"""What `auscult history` prints: who moved a model's aliases when and why, past which gates."""

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from rich.markup import escape
from rich.table import Table

from auscult.screen import out
from models.errors import AuscultError

if TYPE_CHECKING:
    from records.models import Tenure

# what a time names that ends in a day, an hour, a minute or a second, as ISO 8601 has them
_DAY: Final = re.compile(r"\d{4}-?(?:\d\d-?\d\d|W\d\d(?:-?\d)?)")
_NAMED: Final = (
    (re.compile(r"\d\d"), timedelta(hours=1), "hour"),
    (re.compile(r"\d\d:?\d\d"), timedelta(minutes=1), "minute"),
    (re.compile(r"\d\d:?\d\d:?\d\d"), timedelta(seconds=1), "second"),
)
_OFFSET: Final = re.compile(r"(?:Z|[+-][\d:.]+)\Z", re.IGNORECASE)


def show_history(name: str, at: str) -> None:
    """Show who moved a model's aliases when and why, or which version was champion at a time.

    Times are printed whole, in a form that `at` takes: cut to the second, one names a moment before
    the move.
    """
    from records import tenure  # Django's tables can be imported only once it is configured

    rows = tenure.history(name)
    if not rows:
        out.print(f"No alias of {name} was ever moved; `auscult promote` moves them.")
        return
    if at:
        rows = _champions_at(name, at)
        if not rows:
            out.print(f"no version of {name} was champion then")
            return
    table = Table(box=None)
    table.add_column("Since", no_wrap=True)
    for title in ("Alias", "Version", "By", "Because"):
        table.add_column(title)
    for row in rows:
        since = row.since.astimezone(UTC)
        words = (row.alias, row.version, row.by, _because(row))
        table.add_row(f"{since:%Y-%m-%dT%H:%M:%S.%fZ}", *map(escape, words))
    out.print(table)


def _champions_at(name: str, at: str) -> "list[Tenure]":
    """Return the champion's tenure at a time, after those that began within the day it names."""
    from records import tenure  # Django's tables can be imported only once it is configured

    moment = parse_time(at)
    if moment > datetime.now(UTC):
        raise AuscultError(f"{at} hasn't come yet; name a time up to now")
    found = tenure.tenure_at(name, "champion", moment)
    standing = [] if found is None else [found]
    named = _period(at)
    if named is None:
        return standing
    length, unit = named
    began = tenure.began(name, "champion", after=moment, before=moment + length)
    if began:
        out.print(
            f"The champion changed within the {unit} {at}, so that there are several answers; name "
            "the time with its fraction for one of them:",
            markup=False,
        )
    return [*began, *standing]


def _period(at: str) -> tuple[timedelta, str] | None:
    """Return how long what a text names is, and what it is called; None for a moment of its own."""
    if _DAY.fullmatch(at):
        return timedelta(days=1), "day"
    clock = _OFFSET.sub("", re.split(r"[T ]", at, maxsplit=1, flags=re.IGNORECASE)[-1])
    found = (one for one in _NAMED if one[0].fullmatch(clock))
    return next(((length, unit) for _, length, unit in found), None)


def _because(row: "Tenure") -> str:
    """Return the reason that was given, and each gate that was overridden, as its evidence says."""
    if not row.overridden:
        return row.because
    gates = [f"gate overridden, {words}" for words in row.overridden_gates]
    return "\n".join([row.because, *(gates or ["gates overridden"])])


def parse_time(text: str) -> datetime:
    """Read an ISO 8601 time; one without an offset is taken as UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise AuscultError(f"{text!r} is not a time such as 2026-01-31T08:00:00Z") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
