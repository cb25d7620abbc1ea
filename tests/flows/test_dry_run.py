"""`v2g ingest --dry-run`: all faults of a file at once, the answer of the real commands, and no trace."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flows.stages import Context
from flows.stages.check import check
from flows.stages.ingest import ingest
from flows.stages.tryout import dry_run
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, fleet_rows, price_rows, put, session_rows
from tests.flows.test_cli import Run, run  # noqa: F401 a fixture
from warehouse.errors import CellError, ColumnError, SourceError


def samples(rows: int = 240) -> pd.DataFrame:
    """Two hours of charging at a half minute."""
    times = pd.date_range(AS_OF - pd.Timedelta(hours=3), periods=rows, freq="30s")
    ramp = np.arange(rows)
    return pd.DataFrame(
        {
            "battery_id": "car-1",
            "time_utc": times.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "voltage_v": np.round(350.0 + 0.01 * ramp + 0.1 * (ramp % 3), 2),
            "current_a": np.round(20.0 + 0.1 * (ramp % 5), 2),
            "temperature_degc": np.round(22.0 + 0.002 * ramp + 0.1 * (ramp % 2), 2),
            "soc_reported": np.round(0.4 + ramp * 20.2 / 120.0 / 171.2, 3),
        }
    ).astype(object)


def faults_of(workspace: Workspace, dataset: str, file: Path, **how: Any) -> tuple[int, list[dict[str, Any]]]:
    result = dry_run(Context.of(workspace, AS_OF), dataset, [file], every_row=True, **how)
    return result.exit_code, [dict(row) for row in result.tables["faults"]]


def written(folder: Path, rows: pd.DataFrame, name: str = "own.csv") -> Path:
    rows.to_csv(folder / name, index=False)
    return folder / name


def traces(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_a_file_without_fault_is_reported_so_and_leaves_no_trace(
    workspace: Workspace, tmp_path: Path
) -> None:
    file, before = written(tmp_path, samples()), traces(workspace.root)
    assert faults_of(workspace, "telemetry", file) == (0, [])
    assert traces(workspace.root) == before
    ingest(Context.of(workspace, AS_OF), "telemetry", [file])
    assert check(Context.of(workspace, AS_OF)).details["quarantined"] == 0


def test_all_faults_of_a_file_are_reported_at_once(workspace: Workspace, tmp_path: Path) -> None:
    rows = samples()
    rows.loc[9, "voltage_v"] = "35o.1"
    rows.loc[19, "voltage_v"] = "x"
    rows.loc[29, "time_utc"] = "yesterday"
    rows.loc[39, "current_a"] = 9000.0
    rows.loc[49, "battery_id"] = "car-9"
    rows.loc[59, "voltage_v"] = 3.5
    rows.loc[240] = rows.loc[69]
    rows.loc[241] = rows.loc[79]
    rows.loc[241, "voltage_v"] = 362.0
    rows = rows.rename(columns={"temperature_degc": "temprature_degc"})
    before = traces(workspace.root)
    code, answer = faults_of(workspace, "telemetry", written(tmp_path, rows))
    assert code == 4
    assert traces(workspace.root) == before
    found = {(row["what"], row["row"], row["column"], row["value"]) for row in answer}
    assert {
        ("refused", None, "temprature_degc", None),
        ("refused", 10, "voltage_v", "35o.1"),
        ("refused", 20, "voltage_v", "x"),
        ("refused", 30, "time_utc", "yesterday"),
        ("set aside", 40, "current_a", "9000.0"),
        ("set aside", 50, "battery_id", "car-9"),
        ("set aside", 60, "voltage_v", "3.5"),
    } <= found
    assert {row["row"] for row in answer if row["what"] == "repeated"} == {241}
    assert {80, 242} <= {row["row"] for row in answer if row["what"] == "set aside"}
    (misnamed,) = [row for row in answer if row["column"] == "temprature_degc" and row["what"] == "refused"]
    assert "did you mean 'temperature_degc'?" in misnamed["reason"]


def test_what_is_missing_altogether_does_not_hide_the_rest(workspace: Workspace, tmp_path: Path) -> None:
    rows = fleet_rows().drop(columns=["cells_series", "chemistry"]).astype(object)
    rows.loc[0, "soc_min"] = "ten"
    rows.loc[1, "efficiency_charge"] = 1.4
    code, answer = faults_of(workspace, "fleet", written(tmp_path, rows))
    assert code == 4
    assert {row["column"] for row in answer if "is missing" in row["reason"]} >= {"cells_series", "chemistry"}
    assert ("soc_min", 1, "ten") in {(row["column"], row["row"], row["value"]) for row in answer}
    assert ("efficiency_charge", 2) in {(row["column"], row["row"]) for row in answer}
    notes = {row["column"] for row in answer if row["what"] == "note"}
    assert {"cells_series", "chemistry"} <= notes


def test_rows_that_stand_for_themselves_are_set_aside_one_by_one(
    workspace: Workspace, tmp_path: Path
) -> None:
    rows = session_rows().astype(object)
    rows.loc[1, "arrival_soc"] = "unavailable"
    code, answer = faults_of(workspace, "sessions", written(tmp_path, rows))
    assert (code, [(row["what"], row["row"], row["value"]) for row in answer]) == (
        0, [("set aside", 2, "unavailable")],
    )  # fmt: skip
    prices = price_rows(DAY, 1).astype(object)
    prices.loc[3, "price_eur_per_kwh"] = "n/e"
    prices.loc[5, "interval_start_utc"] = "soon"
    code, answer = faults_of(workspace, "prices", written(tmp_path, prices))
    assert code == 0
    assert {(row["what"], row["row"]) for row in answer} == {("set aside", 4), ("set aside", 6)}


def test_it_answers_what_the_real_commands_would(workspace: Workspace, tmp_path: Path) -> None:
    """Of files of every sort: refused by the one exactly if by the other, and as many rows let in."""
    good = samples()
    cases = {
        "fine": good,
        "sign": good.assign(current_a=-good["current_a"]),
        "unit": good.assign(voltage_v=good["voltage_v"] * 1000),
        "stranger": good.assign(battery_id="car-9"),
        "word": good.assign(voltage_v=good["voltage_v"].where(good.index != 7, "unavailable")),
        "header": good.rename(columns={"voltage_v": "voltage_mv"}),
    }
    for name, rows in cases.items():
        file = written(tmp_path, rows, f"{name}.csv")
        result = dry_run(Context.of(workspace, AS_OF), "telemetry", [file])
        (summary,) = result.tables["files"]
        try:
            ingest(Context.of(workspace, AS_OF), "telemetry", [file])
        except SourceError:
            assert (result.exit_code, summary["outcome"]) == (4, "refused"), name
            continue
        checked = check(Context.of(workspace, AS_OF))
        assert result.exit_code == checked.exit_code, name
        assert summary["would be let in"] == checked.tables["datasets"][-1]["good"], name


def test_a_header_of_another_unit_or_quantity_is_named_and_nothing_is_scaled(tmp_path: Path) -> None:
    from warehouse.sources import read_source

    rows = samples().rename(columns={"voltage_v": "Pack Voltage [mV]", "current_a": "Pack Amps"})
    with pytest.raises(ColumnError) as caught:
        read_source("telemetry", written(tmp_path, rows))
    message = str(caught.value)
    assert "did you mean 'voltage_v'?: it is in mV" in message
    assert '`unit = "mV"`' in message
    assert "column Pack Amps: is not a column of telemetry; did you mean 'current_a'?" in message
    fleet = fleet_rows().rename(
        columns={"nominal_capacity_ah": "nominal_capacity_kwh", "soc_max": "soc_maxx"}
    )
    with pytest.raises(ColumnError, match=r"It is in kWh, which is another quantity than Ah.*soc_maxx"):
        read_source("fleet", written(tmp_path, fleet))


def test_a_real_ingest_tells_the_first_bad_cell_of_each_column(workspace: Workspace, tmp_path: Path) -> None:
    rows = samples()
    rows.loc[[3, 4], "voltage_v"] = "x"
    rows.loc[[8, 9], "current_a"] = "y"
    with pytest.raises(CellError, match=r"row 4, column voltage_v: 'x'.*; row 9, column current_a: 'y'"):
        ingest(Context.of(workspace, AS_OF), "telemetry", [written(tmp_path, rows)])


def test_a_mapped_file_is_tried_likewise(workspace: Workspace, tmp_path: Path) -> None:
    from warehouse.sources import load_mapping

    rows = samples().rename(columns={"voltage_v": "U", "current_a": "I"}).astype(object)
    rows.loc[4, "U"] = "3x"
    rows.loc[5, "I"] = "--x"
    toml = tmp_path / "m.toml"
    toml.write_text('[columns.voltage_v]\nfrom = "U"\n[columns.current_a]\nfrom = "I"\n', encoding="utf-8")
    meant = load_mapping(toml, "telemetry")
    code, answer = faults_of(
        workspace, "telemetry", written(tmp_path, rows), source=meant.source, options=meant.options
    )
    assert code == 4
    assert {("refused", 5, "U", "3x"), ("refused", 6, "I", "--x")} <= {
        (row["what"], row["row"], row["column"], row["value"]) for row in answer
    }


def test_the_command_answers_a_program(run: Run, workspace: Workspace, tmp_path: Path) -> None:  # noqa: F811
    rows = samples()
    rows.loc[3, "voltage_v"] = "x"
    answer = run(
        "ingest", "telemetry", written(tmp_path, rows), "--dry-run", "--json", "-w", workspace.root,
        "--as-of", AS_OF.isoformat(),
    )  # fmt: skip
    (content,) = json.loads(answer.out)["stages"]
    assert (answer.code, content["exit_code"], content["written"]) == (4, 4, False)
    assert [row["row"] for row in content["tables"]["faults"] if row["what"] == "refused"] == [4]
    assert run("ingest", "telemetry", "--dry-run", "-w", workspace.root).code == 2


def test_a_semicolon_is_reported_with_the_key_that_reads_it(workspace: Workspace, tmp_path: Path) -> None:
    put(workspace, "sessions", session_rows())
    file = tmp_path / "s.csv"
    session_rows().to_csv(file, index=False, sep=";")
    code, answer = faults_of(workspace, "sessions", file)
    assert code == 4
    assert '`delimiter = ";"`' in answer[0]["reason"]


@pytest.mark.parametrize("naive", [1, 2, 3])
def test_times_without_offset_are_reported_row_by_row_as_the_real_run_takes_them(
    workspace: Workspace, tmp_path: Path, naive: int
) -> None:
    rows = session_rows().head(3).astype(object)
    for column in ("arrival_utc", "departure_utc"):
        stamps = [str(pd.Timestamp(one)).replace("+00:00", "Z") for one in rows[column]]
        rows[column] = [one.removesuffix("Z") if row < naive else one for row, one in enumerate(stamps)]
    file = written(tmp_path, rows)
    code, faults = faults_of(workspace, "sessions", file)
    stated = {(row["row"], row["column"]) for row in faults if "has no offset from UTC" in row["reason"]}
    rows_reported = range(1, naive + 1) if naive < 3 else [1]  # of a whole column the first stands for all
    assert stated == {(row, column) for row in rows_reported for column in ("arrival_utc", "departure_utc")}
    refused = {row["column"] for row in faults if row["what"] == "refused"}
    if naive == 1:
        assert not refused
        ingest(Context.of(workspace, AS_OF), "sessions", [file])
        return
    assert (code, refused) == (4, {"arrival_utc", "departure_utc"})
    with pytest.raises(CellError, match=r"row 1, column arrival_utc: .* has no offset from UTC"):
        ingest(Context.of(workspace, AS_OF), "sessions", [file])


def test_a_session_without_an_end_is_no_fault(workspace: Workspace, tmp_path: Path) -> None:
    rows = session_rows().head(2).astype(object)
    rows.loc[rows.index[1], ["departure_utc", "departure_soc"]] = None
    code, faults = faults_of(workspace, "sessions", written(tmp_path, rows))
    assert code == 0
    assert [(row["what"], row["row"]) for row in faults] == [("note", 2)]
    assert "without an end yet" in faults[0]["reason"]
    assert faults_of(workspace, "sessions", written(tmp_path, rows.iloc[[1]]))[0] == 0


def test_a_file_that_is_no_whole_gzip_costs_the_dry_run_of_no_other(
    workspace: Workspace, tmp_path: Path
) -> None:
    torn = tmp_path / "torn.csv.gz"
    torn.write_bytes(gzip.compress(b"a,b\n1,2\n" * 99)[:-9])
    good = written(tmp_path, samples())
    tried = dry_run(Context.of(workspace, AS_OF), "telemetry", [torn, good])
    assert {row["file"]: row["outcome"] for row in tried.tables["files"]} == {
        "torn.csv.gz": "refused", "own.csv": "taken",
    }  # fmt: skip


def test_what_a_newcomer_is_told_of_a_foreign_log(run: Run, workspace: Workspace, tmp_path: Path) -> None:  # noqa: F811
    """Columns named otherwise lead to the command that maps them, and what is not read fills one line."""
    foreign = samples().rename(columns={"voltage_v": "Pack Volts", "current_a": "Pack Amps"})
    file = written(tmp_path, foreign.assign(**{f"Cell {number}": 3.7 for number in range(40)}))
    code, found = faults_of(workspace, "telemetry", file)
    assert code == 4
    first, *others = [row["reason"] for row in found if row["what"] == "refused"]
    assert "`v2g mapping suggest` writes a mapping" in first
    assert others and not any("suggest" in one for one in others)
    (ignored,) = (row["reason"] for row in found if "ignored" in row["reason"])
    assert ignored == "columns 'Cell 0', 'Cell 1', 'Cell 2', 'Cell 3', 'Cell 4' and 35 more were ignored"
    with pytest.raises(ColumnError, match="mapping suggest"):
        ingest(Context.of(workspace, AS_OF), "telemetry", [file])
    one = written(tmp_path, samples().rename(columns={"voltage_v": "voltage_w"}), "slip.csv")
    with pytest.raises(ColumnError) as slip:
        ingest(Context.of(workspace, AS_OF), "telemetry", [one])
    assert "suggest" not in str(slip.value)
    out = tmp_path / "new" / "mappings" / "bms.toml"
    assert run("mapping", "suggest", str(file), "--battery", "car-1", "--out", str(out)).code in (0, 3)
    assert "Pack Volts" in out.read_text(encoding="utf-8")


def test_the_voltage_of_one_cell_is_reported_with_the_option_that_reads_it(
    workspace: Workspace, tmp_path: Path
) -> None:
    cell = samples().assign(voltage_v=3.7)
    cell.loc[7, "voltage_v"] = 900.0
    _, found = faults_of(workspace, "telemetry", written(tmp_path, cell))
    reasons = {row["row"]: row["reason"] for row in found if row["rule"] == "cell_voltage"}
    assert "--level cell" in reasons[1]
    assert "--level cell" not in reasons[8]
