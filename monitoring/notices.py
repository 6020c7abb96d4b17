"""Telling people of new alarms: by a signed webhook and by mail, tried until it succeeds.

A notice is a file in the outbox until every channel took it, and a file among those told for ever
after, so that it's told once, and once more each time that the alarm is graver than ever before.
It says what the alarm says, and nothing of any patient.
"""

import hashlib
import hmac
import json
import os
import smtplib
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx

from models.errors import SettingsError
from monitoring.alarms import RANK, by_cause, where_words
from monitoring.corrections import Listed
from records.models import Alarm
from records.settings import Settings

TIMEOUT_SECONDS = 10.0
RAISED, GRAVER = "alarm.raised", "alarm.graver"
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=6)
Channel = Callable[[Mapping[str, Any], datetime], None]


@dataclass(frozen=True)
class Delivery:
    """What became of the notices that were due: how many were told, which wait, and why."""

    told: int
    waiting: int
    faults: tuple[str, ...]


def notify(alarms: Iterable[Alarm], settings: Settings, now: datetime) -> Delivery:
    """Put a notice of every alarm that stands alone into the outbox, and deliver what is due.

    An alarm that has become graver than it was ever told to be is told again. Without a webhook and
    a mail server there is nobody to tell, and nothing is kept.
    """
    channels = open_channels(settings)
    if not channels:
        return Delivery(0, 0, ())
    for alarm, consequences in by_cause(alarms):
        notice = notice_of(alarm, consequences, settings)
        if not enqueue(settings.outbox, notice, now):
            _enqueue_rise(settings.outbox, notice, now)
    return deliver(settings.outbox, channels, now)


def notice_of(alarm: Alarm, consequences: list[Alarm], settings: Settings) -> dict[str, Any]:
    """Return what is told of an alarm, as JSON may hold it."""
    base = (settings.console_url or "").rstrip("/")
    return {
        "event": RAISED,
        "alarm": alarm.pk,
        "model": alarm.model,
        "version": alarm.version,
        "severity": alarm.severity,
        "kind": alarm.kind,
        "summary": alarm.summary,
        "since": alarm.since.isoformat() if alarm.since else None,
        "raised_on": alarm.raised_on.isoformat(),
        "where": where_words(alarm),
        "follows_from_it": [one.summary for one in consequences],
        "link": f"{base}/alarms/{alarm.pk}/" if base else None,
    }


def notify_affected(
    listed: Listed, model: str, version: str, settings: Settings, now: datetime
) -> Delivery:
    """Tell of predictions whose sources were corrected, and deliver what is due."""
    channels = open_channels(settings)
    if not channels:
        return Delivery(0, 0, ())
    if listed.predictions:
        enqueue(settings.outbox, affected_notice(listed, model, version, settings, now), now)
    return deliver(settings.outbox, channels, now)


def affected_notice(
    listed: Listed, model: str, version: str, settings: Settings, now: datetime
) -> dict[str, Any]:
    """Return what is told of predictions that were withdrawn, as JSON may hold it."""
    base = (settings.console_url or "").rstrip("/")
    return {
        "event": "predictions.withdrawn",
        "alarm": None,
        "listed_at": now.isoformat(),
        "model": model,
        "version": version,
        "severity": "critical" if listed.band_changes or listed.unscored else "warning",
        "kind": "corrected sources",
        "summary": f"{listed.predictions:,} predictions used results that were corrected or "
        f"entered in error; the band of {listed.band_changes:,} changes, and {listed.unscored:,} "
        "have no new risk. They are withdrawn.",
        "since": None,
        "raised_on": now.date().isoformat(),
        "where": [],
        "follows_from_it": [],
        "link": f"{base}/models/{model}/corrections/" if base else None,
    }


def enqueue(outbox: Path, notice: Mapping[str, Any], now: datetime) -> bool:
    """Keep a notice to be told, unless it was told or waits already; say whether it is new."""
    if _kept(outbox, notice):
        return False
    state = {"notice": notice, "left": None, "attempts": 0, "next": now.isoformat()}
    (outbox / "told").mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(outbox / _name(notice), state)
    return True


def _enqueue_rise(outbox: Path, notice: Mapping[str, Any], now: datetime) -> None:
    """Keep a notice that an alarm is graver than all that was told or waits of it."""
    first = _kept(outbox, notice)
    told = [first["notice"]["severity"]] if first else []
    rises = [{**notice, "event": GRAVER, "severity": severity} for severity in RANK]
    told += [rise["severity"] for rise in rises if _kept(outbox, rise)]
    graver = all(RANK[notice["severity"]] > RANK[severity] for severity in told)
    if told and graver:
        was = max(told, key=RANK.__getitem__)
        enqueue(outbox, {**notice, "event": GRAVER, "was": was}, now)


def _name(notice: Mapping[str, Any]) -> str:
    """Return the file of a notice, the same for all that say the same of one alarm."""
    one = notice["alarm"] or notice["listed_at"]
    key = f"{notice['event']} {notice['model']} {notice['version']} {one}"
    if notice["event"] == GRAVER:
        key += f" {notice['severity']}"
    return f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"


def _kept(outbox: Path, notice: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what is kept of a notice that waits or was told, None where nothing is.

    After a restore of the database an alarm's number may be that of another, raised on another day.
    """
    for path in (outbox / _name(notice), outbox / "told" / _name(notice)):
        if path.exists():
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if found["notice"].get("raised_on") == notice.get("raised_on"):
                return found
    return None


def deliver(outbox: Path, channels: Mapping[str, Channel], now: datetime) -> Delivery:
    """Try every notice that is due on every channel that hasn't taken it; wait longer each time."""
    told, waiting, faults = 0, 0, []
    for path in sorted(outbox.glob("*.json")):
        state = json.loads(path.read_text(encoding="utf-8"))
        if datetime.fromisoformat(state["next"]) > now:
            waiting += 1
            continue
        left = channels.keys() if state["left"] is None else state["left"]
        failed = []
        for name in (name for name in channels if name in left):
            try:
                channels[name](state["notice"], now)
            except (httpx.HTTPError, smtplib.SMTPException, OSError) as error:
                failed.append(name)
                faults.append(f"{name}: {type(error).__name__}")
        if not failed:
            path.rename(outbox / "told" / path.name)
            told += 1
            continue
        wait = min(FIRST_WAIT * 2 ** min(state["attempts"], 20), LONGEST_WAIT)
        changed = {"left": failed, "attempts": state["attempts"] + 1}
        _write(path, state | changed | {"next": (now + wait).isoformat()})
        waiting += 1
    return Delivery(told, waiting, tuple(faults))


def open_channels(settings: Settings) -> dict[str, Channel]:
    """Return the channels that are set; raise SettingsError for half of one."""
    channels: dict[str, Channel] = {}
    if settings.webhook_url:
        channels["webhook"] = _webhook(settings.webhook_url, settings.webhook_secret_file)
    if settings.smtp_url:
        channels["mail"] = _mail(settings, settings.smtp_url)
    return channels


def signature(secret: bytes, time: str, body: bytes) -> str:
    """Return what `X-Auscult-Signature` holds: HMAC-SHA256 of time, a full stop and the body."""
    digest = hmac.new(secret, time.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"sha256={digest}"


def _webhook(url: str, secret_file: Path | None) -> Channel:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
        raise SettingsError("AUSCULT_WEBHOOK_URL must be an https address")
    if secret_file is None:
        raise SettingsError("AUSCULT_WEBHOOK_SECRET_FILE is needed: notifications are signed")
    secret = _secret(secret_file)

    def post(notice: Mapping[str, Any], now: datetime) -> None:
        body = json.dumps(notice, sort_keys=True).encode()
        time = str(int(now.timestamp()))
        headers = {
            "Content-Type": "application/json",
            "X-Auscult-Timestamp": time,
            "X-Auscult-Signature": signature(secret, time, body),
        }
        httpx.post(url, content=body, headers=headers, timeout=TIMEOUT_SECONDS).raise_for_status()

    return post


def _mail(settings: Settings, url: str) -> Channel:
    parts = urlsplit(url)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise SettingsError("AUSCULT_SMTP_URL must be smtp://HOST:PORT or smtps://HOST:PORT")
    sender, recipients = settings.mail_from, settings.mail_to
    if sender is None or not recipients:
        raise SettingsError("AUSCULT_MAIL_FROM and AUSCULT_MAIL_TO are needed to send mail")
    password = _secret(settings.smtp_password_file) if settings.smtp_password_file else b""
    host = parts.hostname

    def send(notice: Mapping[str, Any], now: datetime) -> None:
        message = _message(notice, sender, recipients)
        with _connected(parts.scheme, host, parts.port) as server:
            if parts.username:
                server.login(unquote(parts.username), password.decode())
            server.send_message(message)

    return send


def _message(notice: Mapping[str, Any], sender: str, recipients: tuple[str, ...]) -> EmailMessage:
    message = EmailMessage()
    graver = f", was {notice['was']}" if notice["event"] == GRAVER else ""
    message["Subject"] = f"Auscult: {notice['severity']} alarm on {notice['model']}{graver}"
    message["From"], message["To"] = sender, ", ".join(recipients)
    lines = [notice["summary"], *notice.get("where", [])]
    lines += [f"Follows from it: {one}" for one in notice["follows_from_it"]]
    lines += [notice["link"]] if notice["link"] else []
    message.set_content("\n\n".join(lines))
    return message


def _connected(scheme: str, host: str, port: int | None) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port or 465, timeout=TIMEOUT_SECONDS, context=context)
    server = smtplib.SMTP(host, port or 587, timeout=TIMEOUT_SECONDS)
    if not _is_loopback(host):
        server.starttls(context=context)
    return server


def _secret(path: Path) -> bytes:
    try:
        return path.read_bytes().strip()
    except OSError as error:
        raise SettingsError(f"{path}: the secret can't be read ({error.strerror})") from error


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def _write(path: Path, state: Mapping[str, Any]) -> None:
    """Write a file whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(state), encoding="utf-8")
    os.replace(part, path)
