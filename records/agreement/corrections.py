"""Corrected sources: the reports, the predictions that they affect, and who has seen to those."""

from collections.abc import Hashable, Iterator
from typing import Final

from records.agreement.compared import Disagreement, compared, digest, events, text
from records.models import AffectedPrediction, SourceCorrection
from records.rows import sql_time

REPORTS: Final = "records_sourcecorrection"
AFFECTED: Final = "records_affectedprediction"


def affected_digest(row: AffectedPrediction) -> str:
    """Return the digest of what was found of an affected prediction."""
    return digest(row.corrected_risk, row.corrected_band, row.band_changed, row.no_score)


def disagreements() -> Iterator[Disagreement]:
    """Yield reports, affected predictions and acknowledgements that stand on one side only."""
    yield from compared(REPORTS, _reported(), _reports(), "corrected source")
    yield from compared(REPORTS, _listings(), _listed(), "listing of a corrected source's use")
    yield from compared(AFFECTED, _found(), _affected(), "affected prediction")
    yield from compared(AFFECTED, _acknowledgements(), _acknowledged(), "acknowledgement")


def _reported() -> Iterator[Hashable]:
    for event in events("sources.corrected"):
        model, by, at = event.details["model"], event.by, event.recorded_at
        for one in event.details["corrections"]:
            # before a whole resource could be reported, nothing was noted of it
            whole = one.get("whole", False), one.get("taken_at"), one.get("subject", "")
            yield (
                *(model, one["source"], one["status"], one["feature"], text(one["value"])),
                *(*whole, by, at),
            )


def _reports() -> Iterator[Hashable]:
    for row in SourceCorrection.objects.all():
        yield (
            *(row.model, row.source, row.status, row.feature),
            *(text(row.value), row.whole, row.taken_at and sql_time(row.taken_at), row.subject),
            *(row.by, row.reported_at),
        )


def _listings() -> Iterator[Hashable]:
    for event in events("sources.affected"):
        said = event.details
        yield said["model"], said["source"], said["correction"], event.recorded_at


def _listed() -> Iterator[Hashable]:
    for row in SourceCorrection.objects.exclude(listed_at=None):
        yield row.model, row.source, row.pk, row.listed_at


def _found() -> Iterator[Hashable]:
    for event in events("sources.affected"):
        for prediction, said in event.details["found"].items():
            yield event.details["correction"], prediction, said


def _affected() -> Iterator[Hashable]:
    for row in AffectedPrediction.objects.iterator():
        yield row.correction_id, str(row.prediction_id), affected_digest(row)


def _acknowledgements() -> Iterator[Hashable]:
    for event in events("sources.acknowledged"):
        for key in event.details["affected"]:
            yield key, event.by, event.recorded_at


def _acknowledged() -> Iterator[Hashable]:
    for row in AffectedPrediction.objects.exclude(acknowledged_at=None).iterator():
        yield row.pk, row.acknowledged_by, row.acknowledged_at
