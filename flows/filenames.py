"""Ids as names of files: two ids never share one, on any file system, and none is a name that means more.

A file system may take `A` and `a` for one name, or two spellings of `é`; Windows opens a device for `con` or
`nul.html`; a name ends at 255 bytes. So an id in lower-case letters, digits, `-` and `_` is the name of its
file, and any other is distinguished by a hash of it behind `~`, which no plain one holds.
"""

from __future__ import annotations

import hashlib
import re

_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
)
_LONGEST_STEM = 40
_DIGITS = 24


def passport_name(battery_id: str) -> str:
    """The name of a battery's passport, in exports/twins/ unless another folder is asked for."""
    return f"{file_stem(battery_id)}.passport.json"


def file_stem(identifier: str) -> str:
    """The name, without suffix, of an id's file: of letters, digits, `-`, `_` and `~`, at most 65 bytes.

    `car-001` → `car-001`, `Index` → `index~…`, `con` → `con~…`, `a/../b` → `a-b~…`; same id, same name.
    """
    if _PLAIN.fullmatch(identifier) and identifier not in _DEVICES:
        return identifier
    digest = hashlib.sha256(identifier.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    readable = re.sub(r"[^a-z0-9_]+", "-", identifier.lower()).strip("-")[:_LONGEST_STEM]
    return f"{readable or 'id'}~{digest}"
