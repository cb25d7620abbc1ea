"""Which code made a row: the package version and a hash of the source files, with or without git."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOMS = ("data_checks", "flows", "optimize", "twin", "warehouse")
_ROOT = Path(__file__).resolve().parent.parent


@cache
def source_hash(*rooms: str) -> str:
    """First 12 hex digits of the sha256 over the names and bytes of the rooms' source files."""
    digest = hashlib.sha256()
    for room in sorted(rooms):
        files = (path for path in (_ROOT / room).rglob("*") if path.is_file() and path.suffix != ".pyc")
        for path in sorted(files):
            digest.update(path.relative_to(_ROOT).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


@cache
def code_version() -> str:
    """Package version + hash of all rooms, as in `0.1.0+1f0c9a2b3d4e`."""
    try:
        number = version("v2g-planner")
    except PackageNotFoundError:
        number = "0"
    return f"{number}+{source_hash(*ROOMS)}"
