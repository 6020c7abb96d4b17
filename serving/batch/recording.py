"""Recording the predictions of a file: each row once, however often its run was interrupted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

import numpy as np

from models.batch import Rows, ScoredRows, readings_of
from models.encoding import Column
from models.errors import BatchError, RecordError
from models.features import assemble
from models.risk_model import ExplainedRisk, RiskModel
from models.scoring.scorer import Explanation
from records.pseudonym import Pseudonymiser
from records.rows import AuditRow, Row
from records.writer import Writer
from serving.batch.journal import Run
from serving.batch.particulars import Particulars, check_particulars
from serving.batch.source import Source
from serving.prediction import Prediction
from serving.recording import prediction_row, refusal_row

if TYPE_CHECKING:
    from records.models import Client

PROTOCOL = "batch"
SYSTEM = "urn:auscult:batch"
ACTION = "batch.record"
ROWS_A_COMMIT = 2048
_RUNS = UUID("5f0ad5d2-6a0c-4f0b-9d53-0d0a4b2a7c11")  # made at random, under which runs have ids


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Some rows of a file with what became of them; `first` is the number of the first."""

    first: int
    columns: Mapping[str, Column]
    texts: Mapping[str, Rows]
    particulars: Particulars
    rows: ScoredRows


class Recorder:
    """Writes a run's predictions and refusals into the records, under the client it's for."""

    def __init__(
        self,
        writer: Writer,
        pseudonymiser: Pseudonymiser,
        client: Client,
        clock: Callable[[], datetime],
    ) -> None:
        self._writer = writer
        self._pseudonymiser = pseudonymiser
        self._client = client
        self._clock = clock

    def check(self, source: Source) -> None:
        """Raise BatchError where the client may not record this file, or its keys don't fit."""
        scopes = ["bulk", *(["replay"] if "time" in source.keys else [])]
        lacking = [scope for scope in scopes if scope not in self._client.scopes]
        if lacking:
            raise BatchError(
                f"client {self._client.name} lacks the scope {' and '.join(lacking)}: recording a "
                "file needs bulk, and replay where it has a column of times"
            )
        check_particulars(source)

    def record(self, model: RiskModel, run: Run, chunk: Chunk) -> list[UUID | None]:
        """Return the predictions' ids once they are on disk, None for a refused row."""
        under = uuid5(_RUNS, f"{run.artefact_digest} {run.input_sha256} {run.started_at}")
        numbers = range(chunk.first, chunk.first + len(chunk.rows.scored))
        ids = [
            uuid5(under, str(number)) if scored else None
            for number, scored in zip(numbers, chunk.rows.scored.tolist(), strict=True)
        ]
        waiting = []
        for start in range(0, len(ids), ROWS_A_COMMIT):
            part = range(start, min(start + ROWS_A_COMMIT, len(ids)))
            # one commit holds these rows and the event that says so, or none of them
            marker = uuid5(under, f"rows {numbers[part[0]]} to {numbers[part[-1]]}")
            if not _is_recorded(marker):
                now = self._clock()
                event = self._event(marker, run, numbers[part[0]], len(part), now)
                rows: list[Row] = [event, *self._rows(model, chunk, ids, part, now)]
                waiting.append(self._writer.submit(rows))
        for future in waiting:
            future.result()
        return ids

    def _event(self, marker: UUID, run: Run, first: int, rows: int, now: datetime) -> AuditRow:
        details = {"model": run.model, "version": run.version, "input_sha256": run.input_sha256}
        numbers = {"first_row": first, "rows": rows}
        return AuditRow(
            id=marker,
            action=ACTION,
            by=self._client.name,
            recorded_at=now,
            details=details | numbers,
        )

    def _rows(
        self,
        model: RiskModel,
        chunk: Chunk,
        ids: Sequence[UUID | None],
        part: range,
        now: datetime,
    ) -> Iterator[Row]:
        refused_by = {
            int(row): fault for fault in chunk.rows.refusals for row in np.flatnonzero(fault.rows)
        }
        for row in part:
            prediction_id = ids[row]
            if prediction_id is None:
                fault = refused_by[row]
                yield refusal_row(
                    model,
                    field=fault.feature,
                    reason=fault.reason,
                    client=self._client,
                    protocol=PROTOCOL,
                    predicted_at=chunk.particulars.predicted_at[row],
                    recorded_at=now,
                )
            else:
                yield self._prediction(model, chunk, row, prediction_id, now)

    def _prediction(
        self, model: RiskModel, chunk: Chunk, row: int, prediction_id: UUID, now: datetime
    ) -> Row:
        rows, about = chunk.rows, chunk.particulars
        readings = readings_of(model.definition, chunk.columns, row, chunk.texts)
        features = assemble(model.definition, readings, about.predicted_at[row])
        explanation = Explanation(
            float(rows.risk[row]), float(rows.margin[row]), rows.base, rows.contributions[row]
        )
        risk = ExplainedRisk(features, explanation, model.definition.bands[rows.band[row]])
        patient = about.patients[row]
        return prediction_row(
            Prediction(prediction_id, model, risk, features.findings, about.predicted_at[row], now),
            readings,
            patient=self._pseudonymiser.pseudonym(SYSTEM, patient) if patient.strip() else "",
            site=about.sites[row],
            ward=about.wards[row],
            client=self._client,
            protocol=PROTOCOL,
        )


def _is_recorded(marker: UUID) -> bool:
    # here, since Django's models can only be imported once Django is set up
    from django.db import DatabaseError

    from records.models import AuditEvent

    try:
        return AuditEvent.objects.filter(id=marker).exists()
    except DatabaseError as error:
        raise RecordError("the records can't be read, so nothing more is scored") from error
