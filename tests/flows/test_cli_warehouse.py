"""The commands on the warehouse as a whole: what they answer, what they refuse, what they leave alone."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from flows import cli
from flows.mapping.requests import calibration_requests
from flows.stages import Context
from flows.stages.check import check
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, put

Run = Callable[..., tuple[int, dict[str, Any]]]
HOUR = timedelta(hours=1)


@pytest.fixture
def run(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Call v2g on the workspace: exit code and the JSON answer."""

    def call(*words: object) -> tuple[int, dict[str, Any]]:
        line = ["v2g", "--json", "-w", str(workspace.root), *map(str, words)]
        monkeypatch.setattr(sys, "argv", line)
        with pytest.raises(SystemExit) as left:
            cli.main()
        return int(left.value.code or 0), json.loads(capsys.readouterr().out)

    return call


@pytest.fixture
def measured(workspace: Workspace) -> Workspace:
    """Two hours of telemetry a day before AS_OF, checked; received at AS_OF."""
    put(workspace, "telemetry", samples())
    check(Context.of(workspace, AS_OF))
    return workspace


def samples(voltage_v: float = 350.0) -> pd.DataFrame:
    times = pd.date_range(AS_OF - timedelta(days=1), periods=120, freq="min")
    return pd.DataFrame(
        {
            "battery_id": "car-1",
            "time_utc": times.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "voltage_v": [voltage_v + 0.01 * minute for minute in range(120)],
            "current_a": 20.0,
            "temperature_degc": 21.0,
        }
    )


def test_a_backup_brings_back_what_was_there(measured: Workspace, run: Run, tmp_path: Path) -> None:
    code, answer = run("backup", tmp_path / "backup.duckdb")
    assert (code, answer["rows"]["core_telemetry"]) == (0, 120)
    measured.warehouse.prune(samples_before=AS_OF.date(), raw_before=None, pruned_utc=AS_OF, dry_run=False)
    code, answer = run("restore", tmp_path / "backup.duckdb")
    assert (code, answer["rows"]["core_telemetry"]) == (0, 120)
    assert measured.warehouse.extent("telemetry").rows == 120
    code, answer = run("backup", tmp_path / "backup.duckdb")
    assert (code, answer["error"]["kind"]) == (2, "CopyError")


def test_a_damaged_backup_is_a_failed_validation(workspace: Workspace, run: Run, tmp_path: Path) -> None:
    (tmp_path / "backup.duckdb").write_bytes(b"no database" * 1000)
    before = (workspace.root / "warehouse.duckdb").read_bytes()
    code, answer = run("restore", tmp_path / "backup.duckdb")
    assert (code, answer["error"]["kind"]) == (4, "DamagedError")
    assert (workspace.root / "warehouse.duckdb").read_bytes() == before


def test_retention_deletes_nothing_unless_given_for_how_long(measured: Workspace, run: Run) -> None:
    late = ("--as-of", (AS_OF + timedelta(days=40)).isoformat())
    code, answer = run("retention", *late)
    assert (code, [row["rows"] for row in answer["deleted"]]) == (0, [0, 0, 0])
    settings = measured.root / "v2g.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(re.sub(r"# ?samples_days.*", "samples_days = 31", text), encoding="utf-8")
    code, answer = run("retention", "--dry-run", *late)
    assert [row["rows"] for row in answer["deleted"]] == [120, 0, 0]
    assert measured.warehouse.extent("telemetry").rows == 120
    code, answer = run("retention", "--raw-days", "10", *late)
    assert [(row["table"], row["rows"]) for row in answer["deleted"]] == [
        ("core_telemetry", 120), ("raw_telemetry", 120), ("out_twin_residual", 0),
    ]  # fmt: skip
    assert measured.warehouse.extent("telemetry").rows == 0
    assert len(measured.warehouse.read("core_telemetry_15min")) == 8


def test_snapshot_and_export_write_where_they_are_given(
    measured: Workspace, run: Run, tmp_path: Path
) -> None:
    code, answer = run("snapshot")
    assert (code, answer["snapshot"]) == (0, str(measured.exports / "snapshot.duckdb"))
    with duckdb.connect(answer["snapshot"], read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM core_telemetry").fetchall() == [(120,)]
    code, answer = run("export", "--parquet", tmp_path / "lake", "--table", "core_telemetry")
    assert (code, answer["tables"]) == (0, [{"table": "core_telemetry", "rows": 120, "files": 1}])
    code, answer = run("export", "--parquet", tmp_path / "lake", "--table", "core_telemetri")
    assert (code, answer["error"]["kind"]) == (2, "UnknownTableError")


def test_an_older_warehouse_names_the_command_that_brings_it_forward(workspace: Workspace, run: Run) -> None:
    with duckdb.connect(str(workspace.root / "warehouse.duckdb")) as connection:
        connection.execute("UPDATE meta_schema SET version = 1")
    code, answer = run("status")
    assert (code, answer["error"]["kind"]) == (2, "SchemaVersionError")
    assert "v2g migrate" in answer["error"]["message"]
    code, answer = run("migrate")
    assert (code, answer["found"]) == (0, 1)
    assert run("migrate")[1]["found"] == answer["version"]
    assert run("status")[0] == 0


def test_a_calibration_reads_what_was_known_and_not_what_came_later(measured: Workspace) -> None:
    def voltage(as_of: Any) -> list[float]:
        asked = calibration_requests(Context.of(measured, as_of), ["car-1"], {}, {})
        return [volts for one in asked for volts in one.request.telemetry["voltage_v"][:1]]

    put(measured, "telemetry", samples(360.0), as_of=AS_OF + HOUR)
    check(Context.of(measured, AS_OF + HOUR))
    assert voltage(AS_OF - HOUR) == []
    assert voltage(AS_OF) == [350.0]
    assert voltage(AS_OF + HOUR) == [360.0]
    before, after = (
        calibration_requests(Context.of(measured, at), ["car-1"], {}, {})[0].files
        for at in (AS_OF, AS_OF + HOUR)
    )
    source = {
        name: files.set_index("dataset").loc["telemetry"] for name, files in (("a", before), ("b", after))
    }
    assert source["a"]["source_id"] != source["b"]["source_id"]
    assert list(source["a"][["rows", "first_row", "last_row"]]) == [120, 1, 120]
