"""Stays and prices split over files, repeated, shuffled and corrected: one table, and one plan's inputs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.mapping.read_inputs import read_inputs
from flows.stages import Context
from flows.stages.check import check
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, ZONE, fleet_rows, price_rows, put, session_rows, site_rows
from tests.warehouse.builders import source_of

HOURS = 4
"""Moments at which something is reported of: at the first of everything, at each later one of some of it."""
SESSIONS, PRICES = len(session_rows()), len(price_rows(DAY, 2))
ORIGIN = ["source_id", "source_row", "received_utc", "by_source_id", "by_source_row", "by_received_utc"]
TABLES = ("core_session", "core_session_superseded", "core_price")

Message = tuple[str, int, list[int]]
"""A file: its dataset, the moment that it came, which rows it has."""


@pytest.fixture(scope="module")
def depot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sites and fleet, checked."""
    made = Workspace.create(tmp_path_factory.mktemp("order") / "depot", zone=ZONE)
    put(made, "sites", site_rows())
    put(made, "fleet", fleet_rows())
    check(Context.of(made, AS_OF))
    return made.root


def rows_of(file: Message) -> pd.DataFrame:
    """What a file tells: the later it came, the later cars arrive and the dearer a kWh is.

    At the last moment the second session is announced under another id, in whose place it comes.
    """
    dataset, hour, chosen = file
    if dataset == "prices":
        rows = price_rows(DAY, 2).iloc[chosen]
        return rows.assign(
            interval_start_utc=pd.to_datetime(rows["interval_start_utc"], utc=True),
            price_eur_per_kwh=rows["price_eur_per_kwh"] + 0.001 * hour,
        )
    rows = session_rows().iloc[chosen]
    times = {name: pd.to_datetime(rows[name], utc=True) for name in ("arrival_utc", "departure_utc")}
    times["arrival_utc"] += pd.Timedelta(minutes=10 * hour)
    ids = rows["session_id"].where(~((rows["session_id"] == "s2") & (hour == HOURS - 1)), "s2-again")
    return rows.assign(**times, session_id=ids)


def ended(depot: Path, files: Sequence[Message], checks: Sequence[int]) -> list[pd.DataFrame]:
    """The core tables and what a plan reads, after the files came in this order, with checks after some."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Path(shutil.copytree(depot, Path(folder) / "depot")))
        late = Context.of(workspace, AS_OF + timedelta(hours=HOURS + 1))
        for number, file in enumerate(files):
            source = source_of(file[0], rows_of(file), name=f"{number}")
            workspace.warehouse.ingest(source, AS_OF + timedelta(hours=file[1]))
            if number in checks:
                check(late)
        check(late)
        assert workspace.warehouse.read("core_quarantine").empty
        inputs = read_inputs(late, DAY)
        tables = [workspace.warehouse.read(table) for table in TABLES]
        before = [
            workspace.warehouse.read(table, known_by=AS_OF + timedelta(hours=1.5)) for table in TABLES[::2]
        ]
        prices = pd.DataFrame({"told": inputs.prices.slot_sources, "market": inputs.prices.market})
        stated = [*tables, *before, inputs.sessions, inputs.batteries, prices]
        return [frame.drop(columns=ORIGIN, errors="ignore") for frame in stated]


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[Message], list[Message]]:
    """Files in order, one a moment and dataset; and the same reported in any order, split and repeated."""
    straight, scattered = list[Message](), list[Message]()
    for dataset, count in (("sessions", SESSIONS), ("prices", PRICES)):
        for hour in range(HOURS):
            some = st.lists(st.integers(0, count - 1), min_size=1, max_size=count, unique=True)
            rows = list(range(count)) if hour == 0 else sorted(draw(some))
            straight.append((dataset, hour, rows))
            parts = draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows)))
            files = [[row for row, own in zip(rows, parts, strict=True) if own == part] for part in range(3)]
            scattered += [(dataset, hour, [*own, own[-1]]) for own in files if own]
            again = draw(st.lists(st.sampled_from(rows), unique=True, max_size=3))
            scattered += [(dataset, hour, again)] if again else []
    return straight, draw(st.permutations(scattered))


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(stated=streams(), data=st.data())
def test_in_any_order_and_splitting_the_tables_and_the_inputs_of_a_plan_are_the_same(
    depot: Path, stated: tuple[list[Message], list[Message]], data: st.DataObject
) -> None:
    straight, scattered = stated
    wanted = ended(depot, straight, [])
    stops = data.draw(st.lists(st.integers(0, len(scattered) - 1), max_size=2))
    for found, right in zip(ended(depot, scattered, stops), wanted, strict=True):
        pd.testing.assert_frame_equal(found, right, check_exact=True)
