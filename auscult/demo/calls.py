"""Calling the endpoints as an EHR does: many at once, over HTTP, every answer checked."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import httpx
import orjson

from auscult.demo.visits import SYSTEM, Visit
from auscult.screen import Step
from models.errors import AuscultError

AT_ONCE = 16
T = TypeVar("T")
R = TypeVar("R")


class DemoFailed(AuscultError):
    """A step of the demonstration didn't do what it must."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A client of the running service."""

    address: str
    key: str

    def predict(self, model: str, values: dict[str, Any]) -> dict[str, Any]:
        """Send one JSON request and return the answer."""
        body = {"patient": {"system": SYSTEM, "value": "first"}, "values": values}
        path = f"/v1/models/{model}/predict"
        with httpx.Client(base_url=self.address, headers=self._headers()) as client:
            return dict(orjson.loads(_checked(client.post(path, json=body)).content))

    def replay(self, model: str, visits: Sequence[Visit], step: Step) -> list[str]:
        """Send every visit's Bundle at its own time; return the predictions' ids, in order."""

        async def one(client: httpx.AsyncClient, visit: Visit) -> str:
            response = await client.post(
                "/fhir/RiskAssessment/$predict",
                params={"model": model, "predicted_at": visit.at.isoformat()},
                content=visit.bundle,
                headers={"Content-Type": "application/fhir+json"},
            )
            return prediction_id(orjson.loads(_checked(response).content))

        return asyncio.run(self._each(visits, one, step, "Replaying the people sampled later"))

    def report(
        self, visits: Sequence[Visit], ids: Sequence[str], horizon_days: int, step: Step
    ) -> int:
        """Report what became of everyone, as it would have become known."""

        async def one(client: httpx.AsyncClient, pair: tuple[Visit, str]) -> bool:
            visit, prediction = pair
            died = visit.died and visit.follow_up_days <= horizon_days
            known = visit.at + timedelta(days=min(visit.follow_up_days, horizon_days))
            body = {
                "prediction_id": prediction,
                "happened": died,
                "known_at": known.isoformat(),
            }
            _checked(await client.post("/v1/outcomes", json=body))
            return died

        pairs = list(zip(visits, ids, strict=True))
        return sum(asyncio.run(self._each(pairs, one, step, "Reporting what became of them")))

    async def _each(
        self,
        items: Sequence[T],
        call: Callable[[httpx.AsyncClient, T], Awaitable[R]],
        step: Step,
        stage: str,
    ) -> list[R]:
        gate = asyncio.Semaphore(AT_ONCE)
        done = 0

        async def guarded(client: httpx.AsyncClient, item: T) -> R:
            nonlocal done
            async with gate:
                try:
                    result = await call(client, item)
                except httpx.TransportError as error:
                    raise DemoFailed(f"the service at {self.address} is gone: {error!r}") from error
            done += 1
            step(stage, done, len(items))
            return result

        # idle connections are dropped here first, so that no call meets one the server dropped
        limits = httpx.Limits(keepalive_expiry=2)
        async with httpx.AsyncClient(
            base_url=self.address, headers=self._headers(), timeout=30, limits=limits
        ) as client:
            return await asyncio.gather(*(guarded(client, item) for item in items))

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


def prediction_id(resource: dict[str, Any]) -> str:
    """Return the prediction's id from a RiskAssessment, or from the Bundle that holds it."""
    if resource["resourceType"] == "Bundle":
        resource = resource["entry"][0]["resource"]
    return str(resource["id"])


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_success:
        return response
    raise DemoFailed(
        f"{response.request.url.path} answered {response.status_code}: {response.text}"
    )
