"""What the gateway has left for whoever plans: files in the inbox, and the wish for a new plan."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime

from flows.dispatch.gateway import ASKED_FILE, STATE_FOLDER
from flows.workspace import Workspace

_LOOK_S = 1.0
_APART_S = 10.0
_NAMED = "*__csv__gateway-*.csv"


def asked_by_gateway(workspace: Workspace, now: datetime) -> datetime | None:
    """When it last asked for a new plan, UTC; None where it never did, or of a time to come."""
    try:
        answer = json.loads((workspace.root / STATE_FOLDER / ASKED_FILE).read_bytes())
        asked = datetime.fromisoformat(answer["asked_utc"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return asked if asked.tzinfo is not None and asked <= now else None


def files_of_gateway(workspace: Workspace) -> frozenset[str]:
    """The names of its files that lie in the inbox."""
    return frozenset(file.name for file in workspace.inbox.glob(_NAMED))


async def listen(workspace: Workspace, ring: Callable[[], Awaitable[object]]) -> None:
    """Ring when the gateway has reported of a session or asked for a plan, until cancelled; not every second.

    What lies there at the start is not new: it is looked at anyhow.
    """
    heard = _heard(workspace)
    while True:
        await asyncio.sleep(_LOOK_S)
        new = _heard(workspace)
        if new - heard:
            await ring()
            await asyncio.sleep(_APART_S)
        heard = new


def _heard(workspace: Workspace) -> frozenset[str]:
    """Names of sessions that were announced, and of the wish by its time; quarter-hours alone can wait."""
    wish = workspace.root / STATE_FOLDER / ASKED_FILE
    try:
        asked = frozenset({f"asked {wish.stat().st_mtime_ns}"})
    except OSError:
        asked = frozenset()
    return asked | {name for name in files_of_gateway(workspace) if name.startswith("sessions__")}
