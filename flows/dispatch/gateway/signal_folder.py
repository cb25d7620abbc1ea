"""The folder of a grid's signals: read again when a file comes, changes or goes; kept while it is away."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from flows.dispatch.gateway.signals import SignalError, SiteLimit, limits_of
from warehouse.files import make_folder, write_whole

SIGNALS_FOLDER = "signals"
PATTERN = "*.json"
_MOST_BYTES = 1_000_000


class SignalFolder:
    """The signals of `folder`, with copies in `own`. refused: is given the name of a bad file, and why."""

    def __init__(self, folder: Path, own: Path, refused: Callable[[str, str], object]) -> None:
        self._folder, self._own, self._refused = folder, make_folder(own), refused
        self._seen: dict[str, tuple[int, int]] = {}
        self._limits: dict[str, tuple[SiteLimit, ...]] = {}
        for file in sorted(own.glob(PATTERN)):
            self._load(file)

    @property
    def limits(self) -> list[SiteLimit]:
        """All there are."""
        return [one for limits in self._limits.values() for one in limits]

    def look(self) -> tuple[list[SiteLimit], list[SiteLimit]]:
        """What has come, and what was lifted, since the last look."""
        before = self.limits
        try:
            if not self._folder.is_dir():
                return [], []  # away: the copies hold
            files = {file.name: file for file in sorted(self._folder.glob(PATTERN))}
            signs = {name: (file.lstat().st_mtime_ns, file.lstat().st_size) for name, file in files.items()}
        except OSError:
            return [], []
        for name, file in files.items():
            if self._seen.get(name) != signs[name]:
                self._seen[name] = signs[name]
                if self._load(file):
                    self._copy(file)
        for name in self._limits.keys() - files.keys():
            del self._limits[name]
            self._seen.pop(name, None)
            (self._own / name).unlink(missing_ok=True)
        after = self.limits
        was, now = set(before), set(after)
        return [one for one in after if one not in was], [one for one in before if one not in now]

    def at(self, site_id: str, moment: float) -> tuple[float, float]:
        """What a site may draw and feed back at a moment (s since 1970), kW; inf where nothing is said."""
        mine = [
            one for one in self.limits
            if one.site_id == site_id and one.begin.timestamp() <= moment < one.end.timestamp()
        ]  # fmt: skip
        bounds = [one.bounds_kw for one in mine]
        drawn = min((kw for kw, _ in bounds), default=math.inf)
        return drawn, min((kw for _, kw in bounds), default=math.inf)

    def _copy(self, file: Path) -> None:
        try:
            write_whole(self._own / file.name, file.read_bytes())
        except OSError as error:
            self._refused(file.name, f"no copy of it could be kept: {error.strerror}")

    def _load(self, file: Path) -> bool:
        try:
            if file.is_symlink() or not file.is_file() or file.stat().st_size > _MOST_BYTES:
                raise SignalError(f"is no plain file, or larger than {_MOST_BYTES:,} bytes")
            self._limits[file.name], notes = limits_of(file.read_bytes())
            if notes:
                self._refused(file.name, f"{file.name}: {'; '.join(notes)}")
        except SignalError as error:
            self._refused(file.name, f"{file.name} {error}")
            return False
        except OSError as error:
            self._refused(file.name, f"{file.name} cannot be read: {error.strerror}")
            return False
        return True
