"""Days and moments that no market can mean are refused where they are typed or stand in a file."""

from __future__ import annotations

import sys
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from flows import cli
from flows.errors import UsageError
from flows.moments import day_of, moment_of
from flows.problem import problem_of
from flows.stages import Context
from flows.stages.plan import plan
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, fleet_rows, price_rows, put, session_rows
from warehouse.contracts import DATASETS, Kind
from warehouse.errors import UnknownDayError, WarehouseError
from warehouse.sources import read_source
from warehouse.sources.single import DATASETS as SINGLY
from warehouse.zones import ZONES, market_day_slots

ENDS = ["0001-01-01", "9999-12-31", "1999-12-31", "2100-01-01"]
COMMANDS = {
    "--date": (
        ["plan"], ["report"], ["run"],
        ["ingest", "prices", "--source", "energy_charts"],
        ["ingest", "tariffs", "a.toml", "--source", "tou"],
    ),
    "--until": (["ingest", "tariffs", "a.toml", "--source", "tou", "--date", "2026-01-01"],),
    "--onto": (
        ["ingest", "sessions", "a.csv", "--source", "acn"],
        ["ingest", "sessions", "a.csv", "--source", "desl"],
    ),
    "--as-of": (
        ["status"], ["check"], ["plan"], ["calibrate"], ["run"], ["report"], ["retention"], ["snapshot"],
        ["backup", "b.duckdb"], ["export", "--parquet", "lake"], ["trace", "abc"], ["migrate"],
        ["quarantine", "list"], ["twin", "show", "car-1"], ["serve"],
        ["ingest", "prices", "--source", "energy_charts"],
    ),
}  # fmt: skip
LINES = [(option, line) for option, lines in COMMANDS.items() for line in lines]


@pytest.mark.parametrize(("option", "line"), LINES, ids=[f"{line[0]} {option}" for option, line in LINES])
def test_a_day_beyond_any_market_is_a_usage_error_in_every_command(
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    option: str,
    line: list[str],
) -> None:
    for text in ENDS:
        monkeypatch.setattr(sys, "argv", ["v2g", "-w", str(workspace.root), *line, option, text])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = " ".join(capsys.readouterr().err.replace("│", " ").split())
        assert left.value.code == 2, said
        assert f"{option} {text}: not within 2000-01-01 to 2099-12-31" in said


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00+14:00", "9999-12-31T23:59:59-14:00", "1999-12-31T23:59Z", "2100-01-01T00:00Z"]
)
def test_no_offset_carries_a_moment_over_the_end_of_the_calendar(text: str) -> None:
    with pytest.raises(UsageError, match="not within"):
        moment_of("--as-of", text)


def test_the_first_and_last_day_can_be_meant_in_every_zone() -> None:
    for text in ("2000-01-01", "2099-12-31"):
        moment_of("--as-of", f"{text}T12:00+14:00")
        assert {len(market_day_slots(day_of("--date", text), zone)) for zone in ZONES} == {96}


@pytest.mark.parametrize("text", ENDS)
def test_a_stage_that_is_given_such_a_day_says_so(workspace: Workspace, text: str) -> None:
    put(workspace, "prices", price_rows(AS_OF.date(), 1))
    with pytest.raises(UnknownDayError, match=text) as caught:
        plan(Context.of(workspace, AS_OF), date.fromisoformat(text))
    assert problem_of(caught.value).exit_code == 2


ROWS = {
    "prices": lambda: price_rows(AS_OF.date(), 1),
    "sessions": session_rows,
    "fleet": fleet_rows,
    "telemetry": lambda: pd.DataFrame(
        {"battery_id": "car-1", "time_utc": ["2024-03-01T00:00:00Z", "2024-03-01T00:01:00Z"],
         "voltage_v": 350.0, "current_a": 1.0, "temperature_degc": 20.0}
    ),
    "metering": lambda: pd.DataFrame(
        {"battery_id": "car-1", "interval_start_utc": ["2024-03-01T00:00:00Z", "2024-03-01T00:15:00Z"],
         "import_kwh": 1.0, "export_kwh": 0.0}
    ),
    "checkups": lambda: pd.DataFrame(
        {"battery_id": ["car-1", "car-1"], "time_utc": ["2024-03-01T00:00:00Z", "2024-03-02T00:00:00Z"],
         "capacity_ah": 160.0, "temperature_degc": 25.0, "resistance_ohm": 0.05}
    ),
}  # fmt: skip
TIMES = [
    (dataset, column.name)
    for dataset, make in ROWS.items()
    for column in DATASETS[dataset]
    if column.kind in (Kind.TIME, Kind.DATE) and column.name in make()
]


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"]
)
@pytest.mark.parametrize(("dataset", "column"), TIMES)
def test_such_a_time_in_a_file_is_an_error_or_a_row_set_aside_that_names_row_column_and_value(
    tmp_path: Path, dataset: str, column: str, text: str
) -> None:
    rows = ROWS[dataset]()
    rows[column] = rows[column].astype(object)
    rows.loc[1, column] = text
    file = tmp_path / f"{dataset}.csv"
    rows.to_csv(file, index=False)
    if dataset in SINGLY:  # one bad cell costs its row
        found = read_source(dataset, file)
        assert found.frame[column].isna().tolist() == [number == 1 for number in range(len(rows))]
        message, named = "; ".join(found.notes), f"column {column!r}"
    else:
        with pytest.raises(WarehouseError) as caught:
            read_source(dataset, file)
        assert problem_of(caught.value).exit_code == 4
        message, named = str(caught.value), f"column {column}"
    for part in ("row 2", named, text):
        assert part in message


def test_a_moment_that_has_not_come_is_refused_unless_the_record_has_come_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = Workspace.create(tmp_path / "new", zone="DE-LU")

    def status(moment: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["v2g", "-w", str(workspace.root), "status", "--as-of", moment])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return int(str(left.value.code or 0)), " ".join(capsys.readouterr().err.replace("│", " ").split())

    before = AS_OF - timedelta(days=365)
    monkeypatch.setattr("flows.moments.now", lambda: before)
    code, said = status(f"{before + timedelta(minutes=1):%Y-%m-%dT%H:%MZ}")
    assert code == 2 and "has not come: it is 2023-03-20T12:00Z" in said
    assert status(f"{before:%Y-%m-%dT%H:%MZ}")[0] == 0
    put(workspace, "prices", price_rows(AS_OF.date(), 1))  # days that are simulated, received at AS_OF
    assert status(f"{AS_OF:%Y-%m-%dT%H:%MZ}")[0] == 0
    assert status(f"{AS_OF + timedelta(minutes=1):%Y-%m-%dT%H:%MZ}")[0] == 2
