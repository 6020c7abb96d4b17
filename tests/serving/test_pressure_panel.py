"""Blood pressure is asked for under its own codes and under that of the panel that holds it."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from models.definition import Definition, parse_definition
from models.fhir import read_entries
from serving.cds_hooks.discovery import Template, describe, templates, url_of
from serving.cds_hooks.prefetch import gather, read_supplied
from tests.factories import DEFINITION, NOW
from tests.serving.hooks import PATIENT, searchset

PANEL = "85354-9"
PRESSURES = """
[[features]]
name = "{name}"
title = "{name} blood pressure"
kind = "numeric"
unit = "mm[Hg]"
analyte = "blood_pressure"
loinc = {codes}
plausible = [20, 300]
look_back_days = 1
reduce = "{reduce}"
"""


def definition_of(reduce: str = "mean", **pressures: str) -> Definition:
    """The made-up definition, in which these are measured too."""
    more = "".join(
        PRESSURES.format(name=name, codes=codes, reduce=reduce) for name, codes in pressures.items()
    )
    text = DEFINITION.replace("STATUS", "demonstration").replace("[[bands]]", f"{more}[[bands]]", 1)
    return parse_definition(text.encode(), source="made up")


BOTH = definition_of(systolic='["8480-6"]', diastolic='["8462-4", "8453-3"]')


def asked_for(definition: Definition, name: str) -> dict[str, Template]:
    """The keys of a feature's prefetch."""
    found = (one for one in templates(definition) if one.feature is not None)
    return {one.key: one for one in found if one.feature and one.feature.name == name}


def panel_of(systolic: float, diastolic: float, **more: Any) -> dict[str, Any]:
    parts = {"8480-6": systolic, "8462-4": diastolic}
    unit = {"system": "http://unitsofmeasure.org", "code": "mm[Hg]"}
    return {
        "resourceType": "Observation",
        "id": "bp1",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": PANEL}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": (NOW - timedelta(hours=1)).isoformat(),
        "component": [
            {
                "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
                "valueQuantity": {"value": value, **unit},
            }
            for code, value in parts.items()
        ],
        **more,
    }


def test_each_pressure_has_a_key_for_its_panel_and_no_list_of_codes() -> None:
    """CDS-5: one key a code, token equality and nothing else."""
    assert list(asked_for(BOTH, "systolic")) == ["systolic_8480-6", f"systolic_{PANEL}"]
    assert list(asked_for(BOTH, "diastolic")) == [
        "diastolic_8462-4",
        "diastolic_8453-3",
        f"diastolic_{PANEL}",
    ]
    (entry, *_) = describe(BOTH, templates(BOTH))
    query = entry["prefetch"][f"systolic_{PANEL}"]
    assert "&code=http://loinc.org|85354-9&" in query
    assert "combo" not in query
    assert "," not in query


@pytest.mark.parametrize("code", ["8480-6", "8462-4", "8478-0"])
def test_every_component_of_the_panel_is_looked_for_in_it(code: str) -> None:
    assert f"pressure_{PANEL}" in asked_for(definition_of(pressure=f'["{code}"]'), "pressure")


def test_nothing_else_is_looked_for_in_a_panel() -> None:
    """8459-0 is measured sitting: no child of that panel. One's own code isn't asked for twice."""
    assert list(asked_for(definition_of(pressure='["8459-0"]'), "pressure")) == ["pressure_8459-0"]
    named = definition_of(pressure=f'["8480-6", "{PANEL}"]')
    assert list(asked_for(named, "pressure")) == ["pressure_8480-6", f"pressure_{PANEL}"]
    assert not [one for one in asked_for(BOTH, "lactate") if PANEL in one]


def test_a_panel_that_comes_under_the_keys_of_both_pressures_counts_once() -> None:
    asked = templates(BOTH)
    page = msgspec.json.encode(searchset(panel_of(120, 80), panel_of(140, 90, id="bp2")))
    supplied = [
        read_supplied(msgspec.json.encode(PATIENT), one)
        if one.feature is None
        else read_supplied(page if PANEL in one.key else b"null", one)
        for one in asked
    ]
    gathered = gather(asked, supplied, BOTH, NOW)
    assert not gathered.unknown
    readings = read_entries(gathered.entries("Patient/p1"), BOTH, NOW).readings
    assert [one.value for one in readings["systolic"]] == [120, 140]
    assert [one.value for one in readings["diastolic"]] == [80, 90]


def test_the_panel_is_read_back_with_the_other_codes_and_once() -> None:
    """CDS-6."""
    asked = [one for one in templates(BOTH) if one.feature is not None]
    url = url_of(asked, "https://ehr.example.org/fhir", "p1")
    (codes,) = parse_qs(urlsplit(url).query)["code"]
    assert codes.split(",").count(f"http://loinc.org|{PANEL}") == 1
    assert "http://loinc.org|8480-6" in codes.split(",")
