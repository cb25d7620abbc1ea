"""Any permutation, duplication and splitting of a stream ends in the same core table."""

import datetime as dt
import tempfile
from pathlib import Path

import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.warehouse.builders import NOW, promote_unchecked, source_of, telemetry
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
            warehouse.land(source_of("telemetry", frame, name=str(hours)), NOW + dt.timedelta(hours=hours))
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
