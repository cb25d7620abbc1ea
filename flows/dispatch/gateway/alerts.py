"""What somebody has to know, by name: in alerts.jsonl once an hour and cause, and in the status."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from warehouse.files import FILE_MODE

_AGAIN_S = 3600.0
_SHOWN = 100
_LARGE_BYTES = 8_000_000


class Kind(StrEnum):
    """What it is about."""

    REFUSED_CONNECTION = "refused connection"
    ODD_FRAME = "odd frame"
    PROFILE_REJECTED = "profile rejected"
    NO_PROFILE = "no profile"
    NOT_LEARNT = "limits not told"
    METER_NOT_SET = "meter not set"
    NOT_READ = "not read when asked"
    SILENT = "silent"
    NOT_FOLLOWING = "not following"
    REFUSES_TO_DISCHARGE = "refuses to discharge"
    LIMIT_REACHED = "limit reached"
    FAULT = "fault"
    LEFT_EARLY = "left early"
    SIGNAL = "limited by the grid"
    SIGNAL_LIFTED = "limit lifted"
    SIGNAL_REFUSED = "signal refused"
    CURTAILED = "curtailed"
    LET_GO = "let go"
    NO_LOOK = "limits not looked at"
    SITE_ABOVE = "site above its limit"
    UNKNOWN_CAR = "unknown car"
    NOT_ADMITTED = "token refused"
    CLOCK_OFF = "clock off"
    PLAN_REFUSED = "plan refused"
    DISK = "disk"


class Alerts:
    """The alerts of a gateway; `file` is added to."""

    def __init__(self, file: Path, clock: Callable[[], datetime]) -> None:
        self._file, self._clock = file, clock
        self._last: dict[tuple[str, ...], dict[str, Any]] = {}
        self.newest: deque[dict[str, Any]] = deque(maxlen=_SHOWN)

    def report(
        self,
        kind: Kind,
        station: str,
        problem: str,
        *,
        evse: int | None = None,
        battery_id: str | None = None,
        site_id: str | None = None,
        each: bool = False,
    ) -> bool:
        """Tell of something; whether it was new. What goes on is counted, and reported anew every hour.

        each: it does not go on, every time is another.
        """
        now = self._clock()
        key = (kind, station, str(evse), battery_id or "", site_id or "")
        before = self._last.get(key)
        if not each and before is not None and now.timestamp() - before["first"] < _AGAIN_S:
            before["told"] |= {"count": before["told"]["count"] + 1, "last_utc": _text(now)}
            return False
        fields = {
            "at_utc": _text(now), "kind": str(kind), "station": station, "evse": evse,
            "battery_id": battery_id, "site_id": site_id, "problem": problem[:500], "count": 1,
            "last_utc": _text(now),
        }  # fmt: skip
        self._last = {
            name: one for name, one in self._last.items() if now.timestamp() - one["first"] < _AGAIN_S
        }
        self._last[key] = {"first": now.timestamp(), "told": fields}
        self.newest.appendleft(fields)
        with suppress(OSError):  # a full disk: the status still has it
            self._write(fields)
        return True

    def _write(self, stated: dict[str, Any]) -> None:
        if self._file.exists() and self._file.stat().st_size > _LARGE_BYTES:
            self._file.replace(self._file.with_suffix(".1.jsonl"))
        self._file.touch(FILE_MODE)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(stated) + "\n")


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
