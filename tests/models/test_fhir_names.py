"""Ids and references that aren't FHIR's are refused by name, and never quoted."""

import copy
from typing import Any

import pytest
from fhir.resources.R4B.reference import Reference
from hypothesis import given
from hypothesis import strategies as st

from models.errors import MalformedInput
from models.fhir_names import is_id, is_reference
from tests.models.test_fhir import (
    CREATININE,
    assess,
    bundle,
    creatinine,
    good,
    observation,
    person,
    quantity,
    ward_observation,
)

BAD_IDS = ("", "a b", "x" * 65, "../p1", "a/b", "<b>", "a_b", "ä", "o1\n", "o1?x=1")


@given(st.text(st.sampled_from("aZ9-._ /\n<ä²"), max_size=70) | st.sampled_from(BAD_IDS))
def test_an_id_has_1_to_64_of_fhirs_characters(text: str) -> None:
    allowed = [one for one in text if one.isascii() and (one.isalnum() or one in "-.")]
    assert is_id(text) == (1 <= len(text) <= 64 and len(allowed) == len(text))


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("Patient/p1", True),
        ("Observation/o1/_history/2", True),
        ("https://ehr.example.org/fhir/Observation/o1", True),
        ("urn:uuid:2d1c9c1e-1e0c-4a49-9a52-5f2fca0f7f3c", True),
        ("urn:oid:1.2.3", True),
        ("Patient/p_1", False),
        ("Patient/", False),
        ("p1", False),
        ("javascript:alert(1)", False),
        ("https://ehr.example.org/<script>", False),
        ("Bundle.entry[1].resource", False),
        ("Patient/p1\n", False),
    ],
)
def test_a_reference_names_a_resource(text: str, known: bool) -> None:
    assert is_reference(text) == known
    if known:
        Reference(reference=text)


@pytest.mark.parametrize("text", BAD_IDS)
@pytest.mark.parametrize("change", [creatinine, person])
def test_an_id_that_is_none_is_refused_by_its_place(change: Any, text: str) -> None:
    with pytest.raises(MalformedInput) as caught:
        assess(change(id=text))
    assert caught.value.reason == "bad_id"
    place = "Patient.id" if change is person else f"Bundle.entry[{CREATININE}].resource.id"
    assert caught.value.field == place
    assert not text or text not in str(caught.value)


def test_a_version_that_is_no_id_is_refused() -> None:
    with pytest.raises(MalformedInput) as caught:
        assess(creatinine(meta={"versionId": "1/2"}))
    assert caught.value.field == f"Bundle.entry[{CREATININE}].resource.meta.versionId"


def test_an_address_that_is_none_is_refused_where_nothing_else_names_the_resource() -> None:
    document = creatinine(id=None)
    document["entry"][CREATININE]["fullUrl"] = "urn:uuid:<b>"
    with pytest.raises(MalformedInput) as caught:
        assess(document)
    assert caught.value.reason == "bad_reference"
    named = copy.deepcopy(document)
    named["entry"][CREATININE]["resource"]["id"] = "o1"
    assert assess(named).values["creatinine"] == 1.4


def test_what_is_not_used_may_be_called_as_it_likes() -> None:
    document = good()
    other = observation("a_b", "0-0", valueQuantity=quantity(1))
    document["entry"].append({"resource": other})
    assert assess(document).values["creatinine"] == 1.4


@pytest.mark.parametrize("reference", ["p1", "Patient/p_1", "Patient?identifier=1", "Patient/p1\n"])
def test_a_subject_is_no_text_of_any_kind(reference: str) -> None:
    resources = [ward_observation(), observation("c", "2160-0", valueQuantity=quantity(1.4))]
    for one in resources:
        one["subject"] = {"reference": reference}
    with pytest.raises(MalformedInput) as caught:
        assess(bundle(*resources))
    assert caught.value.reason == "bad_reference"
    assert caught.value.field.endswith("].resource.subject.reference")
