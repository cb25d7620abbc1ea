"""Charges of a car as TeslaMate exports them (its table `charges`): samples of the charger → sessions.

The times are UTC without saying so. Voltage and current are the charger's, on the grid's side of the
rectifier: they say nothing of the pack, and the file is no telemetry. A session runs from the first to the
last sample of a charging process, which is when power could flow; the car may have been plugged in longer.
"""

from collections.abc import Mapping

import pandas as pd

from warehouse.errors import CellError, EmptyFileError, OptionError
from warehouse.sources.cars import REACHED
from warehouse.sources.cells import Cells
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import RawTable, read_table

PROVIDER = "TeslaMate"
OPTIONS = frozenset({"battery_id"})
NOT_TELEMETRY = (
    "holds the charger's voltage and current, on the grid's side, not the pack's: no telemetry of a battery. "
    "Ingest it as sessions"
)

_GAP = pd.Timedelta(minutes=10)
_LEFT_OUT = ("charge_energy_added", "charger_power", "outside_temp")


def parse_teslamate(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return a session a charging process; options: battery_id, since the export does not name the car.

    notes: gaps, repeated samples, processes of one sample, what has no column. Raises SourceError.
    """
    battery_id = options.get("battery_id")
    if not isinstance(battery_id, str):
        raise OptionError("needs the battery whose charges these are", file=file.name, column="battery_id")
    table = read_table(file)
    samples, notes = _samples(table)
    rows = []
    for process, charge in samples.groupby("process", sort=True):
        first, last = charge.iloc[0], charge.iloc[-1]
        if first["time"] == last["time"]:
            notes.append(f"charging process {process}: left out, one sample is no session")
            continue
        step = charge["time"].diff()
        if (gaps := int((step > _GAP).sum())) > 0:
            notes.append(
                f"charging process {process}: {gaps} gaps of more than {_GAP.seconds // 60} min, the longest "
                f"{step.max().total_seconds() / 60:.0f} min; the session spans them"
            )
        rows.append(
            {
                "session_id": f"{battery_id}-teslamate-{process}",
                "battery_id": battery_id,
                "arrival_utc": first["time"],
                "departure_utc": last["time"],
                "arrival_soc": first["soc"],
                "departure_soc": last["soc"],
                "source_row": int(first["source_row"]),
            }
        )
    if not rows:
        raise EmptyFileError("holds no charging process of two samples or more", file=file.name)
    if left := [name for name in _LEFT_OUT if name in table.columns]:
        notes.append(f"{', '.join(left)} have no column in sessions and were left out")
    return Parsed(frame=pd.DataFrame(rows), notes=(*notes, REACHED))


def _samples(table: RawTable) -> tuple[pd.DataFrame, list[str]]:
    """Return the samples in order of time, each once, and notes on what was there twice."""
    process, level = Cells.found(table, "charging_process_id"), Cells.found(table, "battery_level")
    times = Cells.found(table, "date")
    frame = pd.DataFrame({"process": process.integers(), "time": times.wall_times().dt.tz_localize("UTC")})
    process.refuse_first(frame["process"].isna(), "is missing")
    times.refuse_first(frame["time"].isna(), "is missing")
    frame["soc"] = level.percents()
    frame["source_row"] = range(1, table.rows + 1)
    frame = frame.sort_values(["process", "time", "source_row"], kind="stable")
    again = frame.duplicated(["process", "time"])
    torn = again & ~frame.duplicated(["process", "time", "soc"])
    if torn.any():
        row = int(frame.loc[torn, "source_row"].iloc[0])
        raise CellError(
            "contradicts an earlier sample of the same time",
            file=table.file, row=row, column="battery_level", value=str(level.data[row - 1].as_py()),
        )  # fmt: skip
    notes = [f"{int(again.sum())} samples are there twice and count once"] if again.any() else []
    if "id" in table.columns and (twice := int(Cells.of(table, "id").text().duplicated().sum())):
        notes.append(f"{twice} ids are there twice; samples are told apart by their time")
    return frame[~again], notes
