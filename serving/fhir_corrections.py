"""Corrected Observations as FHIR: a Bundle in, how many reports were recorded out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from models.fhir_corrections import corrections_for, read_corrected
from serving.corrections import record_corrections
from serving.fhir_api import Resource
from serving.fhir_capability import correction_definition
from serving.fhir_form import fhir_answer
from serving.message import Answer
from serving.operation import Call, Operation

if TYPE_CHECKING:
    from records.sources import Use


async def report_corrected(call: Call) -> Answer:
    """Record for every served model which Observations were corrected or entered in error.

    A report is made for each feature that an Observation's codes stand for.
    """
    found = read_corrected(await call.body())
    pseudonym = partial(call.premises.pseudonymiser.pseudonym, "")
    flagged: list[str] = []
    reports = {
        name: corrections_for(served.model.definition, found, call.now, flagged, pseudonym)
        for name, served in call.premises.models.items()
    }
    recorded = await record_corrections(call, reports)
    known = sum(len(set(one)) for one in reports.values()) - recorded.new
    counts = {"observations": len(found), "recorded": recorded.new, "known": known}
    parameters = [{"name": name, "valueInteger": count} for name, count in counts.items()]
    if recorded.uses is not None:
        parameters += _used(recorded.uses)
    parameters += [{"name": "flagged", "valueString": one} for one in dict.fromkeys(flagged)]
    return fhir_answer({"resourceType": "Parameters", "parameter": parameters}, 201)


def _used(by_model: Mapping[str, Mapping[str, Use]]) -> list[dict[str, Any]]:
    """Return how many predictions of all models got the Observations, and which none got."""
    uses = [use for found in by_model.values() for use in found.values()]
    used = {name for found in by_model.values() for name, use in found.items() if use.predictions}
    unused = {name: None for found in by_model.values() for name in found if name not in used}
    return [
        {"name": "predictions", "valueInteger": sum(use.predictions for use in uses)},
        {"name": "byIdOnly", "valueInteger": sum(use.by_id_only for use in uses)},
        *({"name": "unused", "valueString": name} for name in unused),
    ]


async def describe_report_corrected(call: Call) -> Answer:
    """Return the OperationDefinition of $report-corrected."""
    return fhir_answer(correction_definition(call.fhir_base))


def operations() -> list[Operation]:
    """Return the operations on corrected Observations."""
    return [
        Operation(
            "POST",
            "/fhir/Observation/$report-corrected",
            report_corrected,
            scopes=("correct",),
            summary="Report Observations that were corrected or entered in error",
            request=[Resource],
            status=201,
        ),
        Operation(
            "GET",
            "/fhir/OperationDefinition/report-corrected",
            describe_report_corrected,
            scopes=("correct", "read"),
            summary="What $report-corrected takes",
        ),
    ]
