"""A served workspace hears its gateway: what it tells of sessions does not wait for the quarter-hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from flows.workspace import Workspace
from tests.flows.serving import ENDED, served, soon
from tests.flows.test_serve import runs_of
from warehouse.files import write_whole

NAME = "sessions__csv__gateway-a-1.csv"


def test_a_session_that_the_gateway_tells_is_taken_in_within_a_minute(workspace: Workspace) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    row = f"s9,car-1,{now.isoformat()},{(now + timedelta(hours=3)).isoformat()},0.4,0.8\n"
    header = "session_id,battery_id,arrival_utc,departure_utc,arrival_soc,departure_soc\n"
    with served(workspace) as up:
        (first,) = soon(lambda: runs_of(up, auto=False), process=up.process, within_s=90.0)
        up.ended(first["id"])
        write_whole(workspace.inbox / NAME, header + row)
        soon((workspace.inbox / "done" / NAME).exists, process=up.process, within_s=60.0)
        soon(
            lambda: all(up.state(run["id"])["type"] in ENDED for run in runs_of(up, auto=False)),
            within_s=60.0,
        )
    assert list(workspace.warehouse.read("core_session")["session_id"]) == ["s9"]
