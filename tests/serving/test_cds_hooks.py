"""CDS Hooks over real HTTP: discovery, requests, cards and what stands in for a missing card."""

import json
import os
from pathlib import Path
from uuid import UUID, uuid4

import jsonschema_rs
import pytest

from records.clients import SCOPES
from records.settings import Settings
from tests.factories import BUNDLE, NAME, NOW, make_artefact
from tests.serving.conftest import read_predictions
from tests.serving.hooks import (
    LACTATE,
    O1,
    O2,
    PATH,
    PATIENT,
    card_of,
    hook_request,
    prefetched,
    searchset,
)

EXAMPLES = Path(os.environ.get("AUSCULT_DATA_DIR", "/nowhere")) / "cdshooks"
TEXT = {"type": "string", "minLength": 1}
CODING = {"type": "object", "required": ["code", "system", "display"]}
CARD = {
    "type": "object",
    "required": ["summary", "indicator", "source", "uuid"],
    "properties": {
        "summary": {"type": "string", "minLength": 1, "maxLength": 139},
        "indicator": {"enum": ["info", "warning", "critical"]},
        "uuid": {"type": "string", "format": "uuid"},
        "detail": TEXT,
        "source": {"type": "object", "required": ["label"], "properties": {"label": TEXT}},
        "suggestions": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "object", "required": ["label", "uuid"]},
        },
        "selectionBehavior": {"enum": ["at-most-one", "any"]},
        "overrideReasons": {"type": "array", "minItems": 1, "items": CODING},
        "links": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "object", "required": ["label", "url", "type"]},
        },
    },
    "dependentRequired": {"suggestions": ["selectionBehavior"]},
    "additionalProperties": False,
}
CARDS = jsonschema_rs.validator_for(
    {
        "type": "object",
        "required": ["cards"],
        "properties": {"cards": {"type": "array", "items": CARD}},
        "additionalProperties": False,
    }
)
NO_SCORE = "Risk not calculated"


def examples(kind: str) -> list[Path]:
    return sorted(EXAMPLES.glob(f"{kind}_*.json"))


def empty_members(value):
    if isinstance(value, dict):
        parts = value.values()
    elif isinstance(value, list):
        parts = value
    else:
        return [value] if value in (None, "") else []
    here = [value] if len(value) == 0 else []
    return here + [one for part in parts for one in empty_members(part)]


def test_the_services_are_those_of_the_definitions(ehr):
    """CDS-1, CDS-2, CDS-5."""
    services = ehr.get("/cds-services").json()["services"]
    assert [(one["hook"], one["id"]) for one in services] == [
        ("patient-view", "made-up-sepsis"),
        ("order-sign", "made-up-sepsis"),
    ]
    assert not empty_members(services)
    first = services[0]
    assert first["description"].startswith("Not for clinical use")
    assert set(first["prefetch"]) == {"patient", "lactate_2524-7", "creatinine_2160-0"}
    assert first["prefetch"]["patient"] == "Patient/{{context.patientId}}"
    assert first["prefetch"][LACTATE] == (
        "Observation?patient={{context.patientId}}&code=http://loinc.org|2524-7"
        "&_sort=-date&_count=10"
    )


def test_a_good_request_gives_one_card_of_the_risk_that_was_recorded(service, ehr):
    """CDS-2, CDS-11, CDS-12."""
    response = ehr.post(PATH, json=hook_request())
    CARDS.validate(response.json())
    assert not empty_members(response.json())
    card = card_of(response)
    (row,) = read_predictions()
    assert (row.protocol, str(row.id), row.band) == ("cds-hooks", card["uuid"], "high")
    assert card["summary"].startswith(f"Made-up risk of sepsis: {100 * row.risk:.1f} %")
    assert "not for clinical use" in card["summary"]
    assert card["indicator"] == "critical"
    assert "Look at the patient" in card["detail"]
    assert "Lactate in blood 3.1 mmol/L contributed" in card["detail"]
    assert card["suggestions"][0]["label"] == "Look at the patient"
    assert card["overrideReasons"][0]["display"] == "Already treated"
    assert row.sources == ["Observation/o1/_history/2", "Observation/o2"]


def test_the_same_patient_has_the_same_risk_as_by_fhir(service, ehr):
    ehr.post(PATH, json=hook_request())
    ehr.post("/fhir/RiskAssessment/$predict", params={"model": NAME}, json=BUNDLE)
    hooks, fhir = read_predictions()
    assert {hooks.protocol, fhir.protocol} == {"cds-hooks", "fhir"}
    assert bytes(hooks.vector) == bytes(fhir.vector)
    assert (hooks.risk, hooks.patient) == (fhir.risk, fhir.patient)


def test_a_band_that_asks_for_no_card_gives_none_unless_something_is_missing(service, ehr):
    """CDS-10; a risk that lowers because a value is missing must say what is missing."""
    young = {**PATIENT, "birthDate": "2000-01-01"}
    calm = {**O1, "valueQuantity": {**O1["valueQuantity"], "value": 0.8}}
    well = {**O2, "valueQuantity": {**O2["valueQuantity"], "value": 70}}
    request = prefetched(
        patient=young,
        lactate={"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": calm}]},
        creatinine={"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": well}]},
    )
    # the ward has no code, so it is always missing here and named
    card = card_of(ehr.post(PATH, json=request))
    assert read_predictions()[0].band == "low"
    assert card["indicator"] == "info"
    assert "incomplete" in card["summary"]
    assert "Missing: Ward" in card["detail"]


def test_a_link_leads_to_the_prediction_in_the_console(serve, sqlite_db):
    settings = Settings(home=sqlite_db.home, console_url="https://console.example.org/")
    service = serve(settings)
    card = card_of(service.client(*SCOPES).post(PATH, json=hook_request()))
    (link,) = card["links"]
    assert link["type"] == "absolute"
    assert link["url"] == f"https://console.example.org/predictions/{card['uuid']}/"


def test_markdown_and_html_in_texts_are_shown_as_they_are():
    """CDS-12."""
    from serving.cds_hooks.cards import escape

    assert escape("a *b* <script>[x](y)\n# z") == r"a \*b\* \<script\>\[x\](y) \# z"


@pytest.mark.parametrize(
    ("request_", "status", "says"),
    [
        (hook_request(hook="encounter-discharge"), 400, "patient-view"),
        (hook_request(hook=None), 400, "hook"),
        (hook_request(hookInstance="1"), 400, "hookInstance"),
        (hook_request(hookInstance=None), 400, "hookInstance"),
        (hook_request(context=None), 400, "context"),
        (hook_request(context={"userId": "Practitioner/x"}), 400, "patientId"),
        (hook_request(context={"patientId": "p1"}), 400, "userId"),
        (hook_request(context={"userId": "Device/1", "patientId": "p1"}), 400, "userId"),
        (hook_request(context={"userId": "Patient/1", "patientId": "p1?x=1"}), 400, "patientId"),
        (hook_request(context={"userId": "Patient/1", "patientId": 7}), 400, "patientId"),
        (hook_request(hook="order-sign"), 400, "draftOrders"),
        (hook_request(prefetch=[]), 400, "prefetch"),
        (hook_request(extension="x"), 400, "extension"),
        ([], 400, "object"),
    ],
)
def test_what_is_no_request_of_this_service_is_refused_by_name(ehr, request_, status, says):
    """CDS-4, CDS-22."""
    response = ehr.post(PATH, json=request_)
    assert response.status_code == status
    (issue,) = response.json()["issue"]
    assert says in issue["details"]["text"]
    assert "cards" not in response.json()


def test_unknown_services_types_and_members(ehr):
    """CDS-4."""
    assert ehr.post("/cds-services/other", json=hook_request()).status_code == 404
    fhir = {"Content-Type": "application/fhir+json"}
    assert ehr.post(PATH, content=json.dumps(hook_request()), headers=fhir).status_code == 415
    headers = {"Content-Type": "application/json"}
    assert ehr.post(PATH, content="{", headers=headers).status_code == 400
    more = hook_request(extension={"org.example.x": {"y": 1}}, somethingElse=[1])
    assert card_of(ehr.post(PATH, json=more))


def test_order_sign_is_answered_as_patient_view_is(ehr):
    context = {
        "userId": "PractitionerRole/1",
        "patientId": "p1",
        "draftOrders": {"resourceType": "Bundle", "entry": []},
    }
    card = card_of(ehr.post(PATH, json=hook_request(hook="order-sign", context=context)))
    assert "Made-up risk" in card["summary"]


def test_null_is_missing_and_absent_is_not_known(ehr):
    """CDS-6."""
    card = card_of(ehr.post(PATH, json=prefetched(lactate=None)))
    assert "Missing: Lactate in blood" in card["detail"]
    response = ehr.post(PATH, json=prefetched(lactate=...))
    assert response.status_code == 412
    assert LACTATE in response.json()["issue"][0]["details"]["text"]
    assert ehr.post(PATH, json=hook_request(prefetch=None)).status_code == 412


FAILED = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "x"}]}


def answered(*entries):
    """A search's Bundle of these entries."""
    return {"resourceType": "Bundle", "type": "searchset", "entry": list(entries)}


@pytest.mark.parametrize(
    "value",
    [
        FAILED,
        {
            "resourceType": "Bundle",
            "type": "searchset",
            "entry": [
                {
                    "resource": {"resourceType": "OperationOutcome", "issue": []},
                    "search": {"mode": "outcome"},
                }
            ],
        },
        answered({"resource": O1, "response": {"status": "500"}}),
        answered({"resource": O1, "response": {"status": "200", "outcome": FAILED}}),
        answered({"response": {"status": "404 Not Found"}}),
        answered({"fullUrl": "https://ehr.example.org/fhir/Observation/o1"}),
        answered({"resource": None}),
        answered({"resource": searchset(O1)}),
        answered({"resource": searchset(FAILED)}),
        answered({"resource": {**FAILED, "resourceType": "OperationOutcome", "id": "é"}}),
        *(searchset(O1, type=kind) for kind in ("history", "batch-response", "batch", "", None)),
        {name: one for name, one in searchset(O1).items() if name != "type"},
        searchset(O1, link=[{"relation": "next"}]),
        searchset(O1, link=[{"relation": "next", "url": ""}]),
        {"resourceType": "Observation", "status": "final"},
        {},
        [],
        "no data",
    ],
)
def test_an_error_in_the_place_of_data_is_not_that_there_are_none(ehr, value):
    """CDS-7."""
    assert ehr.post(PATH, json=prefetched(lactate=value)).status_code == 412


@pytest.mark.parametrize(
    "value",
    [
        answered({"resource": O1, "response": {"status": "200 OK"}}),
        answered({"resource": O1, "response": None}),
        searchset(O1, type="collection"),
        searchset(O1, link=[{"relation": "self"}]),
        searchset(O1, {"resourceType": "OperationOutcome", "issue": [{"severity": "information"}]}),
    ],
)
def test_what_is_no_error_beside_data_leaves_them_as_they_are(ehr, value):
    assert "3.1 mmol/L" in card_of(ehr.post(PATH, json=prefetched(lactate=value)))["detail"]


def test_a_truncated_prefetch_is_unknown_unless_it_holds_the_latest_result(ehr):
    """CDS-8: five cancelled results can hide one final."""
    cancelled = {**O1, "id": "c", "status": "cancelled"}
    more = {"link": [{"relation": "next", "url": "https://ehr.example.org/fhir?page=2"}]}

    def page(*resources, **extra):
        entries = [{"resource": one} for one in resources]
        return {"resourceType": "Bundle", "type": "searchset", "entry": entries, **extra}

    post = lambda value: ehr.post(PATH, json=prefetched(lactate=value))  # noqa: E731
    assert post(page(cancelled, **more)).status_code == 412
    assert post(page(cancelled, total=5)).status_code == 412
    assert post(page(**more)).status_code == 412
    assert "3.1 mmol/L" in card_of(post(page(O1, **more)))["detail"]
    assert "3.1 mmol/L" in card_of(post(page(cancelled, O1, total=9)))["detail"]
    # beyond the look-back of one day there is nothing that could matter
    old = {**cancelled, "id": "d", "effectiveDateTime": "2026-02-20T08:00:00Z"}
    assert "Missing: Lactate" in card_of(post(page(cancelled, old, **more)))["detail"]
    # not newest first: the page may miss the latest
    older = {**O1, "id": "e", "effectiveDateTime": "2026-03-02T07:00:00Z"}
    assert post(page(older, O1, **more)).status_code == 412


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (prefetched(patient=None), "too little is known"),
        (prefetched(patient={**PATIENT, "birthDate": "2020-01-01"}), "18 years"),
        (prefetched(patient={**PATIENT, "deceasedBoolean": True}), "deceased"),
        (prefetched(patient={**PATIENT, "gender": "unknown"}), "Sex"),
        (prefetched(patient={**PATIENT, "id": "p2"}), "another patient"),
    ],
)
def test_without_a_risk_there_is_a_card_that_says_so(service, ehr, request_, says):
    """CDS-10."""
    from records.models import Refusal

    response = ehr.post(PATH, json=request_)
    CARDS.validate(response.json())
    card = card_of(response)
    assert NO_SCORE in card["summary"]
    assert card["indicator"] == "info"
    assert says in card["detail"]
    assert "This does not mean low risk" in card["detail"]
    assert "Do: look at the patient as you would without a model" in card["detail"]
    assert "suggestions" not in card
    assert Refusal.objects.get().protocol == "cds-hooks"
    assert not read_predictions()
    assert 'auscult_problems_total{operation="services.answer"' in ehr.get("/metrics").text


def test_a_suspended_model_says_so_on_its_card(service, ehr):
    from records.suspensions import suspend

    suspend(NAME, by="grace", because="wrong units", now=NOW)
    card = card_of(ehr.post(PATH, json=prefetched(lactate=...)))
    assert "suspended: wrong units" in card["detail"]


def test_a_definition_may_ask_for_the_error_status_instead(
    serve, sqlite_db, artefacts, monkeypatch
):
    from tests import factories

    changed = factories.DEFINITION.replace(
        'card_from = "high"', 'card_from = "high"\nno_score = "error"'
    )
    monkeypatch.setattr(factories, "DEFINITION", changed)
    service = serve(sqlite_db, make_artefact(artefacts / NAME))
    response = service.client(*SCOPES).post(PATH, json=prefetched(patient=None))
    assert response.status_code == 422
    assert response.json()["issue"][0]["code"] == "required"


def test_a_silent_model_shows_nothing_and_records(serve, sqlite_db, artefacts):
    service = serve(sqlite_db, make_artefact(artefacts / NAME, status="silent"))
    client = service.client(*SCOPES)
    assert client.post(PATH, json=hook_request()).json() == {"cards": []}
    (row,) = read_predictions()
    assert not row.shown
    assert client.post(PATH, json=prefetched(patient=None)).status_code == 422


def test_two_models_may_not_call_their_service_the_same(serve, sqlite_db, model):
    from dataclasses import replace

    from models.errors import SettingsError
    from serving.answer_form import AnswerForm
    from serving.cds_hooks.services import Services
    from serving.contract import Contract
    from serving.outbound import Outbound
    from serving.premises import Served

    one = Served(model, Contract(model.definition), AnswerForm(model))
    other = Served(replace(model, version="2"), one.contract, one.form)
    with pytest.raises(SettingsError, match="made-up-sepsis"):
        Services({"a": one, "b": other}, Outbound(sqlite_db))


def test_two_models_on_one_hook_each_answer_as_themselves(
    serve, sqlite_db, model, artefacts, monkeypatch
):
    from tests import factories

    changed = factories.DEFINITION.replace(NAME, "other_sepsis")
    changed = changed.replace("made-up-sepsis", "other-sepsis").replace(
        "Made-up risk", "Other risk"
    )
    monkeypatch.setattr(factories, "DEFINITION", changed)
    other = make_artefact(artefacts / "other_sepsis", trees=3)
    client = serve(sqlite_db, model, other).client(*SCOPES)
    listed = client.get("/cds-services").json()["services"]
    assert [one["id"] for one in listed if one["hook"] == "patient-view"] == [
        "made-up-sepsis",
        "other-sepsis",
    ]
    summaries = [
        card_of(client.post(f"/cds-services/{one}", json=hook_request()))["summary"]
        for one in ("made-up-sepsis", "other-sepsis")
    ]
    assert summaries[0].startswith("Made-up risk")
    assert summaries[1].startswith("Other risk")
    assert {row.model for row in read_predictions()} == {NAME, "other_sepsis"}


def test_no_other_origin_may_call_but_those_that_are_listed(serve, sqlite_db, service, ehr):
    """CDS-21."""
    origin = "https://ehr.example.org"
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    assert ehr.options(PATH, headers=asked).status_code == 405
    assert "access-control-allow-origin" not in ehr.get("/cds-services", headers=asked).headers
    listed = serve(Settings(home=sqlite_db.home, cors_origins=(origin,)))
    client = listed.client(*SCOPES)
    answer = client.options(PATH, headers=asked)
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-methods"] == "GET, POST, OPTIONS"
    assert answer.headers["access-control-allow-headers"] == "Authorization, Content-Type"
    assert "access-control-allow-credentials" not in answer.headers
    response = client.post(PATH, json=hook_request(), headers={"Origin": origin})
    assert response.headers["access-control-allow-origin"] == origin
    for other in ("https://ehr.example.org.evil", "null"):
        refused = client.get("/cds-services", headers={"Origin": other})
        assert "access-control-allow-origin" not in refused.headers
    with pytest.raises(ValueError, match="no origin"):
        Settings(cors_origins=("*",))


def send_feedback(client, card, outcome="overridden", **more):
    item = {"card": card, "outcome": outcome, "outcomeTimestamp": "2026-03-02T10:15:00Z", **more}
    return client.post(f"{PATH}/feedback", json={"feedback": [item]})


def test_feedback_is_kept_every_time_without_the_comments_text(service, ehr):
    """CDS-13, CDS-14."""
    from records.models import Feedback

    card = card_of(ehr.post(PATH, json=hook_request()))
    reason = {"reason": {"system": "https://example.org/override", "code": "treated"}}
    overridden = {**reason, "userComment": "Mr Miller is on antibiotics"}
    assert send_feedback(ehr, card["uuid"], overrideReason=overridden).status_code == 200
    taken = [{"id": card["suggestions"][0]["uuid"]}]
    assert send_feedback(ehr, card["uuid"], "accepted", acceptedSuggestions=taken).is_success
    first, second = Feedback.objects.order_by("id")
    assert (first.outcome, first.reason_code, first.has_comment) == ("overridden", "treated", True)
    assert (second.outcome, second.has_comment) == ("accepted", False)
    assert first.prediction_id == second.prediction_id == UUID(card["uuid"])
    assert first.model == NAME
    assert "Miller" not in str(vars(first))


def test_feedback_on_the_card_of_no_score_is_kept(service, ehr):
    from records.models import Feedback

    card = card_of(ehr.post(PATH, json=prefetched(patient=None)))
    assert send_feedback(ehr, card["uuid"]).status_code == 200
    row = Feedback.objects.get()
    assert (row.prediction_id, row.model) == (None, NAME)


def test_good_reports_are_kept_beside_one_that_can_not_be(service, ehr):
    """CDS-13, CDS-14: a report that is lost is a lost override."""
    from records.models import Feedback

    good = {
        "card": card_of(ehr.post(PATH, json=hook_request()))["uuid"],
        "outcome": "overridden",
        "outcomeTimestamp": "2026-03-02T10:15:00Z",
        "acceptedSuggestions": None,
    }
    for bad, status, field in (
        ({**good, "card": str(uuid4())}, 404, "feedback[1]"),
        ({**good, "outcome": "accepted"}, 400, "feedback[1].acceptedSuggestions"),
        ({**good, "outcomeTimestamp": "2027-01-01T00:00:00Z"}, 400, "feedback[1]"),
        ({**good, "outcomeTimestamp": "2026-03-02T10:15:00"}, 400, "feedback[1].outcomeTimestamp"),
        ({**good, "outcome": "ignored"}, 400, "feedback[1].outcome"),
        ({**good, "card": 7}, 400, "feedback[1].card"),
        ({"card": good["card"]}, 400, "feedback[1].outcome"),
        ("accepted", 400, "feedback[1]"),
        (None, 400, "feedback[1]"),
    ):
        Feedback.objects.all().delete()
        answer = ehr.post(f"{PATH}/feedback", json={"feedback": [good, bad, good]})
        assert answer.status_code == status, answer.text
        words = answer.json()["issue"][0]["details"]["text"]
        assert "2 of 3 reports were kept" in words
        assert field in answer.text
        assert Feedback.objects.count() == 2


def test_feedback_is_refused_where_it_is_not_whole_or_not_of_this_client(service, ehr):
    """CDS-13, CDS-22, API-1."""
    card = card_of(ehr.post(PATH, json=hook_request()))["uuid"]
    assert send_feedback(ehr, card, extension="x").status_code == 400
    assert send_feedback(ehr, card, extension={"org.example.x": {}}).status_code == 200
    assert send_feedback(ehr, card, "accepted").status_code == 400
    assert send_feedback(ehr, card, "ignored").status_code == 400
    assert send_feedback(ehr, card, outcomeTimestamp="2026-03-02T10:15:00").status_code == 400
    assert send_feedback(ehr, card, outcomeTimestamp="2027-01-01T00:00:00Z").status_code == 422
    assert send_feedback(ehr, str(uuid4())).status_code == 404
    assert send_feedback(service.client(*SCOPES), card).status_code == 404
    assert ehr.post(f"{PATH}/feedback", json={"feedback": []}).status_code == 400
    assert send_feedback(service.client("predict"), card).status_code == 403


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="AUSCULT_DATA_DIR has no CDS Hooks examples")
def test_the_documentations_requests_are_answered_by_name_and_never_by_a_risk(ehr):
    paths = examples("request")
    assert paths
    for path in paths:
        response = ehr.post(
            PATH, content=path.read_bytes(), headers={"Content-Type": "application/json"}
        )
        # another hook, no patient, or a prefetch that isn't this service's
        assert response.status_code in (400, 412), path.name
        assert response.json()["resourceType"] == "OperationOutcome"


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="AUSCULT_DATA_DIR has no CDS Hooks examples")
def test_the_documentations_feedback_is_read_and_its_cards_are_unknown(ehr):
    for path in examples("feedback"):
        response = ehr.post(
            f"{PATH}/feedback",
            content=path.read_bytes(),
            headers={"Content-Type": "application/json"},
        )
        # an accepted suggestion names one of ours, and the documentation's is none
        assert response.status_code in (400, 404), path.name


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="AUSCULT_DATA_DIR has no CDS Hooks examples")
def test_the_documentations_discovery_has_the_members_that_ours_has(ehr):
    ours = ehr.get("/cds-services").json()["services"][0]
    theirs = [
        one
        for path in examples("discovery")
        for one in json.loads(path.read_text()).get("services", [])
    ]
    assert theirs
    assert set(ours) <= {key for one in theirs for key in one} | {"usageRequirements"}
