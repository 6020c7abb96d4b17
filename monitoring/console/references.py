"""What streams are compared with, as people read it: epochs, and what was left out for them."""

from collections.abc import Mapping
from typing import Any

from monitoring.epochs import Epoch, epochs, left_out
from monitoring.streams import TWIN
from records.models import Alarm


def references(
    model: str, version: str | None, assured: Mapping[str, Any]
) -> list[tuple[str, Epoch]]:
    """Return the streams whose reference isn't in its first epoch, each under its title."""
    return [(_title(one.stream, assured), one) for one in epochs(model, version or "")]


def became_of_days(alarm: Alarm, assured: Mapping[str, Any]) -> dict[str, Any]:
    """Return what became of an alarm's days, and in which streams evidence began anew for it."""
    names = dict.fromkeys(name.removeprefix(TWIN) for name in alarm.details.get("explained", ()))
    return {
        "left_out": left_out(alarm),
        "epoch": next(
            (one for one in epochs(alarm.model, alarm.version) if one.stream == alarm.stream), None
        ),
        "explained": [_title(name, assured) for name in names],
    }


def _title(stream: str, assured: Mapping[str, Any]) -> str:
    known = assured.get("streams", {}).get(stream)
    if known is None:
        return stream
    return f"{known['title']}, missing" if known.get("about") == "missing" else str(known["title"])
