"""ocpi.toml: where the central system is, who both parties are, whose car a token is.

    versions_url = "https://cpo.example/ocpi/versions"
    from_party = "DE*V2G"                          # ours: country_code*party_id
    to_party = "NL*TNM"                            # the central system's
    listen = "127.0.0.1:9230"                      # where results are received while a command runs
    callback_url = "https://planner.example/ocpi"  # how the central system reaches that
    token_file = "ocpi.token"                      # else OCPI_TOKEN
    callback_token_file = "ocpi-callback.token"    # else OCPI_CALLBACK_TOKEN: with what it calls back

    [cars]
    "04A2B3C4" = "CAR1"                            # uid of the token (cdr_token)
    "NL*TNM*E1" = "CAR2"                           # whatever is plugged in at this EVSE (evse_uid)

Files of tokens are for their owner alone.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator

from flows.addresses import checked_address, is_here
from flows.dispatch.tokens import in_capitals
from flows.errors import UsageError
from flows.section import Section

FILE_NAME = "ocpi.toml"
_PARTY = re.compile(r"([A-Z]{2})\*([A-Z0-9]{3})")
_TOKEN = re.compile(r"[!-~]{1,64}")
_LISTEN = re.compile(r"([0-9A-Za-z.-]+):(\d{1,5})")
_HINT = f"{FILE_NAME} in the workspace: versions_url, from_party, to_party, [cars]."


class OcpiConfig(Section):
    """What ocpi.toml says; cars: token or EVSE in capitals → battery_id."""

    versions_url: str
    from_party: str
    to_party: str
    listen: str = "127.0.0.1:9230"
    callback_url: str = ""
    token_file: str = ""
    callback_token_file: str = ""
    cars: dict[str, Annotated[str, Field(min_length=1)]] = Field(default={})

    @field_validator("versions_url", "callback_url")
    @classmethod
    def _private(cls, value: str) -> str:
        return checked_address(value, "https", "http").rstrip("/")

    @field_validator("from_party", "to_party")
    @classmethod
    def _named(cls, value: str) -> str:
        if not _PARTY.fullmatch(value.upper()):
            raise ValueError('country code and party id are needed, as in "NL*TNM"')
        return value.upper()

    @field_validator("listen")
    @classmethod
    def _place(cls, value: str) -> str:
        found = _LISTEN.fullmatch(value)
        if found is None or int(found[2]) > 65535:
            raise ValueError('a host and a port are needed, as in "127.0.0.1:9230"')
        return value

    @field_validator("cars")
    @classmethod
    def _in_capitals(cls, value: dict[str, str]) -> dict[str, str]:
        (found,) = in_capitals(value)
        return found

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        elsewhere = not is_here(urlsplit(self.versions_url).hostname) or not is_here(self.address[0])
        if elsewhere and not self.callback_url:
            raise ValueError("callback_url is needed: how the central system reaches this machine")
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        host, _, port = self.listen.rpartition(":")
        return host, int(port)

    def routing(self) -> Mapping[str, str]:
        """The headers that route a request of a functional module."""
        to, ours = self.to_party.split("*"), self.from_party.split("*")
        return {
            "OCPI-to-country-code": to[0], "OCPI-to-party-id": to[1],
            "OCPI-from-country-code": ours[0], "OCPI-from-party-id": ours[1],
        }  # fmt: skip


def load_config(path: Path) -> OcpiConfig:
    """Read ocpi.toml; raises UsageError for one that is missing or cannot be right."""
    try:
        return OcpiConfig(**tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint=_HINT) from error
    except ValidationError as error:
        faults = [
            ": ".join(filter(None, (".".join(map(str, one["loc"])), one["msg"]))) for one in error.errors()
        ]
        raise UsageError(f"{path}: {'; '.join(faults)}", hint=_HINT) from error
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path} is not TOML: {error}", hint=_HINT) from error


def token_of(config: OcpiConfig, root: Path) -> str:
    """Return the token that the central system knows us by; raises UsageError where there is none."""
    found = _token("OCPI_TOKEN", config.token_file, root)
    if found is None:
        hint = "It is the credentials token of OCPI, not yet in Base64; a file's mode is 0600."
        raise UsageError("no token: set OCPI_TOKEN, or token_file in ocpi.toml", hint=hint)
    return found


def callback_token_of(config: OcpiConfig, root: Path) -> str | None:
    """Return the token that the central system has to call back with, None where none is agreed on."""
    return _token("OCPI_CALLBACK_TOKEN", config.callback_token_file, root)


def _token(variable: str, file_name: str, root: Path) -> str | None:
    text, where = os.environ.get(variable, "").strip(), variable
    if not text and file_name:
        file = root / file_name
        where = str(file)
        try:
            if file.stat().st_mode & 0o077:
                raise UsageError(f"{file} holds a token and can be read by others", hint=f"chmod 600 {file}")
            text = file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{file} cannot be read as a token: {_reason(error)}") from None
    if text and not _TOKEN.fullmatch(text):
        raise UsageError(f"{where}: a token has 1 to 64 printable ASCII characters and no space")
    return text or None


def _reason(error: Any) -> str:
    return getattr(error, "strerror", None) or "it is no ASCII text"
