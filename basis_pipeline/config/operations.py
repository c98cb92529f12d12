"""Models of `nightly.yaml` and `notifications.yaml`: when the nightly runs start, and who is told when one fails."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from basis_pipeline.config.fields import Model

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")

Cron = Annotated[str, Field(pattern=r"^\S+( \S+){4}$", description="five cron fields: minute hour day month weekday")]
Secret = Annotated[str, Field(pattern=r"^BASIS_NOTIFY_[A-Z0-9_]+$")]
"""Name of the environment variable that holds a secret; the secret itself is in no file."""


class NightlyFile(Model):
    """When schedules tick, UTC.

    Attributes:
        market_data_at: downloads, where configured, and ingestion.
        signals_at: training of the models whose candles changed.
        modes_at: every mode asks at each of these whether anything is due; it runs at most once a night.
    """

    market_data_at: Cron = "30 1 * * *"
    signals_at: Cron = "45 1 * * *"
    modes_at: Cron = "0 2-5 * * *"


class LogChannel(Model):
    """The log of the process that watches the runs."""

    kind: Literal["log"] = "log"


class WebhookChannel(Model):
    """A POST of JSON whose `text` chat systems show; the address is a secret.

    Attributes:
        url_from: environment variable with the address.
    """

    kind: Literal["webhook"]
    url_from: Secret = "BASIS_NOTIFY_WEBHOOK_URL"


class EmailChannel(Model):
    """One plain-text mail to all recipients.

    Attributes:
        security: `starttls`, `tls` from the first byte, or `none`.
        username: for servers that want a login; empty: none.
        password_from: environment variable with the password.
    """

    kind: Literal["email"]
    host: str
    port: Annotated[int, Field(gt=0, lt=65536)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    sender: str
    recipients: Annotated[tuple[str, ...], Field(min_length=1)]
    username: str = ""
    password_from: Secret = "BASIS_NOTIFY_SMTP_PASSWORD"

    @model_validator(mode="after")
    def _no_password_in_the_clear(self) -> EmailChannel:
        if self.username and self.security == "none" and self.host not in LOOPBACK_HOSTS:
            raise ValueError("a login needs `security: starttls` or `tls`")
        return self


Channel = Annotated[LogChannel | WebhookChannel | EmailChannel, Field(discriminator="kind")]


class NotificationsFile(Model):
    """Every notice goes to every channel."""

    channels: tuple[Channel, ...] = (LogChannel(),)
