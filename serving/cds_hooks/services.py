"""The operations of CDS Hooks: from a request through a recorded prediction to cards."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import msgspec

from models.cds_hooks import CdsHooks
from models.definition import Status
from models.errors import (
    AuscultError,
    InputError,
    ModelSuspended,
    RecordError,
    SettingsError,
)
from models.risk_model import RiskModel
from records.rows import AuditRow
from serving.cds_hooks.ask import ask_of
from serving.cds_hooks.cards import CardForm, no_score_card
from serving.cds_hooks.discovery import Template, describe, templates
from serving.cds_hooks.drafts import DraftEntry, read_drafts
from serving.cds_hooks.feedback import Feedback, read_reports, rows_of
from serving.cds_hooks.prefetch import Gathered, Supplied, gather
from serving.cds_hooks.readback import read_back
from serving.cds_hooks.request import HookForm, HookRequest, check_server
from serving.feedback import NO_SCORE_CARD, count_feedback
from serving.message import Answer
from serving.operation import Call, Operation
from serving.outbound import Outbound
from serving.prediction import Ask, predict, record
from serving.premises import Served
from serving.problems import (
    BadHookRequest,
    CallError,
    DeadlinePassed,
    NotFound,
    PrefetchNeeded,
    kind_of,
    told,
)
from serving.subject import check_bound

PROTOCOL = "cds-hooks"
JSON_ONLY = ("application/json",)
# what the EHR has to mend, so that a clinician's card would be no help
_CALLERS_FAULT = (CallError, BadHookRequest, PrefetchNeeded)


@dataclass(frozen=True, slots=True)
class Service:
    """One model's service."""

    model: RiskModel
    about: CdsHooks
    asked: tuple[Template, ...]
    form: HookForm
    cards: CardForm


class Services:
    """The services of the models that are served, by their ids."""

    def __init__(self, models: Mapping[str, Served], outbound: Outbound) -> None:
        self._outbound = outbound
        self._services: dict[str, Service] = {}
        for served in models.values():
            definition = served.model.definition
            about = definition.cds_hooks
            if about is None:
                continue
            if about.id in self._services:
                raise SettingsError(f"two models call their CDS Hooks service {about.id!r}")
            asked = templates(definition)
            self._services[about.id] = Service(
                served.model,
                about,
                asked,
                HookForm(about.hooks, asked),
                CardForm(served.model, about),
            )

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the services."""
        return tuple(self._services)

    async def discover(self, call: Call) -> Answer:
        """List the services, with the prefetch that each asks for, and which are suspended."""
        suspensions = call.premises.suspensions
        listed = []
        for service in self._services.values():
            definition = service.model.definition
            because = suspensions.reason(definition.name)
            listed += describe(definition, service.asked, suspended=because)
        return _json({"services": listed})

    async def answer(self, call: Call) -> Answer:
        """Predict the risk of the patient in view, and answer with cards."""
        service = self._service(call)
        request, supplied = service.form.read(await call.body())
        loop = asyncio.get_running_loop()
        until = loop.time() + call.premises.settings.request_timeout_s
        check_server(request, plain_http=call.caller.is_test)
        check_bound(call.scope, f"Patient/{request.patient_id}")
        drafts = read_drafts(request.hook, request.context)
        try:
            cards = await self._risk_cards(call, service, request, drafts, supplied)
        except AuscultError as error:
            silent = service.model.definition.status is Status.SILENT
            if isinstance(error, _CALLERS_FAULT) or silent or service.about.no_score == "error":
                raise
            cards = [await _no_score(call, service, error, until)]
        return _json({"cards": cards})

    async def report(self, call: Call) -> Answer:
        """Keep what clinicians did with cards, every report of it that can be kept."""
        model = self._service(call).model.definition.name
        reports = read_reports(await call.body())
        rows, fault = await rows_of(call, reports, protocol=PROTOCOL, model=model)
        if rows:
            await record(call.premises, *rows)
        for row in rows:
            count_feedback(call, row)
        if fault is not None:
            raise fault
        return _json({})

    def _service(self, call: Call) -> Service:
        service = self._services.get(call.path("id"))
        if service is None:
            raise NotFound("there is no such CDS service; GET /cds-services lists them")
        return service

    async def _risk_cards(
        self,
        call: Call,
        service: Service,
        request: HookRequest,
        drafts: Sequence[DraftEntry],
        supplied: Sequence[Supplied | None],
    ) -> list[dict[str, Any]]:
        found = await self._gather(call, service, request, supplied)

        def read() -> Ask:
            if isinstance(found, InputError):
                raise found
            return ask_of(request, drafts, found, service.model.definition, call.now)

        prediction = await predict(call, service.model, PROTOCOL, read)
        if service.model.definition.status is Status.SILENT:
            return []
        return service.cards.risk_cards(prediction, call.premises.settings.console_url)

    async def _gather(
        self,
        call: Call,
        service: Service,
        request: HookRequest,
        supplied: Sequence[Supplied | None],
    ) -> Gathered | InputError:
        """Return what the EHR knows, or the error, which is recorded by who predicts."""
        definition, settings = service.model.definition, call.premises.settings
        try:
            call.premises.suspensions.check(definition.name)
            gathered = gather(service.asked, supplied, definition, call.now)
            await read_back(
                gathered,
                request,
                definition,
                call.now,
                self._outbound,
                seconds=settings.readback_deadline_s,
                plain_http=call.caller.is_test,
            )
        except ModelSuspended:
            return Gathered()
        except InputError as error:
            return error
        return gathered


def operations(models: Mapping[str, Served], outbound: Outbound) -> list[Operation]:
    """Return the operations of CDS Hooks; raise SettingsError where two models share an id."""
    services = Services(models, outbound)
    return [
        Operation(
            "POST",
            "/cds-services/{id}",
            services.answer,
            scopes=("predict",),
            summary="Cards for the patient in view",
            wants_score=True,
            for_one_patient=True,
            known=services.ids,
            request=[HookRequest],
            media_types=JSON_ONLY,
        ),
        Operation(
            "POST",
            "/cds-services/{id}/feedback",
            services.report,
            scopes=("feedback",),
            summary="What clinicians did with cards",
            request=[Feedback],
            media_types=JSON_ONLY,
        ),
        Operation(
            "GET",
            "/cds-services",
            services.discover,
            scopes=("predict", "read"),
            summary="The services and their prefetch",
        ),
    ]


async def _no_score(
    call: Call, service: Service, error: AuscultError, until: float
) -> dict[str, Any]:
    """Return the card that says there is no risk, kept so that feedback on it finds it.

    What a prediction waited in vain for isn't waited for again: `until` is the loop's time.
    """
    kind = kind_of(error)
    card: UUID = uuid4()
    row = AuditRow(
        id=card,
        action=NO_SCORE_CARD,
        by=call.caller.key_id,
        recorded_at=call.now,
        details={"model": service.model.definition.name, "problem": kind.slug},
    )
    call.premises.counters.problems("services.answer", kind.slug).inc()
    try:
        async with asyncio.timeout_at(until):
            await record(call.premises, row)
    except (RecordError, DeadlinePassed, TimeoutError) as failure:
        # the card has no risk in it, and without it silence would read as a low one
        late = DeadlinePassed() if isinstance(failure, TimeoutError) else failure
        call.premises.counters.problems("services.answer", kind_of(late).slug).inc()
    return no_score_card(service.model, service.about, told(error), card)


def _json(value: dict[str, Any]) -> Answer:
    return Answer(msgspec.json.encode(value))
