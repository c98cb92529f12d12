"""Notices arrive at real servers, whatever else fails, and no secret is ever told."""

from __future__ import annotations

import logging
import shutil
import socket
from collections.abc import Iterator
from email import message_from_string, policy
from pathlib import Path

import pytest
import yaml

from basis_pipeline.config.environment import read_environment
from basis_pipeline.config.operations import NotificationsFile
from basis_pipeline.domain.errors import ConfigError, NotificationError
from basis_pipeline.runs.notifications import ATTEMPTS, Notice, check_channels, notify
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.runs.conftest import CONFIGS
from basis_pipeline_tests.runs.post_offices import MailServer, Webhook, serving

NOTICE = Notice(
    kind="failed",
    subject="eth_basis",
    month="2024-03",
    what="gate liquidation",
    message="2024-03: gate liquidation failed: 1 liquidation (none).",
    remedy="the month is kept to be looked at.",
    run_url="http://127.0.0.1:3000/runs/0123",
)
PATH = "/services/hidden-path"
EMAIL = {"kind": "email", "host": "127.0.0.1", "security": "none", "sender": "a@b.org", "recipients": ["c@d.org"]}


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    server = Webhook()
    monkeypatch.setenv("BASIS_NOTIFY_WEBHOOK_URL", server.url(PATH))
    with serving(server):
        yield server


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    server = MailServer()
    with serving(server):
        yield server


def workspace(folder: Path, *channels: dict[str, object]) -> Workspace:
    """A workspace whose notices go to `channels`."""
    shutil.copytree(CONFIGS, folder / "configs")
    (folder / "configs" / "notifications.yaml").write_text(yaml.safe_dump({"channels": list(channels)}))
    return Workspace(folder / "root", folder / "configs")


def test_a_webhook_gets_what_chat_systems_show_and_every_part_by_name(webhook: Webhook, tmp_path: Path) -> None:
    assert notify(workspace(tmp_path, {"kind": "webhook"}), NOTICE) == ["webhook at 127.0.0.1"]
    ((path, body),) = webhook.taken
    assert path == PATH
    for part in ("eth_basis", "2024-03", "gate liquidation", "Remedy: the month is kept", NOTICE.run_url):
        assert part in body["text"]
    assert (body["kind"], body["subject"], body["month"], body["what"]) == (
        "failed",
        "eth_basis",
        "2024-03",
        "gate liquidation",
    )


def test_a_mail_is_one_readable_message_to_all_recipients(mail_server: MailServer, tmp_path: Path) -> None:
    to = {**EMAIL, "port": mail_server.port, "recipients": ["c@d.org", "e@f.org"]}
    notify(workspace(tmp_path, to), NOTICE)
    (taken,) = mail_server.taken
    mail = message_from_string(taken, policy=policy.default)
    assert mail["Subject"] == "eth_basis 2024-03 failed: gate liquidation"
    assert mail["To"] == "c@d.org, e@f.org"
    assert NOTICE.text in mail.get_content()


def test_a_mail_server_that_wants_a_login_gets_the_password_of_the_environment(
    mail_server: MailServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail_server.login = ("desk", "hidden-word")
    opened = workspace(tmp_path, {**EMAIL, "port": mail_server.port, "username": "desk"})
    monkeypatch.setenv("BASIS_NOTIFY_SMTP_PASSWORD", "hidden-word")
    notify(opened, NOTICE)
    assert len(mail_server.taken) == 1
    monkeypatch.setenv("BASIS_NOTIFY_SMTP_PASSWORD", "wrong-word")
    with pytest.raises(NotificationError, match="answered 535") as refused:
        notify(opened, NOTICE)
    assert "wrong-word" not in str(refused.value)


def test_the_log_is_the_default_and_needs_no_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    opened = workspace(tmp_path)
    (opened.config.path / "notifications.yaml").unlink()
    with caplog.at_level(logging.WARNING):
        assert notify(opened, NOTICE) == ["log"]
    assert NOTICE.text in caplog.text


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_passes_by_itself_is_tried_again(status: int, webhook: Webhook, tmp_path: Path) -> None:
    webhook.answers = [status, status]
    notify(workspace(tmp_path, {"kind": "webhook"}), NOTICE, pause=0.0)
    assert len(webhook.taken) == 1


def test_a_deferred_mail_is_tried_again(mail_server: MailServer, tmp_path: Path) -> None:
    mail_server.deferrals = 1
    notify(workspace(tmp_path, {**EMAIL, "port": mail_server.port}), NOTICE, pause=0.0)
    assert len(mail_server.taken) == 1


@pytest.mark.parametrize(("status", "tries"), [(404, 1), (302, 1), (500, ATTEMPTS)])
def test_what_is_not_delivered_is_an_error_that_names_the_host_and_no_secret(
    status: int, tries: int, webhook: Webhook, tmp_path: Path
) -> None:
    webhook.answers = [status] * 10
    with pytest.raises(NotificationError, match=f"webhook at 127.0.0.1 answered {status}") as told:
        notify(workspace(tmp_path, {"kind": "webhook"}), NOTICE, pause=0.0)
    assert len(webhook.answers) == 10 - tries
    assert "hidden" not in f"{told.value!r} {told.value.__cause__!r} {told.value.__context__!r}"


def test_a_channel_that_fails_keeps_no_other_from_telling(
    mail_server: MailServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("BASIS_NOTIFY_WEBHOOK_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}{PATH}")
        opened = workspace(tmp_path, {"kind": "webhook"}, {**EMAIL, "port": mail_server.port})
        with pytest.raises(NotificationError, match=r"webhook at 127\.0\.0\.1 could not be reached") as told:
            notify(opened, NOTICE, pause=0.0)
    assert len(mail_server.taken) == 1
    assert "hidden" not in str(told.value)


def test_refused_recipients_are_an_error(mail_server: MailServer, tmp_path: Path) -> None:
    mail_server.refused = {"c@d.org"}
    with pytest.raises(NotificationError, match="refused the recipients"):
        notify(workspace(tmp_path, {**EMAIL, "port": mail_server.port}), NOTICE)


def test_a_secret_that_is_not_set_or_no_address_is_named_by_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = workspace(tmp_path, {"kind": "webhook"})
    monkeypatch.delenv("BASIS_NOTIFY_WEBHOOK_URL", raising=False)
    with pytest.raises(ConfigError, match="BASIS_NOTIFY_WEBHOOK_URL is not set"):
        notify(opened, NOTICE)
    for wrong in ("hooks.example.org/hidden-path", "https://hooks.example.org/hidden path"):
        monkeypatch.setenv("BASIS_NOTIFY_WEBHOOK_URL", wrong)
        with pytest.raises(ConfigError, match="BASIS_NOTIFY_WEBHOOK_URL is not an http") as told:
            notify(opened, NOTICE)
        assert "hidden" not in str(told.value)
        with pytest.raises(ConfigError, match="is not an http"):
            check_channels(opened)


def test_channels_are_checked_without_sending_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, webhook: Webhook
) -> None:
    login = {**EMAIL, "username": "a@b.org", "password_from": "BASIS_NOTIFY_SMTP_PASSWORD"}
    opened = workspace(tmp_path, {"kind": "log"}, {"kind": "webhook"}, login)
    monkeypatch.delenv("BASIS_NOTIFY_SMTP_PASSWORD", raising=False)
    with pytest.raises(ConfigError, match="BASIS_NOTIFY_SMTP_PASSWORD is not set"):
        check_channels(opened)
    monkeypatch.setenv("BASIS_NOTIFY_SMTP_PASSWORD", "hidden-word")
    check_channels(opened)
    assert webhook.taken == []
    monkeypatch.delenv("BASIS_NOTIFY_WEBHOOK_URL")
    with pytest.raises(ConfigError, match="BASIS_NOTIFY_WEBHOOK_URL is not set"):
        check_channels(opened)


@pytest.mark.parametrize(
    ("channel", "message"),
    [
        ({"kind": "webhook", "url": "https://hooks.example.org"}, "url"),
        ({"kind": "webhook", "url_from": "HOME"}, "url_from"),
        ({"kind": "pigeon"}, "kind"),
        ({**EMAIL, "host": "smtp.example.org", "username": "desk"}, "a login needs"),
        ({**EMAIL, "recipients": []}, "recipients"),
    ],
)
def test_a_wrong_file_is_named_with_its_key(channel: dict[str, object], message: str, tmp_path: Path) -> None:
    opened = workspace(tmp_path, channel)
    with pytest.raises(ConfigError, match=rf"notifications\.yaml: .*{message}"):
        notify(opened, NOTICE)


def test_the_committed_files_and_variables_are_valid() -> None:
    assert Workspace(Path("root"), CONFIGS).config.optional("notifications.yaml", NotificationsFile)
    assert read_environment({"BASIS_NOTIFY_WEBHOOK_URL": "x", "BASIS_UI_URL": "http://127.0.0.1:3000"})
