"""The command line: cheap help, one-screen errors that name the thing, nothing written."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from flows import cli
from flows.workspace import Workspace
from tests.flows.conftest import DAY, fleet_rows, price_rows, session_rows
from warehouse.contracts import CONTRACTS

HEAVY = ("pandas", "numpy", "duckdb", "prefect", "pybamm", "pyomo", "great_expectations", "pydantic")
COMMANDS = [command.name or command.callback.__name__ for command in cli.app.registered_commands]


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["v2g", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        printed = capsys.readouterr()
        return Outcome(int(left.value.code or 0), printed.out, printed.err)

    return call


def row_counts(workspace: Workspace) -> dict[str, int]:
    return {table: len(workspace.warehouse.read(table)) for table in CONTRACTS}


def test_help_loads_no_engine() -> None:
    code = (
        "import sys; sys.argv = ['v2g', '--help']\n"
        "from flows.cli import main\n"
        "try: main()\n"
        f"finally: print('LOADED', [name for name in {HEAVY} if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "LOADED []" in answer.stdout
    assert "Exit codes" in answer.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example_and_the_shared_options(run: Run, command: str) -> None:
    answer = run(command, "--help")
    assert answer.code == 0
    for part in (f"Example: v2g {command}", "--workspace", "--json", "--as-of"):
        assert part in answer.out


def test_no_argument_is_a_question_for_help(run: Run) -> None:
    assert run().code == 0


def csv(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def missing_file(_: Path) -> list[object]:
    return ["ingest", "prices", "nowhere.csv"]


def empty_file(folder: Path) -> list[object]:
    return ["ingest", "prices", csv(folder, "empty.csv", "")]


def wrong_column(folder: Path) -> list[object]:
    text = price_rows(DAY, 1).rename(columns={"resolution_minutes": "resolution_minuts"}).to_csv(index=False)
    return ["ingest", "prices", csv(folder, "column.csv", text)]


def unknown_zone_argument(folder: Path) -> list[object]:
    file = csv(folder, "p.csv", price_rows(DAY, 1).to_csv(index=False))
    return ["ingest", "prices", file, "--zone", "DE-LX"]


def unknown_zone_in_file(folder: Path) -> list[object]:
    text = price_rows(DAY, 1).assign(zone="DE-LX").to_csv(index=False)
    return ["ingest", "prices", csv(folder, "zone.csv", text)]


def wrong_unit(folder: Path) -> list[object]:
    rows = price_rows(DAY, 1)
    rows["price_eur_per_kwh"] *= 1000
    return ["ingest", "prices", csv(folder, "unit.csv", rows.to_csv(index=False))]


def unknown_battery(folder: Path) -> list[object]:
    text = session_rows().assign(battery_id="car-9").to_csv(index=False)
    return ["ingest", "sessions", csv(folder, "s.csv", text)]


def unknown_site(folder: Path) -> list[object]:
    text = fleet_rows().assign(site_id="yord").to_csv(index=False)
    return ["ingest", "fleet", csv(folder, "f.csv", text)]


def unknown_source(folder: Path) -> list[object]:
    file = csv(folder, "p.csv", price_rows(DAY, 1).to_csv(index=False))
    return ["ingest", "prices", file, "--source", "smart"]


def unknown_kind(_: Path) -> list[object]:
    return ["ingest", "price", "x.csv"]


def bad_date(_: Path) -> list[object]:
    return ["plan", "--date", "2024-02-30"]


def bad_as_of(_: Path) -> list[object]:
    return ["check", "--as-of", "yesterday"]


ERRORS = [
    (missing_file, 2, ["nowhere.csv"]),
    (empty_file, 4, ["empty.csv", "is empty"]),
    (wrong_column, 4, ["column.csv", "resolution_minuts", "resolution_minutes"]),
    (unknown_zone_argument, 2, ["DE-LX", "DE-LU"]),
    (unknown_zone_in_file, 4, ["zone.csv", "DE-LX", "DE-LU"]),
    (wrong_unit, 4, ["unit.csv", "price_eur_per_kwh", "€/MWh"]),
    (unknown_battery, 4, ["s.csv", "car-9", "car-"]),
    (unknown_site, 4, ["f.csv", "yord", "yard"]),
    (unknown_source, 2, ["smart", "smard"]),
    (unknown_kind, 2, ["price", "prices"]),
    (bad_date, 2, ["2024-02-30"]),
    (bad_as_of, 2, ["yesterday"]),
]


@pytest.mark.parametrize(("words", "code", "parts"), ERRORS, ids=[case[0].__name__ for case in ERRORS])
def test_an_error_is_one_screen_that_names_the_thing_and_writes_nothing(
    run: Run,
    workspace: Workspace,
    words: Callable[[Path], list[object]],
    code: int,
    parts: list[str],
) -> None:
    before = row_counts(workspace)
    arguments = ["-w", workspace.root, *words(workspace.root.parent)]
    answer = run(*arguments)
    assert answer.code == code
    assert answer.out == ""
    assert len(answer.err.splitlines()) <= 15
    flat = "".join(line.strip("│ ") + " " for line in answer.err.splitlines())
    for part in parts:
        assert part in flat or part in flat.replace(" ", "")
    assert row_counts(workspace) == before

    result = run(*arguments, "--json")
    assert result.code == code
    error = json.loads(result.out)["error"]
    assert error["exit_code"] == code
    for part in parts:
        assert part in error["message"]
    assert row_counts(workspace) == before


def test_a_folder_without_settings_is_no_workspace(run: Run, tmp_path: Path) -> None:
    answer = run("status", "-w", tmp_path)
    assert answer.code == 2
    assert "v2g init" in answer.err


def test_init_refuses_what_is_there_and_unknown_zones(run: Run, tmp_path: Path) -> None:
    refused = run("init", tmp_path / "a", "--zone", "US-HUB")
    assert (refused.code, "[zones.NAME]" in refused.err) == (2, True)
    assert run("init", tmp_path / "a", "--zone", "DE-LX").code == 2
    assert not (tmp_path / "a").exists()
    assert run("init", tmp_path / "a", "--zone", "FI").code == 0
    again = run("init", tmp_path / "a")
    assert (again.code, "already" in again.err) == (2, True)


def test_shared_options_are_taken_on_both_sides_of_the_command(run: Run, workspace: Workspace) -> None:
    before = run("--workspace", workspace.root, "--json", "status")
    after = run("status", "--json", "--workspace", workspace.root)
    assert before.code == after.code == 0
    first, second = (json.loads(stated.out) for stated in (before, after))
    assert first.pop("disk") and second.pop("disk")  # others write on it meanwhile
    assert first == second
    assert {row["dataset"]: row["unchecked"] for row in json.loads(after.out)["data"]}["fleet"] == 2


def test_the_same_file_is_ingested_once(run: Run, workspace: Workspace) -> None:
    file = csv(workspace.root.parent, "p.csv", price_rows(DAY, 1).to_csv(index=False))
    first = json.loads(run("-w", workspace.root, "ingest", "prices", file, "--json").out)["stages"][0]
    again = json.loads(run("-w", workspace.root, "ingest", "prices", file, "--json").out)["stages"][0]
    assert (first["new_rows"], again["new_rows"]) == (24, 0)
    assert len(workspace.warehouse.read("raw_price")) == 24


def test_no_plan_is_exit_5(run: Run, workspace: Workspace) -> None:
    for words in (["plan", "--date", DAY], ["report", "--date", DAY], ["calibrate"]):
        answer = run("-w", workspace.root, *words)
        assert answer.code == 5
        assert "v2g" in answer.err


def test_a_foreign_log_goes_in_by_its_mapping_and_a_wrong_mapping_does_not(
    run: Run, workspace: Workspace, tmp_path: Path
) -> None:
    car = str(fleet_rows()["battery_id"].iloc[0])
    log, mapping = tmp_path / "log.csv", tmp_path / "bms.toml"
    log.write_text("t;U;I\n1710748800;380000;-2,5\n1710748860;380100;-2,5\n")
    mapping.write_text(
        'delimiter = ";"\ndecimal = ","\n[columns]\n'
        'time_utc = { from = "t", format = "unix_s" }\n'
        'voltage_v = { from = "U", unit = "mV" }\n'
        'current_a = { from = "I", positive = "discharge" }\n'
        f'temperature_degc = {{ constant = 20 }}\nbattery_id = {{ constant = "{car}" }}\n'
    )
    words = ("ingest", "telemetry", log, "--mapping", mapping, "-w", workspace.root)
    assert run(*words).code == 0
    rows = workspace.warehouse.unchecked("telemetry")
    assert rows[["voltage_v", "current_a"]].to_numpy().tolist() == [[380.0, 2.5], [380.1, 2.5]]
    mapping.write_text(mapping.read_text().replace("mV", "mili"))
    answer = run(*words)
    assert answer.code == 2
    assert "columns.voltage_v.unit" in answer.err
    assert run(*words, "--source", "ocpp").code == 2


def test_whose_a_file_is_can_be_determined_by_one_id_or_word_by_word(
    run: Run, workspace: Workspace, tmp_path: Path
) -> None:
    one, other = map(str, fleet_rows()["battery_id"].head(2))
    log = tmp_path / "log.jsonl"
    log.write_text(
        "\n".join(
            json.dumps(
                [2, f"{kind}{tag}", "TransactionEvent", {
                    "eventType": kind, "timestamp": f"2024-03-18T{hour:02d}:00:00Z",
                    "transactionInfo": {"transactionId": tag}, "idToken": {"idToken": tag},
                    "meterValue": [{"timestamp": f"2024-03-18T{hour:02d}:00:00Z",
                                    "sampledValue": [{"measurand": "SoC", "value": hour * 4}]}],
                }]
            )
            for tag in ("T1", "T2")
            for kind, hour in (("Started", 8), ("Ended", 18))
        )
    )  # fmt: skip
    words = ("ingest", "sessions", log, "--source", "ocpp", "-w", workspace.root)
    assert run(*words).code == 4  # the tokens are no cars of the fleet
    assert run(*words, "--battery", f"T1={one}", "--battery", f"T1={other}").code == 2
    alone = run(*words, "--battery", f"T1={one}")  # the other token is a guest's
    assert (alone.code, "T2" in alone.err + alone.out) == (0, True)
    assert run(*words, "--battery", f"T1={one}", "--battery", f"T2={other}").code == 0
    rows = workspace.warehouse.unchecked("sessions")
    assert rows[["battery_id", "arrival_soc", "departure_soc"]].to_numpy().tolist() == [
        [one, 0.32, 0.72],  # of the log with a guest
        [one, 0.32, 0.72],
        [other, 0.32, 0.72],
    ]
