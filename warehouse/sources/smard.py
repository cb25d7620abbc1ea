"""SMARD day-ahead prices: its own download, or one with a CET/CEST label a row in ct/kWh.

In the latter the label, not the clock, tells the two 02:00 hours of the autumn change apart, and the zone is
not in the file: DE-LU unless given.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from warehouse.sources.cells import Cells
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import RawTable, read_table
from warehouse.sources.tariffs.published.smard import is_export, parse_export

PROVIDER = "Bundesnetzagentur | SMARD.de"
LICENCE = "CC BY 4.0"
OPTIONS = frozenset({"zone"})

_OFFSET_HOURS = {"CET": 1, "CEST": 2}
_DAY_MINUTES = 1440


def parse_smard(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices in €/kWh; options: zone. Raises SourceError."""
    if is_export(file):
        return parse_export(file, options)
    table = read_table(file)
    wall = _wall_time(table)
    start_offset, end_offset = _offset_hours(table, "zone_start"), _offset_hours(table, "zone_end")
    start_minute = wall.dt.hour * 60 + wall.dt.minute
    shift = 60 * (end_offset - start_offset)
    minutes = (_minute_of_day(table) - start_minute - shift) % _DAY_MINUTES
    frame = pd.DataFrame(
        {
            "zone": str(options.get("zone") or "DE-LU"),
            "interval_start_utc": (wall - pd.to_timedelta(start_offset, unit="h")).dt.tz_localize("UTC"),
            "resolution_minutes": minutes,
            "price_eur_per_kwh": Cells.found(table, "price").floats() / 100.0,
            "source_row": np.arange(1, table.rows + 1),
        }
    )
    return Parsed(frame=frame, spelling={"price_eur_per_kwh": ("price", 100.0)})


def _wall_time(table: RawTable) -> pd.Series:
    cells = Cells.found(table, "time")
    wall = cells.wall_times()
    cells.refuse_first(wall.isna(), "is not a local time like 2020-03-29 01:00:00")
    return wall


def _offset_hours(table: RawTable, column: str) -> pd.Series:
    cells = Cells.found(table, column)
    offset = cells.text().map(_OFFSET_HOURS)
    cells.refuse_first(offset.isna(), "is neither CET nor CEST")
    return offset.astype("int64")


def _minute_of_day(table: RawTable) -> pd.Series:
    cells = Cells.found(table, "stimeend")
    clock = pd.to_datetime(cells.text(), format="%H:%M", errors="coerce")
    cells.refuse_first(clock.isna(), "is not a clock time like 03:00")
    return clock.dt.hour * 60 + clock.dt.minute
