"""Landed telemetry goes through checks and promotion in parts; the tables are those of one frame."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from data_checks import CheckContext, check_frame, combined_checks
from tests.warehouse.builders import NOW, fleet, source_of, sources_of, telemetry
from warehouse.store import Warehouse

CARS = 6
TABLES = ("core_telemetry", "core_telemetry_15min", "core_quarantine", "out_check")


@pytest.fixture
def warehouse(tmp_path):
    return made(tmp_path / "warehouse.duckdb")


def made(path):
    warehouse = Warehouse(path, lock_timeout_s=5.0)
    warehouse.create()
    return warehouse


def stream():
    """Six cars' hours shuffled, each with a fault of another kind; one row has no battery."""
    rows = pd.concat([telemetry(f"CAR{number}", minutes=120) for number in range(1, CARS + 1)])
    rows = rows.reset_index(drop=True)
    rows.loc[10, "current_a"] = np.inf
    rows.loc[130, "voltage_v"] = 900.0
    rows.loc[250, "temperature_degc"] = -80.0
    rows.loc[370, "time_utc"] = pd.Timestamp("2031-01-01", tz="UTC")
    rows.loc[490, "soc_reported"] = 7.0
    rows.loc[610, "battery_id"] = None
    return rows.sample(frac=1.0, random_state=1)


def checked(warehouse, rows):
    """Check what waits in parts of `rows`, as the stage does; returns the parts."""
    parts = warehouse.waiting("telemetry", rows=rows)
    context = CheckContext(
        as_of_utc=NOW, run_id="r1", batteries=fleet(CARS),
        battery_ids=frozenset(f"CAR{number}" for number in range(1, CARS + 1)),
    )  # fmt: skip
    found, judged = [], []
    for part in parts:
        frame = warehouse.unchecked("telemetry", part)
        assert len(part.own(frame)) == part.rows
        report = check_frame("telemetry", frame, replace(context, within=(part.start, part.end)))
        warehouse.promote_part(part, frame, report.good, report.quarantine)
        found.append(report.checks)
        judged.append(report.judged)
    warehouse.finish_check("telemetry", combined_checks(found, judged), sources_of(parts), NOW)
    return parts


def tables(warehouse):
    found = {name: warehouse.read(name) for name in TABLES}
    by = ["scope", "rule"]
    found["out_check"] = found["out_check"].sort_values(by, ignore_index=True)
    return found


def test_parts_end_in_the_tables_of_one_frame(warehouse, tmp_path):
    whole = made(tmp_path / "whole.duckdb")
    for each in (warehouse, whole):
        for first in range(0, CARS * 120, 240):
            each.ingest(source_of("telemetry", stream().iloc[first : first + 240], name=str(first)), NOW)
    assert len(checked(whole, 10_000)) == 1
    parts = checked(warehouse, 200)
    assert len(parts) == 3
    assert sum(part.rows for part in parts) == CARS * 120
    assert warehouse.waiting("telemetry") == []
    expected = tables(whole)
    assert set(expected["core_quarantine"]["rule"]) >= {"finite", "range", "future", "not_null"}
    for name, frame in tables(warehouse).items():
        pd.testing.assert_frame_equal(frame, expected[name])


FAULTS = {
    "good": lambda rows: rows,
    "turned": lambda rows: rows.assign(current_a=-rows["current_a"]),
    "unit": lambda rows: rows.assign(voltage_v=rows["voltage_v"] * 1000.0),
    "dead": lambda rows: rows.assign(soc_reported=0.0),
    "stale": lambda rows: rows.assign(soc_reported=0.5),
    "stuck": lambda rows: rows.assign(voltage_v=rows["voltage_v"].iloc[0]),
    "sentinel": lambda rows: rows.assign(soc_reported=rows["soc_reported"].where(rows.index % 7 != 3, 7.0)),
    "spike": lambda rows: rows.assign(voltage_v=rows["voltage_v"] + 90.0 * (rows.index % 50 == 30)),
    "twice": lambda rows: pd.concat([rows, rows.iloc[:9], rows.iloc[9:12].assign(voltage_v=310.0)]),
    "silent": lambda rows: rows.iloc[::40],
}
"""What a file of one battery may have, of which its other files know nothing."""


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    kinds=st.lists(st.sampled_from(sorted(FAULTS)), min_size=3, max_size=5),
    cut=st.integers(510, 700),
    swap=st.booleans(),
)
def test_files_of_one_battery_apart_end_in_the_tables_of_one_frame(kinds, cut, swap):
    """Cut between files wherever: a stuck, stale or silent stretch may go on from one file to the next."""
    assume(240 * sum(kind != "silent" for kind in kinds) > cut)
    with tempfile.TemporaryDirectory() as folder:
        both = [made(Path(folder) / name) for name in ("whole.duckdb", "parts.duckdb")]
        for car in ("CAR1", "CAR2"):
            rows = telemetry(car, minutes=240 * len(kinds))
            for number, kind in enumerate(kinds if car == "CAR1" or not swap else kinds[::-1]):
                own = rows.iloc[240 * number : 240 * (number + 1)].reset_index(drop=True)
                for warehouse in both:
                    warehouse.ingest(source_of("telemetry", FAULTS[kind](own), name=f"{car}{number}"), NOW)
        assert len(checked(both[0], 100_000)) == 1
        parts = checked(both[1], cut)
        assert len(parts) > 1
        assert both[1].waiting("telemetry") == []
        expected = tables(both[0])
        for name, frame in tables(both[1]).items():
            pd.testing.assert_frame_equal(frame, expected[name])


STRETCHES = ("good", "stale", "stuck", "spike", "twice", "silent")
"""What a stretch of a file may have that is seen without the rest of it: no verdict on the whole."""
COUNTED_ALONG = {"constant", "monotone", "current_sign_unseen"}
"""Warnings that count what runs on, or what there is to see, within a stretch."""


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(
    kinds=st.lists(st.sampled_from(STRETCHES), min_size=8, max_size=8),
    cut=st.integers(1500, 3500),
    shuffled=st.booleans(),
)
def test_stretches_of_one_file_end_in_the_tables_of_the_whole(kinds, cut, shuffled):
    """Cut in time wherever: what is wrong for some hours is found across a cut, and on neither side twice."""
    with tempfile.TemporaryDirectory() as folder:
        both = [made(Path(folder) / name) for name in ("whole.duckdb", "parts.duckdb")]
        rows = telemetry(minutes=4 * 1440)
        hours = [rows.iloc[720 * number : 720 * (number + 1)] for number in range(8)]
        mixed = [FAULTS[kind](own.reset_index(drop=True)) for kind, own in zip(kinds, hours, strict=True)]
        rows = pd.concat([*mixed, rows.iloc[:3].assign(time_utc=pd.NaT)], ignore_index=True)
        assume(len(rows) > cut)
        rows = rows.sample(frac=1.0, random_state=1) if shuffled else rows
        for warehouse in both:
            warehouse.ingest(source_of("telemetry", rows), NOW)
        assert len(checked(both[0], 100_000)) == 1
        parts = checked(both[1], cut)
        assert len(parts) > 1
        assert {part.start for part in parts[1:]} == {part.end for part in parts[:-1]}
        expected, found = tables(both[0]), tables(both[1])
        for each in (expected, found):
            checks = each["out_check"]
            each["out_check"] = checks[~checks["rule"].isin(COUNTED_ALONG)].reset_index(drop=True)
        for name in TABLES:
            pd.testing.assert_frame_equal(found[name], expected[name])


def test_a_battery_of_many_files_is_cut_between_them(warehouse):
    for number in range(4):
        rows = pd.concat([telemetry("CAR2", start=f"2020-03-2{number + 1}T00:00Z", minutes=100)])
        warehouse.ingest(source_of("telemetry", rows, name=str(number)), NOW)
    for name, minutes in (("CAR1", 30), ("CAR3", 40)):
        warehouse.ingest(source_of("telemetry", telemetry(name, minutes=minutes), name=name), NOW)
    strays = telemetry("CAR9", minutes=5).assign(battery_id=None)
    warehouse.ingest(source_of("telemetry", strays, name="nobody's"), NOW)
    parts = warehouse.waiting("telemetry", rows=200)
    assert [(part.lowest, part.highest, part.rows) for part in parts] == [
        (None, "CAR1", 35), *[("CAR2", "CAR2", 100)] * 4, ("CAR3", "CAR3", 40),
    ]  # fmt: skip
    read = pd.concat([warehouse.unchecked("telemetry", part) for part in parts])
    assert not read.duplicated(["source_id", "source_row"]).any()
    assert len(read) == 475


def test_a_check_that_broke_off_starts_again_and_ends_the_same(warehouse, tmp_path):
    broken = made(tmp_path / "broken.duckdb")
    for each in (warehouse, broken):
        each.ingest(source_of("telemetry", stream()), NOW)
    first = broken.waiting("telemetry", rows=200)[0]
    frame = broken.unchecked("telemetry", first)
    report = check_frame("telemetry", frame, CheckContext(as_of_utc=NOW, run_id="r0", batteries=fleet(CARS)))
    broken.promote_part(first, frame, report.good, report.quarantine)
    assert len(broken.read("core_quarantine")) > 0
    for each in (warehouse, broken):
        checked(each, 200)
    expected = tables(warehouse)
    for name, kept in tables(broken).items():
        pd.testing.assert_frame_equal(kept, expected[name])


def test_a_file_that_is_ingested_meanwhile_waits_for_the_next_check(warehouse):
    warehouse.ingest(source_of("telemetry", telemetry(minutes=10), name="first"), NOW)
    parts = warehouse.waiting("telemetry")
    warehouse.ingest(source_of("telemetry", telemetry("CAR2", minutes=20), name="second"), NOW)
    assert len(warehouse.unchecked("telemetry", parts[0])) == 10
    frame = warehouse.unchecked("telemetry", parts[0])
    nothing = pd.DataFrame(columns=warehouse.read("core_quarantine").columns)
    warehouse.promote_part(parts[0], frame, frame, nothing)
    warehouse.finish_check("telemetry", warehouse.read("out_check"), parts[0].source_ids, NOW)
    assert [part.rows for part in warehouse.waiting("telemetry")] == [20]


def test_datasets_without_a_time_series_are_one_part(warehouse):
    assert warehouse.waiting("fleet") == []
    warehouse.ingest(source_of("fleet", fleet(5)), NOW)
    (part,) = warehouse.waiting("fleet", rows=2)
    assert (part.rows, part.lowest, part.highest) == (5, None, None)
