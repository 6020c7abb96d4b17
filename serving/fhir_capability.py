"""What the FHIR interface says of itself: CapabilityStatement and OperationDefinition."""

from datetime import date
from typing import Any

_SECURITY = "http://terminology.hl7.org/CodeSystem/restful-security-service"


def capability(today: date, base: str) -> dict[str, Any]:
    """Return the CapabilityStatement of the service whose FHIR address is `base` (FHIR-14)."""
    searchable = (("date", "date"), ("method", "token"), ("subject", "reference"))
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": today.isoformat(),
        "kind": "instance",
        "implementation": {"description": "Clinical risks, explained and recorded", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "security": {
                    "service": [{"coding": [{"system": _SECURITY, "code": "SMART-on-FHIR"}]}],
                    "description": "An API key, or a token of a registered issuer",
                },
                "resource": [
                    {
                        "type": "RiskAssessment",
                        "documentation": "probabilityDecimal is a percentage of two decimals; a "
                        "search by subject is made by POST to _search only, by subject:identifier "
                        "(system|value) wherever the Patient had an identifier; _profile asks for "
                        "an Observation, or for the transaction Bundle that stores it",
                        "interaction": [{"code": "read"}, {"code": "search-type"}],
                        "searchParam": [{"name": n, "type": t} for n, t in searchable],
                        "operation": [
                            _named("predict", base),
                            _named("withdraw", base),
                        ],
                    },
                    {
                        "type": "Observation",
                        "operation": [_named("report-corrected", base)],
                    },
                    {"type": "OperationDefinition", "interaction": [{"code": "read"}]},
                ],
            }
        ],
    }


def operation_definition(base: str) -> dict[str, Any]:
    """Return the OperationDefinition of `$predict`."""
    return _operation(
        base,
        "predict",
        "Predict the risk of the patient in a Bundle",
        "RiskAssessment",
        [
            _parameter("model", "code", "The model's name; or ?model= beside a Bundle", 1),
            _parameter("bundle", "Bundle", "One Patient and the Observations", 1),
            _parameter("predictedAt", "dateTime", "Another time than now; never a later one"),
            _parameter("site", "string", "The hospital or clinic where the patient is"),
            _parameter("ward", "string", "The hospital unit; else as the Encounter says"),
            _parameter("replaces", "uuid", "The prediction that this one corrects"),
            _result("return", "RiskAssessment", "The risk, recorded"),
        ],
    )


def withdrawal_definition(base: str) -> dict[str, Any]:
    """Return the OperationDefinition of `$withdraw`, an operation on one RiskAssessment."""
    about = "The RiskAssessment, now entered in error; of a model that isn't served any more, an "
    about += "OperationOutcome that says that it was withdrawn"
    definition = _operation(
        base,
        "withdraw",
        "Mark a RiskAssessment as entered in error",
        "RiskAssessment",
        [_result("return", "Resource", about)],
    )
    return {**definition, "type": False, "instance": True}


def correction_definition(base: str) -> dict[str, Any]:
    """Return the OperationDefinition of `$report-corrected`."""
    return _operation(
        base,
        "report-corrected",
        "Report Observations that were corrected or entered in error",
        "Observation",
        [
            _parameter("bundle", "Bundle", "Only corrected, amended or entered-in-error ones", 1),
            _result("observations", "integer", "How many Observations were read"),
            _result("recorded", "integer", "How many reports were recorded, a model each"),
            _result("known", "integer", "How many were known already"),
            _result("predictions", "integer", "How many predictions got them, if counted", 0),
            _result("byIdOnly", "integer", "Of these, how many by the id without a server", 0),
            {**_result("unused", "string", "An Observation that none got", 0), "max": "*"},
            {**_result("flagged", "string", "A value that is taken, but doubtful", 0), "max": "*"},
        ],
    )


def _named(code: str, base: str) -> dict[str, str]:
    return {"name": code, "definition": f"{base}/OperationDefinition/{code}"}


def _operation(
    base: str, code: str, title: str, resource: str, parameters: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "resourceType": "OperationDefinition",
        "id": code,
        "url": f"{base}/OperationDefinition/{code}",
        "name": code.title().replace("-", ""),
        "title": title,
        "status": "active",
        "kind": "operation",
        "affectsState": True,
        "code": code,
        "resource": [resource],
        "system": False,
        "type": True,
        "instance": False,
        "parameter": parameters,
    }


def _result(name: str, type_: str, about: str, least: int = 1) -> dict[str, Any]:
    return {**_parameter(name, type_, about, least), "use": "out"}


def _parameter(name: str, type_: str, about: str, least: int = 0) -> dict[str, Any]:
    return {
        "name": name,
        "use": "in",
        "min": least,
        "max": "1",
        "documentation": about,
        "type": type_,
    }
