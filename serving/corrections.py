"""Reports of corrected sources: kept, and listed by the next run of monitoring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from anyio import to_thread

from models.corrections import LONGEST, Correction, check_correction, contradictions
from models.definition import Definition
from models.errors import MalformedInput, RecordError
from models.fhir_names import server_and_resource
from serving.contract import Aware, check_time, read_json
from serving.message import Answer
from serving.operation import Call, Operation
from serving.problems import BatchTooLarge, NotAllowed

if TYPE_CHECKING:
    from records.sources import Use

MOST = 1_000
# of the time that a request has, the share for finding out what used the sources
COUNTING = 0.5
Source = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST)]


class CorrectedReading(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number with its unit, or a category, with the time at which it was true of the patient."""

    value: float | str
    unit: str | None = None
    time: Aware | None = None


class CorrectedSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A source as predictions name it; `value` is what it should say, as a prediction takes it.

    Without a time it's of the time that predictions have of it.
    """

    source: Source
    status: Literal["corrected", "entered-in-error"]
    feature: str = ""
    value: float | str | CorrectedReading | None = None


class CorrectionReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sources of one model that were corrected or entered in error."""

    model: str
    corrections: list[CorrectedSource]


class SourceUse(msgspec.Struct, frozen=True):
    """How many recorded predictions were given a source, used or left out; 0 is of one unknown.

    `by_id_only` of them are known by the resource's id alone, since the report or the prediction
    states no server: on another server that id may be another result's.
    """

    source: str
    predictions: int
    by_id_only: int


class CorrectionAnswer(msgspec.Struct, frozen=True):
    """How many reports were recorded, and how many were known already.

    `sources` is null where there are too many predictions to look for them at once.
    """

    model: str
    recorded: int
    known: int
    sources: list[SourceUse] | None


@dataclass(frozen=True)
class Recorded:
    """How many reports weren't known, and by model how each source was used, if it was counted."""

    new: int
    uses: Mapping[str, Mapping[str, Use]] | None


async def report_corrections(call: Call) -> Answer:
    """Record which sources were wrong; predictions that used them are listed and withdrawn."""
    given = read_json(await call.body(), CorrectionReport)
    definition = call.premises.served(given.model).model.definition
    if len(given.corrections) > MOST:
        raise BatchTooLarge(f"send {MOST} corrections at a time at most")
    if not given.corrections:
        raise MalformedInput(
            "corrections: give at least one", field="corrections", reason="missing_field"
        )
    found = []
    for index, one in enumerate(given.corrections):
        try:
            found.append(_checked(one, definition, call.now))
        except MalformedInput as error:
            raise _at(index, error) from error
    for index, fault in contradictions(found):
        raise _at(index, fault)
    recorded = await record_corrections(call, {given.model: found})
    sources = None
    if recorded.uses is not None:
        uses = recorded.uses[given.model].items()
        sources = [SourceUse(name, use.predictions, use.by_id_only) for name, use in uses]
    known = len(set(found)) - recorded.new
    answer = CorrectionAnswer(given.model, recorded.new, known, sources)
    return Answer(msgspec.json.encode(answer), 201)


def _at(index: int, error: MalformedInput) -> MalformedInput:
    place = f"corrections[{index}]"
    return MalformedInput(f"{place}.{error}", field=f"{place}.{error.field}", reason=error.reason)


def _checked(one: CorrectedSource, definition: Definition, now: datetime) -> Correction:
    given = one.value
    if not isinstance(given, CorrectedReading):
        return check_correction(Correction(one.source, one.status, one.feature, given), definition)
    if given.time is not None:
        check_time(given.time, "value.time", now)
    found = Correction(one.source, one.status, one.feature, given.value, taken_at=given.time)
    return check_correction(found, definition, given.unit)


async def record_corrections(call: Call, reports: Mapping[str, Sequence[Correction]]) -> Recorded:
    """Record reports by model, all or none, and say how their sources were used.

    Raises NotAllowed for a test client, whose reports would withdraw others' predictions, and
    MalformedInput for a source without its server that predictions have from several.
    """
    if call.caller.is_test:
        raise NotAllowed("a test client's reports would withdraw predictions that aren't its own")
    patience_s = COUNTING * call.premises.settings.request_timeout_s
    return await to_thread.run_sync(_record, reports, call.caller.key_id, call.now, patience_s)


def _record(
    reports: Mapping[str, Sequence[Correction]], by: str, now: datetime, patience_s: float
) -> Recorded:
    # here, since Django's models can only be imported once Django is set up
    from django.db import DatabaseError, close_old_connections, transaction

    from records.corrections import report

    close_old_connections()
    try:
        uses = _count_uses(reports, patience_s)
        with transaction.atomic():
            new = sum(report(model, found, by=by, now=now) for model, found in reports.items())
        return Recorded(new, uses)
    except DatabaseError as error:
        raise RecordError("the corrections can't be recorded for now") from error
    finally:
        # reports are rare, and a thread's connection would stay open until its next one
        close_old_connections()


def _count_uses(
    reports: Mapping[str, Sequence[Correction]], patience_s: float
) -> dict[str, dict[str, Use]] | None:
    from records.corrections import count_uses

    until = monotonic() + patience_s
    found: dict[str, dict[str, Use]] = {}
    for model, given in reports.items():
        sources = dict.fromkeys(one.source for one in given)
        uses = count_uses(model, sources, lambda: monotonic() < until)
        if uses is None:
            return None
        for source, use in uses.items():
            _check_server(source, use)
        found[model] = uses
    return found


def _check_server(source: str, use: Use) -> None:
    if len(use.servers) > 1 and not server_and_resource(source)[0]:
        raise MalformedInput(
            f"{source} is a result of several servers: {', '.join(sorted(use.servers))}; report "
            "it by its whole address",
            field="source",
            reason="ambiguous_source",
        )


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
