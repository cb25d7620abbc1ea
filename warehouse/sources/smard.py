"""SMARD day-ahead prices: its own download, or one with a CET/CEST label a row in ct/kWh.

In the latter the label, not the clock, tells the two 02:00 hours of the autumn change apart, and the zone is
not in the file: DE-LU unless given.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from warehouse.sources.cells import Cells
from warehouse.sources.nulls import floats
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import read_table
from warehouse.sources.single import spared
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
    wall, unplaced = spared(Cells.found(table, "time"), Cells.wall_times)
    begun, unmarked = spared(Cells.found(table, "zone_start"), _offset_hours)
    over, unended = spared(Cells.found(table, "zone_end"), _offset_hours)
    ends, unclear = spared(Cells.found(table, "stimeend"), _minute_of_day)
    prices, unpriced = floats(Cells.found(table, "price"), "prices")
    minutes = (ends - (wall.dt.hour * 60 + wall.dt.minute) - 60 * (over - begun)) % _DAY_MINUTES
    frame = pd.DataFrame(
        {
            "zone": str(options.get("zone") or "DE-LU"),
            "interval_start_utc": (wall - pd.to_timedelta(begun, unit="h")).dt.tz_localize("UTC"),
            "resolution_minutes": minutes.astype("Int64"),
            "price_eur_per_kwh": prices / 100.0,
            "source_row": np.arange(1, table.rows + 1),
        }
    )
    notes = (*unplaced, *unmarked, *unended, *unclear, *unpriced)
    return Parsed(frame=frame, spelling={"price_eur_per_kwh": ("price", 100.0)}, notes=notes)


def _offset_hours(cells: Cells) -> pd.Series:
    offset = cells.text().map(_OFFSET_HOURS)
    cells.refuse_first(offset.isna() & _given(cells), "is neither CET nor CEST")
    return offset.astype("float64")


def _minute_of_day(cells: Cells) -> pd.Series:
    clock = pd.to_datetime(cells.text(), format="%H:%M", errors="coerce")
    cells.refuse_first(clock.isna() & _given(cells), "is not a clock time like 03:00")
    return clock.dt.hour * 60.0 + clock.dt.minute


def _given(cells: Cells) -> pd.Series:
    return pd.Series(cells.data.is_valid().to_numpy(zero_copy_only=False))
