import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from auscult.summary import show_undelivered
from models.errors import SettingsError
from monitoring.channels import open_channels, signature
from monitoring.notices import notice_of, notify
from monitoring.outbox import Delivery, Outbox
from records.models import Alarm
from records.settings import Settings
from tests.monitoring.clinic import FIRST, NOW, Clinic


class Hook(HTTPServer):
    """A receiver that answers with a status and keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[dict[str, str], bytes]] = []
        self.status = 204
        super().__init__(("127.0.0.1", 0), Answer)


class Answer(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.told.append((dict(self.headers), body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Keep quiet."""


class Mailbox(socketserver.TCPServer):
    """A mail server of the few commands that are needed, which refuses some recipients."""

    allow_reuse_address = True

    def __init__(self) -> None:
        self.mails: list[str] = []
        self.refused: dict[str, str] = {}
        self.reached: list[list[str]] = []
        super().__init__(("127.0.0.1", 0), Letter)


class Letter(socketserver.StreamRequestHandler):
    server: Mailbox

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        reached: list[str] = []
        for line in self.rfile:
            command = line[:4].upper()
            if command == b"RCPT":
                address = line.decode().split("<")[1].split(">")[0]
                answer = self.server.refused.get(address)
                if answer:
                    self.wfile.write(f"{answer}\r\n".encode())
                    continue
                reached.append(address)
            if command == b"DATA":
                self.server.reached.append(reached)
                self.wfile.write(b"354 go on\r\n")
                text = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.server.mails.append(text.decode())
            self.wfile.write(b"221 bye\r\n" if command == b"QUIT" else b"250 fine\r\n")
            if command == b"QUIT":
                return


@contextmanager
def running(server: Any) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def alarms(clinic: Clinic) -> list[Alarm]:
    fields = {"model": clinic.model, "version": "1", "kind": "shift", "severity": "critical"}
    times = {"raised_on": FIRST, "recorded_at": NOW, "since": FIRST}
    cause = Alarm.objects.create(stream="value:age", summary="Age is odd.", **fields, **times)
    Alarm.objects.create(
        stream="score", summary="So is the score.", details={"follows": cause.pk}, **fields, **times
    )
    return list(Alarm.objects.order_by("pk"))


def with_hook(clinic: Clinic, address: str, tmp_path: Path) -> Settings:
    secret = tmp_path / "secret"
    secret.write_text("a secret\n")
    return clinic.settings.model_copy(
        update={
            "webhook_url": f"http://{address}/alarms",
            "webhook_secret_file": secret,
            "console_url": "https://auscult.example.org",
        }
    )


def test_an_alarm_that_has_the_number_of_one_before_a_restore_is_told(
    clinic: Clinic, tmp_path: Path
) -> None:
    hook = Hook()
    with running(hook) as address:
        settings = with_hook(clinic, address, tmp_path)
        cause, _ = alarms(clinic)
        assert notify([cause], settings, NOW).told == 1
        cause.raised_on, cause.summary = FIRST + timedelta(days=9), "Sodium is odd."
        assert notify([cause], settings, NOW + timedelta(days=10)).told == 1
        assert notify([cause], settings, NOW + timedelta(days=11)).told == 0
    assert json.loads(hook.told[1][1])["summary"] == "Sodium is odd."


def test_an_alarm_is_told_once_signed_and_with_its_consequences(
    clinic: Clinic, tmp_path: Path
) -> None:
    hook = Hook()
    with running(hook) as address:
        settings = with_hook(clinic, address, tmp_path)
        found = alarms(clinic)
        assert notify(found, settings, NOW).told == 1
        assert notify(found, settings, NOW + timedelta(days=1)).told == 0
    ((headers, body),) = hook.told
    time = headers["X-Auscult-Timestamp"]
    assert headers["X-Auscult-Signature"] == signature(b"a secret", time, body)
    notice = json.loads(body)
    assert notice["summary"] == "Age is odd."
    assert notice["follows_from_it"] == ["So is the score."]
    assert notice["link"] == f"https://auscult.example.org/alarms/{found[0].pk}/"
    assert set(notice) == {
        "event", "alarm", "model", "version", "severity", "kind", "summary", "since",
        "raised_on", "where", "follows_from_it", "link",
    }  # fmt: skip


def test_a_notice_is_signed_with_the_time_at_which_it_is_sent(
    clinic: Clinic, tmp_path: Path
) -> None:
    hook = Hook()
    hook.status = 503
    with running(hook) as address:
        settings = with_hook(clinic, address, tmp_path)
        run_began = datetime.now(UTC) - timedelta(hours=1)
        notify(alarms(clinic), settings, run_began)
        sleep(1.1)
        notify([], settings, run_began + timedelta(minutes=2))
    first, again = (int(headers["X-Auscult-Timestamp"]) for headers, _ in hook.told)
    assert datetime.now(UTC).timestamp() - 60 < first < again
    for headers, body in hook.told:
        signed = signature(b"a secret", headers["X-Auscult-Timestamp"], body)
        assert headers["X-Auscult-Signature"] == signed


def test_what_can_not_be_told_waits_on_disk_longer_each_time(
    clinic: Clinic, tmp_path: Path
) -> None:
    hook = Hook()
    hook.status = 503
    with running(hook) as address:
        settings = with_hook(clinic, address, tmp_path)
        found = alarms(clinic)
        first = notify(found, settings, NOW)
        assert (first.told, first.waiting) == (0, 1)
        assert first.faults == ("webhook: HTTPStatusError",)
        assert notify(found, settings, NOW + timedelta(seconds=30)).faults == ()
        assert notify(found, settings, NOW + timedelta(minutes=1)).waiting == 1
        assert notify([], settings, NOW + timedelta(minutes=2)).faults == ()
        hook.status = 200
        assert notify([], settings, NOW + timedelta(minutes=3)).told == 1
    assert len(hook.told) == 3
    gone = settings.model_copy(update={"webhook_url": "http://127.0.0.1:9/"})
    Alarm.objects.all().delete()
    assert notify(alarms(clinic), gone, NOW).faults == ("webhook: ConnectError",)


def test_a_mail_says_what_the_alarm_says(clinic: Clinic, tmp_path: Path) -> None:
    mailbox = Mailbox()
    with running(mailbox) as address:
        settings = clinic.settings.model_copy(
            update={
                "smtp_url": f"smtp://{address}",
                "mail_from": "auscult@example.org",
                "mail_to": ("rita@example.org", "safety@example.org"),
            }
        )
        assert notify(alarms(clinic), settings, NOW).told == 1
    (mail,) = mailbox.mails
    assert "Subject: Auscult: critical alarm on kidney_failure" in mail
    assert "To: rita@example.org, safety@example.org" in mail
    assert "Age is odd." in mail
    assert "Follows from it: So is the score." in mail


RITA, SAFETY = "rita@example.org", "safety@example.org"


def with_mail(clinic: Clinic, address: str) -> Settings:
    return clinic.settings.model_copy(
        update={"smtp_url": f"smtp://{address}", "mail_from": "a@b.org", "mail_to": (RITA, SAFETY)}
    )


def test_a_recipient_that_the_server_refuses_is_tried_again_and_the_others_are_not_told_twice(
    clinic: Clinic, capsys: pytest.CaptureFixture[str]
) -> None:
    mailbox = Mailbox()
    mailbox.refused = {RITA: "451 try later"}
    with running(mailbox) as address:
        settings = with_mail(clinic, address)
        first = notify(alarms(clinic), settings, NOW)
        assert first == Delivery(0, 1, (f"mail to {RITA}: refused with 451",))
        assert mailbox.reached == [[SAFETY]]
        assert Outbox(settings.outbox).failed() == {f"mail to {RITA}": (1, "refused with 451")}
        show_undelivered(Outbox(settings.outbox))
        said = " ".join(capsys.readouterr().out.split())
        assert f"NOT TOLD 1 notification waits for mail to {RITA}: refused with 451" in said
        again = notify([], settings, NOW + timedelta(minutes=1))
        assert (again.told, again.faults) == (0, first.faults)
        mailbox.refused = {}
        assert notify([], settings, NOW + timedelta(minutes=4)).told == 1
        assert notify([], settings, NOW + timedelta(days=4)).told == 0
    assert mailbox.reached == [[SAFETY], [RITA]]
    assert all(f"To: {RITA}, {SAFETY}" in mail for mail in mailbox.mails)
    assert Outbox(settings.outbox).failed() == {}


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        ({RITA: "550 unknown", SAFETY: "450 busy"}, ("refused with 550", "refused with 450")),
        # a server that hangs up took nobody's, also not of those it had accepted
        ({SAFETY: "421 closing"}, ("SMTPRecipientsRefused", "refused with 421")),
    ],
)
def test_where_the_server_takes_no_mail_everyone_is_tried_again(
    clinic: Clinic, refused: dict[str, str], why: tuple[str, str]
) -> None:
    mailbox = Mailbox()
    mailbox.refused = refused
    with running(mailbox) as address:
        settings = with_mail(clinic, address)
        found = notify(alarms(clinic), settings, NOW)
        assert found.faults == (f"mail to {RITA}: {why[0]}", f"mail to {SAFETY}: {why[1]}")
        mailbox.refused = {}
        assert notify([], settings, NOW + timedelta(hours=1)).told == 1
    assert mailbox.reached == [[RITA, SAFETY]]


def test_a_notice_that_an_earlier_release_kept_for_mail_goes_to_every_recipient(
    clinic: Clinic, tmp_path: Path
) -> None:
    mailbox = Mailbox()
    with running(mailbox) as address:
        settings = with_mail(clinic, address)
        outbox = Outbox(settings.outbox)
        outbox.keep("a notice", notice_of(alarms(clinic)[0], [], settings), NOW)
        (path,) = settings.outbox.glob("*.json")
        path.write_text(json.dumps(json.loads(path.read_text()) | {"left": ["mail"]}))
        assert notify([], settings, NOW).told == 1
    assert mailbox.reached == [[RITA, SAFETY]]


def test_a_channel_that_took_a_notice_is_not_told_again(clinic: Clinic, tmp_path: Path) -> None:
    hook, mailbox = Hook(), Mailbox()
    hook.status = 500
    with running(hook) as address, running(mailbox) as post:
        settings = with_hook(clinic, address, tmp_path).model_copy(
            update={"smtp_url": f"smtp://{post}", "mail_from": "a@b.org", "mail_to": ("c@d.org",)}
        )
        notify(alarms(clinic), settings, NOW)
        hook.status = 200
        assert notify([], settings, NOW + timedelta(hours=1)).told == 1
    assert (len(hook.told), len(mailbox.mails)) == (2, 1)


def test_an_alarm_that_becomes_graver_is_told_once_more(clinic: Clinic, tmp_path: Path) -> None:
    hook = Hook()
    with running(hook) as address:
        settings = with_hook(clinic, address, tmp_path)
        cause, _ = alarms(clinic)
        moment = NOW
        for severity in ("notice", "warning", "notice", "warning", "critical", "warning"):
            cause.severity = severity
            for _ in range(2):
                moment += timedelta(days=1)
                notify([cause], settings, moment)
    told = [json.loads(body) for _, body in hook.told]
    assert [(one["event"], one["severity"], one.get("was")) for one in told] == [
        ("alarm.raised", "notice", None),
        ("alarm.graver", "warning", "notice"),
        ("alarm.graver", "critical", "warning"),
    ]


def test_a_rise_of_what_was_never_told_by_itself_is_a_new_alarm(
    clinic: Clinic, tmp_path: Path
) -> None:
    hook = Hook()
    with running(hook) as address:
        settings = with_hook(clinic, address, tmp_path)
        cause, score = alarms(clinic)
        notify([cause, score], settings, NOW)
        score.details = {"follows": None}
        notify([cause, score], settings, NOW + timedelta(days=1))
    told = [json.loads(body) for _, body in hook.told]
    assert [(one["event"], one["alarm"]) for one in told] == [
        ("alarm.raised", cause.pk),
        ("alarm.raised", score.pk),
    ]


def test_a_rise_while_the_first_notice_waits_is_told_as_well(
    clinic: Clinic, tmp_path: Path
) -> None:
    hook = Hook()
    hook.status = 503
    with running(hook) as address:
        settings = with_hook(clinic, address, tmp_path)
        cause, _ = alarms(clinic)
        cause.severity = "warning"
        notify([cause], settings, NOW)
        cause.severity = "critical"
        hook.status = 204
        assert notify([cause], settings, NOW + timedelta(days=1)).told == 2
    assert sorted(json.loads(body)["severity"] for _, body in hook.told[1:]) == [
        "critical",
        "warning",
    ]


def test_a_notice_says_where_the_change_sits(clinic: Clinic) -> None:
    cause, _ = alarms(clinic)
    words = "It sits at north: 91 % there (14 % in earlier requests), 14 % elsewhere."
    sits = {"dimension": "site", "verdict": "sits", "words": words, "groups": []}
    spread = {"dimension": "sending system", "verdict": "spread", "words": "-", "groups": []}
    cause.details = {"where": {"dimensions": [sits, spread]}}
    assert notice_of(cause, [], clinic.settings)["where"] == [words]


def test_without_a_channel_nothing_is_kept(clinic: Clinic) -> None:
    assert notify(alarms(clinic), clinic.settings, NOW).waiting == 0
    assert not clinic.settings.outbox.exists()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"webhook_url": "http://example.org/"}, "must be an https address"),
        ({"webhook_url": "https://example.org/"}, "AUSCULT_WEBHOOK_SECRET_FILE is needed"),
        (
            {"webhook_url": "https://example.org/", "webhook_secret_file": Path("/nowhere")},
            "can't be read",
        ),
        ({"smtp_url": "mail.example.org"}, "must be smtp://"),
        ({"smtp_url": "smtp://mail.example.org"}, "AUSCULT_MAIL_FROM"),
    ],
)
def test_half_a_channel_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        open_channels(Settings().model_copy(update=fields))
