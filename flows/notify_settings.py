"""Whom a workspace tells what is not as it should be."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from flows.addresses import checked_address
from flows.section import Section

_ADDRESS = re.compile(r"[^@\s,<>]+@[^@\s,<>]+")


class NotifySettings(Section):
    """Who is reported what is not as it should be, once for each cause, after what `v2g serve` or `v2g run`
    did.

    `webhook_url` (https) is sent a JSON object of causes, with NOTIFY_TOKEN of the environment as bearer.
    Mail goes from `email_from` to `email_to` by `smtp_url`: "smtp+starttls://user@host" or
    "smtps://user@host", with SMTP_PASSWORD of the environment. NOTIFY_TOKEN_FILE and SMTP_PASSWORD_FILE name
    files that hold them. Without TLS only this machine is spoken to.
    """

    webhook_url: str = ""
    email_to: list[str] = Field(default=[])
    email_from: str = ""
    smtp_url: str = ""

    @property
    def ways(self) -> tuple[str, ...]:
        """Those that are set: webhook, email."""
        fields = {"webhook": self.webhook_url, "email": self.email_to}
        return tuple(name for name, value in fields.items() if value)

    @field_validator("webhook_url")
    @classmethod
    def _private_web(cls, value: str) -> str:
        return checked_address(value, "https", "http")

    @field_validator("smtp_url")
    @classmethod
    def _private_mail(cls, value: str) -> str:
        if value and urlsplit(value).password:
            raise ValueError("no password stands here: SMTP_PASSWORD of the environment holds it")
        return checked_address(value, "smtps or smtp+starttls", "smtp")

    @field_validator("email_to")
    @classmethod
    def _addresses(cls, value: list[str]) -> list[str]:
        if wrong := [one for one in value if not _ADDRESS.fullmatch(one)]:
            raise ValueError(f"{wrong[0]!r} is no address")
        return value

    @model_validator(mode="after")
    def _whole(self) -> NotifySettings:
        if self.email_to and not (self.smtp_url and _ADDRESS.fullmatch(self.email_from)):
            raise ValueError("email_to needs email_from and smtp_url")
        return self
