"""Predictions of the past, as the records hold them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec
import numpy as np
from anyio import to_thread

from models.definition import NOT_FOR_CLINICAL_USE
from models.risk_model import RiskModel
from serving.operation import Call
from serving.problems import NotFound, NotReadable

if TYPE_CHECKING:
    from records.models import Client
    from records.models import Prediction as Record


WITHDRAWN: Final = "entered-in-error"
REPLACING: Final = "amended"
USE_NOT_KNOWN: Final = (
    "not to be relied on: the definition that made this prediction isn't in the package that "
    "answers here, so that it isn't known whether it is for clinical use"
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a recorded prediction stands: what it replaced at first, and what became of it."""

    first: UUID
    status: str
    replaced_by: UUID | None

    @property
    def holds(self) -> bool:
        """Whether it's right still; one that was replaced isn't, just as one withdrawn."""
        return self.status != WITHDRAWN


class PastPrediction(msgspec.Struct, frozen=True, omit_defaults=True):
    """A recorded prediction; explanations need their scope.

    One that was silent, withdrawn or replaced shows no risk.
    """

    prediction_id: str
    model: str
    version: str
    artefact_digest: str
    definition_digest: str
    predicted_at: datetime
    recorded_at: datetime
    status: str
    protocol: str
    features: dict[str, float | str | None]
    findings: list[Any]
    notice: str = ""
    replaced_by: str = ""
    risk: float | msgspec.UnsetType = msgspec.UNSET
    band: str | msgspec.UnsetType = msgspec.UNSET
    base: float | msgspec.UnsetType = msgspec.UNSET
    contributions: dict[str, float] | msgspec.UnsetType = msgspec.UNSET


async def find_own(call: Call) -> Record:
    """Return the prediction that a call's path names, if its client made it."""
    try:
        wanted = UUID(call.path("id"))
    except ValueError:
        raise NotFound("this client has no such prediction") from None
    return await find_prediction(wanted, call.caller)


async def find_prediction(wanted: UUID, client: Client) -> Record:
    """Return a prediction that this client made; raise NotFound for any other."""
    found = await to_thread.run_sync(_find, wanted, client)
    if found is None:
        raise NotFound("this client has no such prediction")
    return found


async def own_predictions(
    model: str, patient: str, until: datetime, client: Client
) -> tuple[int, datetime | None]:
    """Return how many predictions of a patient by then this client made, and when the newest was.

    Others' aren't told.
    """
    return await to_thread.run_sync(_own_predictions, model, patient, until, client)


async def has_predicted(model: str) -> bool:
    """Say whether a model of that name ever made a prediction, for whichever client."""
    return await to_thread.run_sync(_has_predicted, model)


async def find_standing(found: Record) -> Standing:
    """Return how a recorded prediction stands now."""
    return await to_thread.run_sync(_connected_standing, found)


def standing_of(found: Record) -> Standing:
    """Return how a recorded prediction stands now, from what amended it and what it amended."""
    from records.models import Amendment

    amendments = Amendment.objects.filter(prediction=found).order_by("pk")
    replacements = list(amendments.values_list("replacement_id", flat=True))
    first = first_of(found.id)
    status = found.status if first == found.id else REPLACING
    return Standing(
        first=first,
        status=WITHDRAWN if replacements else status,
        replaced_by=next((one for one in reversed(replacements) if one is not None), None),
    )


def first_of(prediction: UUID) -> UUID:
    """Return the first of the predictions that replaced one another up to this one (FHIR-1)."""
    from records.models import Amendment

    before = Amendment.objects.filter(replacement_id=prediction).first()
    return prediction if before is None else first_of(before.prediction_id)


def past_answer(
    found: Record, standing: Standing, model: RiskModel | None, *, explained: bool
) -> PastPrediction:
    """Describe a recorded prediction by the definition that made it, None where that is unknown."""
    shown = found.shown and standing.holds
    explained = explained and shown
    named: dict[str, float] | msgspec.UnsetType = msgspec.UNSET
    if model is not None and explained:
        amounts = np.frombuffer(found.contributions, dtype="<f8").tolist()
        names = (feature.name for feature in model.definition.features)
        named = dict(zip(names, amounts, strict=True))
    return PastPrediction(
        prediction_id=str(found.id),
        model=found.model,
        version=found.version,
        artefact_digest=found.artefact_digest,
        definition_digest=found.definition_digest,
        predicted_at=found.predicted_at,
        recorded_at=found.recorded_at,
        status=standing.status,
        protocol=found.protocol,
        features=found.features,
        findings=found.findings,
        notice=_notice(model),
        replaced_by=str(standing.replaced_by or ""),
        risk=found.risk if shown else msgspec.UNSET,
        band=found.band if shown else msgspec.UNSET,
        base=found.base if explained else msgspec.UNSET,
        contributions=named,
    )


def _notice(model: RiskModel | None) -> str:
    """Return what has to be shown with a past risk; in doubt that it isn't to be relied on."""
    if model is None:
        return USE_NOT_KNOWN
    return NOT_FOR_CLINICAL_USE if model.definition.for_demonstration else ""


@contextmanager
def connected() -> Iterator[None]:
    """Let a thread ask the database, and keep no connection open until it's asked again.

    Raises NotReadable where it can't be asked now.
    """
    # here, since Django can only be asked once it is set up
    from django.db import InterfaceError, OperationalError, close_old_connections

    close_old_connections()
    try:
        yield
    except (InterfaceError, OperationalError) as error:
        raise NotReadable(str(error)) from error
    finally:
        close_old_connections()


def _connected_standing(found: Record) -> Standing:
    with connected():
        return standing_of(found)


def _find(wanted: UUID, client: Client) -> Record | None:
    # here, since Django's models can only be imported once Django is set up
    from records.clients import keys_of
    from records.models import Prediction as Record

    with connected():
        found = Record.objects.filter(id=wanted).first()
        # most of the time it's the same key, and the others needn't be looked up
        if found is None or (found.client != client.key_id and found.client not in keys_of(client)):
            return None
        return found


def _has_predicted(model: str) -> bool:
    from records.models import Prediction as Record

    with connected():
        return Record.objects.filter(model=model).exists()


def _own_predictions(
    model: str, patient: str, until: datetime, client: Client
) -> tuple[int, datetime | None]:
    from django.db.models import Count, Max

    from records.clients import keys_of
    from records.models import Prediction as Record

    with connected():
        made = Record.objects.filter(patient=patient, model=model, predicted_at__lte=until)
        own = made.filter(client__in=keys_of(client))
        found = own.aggregate(count=Count("pk"), newest=Max("predicted_at"))
        return found["count"], found["newest"]
