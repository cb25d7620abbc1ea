"""Which backups of a warehouse are known: NAME.backups next to it, one JSON line a backup, the newest
last."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from warehouse.files import FILE_MODE


def note_backup(warehouse: Path, backup: Path) -> None:
    """Add a backup to those known; where the folder cannot be written, it stays a backup nobody noted."""
    with suppress(OSError):
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(_list(warehouse), flags, FILE_MODE), "a", encoding="utf-8") as stream:
            stream.write(json.dumps({"file": str(backup)}) + "\n")


def newest_backup(warehouse: Path) -> Path | None:
    """Return the newest known backup that is still where it was put, or None."""
    return next(iter(known_backups(warehouse)), None)


def known_backups(warehouse: Path) -> Iterator[Path]:
    """The known backups that are still where they were put, the newest first."""
    try:
        lines = _list(warehouse).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in reversed(lines):
        with suppress(ValueError, KeyError, TypeError, OSError):
            file = Path(json.loads(line)["file"])
            if file.is_file():
                yield file


def _list(warehouse: Path) -> Path:
    return Path(f"{warehouse}.backups")
