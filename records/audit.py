"""The audit record: who did what that must be accounted for, outside predictions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from records import chain
from records.rows import AuditRow


def note(action: str, by: str, details: Mapping[str, Any], now: datetime) -> None:
    """Write down an action, in the chain and within the transaction that it belongs to.

    `details` is JSON without a patient's identifier; pseudonyms are allowed.
    """
    row = AuditRow(id=uuid4(), action=action, by=by, recorded_at=now, details=dict(details))
    chain.append([row], now)
