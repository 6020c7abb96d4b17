"""From when an alias meant which version of a model: who moved it, why, on what evidence."""

import contextlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from models.errors import RecordError
from records import audit
from records.models import Tenure


@contextlib.contextmanager
def alone(model: str) -> Iterator[None]:
    """Let this transaction alone move the model's aliases until it ends.

    What is read within is what holds when the alias moves. On SQLite an immediate transaction keeps
    every other writer waiting, predictions' too, so nothing slow belongs in it.
    """
    from django.db import connection, transaction

    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_advisory_xact_lock(hashtext('auscult aliases'), hashtext(%s))",
                    [model],
                )
        yield


def move_alias(
    model: str,
    alias: str,
    version: str,
    *,
    by: str,
    because: str,
    evidence: Mapping[str, Any],
    overridden: bool = False,
    now: datetime,
) -> None:
    """Let an alias mean `version` from now on, and note it in the audit chain."""
    from django.db import transaction

    if not because.strip():
        raise RecordError(f"say why {alias} of {model} moves to version {version}")
    with transaction.atomic():
        last = newest(model, alias)
        if last is not None and last.since > now:
            raise RecordError(
                f"{alias} of {model} moved at {last.since.isoformat()}, after {now.isoformat()}"
            )
        audit.note(
            "alias.move",
            by,
            {
                "model": model,
                "alias": alias,
                "version": version,
                "from": last.version if last else None,
                "because": because,
                "overridden": overridden,
                "evidence": dict(evidence),
            },
            now,
        )
        Tenure.objects.create(
            model=model,
            alias=alias,
            version=version,
            since=now,
            by=by,
            because=because,
            overridden=overridden,
            evidence=dict(evidence),
        )


def tenure_at(model: str, alias: str, at: datetime) -> Tenure | None:
    """Return the tenure that an alias was in at a time, or None before its first."""
    return newest(model, alias, until=at)


def version_at(model: str, alias: str, at: datetime) -> str | None:
    """Return the version that an alias meant at a time, or None before it meant any."""
    tenure = tenure_at(model, alias, at)
    return tenure.version if tenure else None


def began(model: str, alias: str, *, after: datetime, before: datetime) -> list[Tenure]:
    """Return an alias's tenures that began after one time and before another, the newest first."""
    tenures = Tenure.objects.filter(model=model, alias=alias, since__gt=after, since__lt=before)
    return list(tenures.order_by("-since", "-id"))


def history(model: str) -> list[Tenure]:
    """Return a model's tenures, the newest first."""
    return list(Tenure.objects.filter(model=model).order_by("-since", "-id"))


def newest(model: str, alias: str, until: datetime | None = None) -> Tenure | None:
    """Return an alias's last tenure, or the last that began by a time; None where there is none."""
    tenures = Tenure.objects.filter(model=model, alias=alias)
    if until is not None:
        tenures = tenures.filter(since__lte=until)
    return tenures.order_by("-since", "-id").first()
