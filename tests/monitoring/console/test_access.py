from collections.abc import Callable

import pytest
from django.conf import settings
from django.test import Client
from django.urls import get_resolver

from monitoring.console.lockout import MOST_FAILURES
from records.models import Alarm, AuditEvent, Prediction, Review
from tests.monitoring.clinic import Clinic
from tests.monitoring.console.people import PASSWORD

Browse = Callable[[str], Client]
OPEN = {"login", "livez", "metrics"}
SIGNED = {"review", "sign-decision", "sign-retraining", "acknowledge-corrections"}


def addresses(clinic: Clinic) -> dict[str, str]:
    """Return one address of every page, by its name."""
    version = f"/models/{clinic.model}/1"
    alarm = Alarm.objects.first()
    prediction = Prediction.objects.first()
    assert alarm is not None
    assert prediction is not None
    return {
        "models": "/",
        "model": f"/models/{clinic.model}/",
        "decisions": f"/models/{clinic.model}/decisions/",
        "sign-decision": f"/models/{clinic.model}/decisions/sign",
        "corrections": f"/models/{clinic.model}/corrections/",
        "acknowledge-corrections": f"/models/{clinic.model}/corrections/acknowledge",
        "retraining": f"/models/{clinic.model}/retraining/",
        "sign-retraining": f"/models/{clinic.model}/retraining/1/sign",
        "transportability": f"/models/{clinic.model}/transportability/",
        "transportability-json": f"/models/{clinic.model}/transportability.json",
        "card": f"{version}/card/",
        "card-file": f"{version}/card/file",
        "report": f"{version}/reports/2024/",
        "report-file": f"{version}/reports/2024/file",
        "alarm": f"/alarms/{alarm.pk}/",
        "review": f"/alarms/{alarm.pk}/review",
        "find-prediction": "/predictions/",
        "prediction": f"/predictions/{prediction.pk}/",
        "second-factor": "/account/second-factor/",
        "logout": "/logout/",
    }


def test_every_page_but_the_login_sends_the_anonymous_there(
    watched: Clinic, browse: Browse
) -> None:
    pages = addresses(watched)
    known = {pattern.name for pattern in get_resolver().url_patterns}
    assert set(pages) | OPEN == known
    for address in pages.values():
        for method in (browse("anonymous").get, browse("anonymous").post):
            answer = method(address)
            assert answer.status_code == 302, address
            assert answer.headers["Location"].startswith("/login/"), address


def test_whoever_has_no_role_sees_nothing_of_any_model(watched: Clinic, browse: Browse) -> None:
    nora = browse("nora")
    for name, address in addresses(watched).items():
        if name in ("logout", "second-factor"):
            continue
        answer = (nora.post if name in SIGNED else nora.get)(address)
        assert answer.status_code == 403, name
        assert watched.definition.title not in answer.content.decode()


def test_a_viewer_sees_every_page_and_may_not_sign(watched: Clinic, browse: Browse) -> None:
    vera = browse("vera")
    for name, address in addresses(watched).items():
        if name not in {"logout"} | SIGNED:
            assert vera.get(address).status_code == 200, name
    alarm = Alarm.objects.get(stream="missing:creatinine")
    assert "Sign a review" not in vera.get(f"/alarms/{alarm.pk}/").content.decode()
    signed = {"decision": "fault", "because": "I would like to close it", "password": PASSWORD}
    assert vera.post(f"/alarms/{alarm.pk}/review", signed).status_code == 403
    assert not Review.objects.exists()


def test_logins_and_failed_logins_are_in_the_audit_record(browse: Browse) -> None:
    browse("rita")
    browse("anonymous").post("/login/", {"username": "rita", "password": "wrong"})
    logins = AuditEvent.objects.filter(action__startswith="console.")
    actions = list(logins.order_by("recorded_at").values_list("action", "by"))
    assert actions == [("console.login", "rita"), ("console.login_failed", "rita")]


def test_guessing_locks_a_name_out_for_a_while(browse: Browse) -> None:
    """API-2."""
    anonymous = browse("anonymous")
    for _ in range(MOST_FAILURES):
        page = anonymous.post("/login/", {"username": "rita", "password": "guess"})
        assert "Name, password or code is wrong" in page.content.decode()
    page = anonymous.post("/login/", {"username": "rita", "password": PASSWORD})
    assert "Too many failed logins" in page.content.decode()
    AuditEvent.objects.filter(action="console.login_failed").update(
        recorded_at="2020-01-01T00:00:00Z"
    )
    page = anonymous.post("/login/", {"username": "rita", "password": PASSWORD})
    assert page.status_code == 302


def test_a_session_ends_twelve_hours_after_its_login(
    browse: Browse, monkeypatch: pytest.MonkeyPatch
) -> None:
    rita = browse("rita")
    assert rita.get("/").status_code == 200
    session = rita.session
    session["signed_in_at"] -= 12 * 3600 + 1
    session.save()
    assert rita.get("/").status_code == 302
    assert settings.SESSION_COOKIE_AGE == 900


def test_a_second_factor_is_asked_for_once_it_is_set_up(browse: Browse) -> None:
    from django_otp.oath import TOTP
    from django_otp.plugins.otp_totp.models import TOTPDevice

    rita = browse("rita")
    rita.get("/account/second-factor/")
    device = TOTPDevice.objects.get()
    assert rita.post("/account/second-factor/", {"token": "000000"}).status_code == 200
    assert not TOTPDevice.objects.get().confirmed
    TOTPDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
    code = TOTP(device.bin_key)
    assert rita.post("/account/second-factor/", {"token": code.token()}).status_code == 302
    assert TOTPDevice.objects.get().confirmed
    without = {"username": "rita", "password": PASSWORD}
    assert "code is wrong" in browse("anonymous").post("/login/", without).content.decode()
    TOTPDevice.objects.update(
        last_t=-1, throttling_failure_count=0, throttling_failure_timestamp=None
    )
    login = browse("anonymous").post("/login/", {**without, "token": f"{code.token():06d}"})
    assert login.status_code == 302


def test_no_page_may_be_cached_framed_or_load_from_elsewhere(
    watched: Clinic, browse: Browse
) -> None:
    rita = browse("rita")
    for name, address in addresses(watched).items():
        if name in ("logout", "review"):
            continue
        headers = rita.get(address).headers
        assert headers["Cache-Control"] == "no-store", name
        assert "default-src 'none'" in headers["Content-Security-Policy"], name
        if name.endswith("-file"):
            assert headers["Content-Security-Policy"].startswith("sandbox allow-scripts;")
            assert "connect-src" not in headers["Content-Security-Policy"]
            assert headers["X-Frame-Options"] == "SAMEORIGIN"
        else:
            assert headers["X-Frame-Options"] == "DENY", name


def test_the_process_says_that_it_is_alive_to_anyone() -> None:
    assert Client().get("/livez").content == b"alive\n"


@pytest.mark.parametrize("version", ["..", "../../keys", "%2e%2e", "1%00"])
def test_no_file_outside_the_dossiers_can_be_asked_for(
    watched: Clinic, browse: Browse, version: str
) -> None:
    answer = browse("rita").get(f"/models/{watched.model}/{version}/card/file")
    assert answer.status_code == 404


def test_whoever_is_retired_is_logged_out_at_once_and_can_not_log_in(
    watched: Clinic, browse: Browse
) -> None:
    from monitoring.console.accounts import admit

    vera = browse("vera")
    assert vera.get("/").status_code == 200
    admit("vera", admitted=False)
    assert vera.get("/").headers["Location"].startswith("/login/")
    answer = Client().post("/login/", {"username": "vera", "password": PASSWORD})
    assert "Name, password or code is wrong" in answer.content.decode()


def test_a_second_factor_that_was_lost_is_forgotten_on_request(browse: Browse) -> None:
    from django_otp.plugins.otp_totp.models import TOTPDevice

    from models.errors import SettingsError
    from monitoring.console.accounts import remove_second_factor

    browse("rita").get("/account/second-factor/")
    TOTPDevice.objects.update(confirmed=True)
    remove_second_factor("rita")
    assert not TOTPDevice.objects.exists()
    with pytest.raises(SettingsError, match="no second factor"):
        remove_second_factor("rita")
