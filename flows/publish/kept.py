"""Pages that are not made again: each ends with what it was made of, and with what it is.

A page whose inputs are the same as when it was made is taken along as it lies there, if nobody has changed
it since. What its inputs are is the caller's to say, as a key.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from warehouse.files import write_whole

_SEAL = b"<!-- made of "


def sealed(text: str, key: str) -> bytes:
    """A page with its seal. key: the same for the same inputs and code, without `-->`."""
    body = text.encode() + b"\n"
    return body + _seal(body, key)


def take_kept(before: Path, fresh: Path, key: str) -> bool:
    """Put the page of `before` at `fresh`, if it is made of what `key` says, and is as it was made."""
    try:
        page = b"" if before.is_symlink() else before.read_bytes()
    except OSError:
        return False
    body = page[: max(page.rfind(_SEAL), 0)]
    if not body or page != body + _seal(body, key):
        return False
    try:
        os.link(before, fresh, follow_symlinks=False)
    except OSError:  # a file system without hard links
        write_whole(fresh, page)
    return True


def _seal(body: bytes, key: str) -> bytes:
    return _SEAL + f"{key}: {hashlib.sha256(body).hexdigest()} -->\n".encode()
