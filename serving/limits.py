"""How much one client may ask: a second, at a time, and explanations a day (ML-1, API-4)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from records.settings import Settings
from serving.problems import BatchTooLarge, TooMany

if TYPE_CHECKING:
    from records.models import Client

_GO_ON = "without the scope explain, or on cards, risks go on"
Who = tuple[str, bool]


class Limits:
    """The limits of this worker, which has its share of the service's.

    They are of a client, whichever of its keys it calls with. They are kept in memory: a restart
    begins a new day.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._rate = settings.requests_per_second / settings.workers
        self._burst = max(1.0, self._rate)
        self._per_day = max(1, settings.explanations_per_day // settings.workers)
        self._at_once = max(1, settings.requests_at_once // settings.workers)
        self._running: dict[Who, int] = {}
        self._left: dict[Who, tuple[float, float]] = {}
        self._explained: dict[Who, tuple[datetime, int]] = {}

    def check_rate(self, client: Client) -> None:
        """Raise TooMany, with the time to wait, once a client's requests come too fast.

        A second's requests may come at once, and then no more than a second's in each.
        """
        now, who = time.monotonic(), _who(client)
        left, at = self._left.get(who, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        if left < 1:
            whole = f"send {self._settings.requests_per_second:g} requests a second"
            raise TooMany(self._told(whole, f"{self._rate:g}"), seconds=(1 - left) / self._rate)
        self._left[who] = (left - 1, now)

    def begin(self, client: Client) -> None:
        """Count a request until `end`; raise TooMany where too many are answered already."""
        who = _who(client)
        running = self._running.get(who, 0)
        if running >= self._at_once:
            whole = f"have {self._settings.requests_at_once} requests at a time"
            raise TooMany(self._told(whole, str(self._at_once)), seconds=1)
        self._running[who] = running + 1

    def end(self, client: Client) -> None:
        """Count a request no more."""
        self._running[_who(client)] -= 1

    def take_explanations(self, client: Client, now: datetime, count: int = 1) -> None:
        """Count explanations; raise TooMany once a client has had its ones of the day (UTC).

        Raises BatchTooLarge for more at once than it may have in any day.
        """
        day, who = _day_of(now), _who(client)
        since, used = self._explained.get(who, (day, 0))
        used = used if since == day else 0
        if used + count > self._per_day:
            whole = f"have {self._settings.explanations_per_day} explanations a day"
            words = self._told(whole, str(self._per_day))
            if count > self._per_day:
                raise BatchTooLarge(f"{words}; ask for {self._per_day} at a time at most; {_GO_ON}")
            rest = f"; {self._per_day - used} are left{self._here()} today" if count > 1 else ""
            raise TooMany(
                f"{words}{rest}; {_GO_ON}",
                seconds=(day + timedelta(days=1) - now).total_seconds(),
            )
        self._explained[who] = (day, used + count)

    @contextmanager
    def explaining(self, client: Client, now: datetime, *, wanted: bool) -> Iterator[None]:
        """Count the explanation that a block gives, if one is wanted, and none where it fails."""
        if wanted:
            self.take_explanations(client, now)
        try:
            yield
        except BaseException:
            if wanted:
                self.give_back(client, now)
            raise

    def give_back(self, client: Client, now: datetime, count: int = 1) -> None:
        """Count explanations no more that were taken and, without a risk, never given."""
        who = _who(client)
        since, used = self._explained[who]
        if since == _day_of(now):
            self._explained[who] = (since, used - count)

    def _here(self) -> str:
        return " at this one, maybe more at others," if self._settings.workers > 1 else ""

    def _told(self, whole: str, share: str) -> str:
        """Return what a client may, and how much of it is this worker's to give."""
        workers = self._settings.workers
        each = f", {share} of them by each of {workers} workers" if workers > 1 else ""
        return f"a client may {whole}{each}"


def _day_of(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _who(client: Client) -> Who:
    """Return whose limits a key's are: those of its name, where test keys stand apart."""
    return client.name, client.is_test
