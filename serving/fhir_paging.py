"""Pages of a search: where the next one goes on, and the links to it."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from models.errors import MalformedInput
from serving.fhir_criteria import is_of_patient
from serving.operation import Call

PAGE: Final = "_page"
_START, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_TIME, _ID = 8, 16  # bytes
_MOST_OWNERS = 2
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32,80}")


@dataclass(frozen=True, slots=True)
class Page:
    """Where a page begins: behind the match of this time and id.

    A search for one patient is gone on with by predictions of theirs (`owners`), since an address
    names no patient, by pseudonym neither (PHI-5). They are looked for among the caller's own.
    """

    at: datetime
    id: UUID
    owners: tuple[UUID, ...] = ()


def write_page(page: Page) -> str:
    """Return a page as the text that an address has of it."""
    time = (page.at - _START) // _MICROSECOND
    ids = (one.bytes for one in (page.id, *page.owners))
    token = b"".join((time.to_bytes(_TIME, "big", signed=True), *ids))
    return urlsafe_b64encode(token).rstrip(b"=").decode("ascii")


def read_page(text: str) -> Page:
    """Return the page that an address names; raise MalformedInput unless it's one of ours."""
    try:
        if _TOKEN.fullmatch(text) is None:
            raise ValueError("no token")
        token = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        owners, rest = divmod(len(token) - _TIME - _ID, _ID)
        if rest or not 0 <= owners <= _MOST_OWNERS:
            raise ValueError("another length")
        at = _START + int.from_bytes(token[:_TIME], "big", signed=True) * _MICROSECOND
        starts = range(_TIME, len(token), _ID)
        first, *others = (UUID(bytes=token[start : start + _ID]) for start in starts)
    except (ValueError, OverflowError) as error:
        raise unknown_page() from error
    return Page(at, first, tuple(others))


def unknown_page() -> MalformedInput:
    """Return the error for a page that isn't of a search of this client."""
    return MalformedInput(
        f"{PAGE} is only ever taken from the link next of this client's own search",
        field=PAGE,
        reason="unknown_page",
    )


def links(call: Call, given: Sequence[tuple[str, str]], following: Page | None) -> list[Any]:
    """Return the links of a searchset: to itself, and to the next page if there is one.

    The link to itself says that a patient was searched for, and not whom.
    """
    base = f"{call.fhir_base}/RiskAssessment"
    about = [(name, "withheld" if is_of_patient(name) else value) for name, value in given]
    found = [_link("self", base, about)]
    if following is not None:
        kept = [(n, value) for n, value in given if n != PAGE and not is_of_patient(n)]
        found.append(_link("next", base, [*kept, (PAGE, write_page(following))]))
    return found


def _link(relation: str, address: str, asked: Sequence[tuple[str, str]]) -> dict[str, str]:
    query = f"?{urlencode(asked)}" if asked else ""
    return {"relation": relation, "url": address + query}
