"""Any permutation, duplication and splitting of a stream ends in the same core table."""

import datetime as dt
import tempfile
from pathlib import Path

import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_checks import CheckContext, check_frame, combined_checks
from tests.warehouse.builders import NOW, fleet, promote_unchecked, source_of, sources_of, telemetry
from warehouse.store import Warehouse

STREAM = pd.concat(
    [telemetry(car, start="2020-03-28T23:50Z", minutes=20) for car in ("CAR1", "CAR2")], ignore_index=True
)
COLUMNS = ["battery_id", "time_utc", "voltage_v", "current_a", "temperature_degc"]

chunks = st.lists(st.lists(st.integers(0, len(STREAM) - 1), min_size=1, max_size=60), min_size=1, max_size=5)


def core_after(parts):
    """The core table after landing (received hours after NOW, rows, correction in V) in the order given."""
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse(Path(folder) / "warehouse.duckdb")
        warehouse.create()
        for hours, rows, correction in parts:
            frame = STREAM.iloc[rows].assign(voltage_v=lambda f, c=correction: f["voltage_v"] + c)
            warehouse.ingest(source_of("telemetry", frame, name=str(hours)), NOW + dt.timedelta(hours=hours))
            if hours % 2:
                promote_unchecked(warehouse, "telemetry")
        promote_unchecked(warehouse, "telemetry")
        return warehouse.read("core_telemetry")[COLUMNS]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(split=chunks, data=st.data())
def test_split_shuffled_and_repeated_telemetry_is_the_same_table(split, data):
    parts = [(hours, rows, 0.0) for hours, rows in enumerate(split)]
    core = core_after(data.draw(st.permutations(parts)))
    seen = sorted({row for rows in split for row in rows})
    expected = STREAM.iloc[seen].sort_values(["battery_id", "time_utc"])[COLUMNS].reset_index(drop=True)
    pd.testing.assert_frame_equal(core, expected, check_dtype=False)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(split=chunks, data=st.data())
def test_of_contradicting_beliefs_the_later_received_holds_in_any_order(split, data):
    parts = [(hours, rows, float(hours)) for hours, rows in enumerate(split)]
    core = core_after(data.draw(st.permutations(parts)))
    latest = {row: hours for hours, rows, _ in parts for row in rows}
    expected = STREAM.iloc[sorted(latest)].copy()
    expected["voltage_v"] += pd.Series(latest, dtype=float)
    expected = expected.sort_values(["battery_id", "time_utc"])[COLUMNS].reset_index(drop=True)
    pd.testing.assert_frame_equal(core, expected, check_dtype=False)


def check(warehouse):
    """Check and promote what waits, a battery at a time."""
    context = CheckContext(
        as_of_utc=NOW, run_id="r", batteries=fleet(2), battery_ids=frozenset({"CAR1", "CAR2"})
    )
    checks, judged, parts = [], [], warehouse.waiting("telemetry", rows=1)
    for part in parts:
        frame = warehouse.unchecked("telemetry", part)
        report = check_frame("telemetry", frame, context)
        warehouse.promote_part(part, frame, report.good, report.quarantine)
        checks.append(report.checks)
        judged.append(report.judged)
    if parts:
        warehouse.finish_check("telemetry", combined_checks(checks, judged), sources_of(parts), NOW)


def checked_after(files):
    """Both core tables after landing (received hours after NOW, frame, check thereafter) in this order."""
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse(Path(folder) / "warehouse.duckdb")
        warehouse.create()
        for hours, frame, check_now in files:
            warehouse.ingest(source_of("telemetry", frame, name=str(hours)), NOW + dt.timedelta(hours=hours))
            if check_now:
                check(warehouse)
        check(warehouse)
        assert warehouse.read("core_quarantine").empty
        return warehouse.read("core_telemetry")[COLUMNS], warehouse.read("core_telemetry_15min")


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(split=chunks, data=st.data())
def test_through_checks_any_order_splitting_and_repetition_ends_in_the_same_tables(split, data):
    """Files in any order, rows twice in a file, a file twice, a check in between: the latest belief holds."""
    frames = {
        hours: STREAM.iloc[[*rows, rows[0]]].assign(voltage_v=lambda f, up=hours: f["voltage_v"] + 0.5 * up)
        for hours, rows in enumerate(split)
    }
    order = data.draw(st.permutations([*frames, 0]))
    stop = data.draw(st.integers(0, len(order) - 1))
    found = checked_after((hours, frames[hours], at == stop) for at, hours in enumerate(order))
    latest = pd.concat(frames.values()).drop_duplicates(["battery_id", "time_utc"], keep="last")
    expected = checked_after([(0, latest.sort_values(["battery_id", "time_utc"]), False)])
    for got, wanted in zip(found, expected, strict=True):
        pd.testing.assert_frame_equal(got, wanted, check_exact=True)
