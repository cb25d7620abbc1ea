"""Secrets: of the environment or of files that nobody else can read, and out of whatever is said.

A secret is never a setting, a parameter or an argument of the command line. `without_secrets` is the last
door before a text is kept or shown: whoever wrote it, it takes out what this process was entrusted with.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from flows.errors import UsageError

_IN_A_FILE = "_FILE"
_NAMED_SO = re.compile(
    r"(?:.*_)?(?:TOKEN|PASSWORD|SECRET|AUTH_STRING|API_KEY|LEDGER_KEY|PSEUDONYM_KEYS)", re.IGNORECASE
)
"""Names of variables that hold secrets, of this project and of Prefect."""
_OF_ADDRESSES = ("PREFECT_API_URL",)
_SHORTEST = 6
"""A shorter one could be any word of a text."""


def secret(variable: str) -> str:
    """The value of a variable, or what the file holds that VARIABLE_FILE names; empty where neither is set.

    Raises UsageError, which shows no value, where both are set, or where the file cannot be read, is empty or
    can be read by others.
    """
    value, file = os.environ.get(variable, "").strip(), os.environ.get(f"{variable}{_IN_A_FILE}", "").strip()
    if not file:
        return value
    if value:
        raise UsageError(f"{variable} and {variable}{_IN_A_FILE} are both set: one of them is needed")
    return _of_file(Path(file), f"{variable}{_IN_A_FILE}")


def _of_file(file: Path, variable: str) -> str:
    try:
        if file.stat().st_mode & 0o077:
            raise UsageError(f"{variable}: {file} can be read by others", hint=f"chmod 600 {file}")
        value = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UsageError(f"{variable}: {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise UsageError(f"{variable}: {file} is not UTF-8") from None
    if not value:
        raise UsageError(f"{variable}: {file} is empty")
    return value


def without_secrets(text: str) -> str:
    """The text with "…" in the place of every secret that this process was given, however it is spelt."""
    return secrets_out()(text)


def secrets_out() -> Callable[[str], str]:
    """`without_secrets` for many texts: what is secret is looked up once."""
    known = _known()
    if not known:
        return lambda text: text
    from warehouse.sources.tariffs.redact import Redactor

    return Redactor(known).text


def _known() -> list[str]:
    """The values of all variables and files that hold secrets."""
    found = list[str]()
    for name, value in os.environ.items():
        if _NAMED_SO.fullmatch(name):
            found += [value.strip(), value.strip().partition(":")[2]]  # user:password
        elif _NAMED_SO.fullmatch(name.removesuffix(_IN_A_FILE)) and name.endswith(_IN_A_FILE):
            found.append(_lenient(Path(value.strip())))
        elif name in _OF_ADDRESSES:
            found += _password_of(value)
    return sorted({value for value in found if len(value) >= _SHORTEST})


def _lenient(file: Path) -> str:
    """What a file of a secret holds; nothing where it cannot be read, which `secret` will say."""
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _password_of(address: str) -> list[str]:
    try:
        stated = urlsplit(address).password or ""
    except ValueError:
        return [address]
    return [stated, unquote(stated)]
