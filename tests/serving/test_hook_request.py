"""Whether a hook's request is read at once or closely, it says the same."""

import copy
import json
from typing import Any

from hypothesis import given

from models.definition import parse_definition
from models.errors import InputError
from models.fhir import read_entries
from models.fhir_bundle import SentEntry
from serving.cds_hooks.discovery import templates
from serving.cds_hooks.prefetch import gather
from serving.cds_hooks.request import HookForm
from serving.cds_hooks.searched import ResultEntry
from tests.factories import DEFINITION, NOW
from tests.serving.fuzz.requests import whatever
from tests.serving.hooks import (
    CREATININE,
    LACTATE,
    O1,
    PATIENT,
    hook_request,
    prefetched,
    searchset,
)

MODEL = parse_definition(DEFINITION.replace("STATUS", "demonstration").encode(), source="made up")
ASKED = templates(MODEL)
FORM = HookForm(("patient-view", "order-sign"), ASKED)


def body_of(request: Any) -> bytes:
    return json.dumps(request, allow_nan=False).encode()


def said_by(found: Any) -> Any:
    """What a request that was read says: each key's state, and the readings or the refusal."""
    request, supplied = found
    states = [one and (one.state, len(one.entries), one.total, one.next_page) for one in supplied]
    gathered = gather(ASKED, supplied, MODEL, NOW)
    unknown = [one.key for one in gathered.unknown]
    about = (request.hook, request.context, request.hook_instance, states, unknown)
    try:
        read = read_entries(gathered.entries("Patient/p1"), MODEL, NOW)
        labelled = gathered.findings()
    except InputError as error:
        return (*about, type(error), str(error), error.field, error.reason)
    return (*about, labelled, read.readings, read.patient, read.findings)


@given(whatever("cds-hooks"))
def test_what_is_read_at_once_is_what_a_close_look_finds(request_):
    try:
        body = body_of(request_)
    except ValueError:
        return
    at_once = FORM._read_at_once(body)
    if at_once is not None:
        assert said_by(at_once) == said_by(FORM._read_closely(body))


def test_the_usual_request_is_read_at_once():
    assert FORM._read_at_once(body_of(hook_request())) is not None
    assert FORM._read_at_once(body_of(prefetched(lactate=None, creatinine=...))) is not None
    assert FORM._read_at_once(body_of(hook_request(prefetch=None))) is not None


def test_only_results_that_may_have_another_value_are_looked_at_closely():
    """FHIR-7: an extension's value is none of the Observation's."""
    extended = [{"url": "https://example.org/a", "valueCoding": {"code": "b"}}]
    odd = searchset(O1 | {"valueMoney": {"value": 9}})
    request = prefetched(lactate=odd, patient=PATIENT | {"extension": extended})
    assert FORM._read_at_once(body_of(request)) is None
    found = FORM.read(body_of(request))
    _, supplied = found
    by_key = dict(zip((one.key for one in ASKED), supplied, strict=True))
    kinds = {key: type(by_key[key].entries[0]) for key in (LACTATE, CREATININE)}
    assert kinds == {LACTATE: SentEntry, CREATININE: ResultEntry}
    readings = said_by(found)[-3]
    assert [one.fault for one in readings["lactate"]] == ["not_a_value"]
    assert [one.fault for one in readings["creatinine"]] == [None]
    request["prefetch"][LACTATE] = searchset(O1 | {"extension": extended})
    assert said_by(FORM._read_at_once(body_of(request)))[-3]["lactate"][0].fault is None


def test_what_is_not_an_observation_is_looked_at_closely():
    unnamed = copy.deepcopy(O1)
    del unnamed["resourceType"]
    for other in ({"resourceType": "OperationOutcome", "issue": []}, unnamed, {}, 1):
        body = body_of(prefetched(lactate=searchset(other)))
        assert FORM._read_at_once(body) is None
        (_, supplied) = FORM.read(body)
        assert len(supplied) == 3


def test_every_key_has_what_came_under_it():
    _, supplied = FORM.read(body_of(prefetched(lactate=None, creatinine=...)))
    by_key = {one.key: found for one, found in zip(ASKED, supplied, strict=True)}
    assert by_key["patient"].state == "data"
    assert by_key[LACTATE].state == "none"
    assert by_key[CREATININE] is None
