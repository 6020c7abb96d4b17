"""Signed tokens over real HTTP: CDS Hooks clients' and access tokens, and every way to fail."""

import json
import time
from base64 import b64decode
from datetime import timedelta

import pytest
from joserfc.jwk import OctKey, RSAKey

from models.errors import SettingsError
from records.settings import Settings
from records.writer import Writer
from serving.outbound import Outbound
from serving.tokens.gate import make_gate
from serving.tokens.issuers import read_issuers
from serving.tokens.smart_scopes import granted
from tests.factories import BUNDLE, NAME, NOW, VALUES
from tests.serving.conftest import Nobody, read_predictions
from tests.serving.hooks import PATH, hook_request
from tests.serving.issuer import (
    PUBLIC,
    access_claims,
    cds_claims,
    ec_key,
    key_server,
    seconds,
    sign,
)

PREDICT = "/fhir/RiskAssessment/$predict"
ISSUERS = """
[[issuer]]
iss = "https://ehr.example.org"
kind = "cds-client"
jwks_url = "{url}"
[[issuer.client]]
id = "https://ehr.example.org"
name = "ehr-west"
scopes = ["predict", "feedback"]

[[issuer]]
iss = "https://login.example.org"
kind = "access-token"
typ = "at+jwt"
jwks_file = "{file}"
audience = ["{public}/fhir"]
[[issuer.client]]
id = "ward-app"
name = "ward-app"
scopes = ["predict", "read", "explain"]
"""


@pytest.fixture
def keys(tmp_path):
    with key_server(tmp_path) as server:
        server.keys.append(ec_key("1"))
        yield server


@pytest.fixture
def access_key(tmp_path):
    key = RSAKey.generate_key(2048, {"kid": "rsa"})
    whole = {"keys": [key.as_dict(private=False)]}
    (tmp_path / "jwks.json").write_text(json.dumps(whole))
    return key


@pytest.fixture
def service(serve, sqlite_db, keys, access_key, tmp_path):
    file = tmp_path / "issuers.toml"
    text = ISSUERS.format(url=keys.url, file=tmp_path / "jwks.json", public=PUBLIC)
    file.write_text(text)
    settings = Settings(
        home=sqlite_db.home,
        issuers_file=file,
        public_url=PUBLIC,
        outbound_private_hosts=(keys.host,),
        outbound_ca_file=keys.ca_file,
    )
    return serve(settings)


def calling(service, token):
    return service.caller({"Authorization": f"Bearer {token}"})


def discover(service, token):
    return calling(service, token).get("/cds-services")


def reasons():
    """The audited reasons, once as many as wanted are on disk."""
    from records.models import AuditEvent

    return [one.details["reason"] for one in AuditEvent.objects.filter(action="token.refuse")]


def test_a_cds_client_is_known_by_its_signed_token(service, keys):
    """CDS-15, CDS-17."""
    key = keys.keys[0]
    assert discover(service, sign(key, cds_claims("/cds-services"))).status_code == 200
    token = sign(key, cds_claims(PATH, aud=["https://other.example.org", PUBLIC + PATH]))
    response = calling(service, token).post(PATH, json=hook_request())
    card = response.json()["cards"][0]["uuid"]
    (row,) = read_predictions()
    assert (row.client, row.is_test) == ("ehr-west", False)
    item = {"card": card, "outcome": "overridden", "outcomeTimestamp": NOW.isoformat()}
    for path in (f"{PATH}/feedback", PATH):
        told = calling(service, sign(key, cds_claims(path)))
        assert told.post(f"{PATH}/feedback", json={"feedback": [item]}).status_code == 200


def test_api_keys_go_on_beside_tokens(service):
    assert service.client("predict").get("/cds-services").status_code == 200


def changed_claims(**changed):
    return lambda key: sign(key, cds_claims("/cds-services", **changed))


def changed_header(**changed):
    return lambda key: sign(key, cds_claims("/cds-services"), **changed)


def unsigned(key):
    head, body, _ = sign(key, cds_claims("/cds-services")).split(".")
    none = "eyJhbGciOiJub25lIiwia2lkIjoiMSIsInR5cCI6IkpXVCJ9"
    assert head != none
    return f"{none}.{body}."


def by_hmac(key):
    public = OctKey.import_key(json.dumps(key.as_dict(private=False)), {"kid": "1"})
    return sign(public, cds_claims("/cds-services"), alg="HS256")


def tampered(key):
    head, _, signature = sign(key, cds_claims("/cds-services")).split(".")
    _, body, _ = sign(key, cds_claims("/cds-services", tenant="x")).split(".")
    return f"{head}.{body}.{signature}"


REFUSED = {
    "no token": (lambda _: "x.y", "no signed token"),
    "alg none": (unsigned, "algorithm"),
    "hmac with the public key": (by_hmac, "algorithm"),
    "another key": (lambda _: sign(ec_key("1"), cds_claims("/cds-services")), "signature"),
    "claims changed": (tampered, "signature"),
    "unknown kid": (lambda _: sign(ec_key("2"), cds_claims("/cds-services")), "one key"),
    "no kid": (changed_header(kid=None), "lack a member"),
    "no typ": (changed_header(typ=None), "lack a member"),
    "wrong typ": (changed_header(typ="at+jwt"), "type"),
    "crit": (changed_header(crit=["b64"], b64=True), "critical"),
    "jku": (changed_header(jku="https://evil.example.org/jwks.json"), "jku"),
    "unknown issuer": (changed_claims(iss="https://other.example.org"), "issuer"),
    "another audience": (changed_claims(aud=f"{PUBLIC}/fhir"), "audience"),
    "host header's audience": (changed_claims(aud="http://127.0.0.1/cds-services"), "audience"),
    "expired": (changed_claims(exp=seconds(minutes=-2), iat=seconds(minutes=-9)), "expired"),
    "not yet issued": (changed_claims(iat=seconds(minutes=2)), "future"),
    "not yet valid": (changed_claims(nbf=seconds(minutes=2)), "valid yet"),
    "valid too long": (changed_claims(exp=seconds(minutes=20)), "longer"),
    "no jti": (changed_claims(jti=None), "lack a member"),
    "no exp": (changed_claims(exp=None), "lack a member"),
    "no iat": (changed_claims(iat=None), "lack a member"),
    "no aud": (changed_claims(aud=None), "lack a member"),
}


def test_every_fault_of_a_token_is_a_bare_401_and_its_reason_is_audited(service, keys):
    """CDS-15 to CDS-18, CDS-20, AUTH-3, AUTH-5."""
    answers = []
    for index, (name, (make, _)) in enumerate(REFUSED.items()):
        service.now = NOW + timedelta(seconds=index / 5)  # no more than are audited in a second
        response = discover(service, make(keys.keys[0]))
        assert response.status_code == 401, name
        assert response.headers["www-authenticate"] == "Bearer"
        answers.append(response.text)
    assert len(set(answers)) == 1
    deadline = time.monotonic() + 5
    while len(reasons()) < len(REFUSED) and time.monotonic() < deadline:
        time.sleep(0.02)
    audited = " ".join(reasons())
    for name, (_, reason) in REFUSED.items():
        assert reason in audited, name


def test_a_jti_is_taken_once_on_every_worker(service, serve, keys):
    """CDS-19."""
    other = serve(service.settings)
    token = sign(keys.keys[0], cds_claims("/cds-services"))
    assert discover(service, token).status_code == 200
    assert discover(service, token).status_code == 401
    assert discover(other, token).status_code == 401


def test_keys_are_fetched_once_and_again_for_an_unknown_id_after_a_while(service, keys):
    """AUTH-6."""

    def ask(key, **later):
        claims = cds_claims("/cds-services", iat=seconds(**later), exp=seconds(minutes=5, **later))
        service.now = NOW + timedelta(**later)
        return discover(service, sign(key, claims)).status_code

    assert ask(keys.keys[0]) == ask(keys.keys[0]) == 200
    assert keys.asked == 1
    keys.keys.append(ec_key("2"))
    assert ask(keys.keys[1]) == 401
    assert keys.asked == 1
    assert ask(keys.keys[1], seconds=31) == 200
    assert keys.asked == 2
    keys.broken = True
    assert ask(keys.keys[0], seconds=120) == 200
    assert keys.asked == 3


def test_a_key_server_that_can_not_prove_who_it_is_is_not_believed(serve, service, keys):
    """AUTH-1, API-10."""
    without_ca = service.settings.model_copy(update={"outbound_ca_file": None})
    other = serve(without_ca)
    assert discover(other, sign(keys.keys[0], cds_claims("/cds-services"))).status_code == 401
    assert keys.asked == 0


def test_a_cds_clients_token_opens_nothing_else(service, keys):
    token = sign(keys.keys[0], cds_claims("/v1/models"))
    assert calling(service, token).get("/v1/models").status_code == 401


def send_bundle(service, token):
    return calling(service, token).post(PREDICT, params={"model": NAME}, json=BUNDLE)


def token_for(key, scope, **changed):
    return sign(key, access_claims(scope, **changed), alg="RS384", typ="at+jwt")


def test_an_access_token_grants_what_its_scopes_say(service, access_key):
    """AUTH-5, AUTH-7."""
    answered = send_bundle(service, token_for(access_key, "system/RiskAssessment.c"))
    assert answered.status_code == 200
    assert "extension" not in answered.json()
    explained = token_for(access_key, f"user/RiskAssessment.crs {PUBLIC}/scope/explain")
    assert "extension" in send_bundle(service, explained).json()
    assert calling(service, explained).get("/v1/models").status_code == 200
    for scope in ("system/RiskAssessment.r", "system/Observation.c", "", "openid"):
        response = send_bundle(service, token_for(access_key, scope))
        assert response.status_code == 403
        assert "insufficient_scope" in response.headers["www-authenticate"]
    # the client isn't registered for feedback, whatever the token says
    assert (
        calling(service, token_for(access_key, f"{PUBLIC}/scope/feedback"))
        .post(f"{PATH}/feedback", json={})
        .status_code
        == 403
    )


def test_a_wrong_access_token_is_told_so(service, access_key):
    """AUTH-7."""
    for changed in (
        {"client_id": "other"},
        {"client_id": None},
        {"aud": PUBLIC},
        {"iss": "https://ehr.example.org"},
    ):
        response = send_bundle(service, token_for(access_key, "system/*.cruds", **changed))
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    small = RSAKey.generate_key(2048, {"kid": "rsa"})
    assert send_bundle(service, token_for(small, "system/*.cruds")).status_code == 401


def test_a_patients_token_is_for_that_patient_only(service, access_key):
    """AUTH-7."""
    scope = "patient/RiskAssessment.c launch/patient"
    assert send_bundle(service, token_for(access_key, scope, patient="p1")).status_code == 200
    for patient in ("p2", None):
        token = token_for(access_key, scope, patient=patient)
        assert send_bundle(service, token).status_code == 403
    token = token_for(access_key, scope, patient="p1")
    values = calling(service, token).post(f"/v1/models/{NAME}/predict", json={"values": VALUES})
    assert values.status_code == 403


@pytest.mark.parametrize("beside", ["patient/RiskAssessment.c", "patient/Observation.rs"])
def test_a_scope_for_all_patients_widens_no_patients_token(service, access_key, beside):
    """AUTH-7."""
    scope = f"{beside} system/RiskAssessment.crs user/*.crs {PUBLIC}/scope/explain"
    for patient, status in (("p1", 200), ("p2", 403), (None, 403)):
        token = token_for(access_key, scope, patient=patient)
        assert send_bundle(service, token).status_code == status
    token = token_for(access_key, scope, patient="p1")
    assert calling(service, token).get("/fhir/RiskAssessment").status_code == 403


@pytest.mark.parametrize(
    ("scope", "wide", "narrow"),
    [
        ("system/RiskAssessment.c", {"predict"}, set()),
        ("system/RiskAssessment.rs", {"read"}, set()),
        ("user/*.cruds", {"predict", "read"}, set()),
        ("system/RiskAssessment.read", {"read"}, set()),
        ("system/RiskAssessment.write", {"predict"}, set()),
        ("system/*.*", {"predict", "read"}, set()),
        ("patient/RiskAssessment.c", set(), {"predict"}),
        ("patient/*.c system/*.r", {"read"}, {"predict"}),
        ("system/RiskAssessment.dus", set(), set()),
        ("system/RiskAssessment.sr", set(), set()),
        ("system/RiskAssessment.", set(), set()),
        ("system/RiskAssessment.c?date=ge2026", set(), set()),
        ("admin/RiskAssessment.c", set(), set()),
        ("system/Patient.c", set(), set()),
        (f"{PUBLIC}/scope/bulk", {"bulk"}, set()),
        (f"{PUBLIC}/scope/predict", set(), set()),
        ("https://other.example.org/scope/bulk", set(), set()),
    ],
)
def test_the_grammar_of_smart_scopes(scope, wide, narrow):
    """`.dus` is invalid, and nothing of our own is implied by a wildcard."""
    given = granted(scope, PUBLIC)
    assert (given.wide, given.narrow) == (wide, narrow)


GOOD = """
[[issuer]]
iss = "https://ehr.example.org"
kind = "cds-client"
jwks_url = "https://ehr.example.org/jwks.json"
client = [{ id = "https://ehr.example.org", name = "ehr", scopes = ["predict"] }]
"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"cds-client"', '"any"', "kind"),
        ("https://ehr.example.org/jwks.json", "http://ehr.example.org/jwks.json", "https"),
        ("jwks_url", "jwks", "jwks"),
        ('"ehr"', '"0123456789abcdef"', "name"),
        ('["predict"]', '["all"]', "scopes"),
        ('["predict"]', "[]", "scopes"),
        ("client = ", 'algorithms = ["HS256"]\nclient = ', "HS256"),
        ("client = ", 'algorithms = ["none"]\nclient = ', "none"),
        ("client = ", "longest_validity_s = 7200\nclient = ", "3600"),
        ("client = ", 'audience = ["x"]\nclient = ', "audience"),
        (GOOD, GOOD + GOOD, "twice"),
        (GOOD, "[[", "issuers.toml"),
    ],
)
def test_a_wrong_file_of_issuers_stops_the_start(tmp_path, old, new, says):
    """CDS-16, CDS-19."""
    file = tmp_path / "issuers.toml"
    file.write_text(GOOD)
    assert read_issuers(file)[0].longest_validity_s == 900
    file.write_text(GOOD.replace(old, new))
    with pytest.raises(SettingsError, match=says):
        read_issuers(file)


def test_issuers_without_a_public_address_stop_the_start(sqlite_db, tmp_path):
    file = tmp_path / "issuers.toml"
    file.write_text(GOOD)
    writer = Writer(sqlite_db.database, queue=1)
    with pytest.raises(SettingsError, match="AUSCULT_PUBLIC_URL"):
        make_gate(file, sqlite_db, Nobody(), writer, Outbound(sqlite_db))


OPAQUE = """
[[issuer]]
iss = "https://login.example.org"
kind = "access-token"
introspection_url = "{url}"
introspection_id = "auscult"
introspection_secret_file = "{secret}"
audience = ["{public}/fhir"]
[[issuer.client]]
id = "ward-app"
name = "ward-app"
scopes = ["predict", "read"]
"""
GOOD_TOKEN = {"active": True, "client_id": "ward-app", "scope": "system/RiskAssessment.c"}


@pytest.fixture
def asking(serve, sqlite_db, keys, tmp_path):
    """A service that asks the issuer of opaque tokens."""
    (tmp_path / "secret").write_text("a secret: of two words\n")
    file = tmp_path / "opaque.toml"
    secret = tmp_path / "secret"
    file.write_text(OPAQUE.format(url=keys.url, secret=secret, public=PUBLIC))
    settings = Settings(
        home=sqlite_db.home,
        issuers_file=file,
        public_url=PUBLIC,
        outbound_private_hosts=(keys.host,),
        outbound_ca_file=keys.ca_file,
    )
    return serve(settings)


def test_an_opaque_token_is_asked_of_its_issuer_and_kept_for_a_minute(asking, keys):
    """AUTH-5: RFC 7662, with the name and secret by which the issuer knows us."""
    keys.tokens["opaque-1"] = {**GOOD_TOKEN, "exp": seconds(minutes=5)}
    assert send_bundle(asking, "opaque-1").status_code == 200
    assert send_bundle(asking, "opaque-1").status_code == 200
    assert keys.asked == 1
    name, _, secret = b64decode(keys.credentials[0].removeprefix("Basic ")).decode().partition(":")
    assert (name, secret) == ("auscult", "a+secret%3A+of+two+words")
    keys.tokens["opaque-1"] = {"active": False}
    asking.now = NOW + timedelta(seconds=61)
    assert send_bundle(asking, "opaque-1").status_code == 401
    assert keys.asked == 2


def test_an_opaque_token_grants_what_its_scopes_say_for_its_patient(asking, keys):
    """AUTH-5, AUTH-7."""
    good = {**GOOD_TOKEN, "exp": seconds(minutes=5)}
    keys.tokens["reads"] = {**good, "scope": "system/RiskAssessment.r"}
    assert send_bundle(asking, "reads").status_code == 403
    keys.tokens["bound"] = {**good, "scope": "patient/RiskAssessment.c", "patient": "p2"}
    assert send_bundle(asking, "bound").status_code == 403
    keys.tokens["own"] = {**good, "scope": "patient/RiskAssessment.c", "patient": "p1"}
    assert send_bundle(asking, "own").status_code == 200


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"active": False}, "isn't active"),
        ({"exp": seconds(minutes=-1)}, "has expired"),
        ({"exp": None}, "can't be read"),
        ({"nbf": seconds(minutes=3)}, "isn't valid yet"),
        ({"iss": "https://other.example.org"}, "issuer is another"),
        ({"aud": "https://other.example.org"}, "audience is another"),
        ({"client_id": "other"}, "isn't registered"),
        ({"active": "yes"}, "can't be read"),
    ],
)
def test_an_opaque_token_that_is_not_good_is_refused(asking, keys, changed, reason):
    """AUTH-5."""
    keys.tokens["opaque"] = {**GOOD_TOKEN, "exp": seconds(minutes=5), **changed}
    assert send_bundle(asking, "opaque").status_code == 401
    assert reason in wait_for_reason()


def test_an_issuer_that_can_not_be_asked_lets_nobody_in(asking, keys):
    """AUTH-5."""
    keys.tokens["opaque"] = {**GOOD_TOKEN, "exp": seconds(minutes=5)}
    keys.broken = True
    assert send_bundle(asking, "opaque").status_code == 401
    keys.broken = False
    assert send_bundle(asking, "opaque").status_code == 200


def wait_for_reason() -> str:
    deadline = time.monotonic() + 10
    while not reasons() and time.monotonic() < deadline:
        time.sleep(0.02)
    return " ".join(reasons())


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('kind = "access-token"', 'kind = "cds-client"', "signs its own tokens"),
        ('introspection_id = "auscult"', "", "needs introspection_id"),
        ("https://127", "http://127", "introspection_url must be https"),
        ("audience =", 'jwks_file = "x"\naudience =', "give one of"),
        ("audience =", 'audiense = ["x"]\naudience =', r"audiense is not known here"),
    ],
)
def test_a_wrong_way_to_ask_stops_the_start(tmp_path, old, new, says):
    text = OPAQUE.format(url="https://127.0.0.1/x", secret="s", public=PUBLIC)
    file = tmp_path / "issuers.toml"
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(SettingsError, match=says):
        read_issuers(file)
    file.write_text(text + text.replace("login", "other").replace("ward-app", "ward-two"))
    with pytest.raises(SettingsError, match="two issuers"):
        read_issuers(file)
