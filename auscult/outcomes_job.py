"""Recording a file of outcomes for the command: whose key, which file, one audit event."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from auscult.database import now
from auscult.scoring_job import read_key
from auscult.screen import Step
from models.definition import Definition
from models.errors import SettingsError
from records.settings import Settings

if TYPE_CHECKING:  # Django's tables can be imported only once it's configured
    from monitoring.outcome_file import OutcomeFile

# patients of files are known under this system, as `auscult score --record` knows them
FILE_SYSTEM = "urn:auscult:batch"
_COMMIT_SECONDS = 60.0


def record_file(
    definition: Definition,
    path: Path,
    *,
    key_file: Path,
    system: str,
    settings: Settings,
    step: Step,
) -> OutcomeFile:
    """Record a file's outcomes; return what of it was new, known already, or counts as none."""
    from monitoring.outcome_file import Reader, record_outcomes
    from records import audit
    from records.clients import authenticate
    from records.pseudonym import Pseudonymiser, check_key, read_pseudonym_key
    from records.writer import Writer

    moment = now()
    key = read_pseudonym_key(settings.pseudonym_key)
    check_key(key)
    client = authenticate(read_key(key_file), moment)
    if client is None or "outcome" not in client.scopes:
        raise SettingsError(
            f"{key_file}: its API key is unknown, revoked, expired or without the scope outcome"
        )
    reader = Reader(
        definition.name,
        client.key_id,
        client.is_test,
        Pseudonymiser(key),
        system,
        moment,
        timedelta(days=definition.outcome.horizon_days),
    )
    found = reader.read(path)
    writer = Writer(settings.database, queue=max(len(found.rows), 1))
    writer.start()
    try:
        record_outcomes(
            found,
            lambda rows: writer.submit(rows).result(_COMMIT_SECONDS),
            lambda done: step("outcomes recorded", done, len(found.rows)),
        )
    finally:
        writer.close()
    details = {
        "model": definition.name,
        "sha256": found.digest,
        "recorded": len(found.rows),
        "known_already": found.known_already,
        "after_horizon": found.after_horizon,
        "without_prediction": found.without_prediction,
        "taken_back": found.taken_back,
    }
    audit.note("outcomes.file", client.name, details, moment)
    return found
