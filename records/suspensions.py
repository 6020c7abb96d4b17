"""Suspensions: who took a model out of use, since when and why, and who gave it back."""

import math
import re
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from django.db import DatabaseError, connection, transaction

from models.errors import ModelSuspended, RecordError
from records import audit
from records.models import Suspension

REFRESH_SECONDS = 1.0
READ_TIMEOUT_SECONDS = 5.0
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def suspend(model: str, *, by: str, because: str, now: datetime) -> None:
    """Let a model answer nothing from now on, and note it in the audit chain."""
    _check_reason(model, by, because)
    with transaction.atomic():
        if Suspension.objects.filter(model=model, ended_at=None).exists():
            raise RecordError(f"{model} is suspended already; `auscult restore` gives it back")
        audit.note("model.suspend", by, {"model": model, "because": because}, now)
        Suspension.objects.create(model=model, since=now, by=by, because=because)


def restore(model: str, *, by: str, because: str, now: datetime) -> None:
    """Let a suspended model answer again, and note it in the audit chain."""
    _check_reason(model, by, because)
    with transaction.atomic():
        ended = Suspension.objects.filter(model=model, ended_at=None).update(
            ended_at=now, ended_by=by, ended_because=because
        )
        if not ended:
            raise RecordError(f"{model} is not suspended")
        audit.note("model.restore", by, {"model": model, "because": because}, now)


def suspended() -> dict[str, str]:
    """Return the models that are suspended now, each with the reason."""
    return dict(Suspension.objects.filter(ended_at=None).values_list("model", "because"))


def history(model: str) -> list[Suspension]:
    """Return a model's suspensions, the newest first."""
    return list(Suspension.objects.filter(model=model).order_by("-since", "-id"))


def _check_reason(model: str, by: str, because: str) -> None:
    if not by.strip() or not because.strip():
        raise RecordError(f"say who suspends or restores {model} (--by), and why (--because)")
    if _CONTROL.search(by + because):
        # callers are shown the reason on one line
        raise RecordError("--by and --because are one line each, without control characters")


class Suspensions:
    """What is suspended, in memory and read anew at most each second, for every request.

    The table is read in a thread of its own, because Django refuses to read it in one that runs
    an event loop.
    """

    def __init__(self) -> None:
        self._reasons: Mapping[str, str] = {}
        self._read_at = -math.inf
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="records-suspensions")

    def check(self, model: str) -> None:
        """Raise ModelSuspended with the reason, or RecordError where it can't be told."""
        because = self.reason(model)
        if because is not None:
            raise ModelSuspended(f"{model} is suspended: {because}")

    def reason(self, model: str) -> str | None:
        """Return why a model is suspended, or None; raise RecordError where it can't be told."""
        if time.monotonic() - self._read_at >= REFRESH_SECONDS:
            self._read()
        return self._reasons.get(model)

    def close(self) -> None:
        """End the thread."""
        self._thread.submit(_disconnect)
        self._thread.shutdown()

    def _read(self) -> None:
        reading = self._thread.submit(_read_suspended)
        try:
            self._reasons = reading.result(READ_TIMEOUT_SECONDS)
        except TimeoutError as error:
            raise RecordError(
                f"the database didn't tell what is suspended within {READ_TIMEOUT_SECONDS} s"
            ) from error
        self._read_at = time.monotonic()


def _read_suspended() -> dict[str, str]:
    try:
        return suspended()
    except DatabaseError as error:
        _disconnect()
        raise RecordError("what is suspended can't be read from the database") from error


def _disconnect() -> None:
    # looked up here, since every thread has a connection of its own
    connection.close()
