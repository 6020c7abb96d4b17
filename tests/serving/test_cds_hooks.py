"""CDS Hooks over real HTTP: discovery, requests, cards and what stands in for a missing card."""

import json
import os
import sqlite3
import time
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import jsonschema_rs
import pytest

from records.clients import SCOPES
from records.settings import Settings
from tests.factories import BUNDLE, DEFINITION, NAME, NOW, make_artefact
from tests.serving.conftest import read_predictions
from tests.serving.hooks import (
    CREATININE,
    LACTATE,
    O1,
    O2,
    PATH,
    PATIENT,
    SERVICE,
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


@pytest.mark.parametrize("title", ["Sepsis", "Sepsis within 1 day"])
def test_a_card_says_the_horizon_once_whatever_the_outcome_is_called(
    title, serve, sqlite_db, artefacts
):
    text = DEFINITION.replace('title = "Sepsis"', f'title = "{title}"')
    service = serve(sqlite_db, make_artefact(artefacts / NAME, definition_text=text))
    card = card_of(service.client(*SCOPES).post(PATH, json=hook_request()))
    assert "for Sepsis within 1 day: Look at the patient" in card["detail"]


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


def test_a_card_names_what_contributed_most_whichever_scopes_its_client_has(service):
    """All contributions, on JSON and FHIR, need the scope `explain`."""
    client = service.client("predict")
    assert (
        "Lactate in blood 3.1 mmol/L contributed"
        in card_of(client.post(PATH, json=hook_request()))["detail"]
    )
    by_fhir = client.post("/fhir/RiskAssessment/$predict", params={"model": NAME}, json=BUNDLE)
    assert "contributed" not in by_fhir.text


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


@pytest.mark.parametrize(
    ("status", "url", "times"),
    [
        ("demonstration", None, 1),
        ("demonstration", "https://console.example.org", 0),
        ("silent", None, 0),
    ],
)
def test_that_cards_have_no_links_is_logged_once_at_the_start(
    serve, sqlite_db, artefacts, status, url, times
):
    settings = Settings(home=sqlite_db.home, console_url=url)
    service = serve(settings, make_artefact(artefacts / NAME, status=status))
    client = service.client(*SCOPES)
    for _ in range(2):
        assert "links" not in client.post(PATH, json=hook_request()).text or url
    lines = [json.loads(line) for line in service.log.getvalue().splitlines()]
    said = [one["reason"] for one in lines if one["event"] == "cards have no links"]
    assert said == ["AUSCULT_CONSOLE_URL is not set"] * times


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


SUPPRESSED = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "information", "code": "suppressed"}],
}


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
        searchset(O1, SUPPRESSED),
        answered({"resource": O1, "response": {"status": "200", "outcome": SUPPRESSED}}),
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


def meta_of(label):
    system = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
    return {"lastUpdated": "2026-03-02T10:00:00Z", "security": [{"system": system, "code": label}]}


@pytest.mark.parametrize("found", [(O1,), ()])
@pytest.mark.parametrize("kind", ["searchset", "collection"])
@pytest.mark.parametrize("more", [{}, {"language": "en", "total": ...}, {"total": ...}])
def test_a_search_that_is_labelled_as_withheld_is_neither_missing_nor_used(ehr, found, kind, more):
    """FHIR-16."""
    value = searchset(*found, type=kind, meta=meta_of("MASKED"), **more)
    if more.get("total") is ...:
        value["total"] = len(found)
    card = card_of(ehr.post(PATH, json=prefetched(lactate=value)))
    assert "Risk not calculated" in card["summary"]
    said = card["detail"].replace("\\", "")
    assert f"prefetch.{LACTATE} is labelled as withheld for privacy" in said


def test_what_searches_are_labelled_as_is_flagged_once_and_other_labels_say_nothing(ehr):
    """FHIR-16."""
    for label, words in (
        ("HTEST", "The data are labelled as test data"),
        ("SUBSETTED", "The data are labelled as a part of what there is"),
        ("REDACTED", "The data are labelled as altered before they were sent"),
    ):
        lactate, creatinine = (searchset(one, meta=meta_of(label)) for one in (O1, O2))
        request = prefetched(lactate=lactate, creatinine=creatinine)
        assert card_of(ehr.post(PATH, json=request))["detail"].count(words) == 1
    plain = card_of(ehr.post(PATH, json=hook_request()))["detail"]
    same = prefetched(lactate=searchset(O1, total=1, meta=meta_of("N")))
    assert card_of(ehr.post(PATH, json=same))["detail"] == plain


def test_labels_of_a_search_that_are_none_are_refused_under_its_key(ehr):
    value = searchset(O1, meta={"tag": ["HTEST"]})
    card = card_of(ehr.post(PATH, json=prefetched(lactate=value)))
    said = card["detail"].replace("\\", "")
    assert f"prefetch.{LACTATE}.meta has a security or tag that is no list of codings" in said


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


CANCELLED = [
    {**O1, "id": f"c{i}", "status": "cancelled", "effectiveDateTime": f"2026-03-02T08:{59 - i}:00Z"}
    for i in range(10)
]
PAGE = "https://ehr.example.org/fhir/Observation?page="


@pytest.mark.parametrize("kind", ["searchset", "collection"])
def test_a_page_as_full_as_was_asked_for_is_unknown_where_nothing_says_that_it_is_all(ehr, kind):
    """CDS-8: an EHR may hand on neither the total nor the links of what its server found."""

    def answer(*found, **more):
        return ehr.post(PATH, json=prefetched(lactate=searchset(*found, type=kind, **more)))

    for link in ([], [{"relation": "self"}], [{"relation": "first", "url": f"{PAGE}1"}]):
        refused = answer(*CANCELLED, link=link)
        assert refused.status_code == 412
        assert "as many results as were asked for" in refused.text
    several = [
        {"relation": "self", "url": f"{PAGE}1"},
        {"relation": "last", "url": f"{PAGE}2"},
    ]
    assert answer(*CANCELLED, link=several).status_code == 412
    assert answer(*CANCELLED, {**O1, "id": "c10", "status": "cancelled"}).status_code == 412
    # what tells otherwise: a total, the page's own link without a next one, a page that isn't full
    for more in ({"total": 10}, {"link": several[:1]}, {"link": several[1:]}):
        assert "Missing: Lactate" in card_of(answer(*CANCELLED, **more))["detail"]
    assert "Missing: Lactate" in card_of(answer(*CANCELLED[1:]))["detail"]
    # the newest that may be used is the latest, whatever else there is
    assert "3.1 mmol/L" in card_of(answer(*CANCELLED[1:], O1))["detail"]
    # matches are counted, not what is included beside them
    included = searchset(*CANCELLED[1:])
    included["entry"].append({"resource": CANCELLED[0], "search": {"mode": "include"}})
    assert card_of(ehr.post(PATH, json=prefetched(lactate=included)))


@pytest.mark.parametrize("reduce", ["maximum", "mean"])
def test_a_full_page_of_what_is_taken_together_is_unknown_unless_it_ends_before_the_look_back(
    serve, sqlite_db, artefacts, reduce
):
    """CDS-8: the hundred newest may lack the highest, and are no mean of all."""
    wanted = f'name = "creatinine"\nreduce = "{reduce}"'
    text = DEFINITION.replace('name = "creatinine"', wanted)
    model = make_artefact(artefacts / NAME, definition_text=text)
    client = serve(sqlite_db, model).client(*SCOPES)

    def results(count):
        times = [NOW - timedelta(minutes=5 + i) for i in range(count)]
        return [
            {**O2, "id": f"r{i}", "effectiveDateTime": time.isoformat()}
            for i, time in enumerate(times)
        ]

    def answer(*found, **more):
        return client.post(PATH, json=prefetched(creatinine=searchset(*found, **more)))

    assert answer(*results(100)).status_code == 412
    card_of(answer(*results(100), total=100))
    card_of(answer(*results(99)))
    older = {**O2, "id": "r100", "effectiveDateTime": (NOW - timedelta(days=8)).isoformat()}
    card_of(answer(*results(99), older))


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


NAMELESS = {name: one for name, one in PATIENT.items() if name != "id"}
FOREIGN = {**O1, "subject": {"reference": "Patient/p2"}}


@pytest.mark.parametrize(
    ("request_", "field", "says"),
    [
        (prefetched(patient=NAMELESS), "prefetch.patient.id", "has no id"),
        (
            prefetched(lactate=searchset(O1, FOREIGN)),
            f"prefetch.{LACTATE}.entry[1].resource.subject",
            "is of another patient than context.patientId",
        ),
        (
            prefetched(creatinine=searchset({**O2, "status": 7})),
            f"prefetch.{CREATININE}.entry[0].resource",
            "can't be read as Observation",
        ),
    ],
)
def test_a_refusal_names_the_prefetch_key_and_no_bundle_that_nobody_sent(
    service, ehr, request_, field, says
):
    """FHIR-10."""
    from records.models import Refusal

    detail = card_of(ehr.post(PATH, json=request_))["detail"].replace("\\", "")
    assert f"{field.removesuffix('.id')} {says}" in detail
    assert "Bundle" not in detail
    assert Refusal.objects.get().field == field


def test_a_card_without_a_risk_comes_by_the_deadline_though_nothing_can_be_recorded(
    serve, sqlite_db
):
    """CDS-10: what was waited for in vain isn't waited for a second time."""
    from records.models import AuditEvent

    service = serve(Settings(home=sqlite_db.home, request_timeout_s=1.0))
    client = service.client(*SCOPES)
    client.get("/v1/models")
    with sqlite3.connect(service.settings.root / "records.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        for request in (hook_request(), prefetched(patient=None)):
            started = time.monotonic()
            card = card_of(client.post(PATH, json=request))
            assert time.monotonic() - started < 1.7
            assert NO_SCORE in card["summary"]
        other.execute("ROLLBACK")
    # that it was shown is recorded all the same, as soon as it can be, and feedback finds it
    end = time.monotonic() + 10
    while not AuditEvent.objects.filter(id=card["uuid"]).exists() and time.monotonic() < end:
        time.sleep(0.05)
    report = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": NOW.isoformat()}
    assert client.post(f"{PATH}/feedback", json={"feedback": [report]}).status_code == 200


def test_a_risk_that_rests_on_a_preliminary_or_repeated_result_says_so_in_every_protocol(
    serve, sqlite_db, artefacts
):
    """FHIR-4: the definition takes preliminary values, and a newer one wins over a final one."""
    wanted = 'name = "creatinine"\naccept_preliminary = true\nreduce = "mean"'
    text = DEFINITION.replace('name = "creatinine"', wanted)
    text = text.replace('name = "lactate"', 'name = "lactate"\naccept_preliminary = true')
    model = make_artefact(artefacts / NAME, definition_text=text)
    client = serve(sqlite_db, model).client(*SCOPES)
    at = {"effectiveDateTime": "2026-03-02T09:00:00Z"}
    newer = {**O1, "id": "o9", "status": "preliminary", **at}
    again = {**O2, "id": "o8"}
    request = prefetched(lactate=searchset(newer, O1), creatinine=searchset(O2, again))
    said = (
        "Lactate in blood: its value is preliminary and may still change",
        "Creatinine in serum: 1 of its 2 values is the same as another of the same time",
    )
    detail = card_of(client.post(PATH, json=request))["detail"]
    bundle = {**BUNDLE, "entry": [*BUNDLE["entry"], {"resource": newer}, {"resource": again}]}
    fhir = client.post("/fhir/RiskAssessment/$predict", params={"model": NAME}, json=bundle)
    notes = [one["text"] for one in fhir.json()["note"]]
    measured = {"value": 1.4, "time": "2026-03-02T08:00:00Z"}
    values = {"age": 71, "sex": "female", "creatinine": [measured, measured]}
    answer = client.post(f"/v1/models/{NAME}/predict", json={"values": values}).json()
    for words in said:
        assert f"Flagged: {words}" in detail
        assert any(one.startswith(f"Flagged: {words}") for one in notes)
    assert "repeated" in [one["reason"] for one in answer["findings"]]
    reasons = [{one["reason"] for one in row.findings} for row in read_predictions()]
    assert all({"preliminary_used", "repeated"} <= one for one in reasons[:2])


def test_a_result_is_known_by_the_server_that_the_request_names(ehr):
    """So that a correction on another server isn't one of it; CDS-9 keeps only the name."""
    from records.corrections import count_uses

    elsewhere = {"resource": O2, "fullUrl": "https://lab.example.org/fhir/Observation/o2"}
    page = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": O1}]}
    request = prefetched(lactate=page, creatinine={**page, "entry": [elsewhere]})
    request["fhirServer"] = "https://ehr.example.org/fhir/"
    relative = {**O2, "subject": {"reference": "https://ehr.example.org/fhir/Patient/p1"}}
    elsewhere["resource"] = relative
    request["prefetch"][CREATININE] = {**page, "entry": [elsewhere]}
    card_of(ehr.post(PATH, json=request))
    (row,) = read_predictions()
    assert row.sources == [
        "https://ehr.example.org/fhir/Observation/o1/_history/2",
        "https://lab.example.org/fhir/Observation/o2",
    ]
    named = "https://ehr.example.org/fhir/Observation/o1"
    foreign = "https://other.example.org/fhir/Observation/o1"
    uses = count_uses(NAME, [named, foreign, "Observation/o1"], lambda: True)
    found = {name: (use.predictions, use.by_id_only) for name, use in uses.items()}
    assert found == {named: (1, 0), foreign: (0, 0), "Observation/o1": (1, 1)}


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


def test_feedback_on_another_service_s_card_is_not_found(serve, sqlite_db, model, artefacts):
    from records.models import Feedback

    text = DEFINITION.replace(NAME, "another_model").replace(SERVICE, "another-service")
    other = make_artefact(artefacts / "another_model", definition_text=text)
    client = serve(sqlite_db, model, other).client(*SCOPES)
    risk = card_of(client.post(PATH, json=hook_request()))
    none = card_of(client.post(PATH, json=prefetched(patient=None)))
    for card in (risk, none):
        item = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": NOW.isoformat()}
        wrong = client.post("/cds-services/another-service/feedback", json={"feedback": [item]})
        assert wrong.status_code == 404
        assert "of this service" in wrong.text
        assert not Feedback.objects.filter(card=card["uuid"]).exists()
        assert client.post(f"{PATH}/feedback", json={"feedback": [item]}).status_code == 200


def test_feedback_that_is_as_early_or_late_as_clocks_differ_is_kept(ehr):
    card = card_of(ehr.post(PATH, json=hook_request()))["uuid"]
    for at in ("2026-03-02T10:14:00Z", "2026-03-02T10:16:00Z"):
        assert send_feedback(ehr, card, outcomeTimestamp=at).status_code == 200


def test_feedback_before_the_card_of_no_score_is_refused_and_named(ehr):
    card = card_of(ehr.post(PATH, json=prefetched(patient=None)))["uuid"]
    answer = send_feedback(ehr, card, outcomeTimestamp="2026-03-02T10:00:00Z")
    assert answer.status_code == 400
    (issue,) = answer.json()["issue"]
    assert issue["diagnostics"] == "feedback[0].outcomeTimestamp: before_prediction"
    assert "is before the prediction" in issue["details"]["text"]


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ({"system": "https://example.org/override", "code": "treated"}, "offered"),
        ({"code": "treated"}, "offered"),
        ({"system": "https://another.example.org", "code": "treated"}, "other"),
        ({"system": "https://example.org/override", "code": "x" * 70}, "other"),
        ({"system": "https://example.org/override"}, "other"),
        (None, "none"),
    ],
)
def test_a_reason_that_the_card_did_not_offer_is_kept_and_counted_as_such(ehr, reason, told):
    """CDS-13: the reason is one of the card's list, if the clinician picked one of these."""
    from records.models import Feedback

    card = card_of(ehr.post(PATH, json=hook_request()))["uuid"]
    more = {"overrideReason": {"reason": reason}} if reason else {}
    assert send_feedback(ehr, card, **more).json() == {}
    row = Feedback.objects.get()
    assert row.reason_code == (reason or {}).get("code", "")[:64]
    assert row.reason_system == (reason or {}).get("system", "")
    labels = f'model="{NAME}",outcome="overridden",protocol="cds-hooks",reason="{told}"'
    assert f"auscult_feedback_total{{{labels}}} 1.0" in ehr.get("/metrics").text


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
        (
            {**good, "outcomeTimestamp": "2026-03-02T10:16:01Z"},
            400,
            "feedback[1].outcomeTimestamp: in_the_future",
        ),
        (
            {**good, "outcomeTimestamp": "2026-03-02T10:13:59Z"},
            400,
            "feedback[1].outcomeTimestamp: before_prediction",
        ),
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
    assert send_feedback(ehr, card, outcomeTimestamp="2027-01-01T00:00:00Z").status_code == 400
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
