"""Codes, categories and labels of Observations that say two things at once, or doubt the value."""

import json
from typing import Any

import pytest

from models.definition import Definition, parse_definition
from models.errors import MalformedInput, UnusableValue
from models.features import FeatureSet, assemble
from models.fhir import read_bundle
from models.loinc import check_loinc
from models.loinc_analytes import ANALYTES, analyte_of
from models.unit_table import KINDS
from tests.models.test_fhir import DEFINITION, LOINC, NOW, bundle, good, observation, quantity
from tests.models.ward import WARD

WARDS = "https://example.org/wards"
OWN_WARDS = parse_definition(
    WARD.replace(
        'kind = "categorical"\ncategories = { surgery',
        'kind = "categorical"\nloinc = ["56816-2"]\n'
        f'category_systems = ["{WARDS}"]\ncategories = {{ surgery',
    ).encode(),
    source="ward",
)
TOTAL_BILIRUBIN = parse_definition(
    WARD.replace('analyte = "creatinine"', 'analyte = "bilirubin"')
    .replace('loinc = ["2160-0", "38483-4", "14682-9"]', 'loinc = ["1975-2", "14631-6"]')
    .replace(', inputs = ["creatinine"', ', inputs = ["creatinine"')
    .encode(),
    source="ward",
)


def with_codes(*codes: str) -> dict[str, Any]:
    """The good Bundle whose creatinine has further LOINC codes."""
    document = good()
    coding = document["entry"][2]["resource"]["code"]["coding"]
    coding += [{"system": LOINC, "code": code} for code in codes]
    return document


def assess(document: dict[str, Any], definition: Definition = DEFINITION) -> FeatureSet:
    body = json.dumps(document).encode()
    return assemble(definition, read_bundle(body, definition, NOW).readings, NOW)


@pytest.mark.parametrize("code", sorted(ANALYTES))
def test_every_known_code_is_one_of_loinc(code: str) -> None:
    """UNIT-5"""
    assert check_loinc(code) == code


def test_codes_that_one_feature_may_list_are_of_one_analyte_each() -> None:
    """UNIT-3"""
    for kinds in KINDS.values():
        stand_for = [{analyte_of(code) for code in codes} for codes in kinds.values()]
        assert all(len(one) == 1 for one in stand_for)
        assert len(set.union(*stand_for)) == len(kinds)
    assert analyte_of("2823-3") not in (analyte_of("2951-2"), analyte_of("2828-2"), None)


@pytest.mark.parametrize(
    "code",
    ["2951-2", "2823-3", "2161-8", "1968-7", "2828-2"],
)
def test_a_result_that_is_coded_as_another_analyte_too_is_refused(code: str) -> None:
    with pytest.raises(UnusableValue) as refusal:
        assess(with_codes(code))
    assert refusal.value.reason == "contradictory_code"


@pytest.mark.parametrize(("code", "is_refused"), [("1968-7", True), ("42719-5", False)])
def test_total_and_direct_bilirubin_are_two_analytes(code: str, is_refused: bool) -> None:
    """UNIT-3"""
    coded = [{"system": LOINC, "code": one} for one in ("1975-2", code)]
    resource = observation("b", "1975-2", valueQuantity=quantity(1.2))
    document = bundle({**resource, "code": {"coding": coded}})
    body = json.dumps(document).encode()
    (reading,) = read_bundle(body, TOTAL_BILIRUBIN, NOW).readings["creatinine"]
    assert reading.fault == ("contradictory_code" if is_refused else None)


@pytest.mark.parametrize("code", ["38483-4", "14682-9", "59826-8", "99999-9", "24323-8"])
def test_codes_of_the_same_analyte_and_unknown_ones_are_translations(code: str) -> None:
    assert assess(with_codes(code)).values["creatinine"] == 1.4


def test_another_analyte_by_a_code_of_another_system_than_loinc_is_not_known() -> None:
    document = good()
    document["entry"][2]["resource"]["code"]["coding"].append(
        {"system": "urn:lab", "code": "2951-2"}
    )
    assert assess(document).values["creatinine"] == 1.4


UREA = parse_definition(
    WARD.replace('analyte = "creatinine"', 'analyte = "urea_nitrogen"')
    .replace('["2160-0", "38483-4", "14682-9"]', '["3094-0", "3091-6", "14937-7", "22664-7"]')
    .replace("plausible = [0.1, 30]", "plausible = [1, 300]")
    .encode(),
    source="ward",
)


@pytest.mark.parametrize(
    ("codes", "unit", "is_refused"),
    [
        (("3094-0", "3091-6"), "mg/dL", True),
        (("3091-6", "3094-0"), "mg/dL", True),
        (("3094-0", "3091-6"), "mmol/L", False),
        (("14937-7", "22664-7"), "mmol/L", False),
        (("3094-0", "14937-7"), "mg/dL", False),
        (("3094-0", "3091-6"), "furlong", False),
    ],
)
def test_a_mass_of_urea_and_of_the_nitrogen_in_it_is_not_one_result(
    codes: tuple[str, ...], unit: str, is_refused: bool
) -> None:
    """UNIT-3"""
    coded = [{"system": LOINC, "code": one} for one in codes]
    resource = observation("u", codes[0], valueQuantity=quantity(30, unit))
    body = json.dumps(bundle({**resource, "code": {"coding": coded}})).encode()
    (reading,) = read_bundle(body, UREA, NOW).readings["creatinine"]
    assert reading.fault == ("contradictory_code" if is_refused else None)


def ward(concept: dict[str, Any]) -> dict[str, Any]:
    return bundle(
        *(one["resource"] for one in good()["entry"] if one["resource"]["id"] != "ward"),
        observation("ward", "56816-2", valueCodeableConcept=concept),
    )


def own(code: str, **more: Any) -> dict[str, Any]:
    return {"system": WARDS, "code": code, **more}


@pytest.mark.parametrize(
    "codings",
    [
        [own("surgery"), own("medicine")],
        [own("surgery"), own("dermatology")],
        [own("dermatology"), own("surgery")],
    ],
)
def test_two_codes_of_the_categories_own_system_are_refused(codings: list[Any]) -> None:
    with pytest.raises(UnusableValue) as refusal:
        assess(ward({"coding": codings}), OWN_WARDS)
    assert refusal.value.reason == "contradictory_category"


def test_a_code_of_another_system_beside_a_category_is_a_translation() -> None:
    coded = {"coding": [own("surgery"), own("surgery"), {"system": "urn:other", "code": "derma"}]}
    found = assess(ward(coded), OWN_WARDS)
    assert (found.values["ward"], found.findings) == ("surgery", ())


OTHER = OWN_WARDS.by_name["ward"].categories["medicine"]
SAME = OWN_WARDS.by_name["ward"].categories["surgery"]


@pytest.mark.parametrize(
    ("concept", "is_doubtful"),
    [
        ({"coding": [own("surgery")], "text": OTHER}, True),
        ({"coding": [own("surgery")], "text": f"  {OTHER.upper()} "}, True),
        ({"coding": [own("surgery", display=OTHER)]}, True),
        ({"coding": [own("surgery", display="MEDICINE")]}, True),
        ({"coding": [own("surgery", display=SAME)], "text": SAME.lower()}, False),
        ({"coding": [own("surgery", display="Ward 7")], "text": "Seventh floor"}, False),
    ],
)
def test_a_text_that_is_another_categorys_title_is_flagged(
    concept: dict[str, Any], is_doubtful: bool
) -> None:
    found = assess(ward(concept), OWN_WARDS)
    assert found.values["ward"] == "surgery"
    assert [one.reason for one in found.findings] == ["category_text"] * is_doubtful


def labelled(**meta: Any) -> dict[str, Any]:
    document = good()
    document["entry"][2]["resource"]["meta"] = meta
    return document


def coding(code: str) -> list[dict[str, Any]]:
    return [
        {"system": "urn:own", "code": "x"},
        {"system": "http://terminology.hl7.org", "code": code},
    ]


@pytest.mark.parametrize(
    ("meta", "reason"),
    [
        ({"tag": coding("SUBSETTED")}, "subsetted"),
        ({"tag": coding("HTEST")}, "test_data"),
        ({"security": coding("HTEST")}, "test_data"),
        ({"security": coding("REDACTED")}, "altered"),
        ({"security": coding("UNRELIABLE")}, "unreliable"),
    ],
)
def test_a_label_that_makes_a_value_doubtful_is_flagged(meta: dict[str, Any], reason: str) -> None:
    found = assess(labelled(**meta))
    assert found.values["creatinine"] == 1.4
    assert [(one.feature, one.kind, one.reason) for one in found.findings] == [
        ("creatinine", "flagged", reason)
    ]


def test_a_value_that_is_labelled_as_masked_is_withheld() -> None:
    """FHIR-16"""
    with pytest.raises(UnusableValue) as refusal:
        assess(labelled(security=coding("MASKED")))
    assert refusal.value.reason == "masked"


@pytest.mark.parametrize("meta", [{"tag": coding("synthea-5-2019")}, {"tag": [], "security": None}])
def test_other_labels_say_nothing_of_a_value(meta: dict[str, Any]) -> None:
    found = assess(labelled(**meta))
    assert (found.values["creatinine"], found.findings) == (1.4, ())


@pytest.mark.parametrize("tag", ["HTEST", {"code": "HTEST"}, [{"code": 1}]])
def test_labels_that_are_no_codings_are_malformed(tag: Any) -> None:
    with pytest.raises(MalformedInput, match="no list of codings"):
        assess(labelled(tag=tag))


def test_a_label_of_a_value_that_is_not_used_is_not_told() -> None:
    document = good()
    older = observation("old", "2160-0", valueQuantity=quantity(9), hours=9)
    document["entry"].append({"resource": {**older, "meta": {"tag": coding("HTEST")}}})
    found = assess(document)
    assert (found.values["creatinine"], found.findings) == (1.4, ())


@pytest.mark.parametrize("part", ["security", "tag"])
@pytest.mark.parametrize("of", ["Patient", "Bundle"])
def test_labels_of_the_patient_and_of_the_bundle_are_heeded(of: str, part: str) -> None:
    """FHIR-16."""

    def labelled(*codes: str) -> bytes:
        document = good()
        whole = document["entry"][0]["resource"] if of == "Patient" else document
        whole["meta"] = {"lastUpdated": "2026-01-05T08:00:00Z", part: [{"code": c} for c in codes]}
        return json.dumps(document).encode()

    with pytest.raises(UnusableValue) as error:
        read_bundle(labelled("HTEST", "MASKED"), DEFINITION, NOW)
    assert (error.value.field, error.value.reason) == (f"{of}.meta", "masked")
    codes = ("HTEST", "SUBSETTED", "REDACTED", "UNRELIABLE", "N")
    found = read_bundle(labelled(*codes), DEFINITION, NOW)
    said = {"test_data", *(("subsetted", "altered", "unreliable") if of == "Bundle" else ())}
    assert {one.reason for one in found.findings} == said
    assert {one.kind for one in found.findings} == {"flagged"}
    assert read_bundle(labelled("N"), DEFINITION, NOW).findings == ()
