"""Corrected Observations as FHIR: a Bundle in, how many reports were recorded out."""

from models.fhir_corrections import corrections_for, read_corrected
from serving.corrections import record_corrections
from serving.fhir_api import Resource
from serving.fhir_capability import correction_definition
from serving.fhir_form import fhir_answer
from serving.message import Answer
from serving.operation import Call, Operation


async def report_corrected(call: Call) -> Answer:
    """Record for every served model which Observations were corrected or entered in error.

    A report is made for each feature that an Observation's codes stand for.
    """
    found = read_corrected(await call.body())
    reports = {
        name: corrections_for(served.model.definition, found, call.now)
        for name, served in call.premises.models.items()
    }
    recorded = await record_corrections(call, reports)
    known = sum(len(set(one)) for one in reports.values()) - recorded
    counts = {"observations": len(found), "recorded": recorded, "known": known}
    parameters = [{"name": name, "valueInteger": count} for name, count in counts.items()]
    return fhir_answer({"resourceType": "Parameters", "parameter": parameters}, 201)


async def describe_report_corrected(_: Call) -> Answer:
    """Return the OperationDefinition of $report-corrected."""
    return fhir_answer(correction_definition())


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
