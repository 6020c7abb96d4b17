"""The outbox: notices that wait as files until every receiver has them, each told once.

Several processes may use it at once: a file is changed under one lock, held for a moment, and
notices are delivered under another, by one process at a time.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from models.errors import RecordError
from monitoring.channels import Channel, Notice, tell
from records.locks import locked

FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=6)
# after which no other notice is tried in the same run
RUN_SECONDS = 120.0


@dataclass(frozen=True)
class Delivery:
    """What became of the notices that were due: how many were told, which wait, and why."""

    told: int
    waiting: int
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Outbox:
    """A directory of notices that wait, and of those that were told, for ever after."""

    directory: Path

    def keep(self, name: str, notice: Notice, now: datetime) -> bool:
        """Keep a notice to be told, unless it was told or waits already; say whether it is new.

        `name` is the same for all notices that say the same. Raises RecordError where it can't be
        written.
        """
        try:
            with self._changing():
                if self.kept(name, notice) is not None:
                    return False
                state = {"notice": notice, "left": None, "attempts": 0, "next": now.isoformat()}
                _write(self.directory / _file(name), state)
        except OSError as error:
            raise RecordError(
                f"{self.directory}: notifications can't be kept ({error.strerror})"
            ) from error
        return True

    def kept(self, name: str, notice: Notice) -> dict[str, Any] | None:
        """Return what is kept of a notice that waits or was told, None where nothing is.

        After a restore of the database an alarm's number may be that of another, raised on another
        day. One that is told meanwhile goes from the first place to the second, never back.
        """
        for path in (self.directory / _file(name), self._told / _file(name)):
            found = _read(path)
            if found is not None and found["notice"].get("raised_on") == notice.get("raised_on"):
                return found
        return None

    def deliver(self, channels: Mapping[str, Channel], now: datetime) -> Delivery:
        """Try every notice that is due with every receiver who hasn't it yet, those due first.

        What fails waits longer each time. Raises RecordError where the outbox can't be written.
        """
        if not self.directory.is_dir():
            return Delivery(0, 0, ())
        try:
            with locked(self.directory / "delivering.lock"):
                return self._deliver(channels, now)
        except OSError as error:
            raise RecordError(
                f"{self.directory}: what was told can't be noted ({error.strerror}), so it may be "
                "told again"
            ) from error

    def failed(self) -> dict[str, tuple[int, str]]:
        """Return for how many notices each receiver couldn't be reached yet, and why not last."""
        found: dict[str, tuple[int, str]] = {}
        for path in sorted(self.directory.glob("*.json")):
            for receiver, why in ((_read(path) or {}).get("why") or {}).items():
                found[receiver] = (found.get(receiver, (0, ""))[0] + 1, why)
        return found

    def _deliver(self, channels: Mapping[str, Channel], now: datetime) -> Delivery:
        told, faults = 0, []
        waiting = {path: state for path in self.directory.glob("*.json") if (state := _read(path))}
        due = [path for path in waiting if datetime.fromisoformat(waiting[path]["next"]) <= now]
        begun = time.monotonic()
        for tried, path in enumerate(sorted(due, key=lambda path: (waiting[path]["next"], path))):
            if tried and time.monotonic() - begun >= RUN_SECONDS:
                faults.append(f"{len(due) - tried} wait for the next run, as others took too long")
                break
            failed = _try(waiting[path], channels)
            faults += [f"{name}: {why}" for name, why in failed.items()]
            with self._changing():
                if failed:
                    _write(path, _later(waiting[path], failed, now))
                else:
                    os.replace(path, self._told / path.name)
                    told += 1
        return Delivery(told, len(waiting) - told, tuple(faults))

    @property
    def _told(self) -> Path:
        return self.directory / "told"

    @contextmanager
    def _changing(self) -> Iterator[None]:
        self._told.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self.directory / "changing.lock"):
            yield


def _try(state: dict[str, Any], channels: Mapping[str, Channel]) -> dict[str, str]:
    """Tell each receiver that is left, and return why those weren't reached who weren't.

    Earlier releases noted that a channel is left, which all of its receivers are then.
    """
    left, failed = state["left"], dict[str, str]()
    for name, channel in channels.items():
        whole = left is None or name in left
        receivers = [one for one in channel.receivers if whole or one in left]
        if receivers:
            failed |= tell(channel, state["notice"], receivers)
    return failed


def _later(state: dict[str, Any], why: Mapping[str, str], now: datetime) -> dict[str, Any]:
    wait = min(FIRST_WAIT * 2 ** min(state["attempts"], 20), LONGEST_WAIT)
    changed = {"left": list(why), "why": dict(why), "attempts": state["attempts"] + 1}
    return state | changed | {"next": (now + wait).isoformat()}


def _file(name: str) -> str:
    return f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"


def _read(path: Path) -> dict[str, Any] | None:
    """Return what a file holds, None where there is none or a failing disk left it in part."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return found


def _write(path: Path, state: Mapping[str, Any]) -> None:
    """Write a file whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(state), encoding="utf-8")
    os.replace(part, path)
