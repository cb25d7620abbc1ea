"""What the grid's signals come to, as rows of `site_limits` for the inbox: what changed since last reported.

A quarter-hour that a limit touches has it whole. A limit without an end is reported for the days ahead, and
on each of them anew; one that is lifted is reported again, without a number. What was reported is a file of
its own, written after the rows are in the inbox: after a kill they are reported again, the same.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from flows.dispatch.gateway.signals import SiteLimit
from flows.dispatch.plan_file import QUARTER
from warehouse.files import write_whole

HEADER = (
    "site_id", "interval_start_utc", "resolution_minutes", "import_limit_kw", "export_limit_kw",
    "setpoint_kw",
)  # fmt: skip
_QUARTER_S = QUARTER.total_seconds()
_DAY_S = 86400.0
_AHEAD_DAYS = 4
_NOTHING = (math.inf, math.inf, math.inf)
Powers = tuple[float | None, float | None, float | None]
LimitRows = dict[tuple[str, float], Powers]


class SignalRows:
    """Rows for `inbox`; `file` keeps what was reported, and how often."""

    def __init__(self, file: Path, inbox: Path) -> None:
        self._file, self._inbox = file, inbox
        self._number, self._stated = _read(file)

    def report(self, limits: Iterable[SiteLimit], now: float, gateway: str) -> None:
        """Put what is new into the inbox; raises OSError."""
        wanted = _quarters(limits, now)
        recent = {key: powers for key, powers in self._stated.items() if key[1] >= now - now % _QUARTER_S}
        changed = {key: powers for key, powers in wanted.items() if recent.get(key) != powers}
        lifted = [key for key, powers in recent.items() if key not in wanted and _limits(powers)]
        changed |= dict.fromkeys(lifted, (None, None, None))
        if not changed:
            return
        number = self._number + 1
        name = f"site_limits__csv__gateway-{gateway}-limits-{number}.csv"
        write_whole(self._inbox / name, _csv(changed))
        kept = {**recent, **changed}
        rows = [[site, begin, *powers] for (site, begin), powers in sorted(kept.items())]
        write_whole(self._file, json.dumps({"number": number, "told": rows}))
        self._number, self._stated = number, kept


def _limits(powers: Powers) -> bool:
    """Whether a row orders anything."""
    return any(one is not None for one in powers)


def _quarters(limits: Iterable[SiteLimit], now: float) -> LimitRows:
    """The least limits and set point by site and quarter-hour, from this one on."""
    first, last = now - now % _QUARTER_S, (now // _DAY_S + _AHEAD_DAYS) * _DAY_S
    found: dict[tuple[str, float], tuple[float, float, float]] = {}
    for one in limits:
        begin, end = one.begin.timestamp(), min(one.end.timestamp(), last)
        at = max(first, begin - begin % _QUARTER_S)
        while at < end:
            drawn, fed, due = found.get((one.site_id, at), _NOTHING)
            most = one.bounds_kw
            due = due if one.setpoint_kw is None else min(due, one.setpoint_kw)
            found[one.site_id, at] = min(drawn, most[0]), min(fed, most[1]), due
            at += _QUARTER_S
    return {key: (_or_none(a), _or_none(b), _or_none(c)) for key, (a, b, c) in found.items()}


def _csv(rows: LimitRows) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for (site, begin), powers in sorted(rows.items()):
        start = datetime.fromtimestamp(begin, UTC).isoformat().replace("+00:00", "Z")
        writer.writerow([site, start, 15, *("" if one is None else f"{one:g}" for one in powers)])
    return text.getvalue().encode()


def _read(file: Path) -> tuple[int, LimitRows]:
    """How often, and what, was reported; nothing where there is no such file, or none that can be read."""
    try:
        answer = json.loads(file.read_bytes())
        stated = {(str(site), float(at)): (a, b, *due) for site, at, a, b, *due in answer["told"]}
        padded = {key: (*own, None)[:3] for key, own in stated.items()}  # of before: without set points
        return int(answer["number"]), padded
    except (OSError, ValueError, KeyError, TypeError):
        return 0, {}


def _or_none(kw: float) -> float | None:
    return kw if kw < math.inf else None
