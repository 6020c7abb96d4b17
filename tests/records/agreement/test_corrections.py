"""Corrected sources, affected predictions and acknowledgements, each changed past the chain."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db.models import Model

from models.corrections import Correction
from records import chain, corrections
from records.agreement import disagreements
from records.models import AffectedPrediction, SourceCorrection
from records.settings import Settings
from tests.records.made_up import NOW, prediction

LATER = NOW + timedelta(hours=1)
IDS = (UUID(int=1), UUID(int=2))
REPORTS = (
    Correction("Observation/1", "corrected", "lactate", 4.0),
    Correction("Observation/1", "corrected", "ward", "surgical"),
    Correction("Observation/9", "entered-in-error"),
)


@pytest.fixture
def told(records_db: Settings) -> Settings:
    """A database with corrected sources, one of which two predictions used."""
    chain.append([prediction(id=one) for one in IDS], NOW)
    corrections.report("sepsis", REPORTS, by="lena", now=NOW)
    users = corrections.users_of("sepsis", ["Observation/1", "Observation/9"])
    for report in corrections.unlisted("sepsis"):
        used = corrections.predictions(users[report.source])
        corrections.list_affected(report, [affected(report, one) for one in used], LATER)
    chosen = AffectedPrediction.objects.order_by("pk").values_list("pk", flat=True)[:3]
    given: dict[str, Any] = {"by": "rita", "because": "The ward was told", "now": LATER}
    corrections.acknowledge("sepsis", list(chosen)[1:], **given)
    return records_db


def affected(report: SourceCorrection, one: Any) -> AffectedPrediction:
    risk = 0.1 + 0.2 if report.feature == "lactate" else 1.0
    return AffectedPrediction(
        correction=report, prediction=one, corrected_risk=risk, corrected_band="high"
    )


def test_what_was_reported_listed_and_acknowledged_agrees(told: Settings) -> None:
    assert AffectedPrediction.objects.count() == 4
    assert AffectedPrediction.objects.exclude(acknowledged_at=None).count() == 2
    assert disagreements() == []


@pytest.mark.parametrize(
    ("table", "change"),
    [
        (SourceCorrection, {"status": "entered-in-error"}),
        (SourceCorrection, {"value": 4.5}),
        (SourceCorrection, {"by": "mallory"}),
        (SourceCorrection, {"listed_at": None}),
        (AffectedPrediction, {"corrected_risk": 0.3}),
        (AffectedPrediction, {"corrected_band": "low"}),
        (AffectedPrediction, {"band_changed": True}),
        (AffectedPrediction, {"no_score": "nothing to see"}),
        (AffectedPrediction, {"acknowledged_at": NOW, "acknowledged_by": "mallory"}),
    ],
)
def test_a_row_that_was_changed_past_the_chain_is_found(
    told: Settings, table: type[Model], change: dict[str, object]
) -> None:
    rows = table._default_manager.order_by("pk")
    rows.filter(pk=rows.first().pk).update(**change)
    found = disagreements()
    assert {one.table for one in found} == {table._meta.db_table}
    assert all("was changed" in one.words for one in found)


def test_an_acknowledgement_that_was_taken_back_or_given_to_another_is_found(
    told: Settings,
) -> None:
    seen = AffectedPrediction.objects.exclude(acknowledged_at=None)
    seen.filter(pk=seen.first().pk).update(acknowledged_by="mallory")
    removed, forged = disagreements()
    assert "acknowledgement was changed or deleted" in removed.words
    assert "mallory" in forged.words
    seen.update(acknowledged_by="", acknowledged_at=None)
    assert len(disagreements()) == 2


def test_an_affected_prediction_that_was_deleted_is_named(told: Settings) -> None:
    AffectedPrediction.objects.filter(prediction_id=IDS[0], acknowledged_at=None).delete()
    (one,) = disagreements()
    assert one.table == "records_affectedprediction"
    assert str(IDS[0]) in one.words


def test_a_report_that_was_deleted_is_named(told: Settings) -> None:
    SourceCorrection.objects.filter(source="Observation/9").delete()
    assert {one.table for one in disagreements()} == {"records_sourcecorrection"}
    assert all("Observation/9" in one.words for one in disagreements())


def inserted_report(now: datetime) -> None:
    SourceCorrection.objects.create(
        model="sepsis", source="Observation/7", status="corrected", reported_at=now, by="lena"
    )


def inserted_affected(now: datetime) -> None:
    other = uuid4()
    chain.append([prediction(id=other, sources=[])], now)
    AffectedPrediction.objects.create(
        correction=SourceCorrection.objects.order_by("pk").first(), prediction_id=other
    )


@pytest.mark.parametrize("insert", [inserted_report, inserted_affected])
def test_a_row_that_was_inserted_past_the_chain_is_found(told: Settings, insert: Any) -> None:
    insert(LATER)
    (one,) = disagreements()
    assert "inserted" in one.words
