"""Charges of a car as TeslaMate exports them (its table `charges`): samples of the charger → sessions.

The times are UTC without saying so. Voltage and current are the charger's, on the grid's side of the
rectifier: they say nothing of the pack, and the file is no telemetry. A session runs from the first to the
last sample of a charging process, which is when power could flow; the car may have been plugged in longer.
An export by date can begin within a process, as the energy that was in by then shows: what is there of it is
a session of its own, which does not take the place of what an earlier export tells.
"""

from collections.abc import Mapping

import pandas as pd

from warehouse.errors import EmptyFileError, OptionError
from warehouse.overlaps import PART
from warehouse.sources.cars import REACHED
from warehouse.sources.cells import Cells
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import RawTable, read_table
from warehouse.sources.single import Columns, spared, whole_rows

PROVIDER = "TeslaMate"
OPTIONS = frozenset({"battery_id"})
NOT_TELEMETRY = (
    "holds the charger's voltage and current, on the grid's side, not the pack's: no telemetry of a battery. "
    "Ingest it as sessions"
)

_GAP = pd.Timedelta(minutes=10)
_BEGUN_KWH = 2.0
"""More energy than a first sample tells of the charge before, as some do."""
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
        socs = charge["soc"].dropna()
        if len(socs) and (pd.isna(first["soc"]) or pd.isna(last["soc"])):
            notes.append(
                f"charging process {process}: its first or last sample has no state of charge; that of the "
                "next one stands for it"
            )
        own = str(process)
        if (begun := first["added"]) > _BEGUN_KWH:
            own += f"{PART}{first['time']:%Y%m%dT%H%M%SZ}"
            notes.append(
                f"charging process {process}: began before this export, {begun:g} kWh were in by then: a "
                "session of its own until an export holds all of it"
            )
        rows.append(
            {
                "session_id": f"{battery_id}-teslamate-{own}",
                "battery_id": battery_id,
                "arrival_utc": first["time"],
                "departure_utc": last["time"],
                "arrival_soc": socs.iloc[0] if len(socs) else float("nan"),
                "departure_soc": socs.iloc[-1] if len(socs) else float("nan"),
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
    columns: Columns = {
        "process": ("charging_process_id", Cells.integers),
        "time": ("date", Cells.wall_times),
    }
    frame, notes = whole_rows(table, columns, "sample")
    soc, stated = spared(Cells.found(table, "battery_level"), Cells.percents)
    frame = frame.assign(time=frame["time"].dt.tz_localize("UTC"), soc=soc)  # by row of the table
    notes += stated
    frame, more = _with_energy(frame, table)
    notes += more
    frame = frame.assign(unknown=soc.isna()).sort_values(["process", "time", "unknown", "source_row"])
    torn = _contradictions(frame)
    if torn.any():
        row, time, first = frame.loc[torn, ["source_row", "time", "soc"]].iloc[0]
        notes.append(
            f"{int(torn.sum())} samples contradict another of their time in their state of charge, which "
            f"does not count, the first in row {row}: battery_level {100.0 * first:g} at "
            f"{time:%Y-%m-%d %H:%M:%S}"
        )
        frame = frame.assign(soc=frame["soc"].mask(torn))
    again = frame.duplicated(["process", "time"])
    if again.any():
        notes.append(f"{int(again.sum())} samples are there twice and count once")
    if "id" in table.columns and (twice := int(Cells.of(table, "id").text().dropna().duplicated().sum())):
        notes.append(f"{twice} ids are there twice; samples are distinguished by their time")
    return frame[~again], notes


def _with_energy(frame: pd.DataFrame, table: RawTable) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return samples with the energy that their process had added, kWh, NaN where untold; and notes."""
    if "charge_energy_added" not in table.columns:
        return frame.assign(added=float("nan")), ()
    added, notes = spared(Cells.of(table, "charge_energy_added"), Cells.floats)
    return frame.assign(added=added), notes


def _contradictions(frame: pd.DataFrame) -> pd.Series:
    """Return the samples whose time has several states of charge: nobody can say which is right."""
    key = [frame["process"], frame["time"]]
    return frame["soc"].groupby(key).transform("nunique") > 1
