"""What the operations work with: models, records, clients, settings, counters and the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from models.risk_model import RiskModel
from records.pseudonym import Pseudonymiser
from records.settings import Settings
from records.writer import Writer
from serving.access import Clients
from serving.answer_form import AnswerForm
from serving.contract import Contract
from serving.counters import Counters
from serving.deadlines import Deadlines
from serving.earlier import EarlierVersions
from serving.limits import Limits
from serving.problems import NotFound

if TYPE_CHECKING:
    from serving.tokens.gate import Gate


@dataclass(frozen=True)
class Served:
    """A model that is served, with the forms of its JSON requests and answers."""

    model: RiskModel
    contract: Contract
    form: AnswerForm


class Suspensions(Protocol):
    """Whoever knows what is suspended: the table, read each second, or nothing in a test."""

    def check(self, model: str) -> None:
        """Raise ModelSuspended with the reason."""

    def reason(self, model: str) -> str | None:
        """Return why a model is suspended, or None."""


@dataclass(frozen=True)
class Premises:
    """Everything that one worker has at hand to answer calls."""

    models: Mapping[str, Served]
    writer: Writer
    pseudonymiser: Pseudonymiser
    clients: Clients
    suspensions: Suspensions
    settings: Settings
    clock: Callable[[], datetime]
    counters: Counters
    limits: Limits
    deadlines: Deadlines
    earlier: EarlierVersions
    gate: Gate | None = None

    def served(self, name: str) -> Served:
        """Return a served model; raise NotFound that lists those that are."""
        served = self.models.get(name)
        if served is None:
            known = ", ".join(sorted(self.models))
            raise NotFound(f"no such model is served; served are: {known}")
        return served
