"""Real telemetry file by file: what is read, held back, and what the twin then says of the battery.

python -m tests.benchmarks.real_files [--quick] [--data DIR]

Logs of a Nissan Leaf (LeafSpy), drive cycles of a laboratory cell, charges of cars by TeslaMate. Each set is
taken in by a workspace of its own with the mapping that `v2g mapping suggest` writes, its open lines reported
as stated here, and calibrated (not with --quick). A row that is held back is a false alarm: all of them are
real. Where the capacity is known, it stands next to the one found.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from flows.stages import Context
from flows.stages.calibrate import calibrate
from flows.stages.check import check
from flows.stages.ingest import ingest
from flows.workspace import Workspace
from tests.benchmarks.data import add_data_option, benchmark_parser
from warehouse.sources import load_mapping
from warehouse.sources.rawfile import load
from warehouse.sources.suggest import suggest_mapping

LEAF_CAR = {
    "chemistry": "nmc532", "nominal_capacity_ah": 176.4, "nominal_energy_kwh": 62.0, "cells_series": 96,
    "cells_parallel": 3, "commissioned_utc": "2019-03-01T00:00:00Z",
}  # fmt: skip
"""No pack of 62 kWh was sold before that month; when this one was, its logs do not say."""
PARALLEL = 20
CELL = {
    "chemistry": "nca", "nominal_capacity_ah": 2.9 * PARALLEL, "nominal_energy_kwh": 20.0, "cells_series": 96,
    "cells_parallel": PARALLEL, "commissioned_utc": "2017-03-01T00:00:00Z",
}  # fmt: skip
"""The cell as a pack of cells that are all like it, as a mapping with `level = "cell"` reads it; new in the
month of its drive cycles."""
TESLA = {
    "chemistry": "nca", "nominal_capacity_ah": 230.0, "nominal_energy_kwh": 75.0, "cells_series": 96,
    "cells_parallel": 46,
}  # fmt: skip
_CAR = {
    "battery_id": "CAR1", "site_id": "depot", "commissioned_utc": "2015-01-01T00:00:00Z",
    "charge_limit_kw": 50.0, "discharge_limit_kw": 50.0, "efficiency_charge": 0.92,
    "efficiency_discharge": 0.92, "soc_min": 0.05, "soc_max": 1.0, "replacement_value_eur": 9000.0,
    "scrap_value_eur": 500.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RealSet:
    """Files of one battery; known_ah: its capacity as measured or as its own system says. answers: open lines
    of the suggestion, closed."""

    name: str
    pattern: str
    car: dict[str, Any]
    dataset: str = "telemetry"
    known_ah: float | None = None
    answers: dict[str, str] = field(default_factory=dict)


SETS = (
    RealSet(
        name="Leaf 62 kWh, LeafSpy", pattern="study/telemetry/leafspy_leaf_62kwh/*.csv", car=LEAF_CAR,
        known_ah=168.1,
        answers={"# [columns.soc_reported]": "[columns.soc_reported]",
              '# TODO from = "SOC"': 'from = "SOC"', "# TODO scale = ": "scale = "},
    ),
    RealSet(
        name="Panasonic NCR18650PF", pattern="study/telemetry/panasonic_18650pf_25degc/*.csv.gz", car=CELL,
        known_ah=2.97 * PARALLEL,
    ),
    RealSet(name="TeslaMate charges", pattern="telemetry/teslamate_charge_telemetry/*.csv", car=TESLA,
            dataset="sessions"),
)  # fmt: skip


def mapping_of(file: Path, stated: dict[str, str], folder: Path) -> Path:
    """Write what is suggested for a file, with its open lines closed as given."""
    text = suggest_mapping(load(file), "telemetry", battery="CAR1").text
    for open_line, closed in stated.items():
        text = text.replace(open_line, closed)
    path = folder / f"{file.name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def taken_in(one: RealSet, files: Sequence[Path], root: Path) -> tuple[Workspace, datetime]:
    """A workspace with the files of a set, checked as of a little after their last row."""
    workspace = Workspace.create(root / one.dataset / files[0].stem, zone="DE-LU")
    site = {"site_id": "depot", "zone": "DE-LU", "import_limit_kw": 200.0, "export_limit_kw": 200.0}
    for dataset, row in (("sites", site), ("fleet", {**_CAR, **one.car})):
        pd.DataFrame([row]).to_csv(root / f"{dataset}.csv", index=False)
        ingest(Context.of(workspace, datetime(2016, 1, 1, tzinfo=UTC)), dataset, [root / f"{dataset}.csv"])
    late = Context.of(workspace, datetime(2026, 1, 1, tzinfo=UTC))
    for file in files:
        if one.dataset == "sessions":
            options: dict[str, object] = {"battery_id": "CAR1"}
            ingest(late, "sessions", [file], source="teslamate", options=options, received="event")
        else:
            meant = load_mapping(mapping_of(file, one.answers, root), "telemetry")
            ingest(late, "telemetry", [file], source=meant.source, options=meant.options, received="event")
    check(late)
    times = workspace.warehouse.read("core_session" if one.dataset == "sessions" else "core_telemetry")
    column = "arrival_utc" if one.dataset == "sessions" else "time_utc"
    return workspace, times[column].max().to_pydatetime() + timedelta(hours=1)


def rows_of(one: RealSet, workspace: Workspace) -> list[dict[str, Any]]:
    """A row a file: read, let in, held back and why; and of all of them, what was emptied."""
    sources = workspace.warehouse.read("raw_source", where={"dataset": one.dataset})
    core = workspace.warehouse.read("core_session" if one.dataset == "sessions" else "core_telemetry")
    held_back = workspace.warehouse.read("core_quarantine", where={"dataset": one.dataset})
    checks = workspace.warehouse.read(
        "out_check", where={"dataset": one.dataset, "scope": "*", "severity": "warning"}
    )
    emptied = checks.loc[checks["message"].str.contains("emptied"), ["rule", "rows_failed"]]
    cells = ", ".join(f"{rule} {count}" for rule, count in emptied.itertuples(index=False)) or "0"
    found = []
    for _, source in sources.iterrows():
        own = held_back[held_back["source_id"] == source["source_id"]]
        reasons = own.groupby("rule")["source_row"].nunique()
        found.append(
            {
                "set": one.name, "file": source["file_name"], "rows": int(source["rows"]),
                "good": int((core["source_id"] == source["source_id"]).sum()),
                "emptied": cells,
                "held back": ", ".join(f"{rule} {count}" for rule, count in reasons.items()) or "0",
                "false alarms": int(own["source_row"].nunique()),
            }
        )  # fmt: skip
    return found


def calibrated(one: RealSet, workspace: Workspace, as_of: datetime) -> dict[str, Any]:
    """What the twin says: quality, capacity next to the known one, residual."""
    context = Context.of(workspace, as_of)
    result = calibrate(context)
    known_rows = context.known.read("out_calibration")
    if known_rows.empty:
        return {"quality": result.message}
    row = known_rows.iloc[-1]
    residuals = context.known.read("out_twin_residual", where={"calibration_id": [row["calibration_id"]]})
    error = (residuals["voltage_v"] - residuals["model_voltage_v"]) / one.car["cells_series"] * 1e3
    capacity, spread = float(row["usable_capacity_ah"]), float(row["usable_capacity_sd_ah"])
    known = (
        "" if one.known_ah is None else f" of {one.known_ah:g} ({100 * (capacity / one.known_ah - 1):+.1f} %)"
    )
    return {
        "quality": row["quality"], "reason": row["reason"],
        "capacity Ah": f"{capacity:.4g} ± {spread:.2g}{known}",
        "residual mV/cell": f"{np.sqrt((error**2).mean()):.1f}" if len(error) else "–",
    }  # fmt: skip


def shown(title: str, rows: Sequence[dict[str, Any]]) -> Table:
    """Rows as a table."""
    table = Table(title=title, title_justify="left")
    keys = list(dict.fromkeys(key for row in rows for key in row))
    for key in keys:
        table.add_column(key)
    for row in rows:
        table.add_row(*(str(row.get(key, "")) for key in keys))
    return table


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("real_files", __doc__)
    add_data_option(parser)
    parser.add_argument("--quick", action="store_true", help="do not calibrate")
    asked = parser.parse_args(arguments)
    files, twins = [], []
    for one in SETS:
        found = sorted(asked.data.glob(one.pattern))
        if not found:
            print(f"no {one.pattern} in {asked.data}", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as folder:
            workspace, as_of = taken_in(one, found, Path(folder))
            files += rows_of(one, workspace)
            if not asked.quick and one.dataset == "telemetry":
                twins.append({"set": one.name, **calibrated(one, workspace, as_of)})
    console = Console(file=sys.stdout, width=200)
    console.print(shown("files", files))
    print(
        f"{sum(row['rows'] for row in files)} rows, {sum(row['false alarms'] for row in files)} false alarms"
    )
    if twins:
        console.print(shown("twins", twins))


if __name__ == "__main__":
    main()
