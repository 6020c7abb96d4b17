"""The channels by which people are told: a signed webhook and mail, each given up in a set time."""

import hashlib
import hmac
import json
import smtplib
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import httpx

from models.errors import SettingsError
from records.settings import Settings

READ_SECONDS = 10.0
# of all that one notice takes on one channel: one that trickles would never be silent for long
TELLING_SECONDS = 30.0
Notice = Mapping[str, Any]


@dataclass(frozen=True)
class Channel:
    """Whom a channel reaches, and how some of these are sent a notice.

    `send` returns why each of them wasn't reached who wasn't, and raises where nobody was.
    """

    receivers: tuple[str, ...]
    send: Callable[[Notice, Sequence[str]], Mapping[str, str]]


def open_channels(settings: Settings) -> dict[str, Channel]:
    """Return the channels that are set; raise SettingsError for half of one."""
    channels: dict[str, Channel] = {}
    if settings.webhook_url:
        channels["webhook"] = _webhook(settings.webhook_url, settings.webhook_secret_file)
    if settings.smtp_url:
        channels["mail"] = _mail(settings, settings.smtp_url)
    return channels


def tell(channel: Channel, notice: Notice, receivers: Sequence[str]) -> Mapping[str, str]:
    """Tell some of a channel's receivers; return why each one wasn't reached who wasn't.

    What isn't done in TELLING_SECONDS is given up; it may go on for itself until the process ends.
    """
    outcome: Future[Mapping[str, str]] = Future()
    sending = (channel, notice, receivers)
    Thread(target=lambda: outcome.set_result(_told(*sending)), daemon=True).start()
    try:
        return outcome.result(TELLING_SECONDS)
    except TimeoutError as error:
        return dict.fromkeys(receivers, type(error).__name__)


def _told(channel: Channel, notice: Notice, receivers: Sequence[str]) -> Mapping[str, str]:
    try:
        return channel.send(notice, receivers)
    except Exception as error:  # noqa: BLE001 - whatever a channel fails at, the notice is kept
        return dict.fromkeys(receivers, type(error).__name__)


def signature(secret: bytes, sent_at: str, body: bytes) -> str:
    """Return what `X-Auscult-Signature` holds: HMAC-SHA256 of time, a full stop and the body."""
    digest = hmac.new(secret, sent_at.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"sha256={digest}"


def _webhook(url: str, secret_file: Path | None) -> Channel:
    parts, _ = _read("AUSCULT_WEBHOOK_URL", url)
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
        raise SettingsError("AUSCULT_WEBHOOK_URL must be an https address")
    if secret_file is None:
        raise SettingsError("AUSCULT_WEBHOOK_SECRET_FILE is needed: notifications are signed")
    secret = _secret(secret_file)

    def post(notice: Notice, receivers: Sequence[str]) -> Mapping[str, str]:
        body = json.dumps(notice, sort_keys=True).encode()
        # not when the run began, which may be long ago: receivers refuse what is old
        sent_at = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "X-Auscult-Timestamp": sent_at,
            "X-Auscult-Signature": signature(secret, sent_at, body),
        }
        httpx.post(url, content=body, headers=headers, timeout=READ_SECONDS).raise_for_status()
        return {}

    return Channel(("webhook",), post)


def _mail(settings: Settings, url: str) -> Channel:
    parts, port = _read("AUSCULT_SMTP_URL", url)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise SettingsError("AUSCULT_SMTP_URL must be smtp://HOST:PORT or smtps://HOST:PORT")
    sender, recipients = settings.mail_from, settings.mail_to
    if sender is None or not recipients:
        raise SettingsError("AUSCULT_MAIL_FROM and AUSCULT_MAIL_TO are needed to send mail")
    password = _secret(settings.smtp_password_file) if settings.smtp_password_file else b""
    host = parts.hostname
    addresses = {f"mail to {address}": address for address in recipients}

    def send(notice: Notice, receivers: Sequence[str]) -> Mapping[str, str]:
        message = _message(notice, sender, recipients)
        chosen = [addresses[one] for one in receivers]
        server = _connected(parts.scheme, host, port)
        try:
            if parts.username:
                server.login(unquote(parts.username), password.decode())
            refused = _refused(server, message, sender, chosen)
        finally:
            # the mail was taken or not by now, however the server takes its leave
            with suppress(smtplib.SMTPException, OSError):
                server.quit()
        return {one: refused[addresses[one]] for one in receivers if addresses[one] in refused}

    return Channel(tuple(addresses), send)


def _refused(
    server: smtplib.SMTP, message: EmailMessage, sender: str, addresses: Sequence[str]
) -> dict[str, str]:
    """Send a mail to some addresses; return why each of them was refused that was."""
    try:
        refused, others = server.send_message(message, sender, addresses), {}
    except smtplib.SMTPRecipientsRefused as error:
        # the mail wasn't sent, so neither to those that weren't refused
        refused, others = error.recipients, dict.fromkeys(addresses, type(error).__name__)
    return others | {address: f"refused with {code}" for address, (code, _) in refused.items()}


def _read(setting: str, url: str) -> tuple[SplitResult, int | None]:
    """Return an address in its parts, and its port; raise SettingsError where it is none."""
    try:
        parts = urlsplit(url)
        httpx.URL(url)
        return parts, parts.port
    except (ValueError, httpx.InvalidURL):  # whose own words may hold the address, a secret
        raise SettingsError(f"{setting} is no address; correct its host or port") from None


def _message(notice: Notice, sender: str, recipients: tuple[str, ...]) -> EmailMessage:
    message = EmailMessage()
    graver = f", was {notice['was']}" if "was" in notice else ""
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
        return smtplib.SMTP_SSL(host, port or 465, timeout=READ_SECONDS, context=context)
    server = smtplib.SMTP(host, port or 587, timeout=READ_SECONDS)
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
