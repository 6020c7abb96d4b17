"""Requests to retrain: what opened them, what was signed of them, and what came of that."""

from collections.abc import Hashable, Iterator
from typing import Any, Final

from records.agreement.compared import Disagreement, compared, events, text
from records.models import RetrainingRequest

TABLE: Final = "records_retrainingrequest"


def disagreements() -> Iterator[Disagreement]:
    """Yield requests, decisions on them and results that stand on one side only."""
    yield from compared(TABLE, _asked(), _requests(), "request to retrain")
    yield from compared(TABLE, _decided(), _decisions(), "decision on retraining")
    yield from compared(TABLE, _taken_up(), _results(), "retraining's result")


def _asked() -> Iterator[Hashable]:
    found: dict[int, dict[str, Any]] = {}
    for event in events("retraining.request"):
        said = event.details
        one = found.setdefault(said["request"], {"opened_at": event.recorded_at, "causes": []})
        one |= {"model": said["model"], "version": said["version"]}
        one["causes"] += said["causes"]
    for key, one in found.items():
        yield one["model"], one["version"], key, one["opened_at"], text(one["causes"])


def _requests() -> Iterator[Hashable]:
    for row in RetrainingRequest.objects.all():
        yield row.model, row.version, row.pk, row.opened_at, text(row.causes)


def _decided() -> Iterator[Hashable]:
    for event in events("retraining.decision"):
        said = event.details
        yield (
            *(said["model"], said["decision"], said["request"], event.by),
            *(said["statement"], text(said["treatment"]), event.recorded_at),
        )


def _decisions() -> Iterator[Hashable]:
    for row in RetrainingRequest.objects.exclude(decision=""):
        yield (
            *(row.model, row.decision, row.pk, row.by),
            *(row.statement, text(row.treatment), row.signed_at),
        )


def _taken_up() -> Iterator[Hashable]:
    for event in events("retraining.result"):
        said = event.details
        yield said["model"], said["result"], said["request"], event.recorded_at


def _results() -> Iterator[Hashable]:
    for row in RetrainingRequest.objects.exclude(taken_up_at=None):
        yield row.model, row.result, row.pk, row.taken_up_at
