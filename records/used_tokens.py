"""Which one-time tokens were used already, known to all workers until they expire."""

import hashlib
from datetime import datetime

from django.db import DatabaseError, IntegrityError, close_old_connections, transaction

from models.errors import RecordError
from records.models import UsedToken


def use_once(issuer: str, token_id: str, expires_at: datetime, now: datetime) -> bool:
    """Note a token's id as used, and say whether this was the first time."""
    close_old_connections()
    digest = hashlib.sha256(f"{issuer}\0{token_id}".encode()).hexdigest()
    try:
        UsedToken.objects.filter(expires_at__lt=now).delete()
        with transaction.atomic():
            UsedToken.objects.create(digest=digest, expires_at=expires_at)
    except IntegrityError:
        return False
    except DatabaseError as error:
        raise RecordError("it can't be told whether a token was used before") from error
    return True
