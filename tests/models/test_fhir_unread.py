"""Values of types that R4's Observation lacks are found, and extensions' aren't taken for them."""

import json
from typing import Any

import pytest

from models.errors import MalformedInput, UnusableValue
from models.features import assemble
from models.fhir import read_bundle
from models.fhir_bundle import Link
from models.fhir_unread import other_values
from tests.models.test_fhir import DEFINITION, LOINC, NOW, good

DECIMAL = {"url": "https://example.org/anything", "valueDecimal": 9.0}


def changed(**fields: Any) -> bytes:
    """The good Bundle whose creatinine has these fields too."""
    document = good()
    document["entry"][2]["resource"] |= fields
    return json.dumps(document).encode()


def values_of(body: bytes) -> dict[str, Any]:
    return dict(assemble(DEFINITION, read_bundle(body, DEFINITION, NOW).readings, NOW).values)


@pytest.mark.parametrize("name", ["valueMoney", "valueDecimal", "valueFoo", "valueQuantities"])
def test_a_second_value_of_another_type_is_refused(name: str) -> None:
    """FHIR-7: before, the first was used without a word."""
    with pytest.raises(UnusableValue) as error:
        values_of(changed(**{name: 9}))
    assert (error.value.field, error.value.reason) == ("creatinine", "not_a_value")


def test_extensions_have_values_of_their_own_types() -> None:
    body = changed(extension=[DECIMAL], code={"extension": [DECIMAL], **creatinine()})
    assert other_values(body) == 2
    assert values_of(body) == values_of(changed())


def creatinine() -> dict[str, Any]:
    return {"coding": [{"system": LOINC, "code": "2160-0"}]}


def test_a_value_beside_one_that_is_not_wanted_refuses_nothing() -> None:
    document = good()
    other = {"coding": [{"system": LOINC, "code": "718-7"}]}
    extra = document["entry"][2]["resource"] | {"id": "other", "code": other, "valueMoney": 9}
    document["entry"].append({"resource": extra})
    assert values_of(json.dumps(document).encode()) == values_of(changed())


@pytest.mark.parametrize(
    "kind",
    [
        "Quantity",
        "CodeableConcept",
        "String",
        "Boolean",
        "Integer",
        "Range",
        "Ratio",
        "SampledData",
        "Time",
        "DateTime",
        "Period",
    ],
)
def test_every_type_of_value_that_is_of_r4_is_known(kind: str) -> None:
    """https://hl7.org/fhir/R4/observation-definitions.html#Observation.value_x_"""
    assert other_values(json.dumps({f"value{kind}": 1}).encode()) == 0
    assert other_values(json.dumps({f"value{kind}s": 1}).encode()) == 1
    assert other_values(b'{"value": 1, "unit": "of value"}') == 0


@pytest.mark.parametrize("relation", ["next", "Next", "NEXT"])
def test_a_next_page_is_seen_in_whichever_letters_it_is_named(relation: str) -> None:
    """FHIR-9: what a first page lacks would seem to be missing."""
    link = [{"relation": relation, "url": "https://ehr.example.org/fhir?page=2"}]
    page = good() | {"type": "searchset", "link": link}
    with pytest.raises(MalformedInput) as error:
        read_bundle(json.dumps(page).encode(), DEFINITION, NOW)
    assert error.value.reason == "incomplete_bundle"
    assert Link(relation=relation).is_next
    assert not Link(relation="self").is_next
    assert not Link().is_next
