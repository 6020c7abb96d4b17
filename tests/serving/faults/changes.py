"""Small changes of a good request, out of which the faults are made."""

import copy
import json
from typing import Any

from tests.serving.faults.requests import UCUM, Change
from tests.serving.hooks import LACTATE

PATIENT, LACTATE_AT, CREATININE_AT = 0, 1, 2


def value(name: str, to: Any) -> Change:
    """JSON: another value of a feature; `...` leaves it out."""

    def change(request: dict[str, Any]) -> None:
        if to is ...:
            del request["values"][name]
        else:
            request["values"][name] = to

    return change


def lactate_json(**fields: Any) -> Change:
    """JSON: other fields of the lactate; one that is `...` is left out."""

    def change(request: dict[str, Any]) -> None:
        _update(request["values"]["lactate"], fields)

    return change


def resource(at: int, **fields: Any) -> Change:
    """FHIR: other fields of a resource; one that is `...` is left out."""

    def change(bundle: dict[str, Any]) -> None:
        _update(bundle["entry"][at]["resource"], fields)

    return change


def entry(at: int, **fields: Any) -> Change:
    """FHIR: other fields of an entry itself."""

    def change(bundle: dict[str, Any]) -> None:
        _update(bundle["entry"][at], fields)

    return change


def patient(**fields: Any) -> Change:
    """FHIR: other fields of the Patient."""
    return resource(PATIENT, **fields)


def lactate(**fields: Any) -> Change:
    """FHIR: other fields of the lactate."""
    return resource(LACTATE_AT, **fields)


def quantity(number: Any, code: str | None = "mmol/L", **more: Any) -> Change:
    """FHIR: another quantity of lactate."""
    given = {"value": number, "system": UCUM, "code": code, **more}
    return lactate(valueQuantity={name: one for name, one in given.items() if one is not None})


def other_value(**values: Any) -> Change:
    """FHIR: another kind of value in the place of the quantity."""
    return lactate(valueQuantity=..., **values)


def loinc(code: str) -> dict[str, str]:
    """FHIR: a coding in LOINC."""
    return {"system": "http://loinc.org", "code": code}


def part(number: float) -> dict[str, Any]:
    """FHIR: a component that is a lactate."""
    amount = {"value": number, "system": UCUM, "code": "mmol/L"}
    return {"code": {"coding": [loinc("2524-7")]}, "valueQuantity": amount}


def stored(kind: str) -> Change:
    """FHIR: the same as a Bundle that asks for its resources to be stored."""

    def change(bundle: dict[str, Any]) -> None:
        bundle["type"] = kind
        for one in bundle["entry"]:
            resource = one["resource"]
            url = f"{resource['resourceType']}/{resource['id']}"
            one["request"] = {"method": "PUT", "url": url}

    return change


def panel(because: str) -> Change:
    """FHIR: the lactate as a component of a panel that is said to be absent as a whole."""
    reason = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
    return lactate(
        valueQuantity=...,
        code={"coding": [loinc("24338-6")]},
        component=[part(3.1)],
        dataAbsentReason={"coding": [{"system": reason, "code": because}]},
    )


def capital(name: str) -> Change:
    """FHIR: a key of the lactate's entry with a capital letter."""

    def change(bundle: dict[str, Any]) -> None:
        entry = bundle["entry"][LACTATE_AT]
        entry[name.capitalize()] = entry.pop(name)

    return change


def first_result(change: Change) -> Change:
    """CDS Hooks: a change of the lactate's entry in a Bundle, made in what a search found."""

    def changed(request: dict[str, Any]) -> None:
        entries = [None, *request["prefetch"][LACTATE]["entry"]]
        change({"entry": entries})

    return changed


def without(*places: int) -> Change:
    """FHIR: leave resources out."""

    def change(bundle: dict[str, Any]) -> None:
        kept = [one for i, one in enumerate(bundle["entry"]) if i not in places]
        bundle["entry"] = kept

    return change


def beside(first: bool = False, **fields: Any) -> Change:
    """FHIR: a second lactate, of 9.9 mmol/L an hour later, with other fields."""

    def change(bundle: dict[str, Any]) -> None:
        second = {"resource": copy.deepcopy(bundle["entry"][LACTATE_AT]["resource"])}
        second["resource"] |= {"id": "o9", "effectiveDateTime": "2026-03-02T09:00:00Z"}
        second["resource"]["valueQuantity"]["value"] = 9.9
        _update(second["resource"], fields)
        if "id" not in fields:  # a version has the address of the other, which stands but once
            second["fullUrl"] = "https://ehr.example.org/fhir/Observation/o9"
        bundle["entry"].insert(0 if first else len(bundle["entry"]), second)

    return change


def both(one: Change, other: Change) -> Change:
    """Any: two changes that make one fault."""

    def change(request: Any) -> None:
        one(request)
        other(request)

    return change


def addressed(
    patient: str | None, lactate: str, creatinine: str, *, absolute: bool = True
) -> Change:
    """FHIR: the servers that the Patient's fullUrl and both subjects, or both fullUrls, state."""

    def change(bundle: dict[str, Any]) -> None:
        entries = bundle["entry"]
        _update(entries[PATIENT], {"fullUrl": f"{patient}/Patient/p1" if patient else ...})
        for at, server in ((LACTATE_AT, lactate), (CREATININE_AT, creatinine)):
            if absolute:
                entries[at]["resource"]["subject"] = {"reference": f"{server}/Patient/p1"}
            else:
                id_ = entries[at]["resource"]["id"]
                entries[at]["fullUrl"] = f"{server}/Observation/{id_}"

    return change


def text(old: str, new: str) -> Change:
    """Any: another text in the bytes that are sent."""

    def change(request: Any) -> str:
        whole = json.dumps(request)
        assert old in whole, old
        return whole.replace(old, new, 1)

    return change


def member(**fields: Any) -> Change:
    """Any: other members of the whole request; one that is `...` is left out."""

    def change(request: dict[str, Any]) -> None:
        _update(request, fields)

    return change


def signing(*orders: Any, **more: Any) -> Change:
    """CDS Hooks: the same at the signing of these orders, in a Bundle with other members."""
    entries = [{"resource": {"resourceType": "ServiceRequest", **one}} for one in orders]
    bundle = {"resourceType": "Bundle", "entry": entries, **more}
    context = {"userId": "Practitioner/x", "patientId": "p1", "encounterId": "e1"}
    return member(hook="order-sign", context={**context, "draftOrders": bundle})


def prefetch(key: str, to: Any) -> Change:
    """CDS Hooks: another value of a prefetch key; `...` leaves it out."""

    def change(request: dict[str, Any]) -> None:
        _update(request["prefetch"], {key: to})

    return change


def found(**fields: Any) -> Change:
    """CDS Hooks: other members of the Bundle that the search for lactate found."""

    def change(request: dict[str, Any]) -> None:
        _update(request["prefetch"][LACTATE], fields)

    return change


def message(issues: list[Any]) -> Change:
    """FHIR: a message of the sender's beside the data."""

    def change(bundle: dict[str, Any]) -> None:
        outcome = {"resourceType": "OperationOutcome", "issue": issues}
        bundle["entry"].append({"resource": outcome})

    return change


def _update(target: dict[str, Any], fields: dict[str, Any]) -> None:
    for name, one in fields.items():
        if one is ...:
            target.pop(name, None)
        else:
            target[name] = one
