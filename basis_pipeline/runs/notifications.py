"""Telling people that a nightly run failed or that a gate newly warns: log, webhook, e-mail (`notifications.yaml`).

Secrets (the webhook's address, the mail password) come from environment variables and appear in no message or log.
"""

from __future__ import annotations

import logging
import os
import smtplib
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from http.client import HTTPException
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from basis_pipeline.config.operations import Channel, EmailChannel, LogChannel, NotificationsFile, WebhookChannel
from basis_pipeline.domain.errors import ConfigError, NotificationError
from basis_pipeline.runs.workspace import Workspace

FILE = "notifications.yaml"
TIMEOUT_SECONDS = 10.0
ATTEMPTS = 3
PAUSE_SECONDS = 1.0
"""Before the second attempt; twice as long before the third."""

_LOG = logging.getLogger("basis.notifications")
_TRANSIENT_HTTP = (408, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Notice:
    """What somebody should know.

    Attributes:
        kind: `failed` (nothing was published for the month), `warned` (it was, and a gate newly warns), `alert` (a
            live session needs somebody).
        subject: the mode, or the job where it concerns none.
        month: `YYYY-MM`; empty where it concerns none.
        what: the gate, or the error's code.
        message, remedy: in words; the remedy may be empty.
        run_url: page of the run; empty where no UI is known.
    """

    kind: Literal["failed", "warned", "alert", "test"]
    subject: str
    month: str
    what: str
    message: str
    remedy: str = ""
    run_url: str = ""

    @property
    def title(self) -> str:
        return " ".join(part for part in (self.subject, self.month, f"{self.kind}:", self.what) if part)

    @property
    def text(self) -> str:
        remedy = f"Remedy: {self.remedy}" if self.remedy and self.remedy not in self.message else ""
        return "\n".join(part for part in (self.title, self.message, remedy, self.run_url) if part)


def run_url(run_id: str) -> str:
    """Address of a run's page in the UI that `BASIS_UI_URL` names; empty where it names none."""
    base = os.environ.get("BASIS_UI_URL", "").rstrip("/")
    return f"{base}/runs/{run_id}" if base else ""


def notify(workspace: Workspace, notice: Notice, *, pause: float = PAUSE_SECONDS, logged: bool = False) -> list[str]:
    """Send `notice` through every configured channel, each whatever became of the others; what was reached.

    `logged`: who calls has told the terminal already, and the log would only say it there again.

    Raises:
        ConfigError: the file is wrong, or an environment variable that it names is not set.
        NotificationError: a channel did not take it; all that did not are named.
    """
    reached, failures = list[str](), list[NotificationError | ConfigError]()
    for channel in workspace.config.optional(FILE, NotificationsFile).channels:
        if logged and isinstance(channel, LogChannel):
            continue
        try:
            reached.append(_send(channel, notice, pause))
        except (NotificationError, ConfigError) as error:
            failures.append(error)
    if not failures:
        return reached
    kind = NotificationError if any(isinstance(one, NotificationError) for one in failures) else ConfigError
    raise kind("; ".join(one.message for one in failures), remedy=failures[0].remedy)


def check_channels(workspace: Workspace) -> None:
    """ConfigError where `notify` could reach nobody through a channel: said at a start, not at the first alarm."""
    for channel in workspace.config.optional(FILE, NotificationsFile).channels:
        if isinstance(channel, EmailChannel) and channel.username:
            _secret(channel.password_from)
        if isinstance(channel, WebhookChannel):
            _address(channel)


def _send(channel: Channel, notice: Notice, pause: float) -> str:
    if isinstance(channel, LogChannel):
        _LOG.warning("%s", notice.text)
        return "log"
    if isinstance(channel, EmailChannel):
        where = f"e-mail server {channel.host}:{channel.port}"
        password = _secret(channel.password_from) if channel.username else ""
        _attempted(lambda: _mail(channel, password, notice), where, pause)
        return where
    url = _address(channel)
    where = f"webhook at {urlsplit(url).hostname}"
    _attempted(lambda: _post(url, notice), where, pause)
    return where


def _address(channel: WebhookChannel) -> str:
    url = _secret(channel.url_from)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable() or " " in url:
        raise ConfigError(f"environment variable {channel.url_from} is not an http(s) address.")
    return url


def _secret(variable: str) -> str:
    if value := os.environ.get(variable, "").strip():
        return value
    raise ConfigError(
        f"environment variable {variable} is not set; {FILE} names it.",
        remedy=f"set {variable} where `basis dev` or the session is started, or take the channel out of {FILE}.",
    )


def _attempted(send: Callable[[], None], where: str, pause: float) -> None:
    """Try a few times what may pass by itself. The errors are told by their kind only: they may hold the address."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return send()
        except urllib.error.HTTPError as error:
            told, passing = f"answered {error.code}", error.code in _TRANSIENT_HTTP
        except smtplib.SMTPResponseException as error:
            told, passing = f"answered {error.smtp_code}", 400 <= error.smtp_code < 500
        except smtplib.SMTPRecipientsRefused:
            told, passing = "refused the recipients", False
        except (OSError, smtplib.SMTPException, HTTPException) as error:
            told, passing = f"could not be reached ({_kind(error)})", True
        if not passing or attempt == ATTEMPTS:
            break
        time.sleep(pause * attempt)
    raise NotificationError(
        f"{where} {told}; the notice was not delivered.", remedy=f"mend {FILE} or its secrets, then try `basis notify`."
    )


def _kind(error: Exception) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return type(reason).__name__


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirected POST becomes a GET that delivers nothing."""

    def redirect_request(self, *_arguments: object) -> None:
        return None


def _post(url: str, notice: Notice) -> None:
    body = msgspec.json.encode({"text": notice.text, **asdict(notice)})
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - checked above
    with urllib.request.build_opener(_NoRedirects).open(request, timeout=TIMEOUT_SECONDS):
        return


def _mail(channel: EmailChannel, password: str, notice: Notice) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = notice.title, channel.sender, ", ".join(channel.recipients)
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="basis-pipeline")
    message.set_content(notice.text)
    tls = ssl.create_default_context()
    if channel.security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(channel.host, channel.port, timeout=TIMEOUT_SECONDS, context=tls)
    else:
        server = smtplib.SMTP(channel.host, channel.port, timeout=TIMEOUT_SECONDS)
    with server:
        if channel.security == "starttls":
            server.starttls(context=tls)
        if channel.username:
            server.login(channel.username, password)
        server.send_message(message)
