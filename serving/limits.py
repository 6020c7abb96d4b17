"""How much one client may ask: a second, at a time, and explanations a day (ML-1, API-4)."""

import time
from datetime import datetime, timedelta

from records.settings import Settings
from serving.problems import TooMany

BURST_SECONDS = 2.0


class Limits:
    """The limits of this worker, which has its share of the service's.

    They are kept in memory: a restart begins a new day.
    """

    def __init__(self, settings: Settings) -> None:
        self._rate = settings.requests_per_second / settings.workers
        self._burst = max(1.0, self._rate * BURST_SECONDS)
        self._per_day = max(1, settings.explanations_per_day // settings.workers)
        self._at_once = max(1, settings.requests_at_once // settings.workers)
        self._running: dict[str, int] = {}
        self._left: dict[str, tuple[float, float]] = {}
        self._explained: dict[str, tuple[datetime, int]] = {}

    def check_rate(self, client: str) -> None:
        """Raise TooMany, with the time to wait, once a client's requests come too fast."""
        now = time.monotonic()
        left, at = self._left.get(client, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        if left < 1:
            raise TooMany(
                f"a client may send {self._rate:g} requests a second",
                seconds=(1 - left) / self._rate,
            )
        self._left[client] = (left - 1, now)

    def begin(self, client: str) -> None:
        """Count a request until `end`; raise TooMany where too many are answered already."""
        running = self._running.get(client, 0)
        if running >= self._at_once:
            raise TooMany(f"a client may have {self._at_once} requests at a time", seconds=1)
        self._running[client] = running + 1

    def end(self, client: str) -> None:
        """Count a request no more."""
        self._running[client] -= 1

    def check_explanations(self, client: str, now: datetime, count: int = 1) -> None:
        """Raise TooMany once a client has had its explanations of the day (UTC)."""
        day = now.replace(hour=0, minute=0, second=0, microsecond=0)
        since, used = self._explained.get(client, (day, 0))
        used = count if since != day else used + count
        if used > self._per_day:
            raise TooMany(
                f"a client may have {self._per_day} explanations a day; without the scope "
                "explain, or on cards, risks go on",
                seconds=(day + timedelta(days=1) - now).total_seconds(),
            )
        self._explained[client] = (day, used)
