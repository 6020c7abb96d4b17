"""Predictions that are replaced by others: each once, whoever else replaces it at the same time."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from records import chain
from records.models import Amendment
from records.rows import AmendmentRow


def replacement_of(prediction: UUID) -> UUID | None:
    """Return the prediction that replaced another one, if one did."""
    found = Amendment.objects.filter(prediction=prediction, replacement__isnull=False)
    return found.order_by("-pk").values_list("replacement", flat=True).first()


def replace(amended: AmendmentRow, withdrawn: AmendmentRow, now: datetime) -> UUID | None:
    """Record that a prediction is replaced, unless it was already: then return by which.

    `withdrawn` takes the replacement that came too late out of use, and is recorded instead.
    """
    with transaction.atomic():
        chain.lock()
        before = replacement_of(amended.prediction)
        chain.append([amended if before is None else withdrawn], now)
    return before
