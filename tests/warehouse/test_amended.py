"""What the checks made of a row is what it stays: at earlier moments, and when it comes forward again."""

import datetime as dt
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.warehouse.builders import NOW, source_of, telemetry
from tests.warehouse.test_promotion_property import check
from warehouse.store import Warehouse
from warehouse.withdrawal import Rows, decide

HOUR = dt.timedelta(hours=1)
EMPTIED = "cell_voltage_max_v"


def made(folder):
    warehouse = Warehouse(Path(folder) / "warehouse.duckdb")
    warehouse.create()
    return warehouse


def take_in(warehouse, hours, frame):
    warehouse.ingest(source_of("telemetry", frame, name=str(hours)), NOW + hours * HOUR)
    check(warehouse)


def with_sentinels(minutes=60):
    """A record whose highest cell voltage is 0xFFFF mV for ten minutes, and 3.8 V else."""
    frame = telemetry(minutes=minutes)
    frame[EMPTIED] = np.where(frame.index.isin(range(10, 20)), 65.535, 3.8)
    return frame


def twice_a_stamp(frame):
    """Two readings of each stamp, within noise of each other."""
    other = frame.assign(voltage_v=frame["voltage_v"] + 0.02)
    return pd.concat([frame, other]).sort_values("time_utc", kind="stable", ignore_index=True)


@pytest.mark.parametrize("changed", [with_sentinels(), twice_a_stamp(telemetry(minutes=60))])
def test_an_earlier_belief_reads_as_the_checks_left_it(tmp_path, changed):
    warehouse = made(tmp_path)
    take_in(warehouse, 0, changed)
    first = warehouse.read("core_telemetry")
    assert len(first) == 60
    take_in(warehouse, 1, telemetry(minutes=60, voltage_v=381.0))
    assert (warehouse.read("core_telemetry")["voltage_v"] >= 381.0).all()
    pd.testing.assert_frame_equal(warehouse.read("core_telemetry", known_by=NOW), first)


@pytest.mark.parametrize("changed", [with_sentinels(), twice_a_stamp(telemetry(minutes=60))])
def test_what_comes_forward_when_a_correction_is_withdrawn_is_what_the_checks_left(tmp_path, changed):
    warehouse = made(tmp_path)
    take_in(warehouse, 0, changed)
    first = warehouse.read("core_telemetry")
    take_in(warehouse, 1, telemetry(minutes=30, voltage_v=381.0))
    last = warehouse.read("raw_source").sort_values("received_utc")["source_id"].iloc[-1]
    more = {"by": "x", "reason": "y", "decided_utc": NOW + 2 * HOUR}
    decide(warehouse, Rows(dataset="telemetry", source=last), "withdraw", **more)
    pd.testing.assert_frame_equal(warehouse.read("core_telemetry"), first)


parts = st.lists(
    st.tuples(st.integers(0, 50), st.integers(1, 30), st.booleans(), st.sampled_from([0.0, 0.5, 1.0])),
    min_size=2, max_size=4,
)  # fmt: skip


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(stated=parts, data=st.data())
def test_files_that_come_later_do_not_change_what_was_known(stated, data):
    """Overlapping exports with sentinels and several readings a stamp, ingested in any order."""
    whole = with_sentinels(80)
    files = []
    for start, minutes, doubled, up in stated:
        frame = whole.iloc[start : start + minutes].assign(voltage_v=lambda f, up=up: f["voltage_v"] + up)
        files.append(twice_a_stamp(frame) if doubled else frame)
    numbered = list(enumerate(files))
    moment = data.draw(st.integers(0, len(files) - 1))
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        warehouse, before = made(one), made(two)
        for hours, frame in data.draw(st.permutations(numbered)):
            take_in(warehouse, hours, frame)
        for hours, frame in numbered[: moment + 1]:
            take_in(before, hours, frame)
        then = warehouse.read("core_telemetry", known_by=NOW + moment * HOUR)
        pd.testing.assert_frame_equal(then, before.read("core_telemetry"))
