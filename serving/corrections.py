"""Reports of corrected sources: kept, and listed by the next run of monitoring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from anyio import to_thread

from models.corrections import LONGEST, Correction, check_correction
from models.definition import Definition
from models.errors import MalformedInput, RecordError
from serving.contract import read_json
from serving.message import Answer
from serving.operation import Call, Operation
from serving.problems import BatchTooLarge, NotAllowed

MOST = 1_000
Source = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST)]


class CorrectedNumber(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number with its unit."""

    value: float
    unit: str | None = None


class CorrectedSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A source as predictions name it; `value` is what it should say, as a prediction takes it."""

    source: Source
    status: Literal["corrected", "entered-in-error"]
    feature: str = ""
    value: float | str | CorrectedNumber | None = None


class CorrectionReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sources of one model that were corrected or entered in error."""

    model: str
    corrections: list[CorrectedSource]


class CorrectionAnswer(msgspec.Struct, frozen=True):
    """How many reports were recorded, and how many were known already."""

    model: str
    recorded: int
    known: int


async def report_corrections(call: Call) -> Answer:
    """Record which sources were wrong; predictions that used them are listed and withdrawn."""
    given = read_json(await call.body(), CorrectionReport)
    definition = call.premises.served(given.model).model.definition
    if not 0 < len(given.corrections) <= MOST:
        raise BatchTooLarge(f"send 1 to {MOST} corrections at a time, not {len(given.corrections)}")
    found = []
    for index, one in enumerate(given.corrections):
        try:
            found.append(_checked(one, definition))
        except MalformedInput as error:
            place = f"corrections[{index}]"
            raise MalformedInput(
                f"{place}.{error}", field=f"{place}.{error.field}", reason=error.reason
            ) from error
    recorded = await record_corrections(call, {given.model: found})
    known = len(set(found)) - recorded
    answer = CorrectionAnswer(given.model, recorded, known)
    return Answer(msgspec.json.encode(answer), 201)


def _checked(one: CorrectedSource, definition: Definition) -> Correction:
    if isinstance(one.value, CorrectedNumber):
        value, unit = one.value.value, one.value.unit
        return check_correction(
            Correction(one.source, one.status, one.feature, value), definition, unit
        )
    return check_correction(Correction(one.source, one.status, one.feature, one.value), definition)


async def record_corrections(call: Call, reports: Mapping[str, Sequence[Correction]]) -> int:
    """Record reports by model, all or none, and return how many weren't known.

    Raises NotAllowed for a test client, whose reports would withdraw others' predictions.
    """
    if call.caller.is_test:
        raise NotAllowed("a test client's reports would withdraw predictions that aren't its own")
    return await to_thread.run_sync(_record, reports, call.caller.key_id, call.now)


def _record(reports: Mapping[str, Sequence[Correction]], by: str, now: datetime) -> int:
    # here, since Django's models can only be imported once Django is set up
    from django.db import DatabaseError, close_old_connections, transaction

    from records.corrections import report

    close_old_connections()
    try:
        with transaction.atomic():
            return sum(report(model, found, by=by, now=now) for model, found in reports.items())
    except DatabaseError as error:
        raise RecordError("the corrections can't be recorded for now") from error
    finally:
        # reports are rare, and a thread's connection would stay open until its next one
        close_old_connections()


def operations() -> list[Operation]:
    """Return the operation."""
    return [
        Operation(
            "POST",
            "/v1/corrections",
            report_corrections,
            scopes=("correct",),
            summary="Report sources that were corrected or entered in error",
            request=[CorrectionReport],
            answer=CorrectionAnswer,
            status=201,
        )
    ]
