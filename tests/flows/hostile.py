"""What every refusal of a hostile file has in common: a clear error, an exit code, and nothing touched."""

from pathlib import Path
from typing import Any

import pytest

from flows.problem import problem_of
from flows.stages import Context
from flows.stages.ingest import ingest
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, ZONE, fleet_rows, put, site_rows
from warehouse.errors import SourceError

CAR = str(fleet_rows()["battery_id"].iloc[0])
TELEMETRY = "battery_id,time_utc,voltage_v,current_a,temperature_degc\n"
SESSIONS = "session_id,battery_id,arrival_utc,departure_utc,arrival_soc,departure_soc\n"
TIMES = "2024-03-18T08:00Z,2024-03-18T18:00Z"


def depot_of(folder: Path) -> Workspace:
    """A workspace that knows a fleet, so that nothing but the file itself can be refused."""
    made = Workspace.create(folder / "depot", zone=ZONE)
    put(made, "sites", site_rows())
    put(made, "fleet", fleet_rows())
    return made


def sample(
    battery_id: str = CAR, time: str = "2024-03-18T08:00Z", volt: object = 380, amp: object = -5
) -> str:
    """One good row of telemetry, or one with something else in it."""
    return f"{battery_id},{time},{volt},{amp},20\n"


def session(session_id: str = "s1", battery_id: str = CAR, more: str = "") -> str:
    """One good session, or one with something else in it."""
    return f"{session_id},{battery_id},{TIMES},0.4,0.8{more}\n"


def refused(
    depot: Workspace, dataset: str, path: Path, message: str, source: str = "csv", **options: Any
) -> SourceError:
    """Ingest a file that has to be refused with `message`; the database stays as it was, byte for byte."""
    database = depot.root / "warehouse.duckdb"
    before = database.read_bytes()
    with pytest.raises(SourceError, match=message) as caught:
        ingest(Context.of(depot, AS_OF), dataset, [path], source=source, options=options)
    assert database.read_bytes() == before
    assert [file.name for file in depot.root.glob("warehouse*")] == ["warehouse.duckdb"]
    problem = problem_of(caught.value)
    assert problem.exit_code in (2, 4)
    assert problem.message.isprintable()
    assert len(problem.message) < 1500
    return caught.value
