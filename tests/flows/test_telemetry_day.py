"""A fiftieth of the benchmark's day of telemetry, in parts: all of it arrives once and only once."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.benchmarks.telemetry_day import (
    AS_OF,
    MINUTES,
    fingerprint,
    make_workspace,
    take_in,
    write_day,
)
from warehouse import store

BATTERIES = 200


def test_a_day_arrives_whole_and_again_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.Warehouse.waiting, "__kwdefaults__", {"rows": 100_000})
    workspace = make_workspace(tmp_path, BATTERIES)
    rows = write_day(tmp_path / "day.parquet", BATTERIES, order="time")
    assert rows == BATTERIES * MINUTES
    take_in(workspace, tmp_path / "day.parquet", AS_OF)
    warehouse = workspace.warehouse
    assert warehouse.extent("telemetry").rows == rows
    assert warehouse.read("core_quarantine").empty
    quarters = warehouse.read("core_telemetry_15min", columns=["battery_id", "samples", "covered_minutes"])
    assert len(quarters) == BATTERIES * 96
    assert quarters["samples"].eq(15).all()
    assert quarters["covered_minutes"].eq(15).all()
    before = fingerprint(workspace, BATTERIES)

    sources = warehouse.read("raw_source")
    take_in(workspace, tmp_path / "day.parquet", AS_OF)
    pd.testing.assert_frame_equal(warehouse.read("raw_source"), sources)
    write_day(tmp_path / "again.parquet", BATTERIES, order="time", compression="zstd")
    take_in(workspace, tmp_path / "again.parquet", AS_OF)
    assert len(warehouse.read("raw_source")) == len(sources) + 1
    assert fingerprint(workspace, BATTERIES) == before
