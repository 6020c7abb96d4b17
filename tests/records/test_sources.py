"""Which sources a report means, by server, id and version."""

import json

import pytest

from records.sources import FEW, Sources, Use

A, B = "https://a.example.org/fhir", "https://b.example.org/fhir"


@pytest.mark.parametrize(
    ("reported", "used", "server"),
    [
        ("Observation/7", "Observation/7", ""),
        ("Observation/7", "Observation/7/_history/2", ""),
        ("Observation/7/_history/2", "Observation/7/_history/2", ""),
        ("Observation/7", f"{A}/Observation/7/_history/2", A),
        (f"{A}/Observation/7", f"{A}/Observation/7", A),
        (f"{A}/Observation/7/_history/1", f"{A}/Observation/7/_history/1", A),
        (f"{A}/Observation/7", "Observation/7", ""),
        ("urn:uuid:7", "urn:uuid:7", ""),
        ('urn:lab:"7\\ö', 'urn:lab:"7\\ö', ""),
        ("Bundle.entry[1].resource", "Bundle.entry[1].resource", ""),
    ],
)
def test_a_source_is_found_where_nothing_speaks_against_it(reported, used, server):
    assert Sources([reported]).among(["x", used]) == {reported: server}
    for others in (0, 2 * FEW):
        sources = Sources([reported, *(f"Observation/{100 + i}" for i in range(others))])
        for ensure_ascii in (True, False):
            written = json.dumps(["x", used], ensure_ascii=ensure_ascii)
            assert sources.in_json(written) == {reported: server}


@pytest.mark.parametrize(
    ("reported", "used"),
    [
        ("Observation/7", "Observation/71"),
        ("Observation/7", "Condition/7"),
        ("Observation/7/_history/1", "Observation/7/_history/2"),
        ("Observation/7/_history/1", "Observation/7"),
        (f"{A}/Observation/7", f"{B}/Observation/7"),
        (f"{A}/Observation/7", f"{A}/tenant/Observation/7"),
        (f"{A}/Observation/7/_history/1", f"{A}/Observation/7/_history/2"),
    ],
)
def test_another_source_is_not_found(reported, used):
    assert Sources([reported]).among([used]) == {}


def test_a_use_is_known_by_its_id_only_where_a_server_is_not_stated():
    use = Use()
    for source, server in ((f"{A}/Observation/7", A), (f"{A}/Observation/7", ""), ("O/7", B)):
        use.add(source, server)
    assert (use.predictions, use.by_id_only, use.servers) == (3, 2, {A, B})
