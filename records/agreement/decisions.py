"""What people decided: promotions and roll-backs, suspensions, signed reviews and their results."""

from collections.abc import Hashable, Iterator

from records.agreement.compared import Disagreement, compared, events, text
from records.models import Review, Suspension, Tenure


def disagreements() -> Iterator[Disagreement]:
    """Yield decisions that stand in the chain or in their table only."""
    yield from compared("records_tenure", _moves(), _tenures(), "promotion or roll-back")
    yield from compared("records_suspension", _suspension_events(), _suspensions(), "suspension")
    yield from compared("records_review", _signed(), _reviews(), "signed decision")
    yield from compared("records_review", _result_events(), _results(), "decision's result")


def _moves() -> Iterator[Hashable]:
    for event in events("alias.move"):
        said = event.details
        yield (
            *(said["model"], said["alias"], said["version"], event.by),
            *(said["because"], said["overridden"], text(said["evidence"]), event.recorded_at),
        )


def _tenures() -> Iterator[Hashable]:
    for row in Tenure.objects.all():
        yield (
            *(row.model, row.alias, row.version, row.by),
            *(row.because, row.overridden, text(row.evidence), row.since),
        )


def _suspension_events() -> Iterator[Hashable]:
    for event in events("model.suspend", "model.restore"):
        said = event.details
        yield event.action, said["model"], event.by, said["because"], event.recorded_at


def _suspensions() -> Iterator[Hashable]:
    for row in Suspension.objects.all():
        yield "model.suspend", row.model, row.by, row.because, row.since
        if row.ended_at is not None:
            yield "model.restore", row.model, row.ended_by, row.ended_because, row.ended_at


def _signed() -> Iterator[Hashable]:
    for event in events("alarm.review", "version.decision"):
        said = event.details
        yield (
            *(said["model"], said["version"], said["decision"], event.by),
            *(said["because"], said.get("alarm"), event.recorded_at),
        )


def _reviews() -> Iterator[Hashable]:
    for row in Review.objects.all():
        yield (
            *(row.model, row.version, row.decision, row.by),
            *(row.because, row.alarm_id, row.signed_at),
        )


def _result_events() -> Iterator[Hashable]:
    for event in events("version.decision.result"):
        said = event.details
        yield said["model"], said["result"], said["review"], event.recorded_at


def _results() -> Iterator[Hashable]:
    for row in Review.objects.exclude(carried_out_at=None):
        yield row.model, row.result, row.pk, row.carried_out_at
