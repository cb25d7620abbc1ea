"""The password of Prefect's server: made at every start, reported to children by their environment alone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

_USER = "v2g"


def new_password() -> str:
    """A fresh password in Prefect's form, USER:SECRET, of 192 random bits."""
    return f"{_USER}:{secrets.token_urlsafe(24)}"


def keep(password: str, path: Path) -> None:
    """Write it to a file of its owner alone; what was there, a link too, is replaced and not written to."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(password + "\n")
