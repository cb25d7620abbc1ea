"""Workplace charging sessions (ACN): the service's answer, or a table of local times to be replayed."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from warehouse.errors import OptionError
from warehouse.sources.acn_answer import (
    is_answer,
    is_table,
    items_of_answer,
    items_of_table,
    parse_answer,
)
from warehouse.sources.cars import target_of
from warehouse.sources.cells import Cells
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import RawTable, read_table
from warehouse.sources.replay import OPTIONS as REPLAY_OPTIONS
from warehouse.sources.replay import replay
from warehouse.sources.single import Columns, whole_rows

PROVIDER = "ACN-Data, California Institute of Technology"
LICENCE = "BSD-3-Clause"
OPTIONS = REPLAY_OPTIONS | {"target_soc", "batteries", "battery_id"}

_TARGET_SOC = 0.8


def parse_acn(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return sessions of the cars on the days asked for; options: those of `replay`, target_soc (0–1).

    departure_soc is target_soc, arrival_soc what the requested energy (metered) leaves below it, not less
    than the car's soc_min. The service's own answer, JSON or table, may also be read as it was, by batteries
    or battery_id. A session that cannot be read is left out and reported. Raises SourceError.
    """
    target = target_of(options, file.name, _TARGET_SOC) or _TARGET_SOC
    if is_answer(file):
        return parse_answer(items_of_answer(file), file, options, target)
    table = read_table(file)
    if is_table(table):
        return parse_answer(items_of_table(table), file, options, target)
    for name in ("batteries", "battery_id"):
        if name in options:
            raise OptionError(
                "belongs to the service's own answer; this table is replayed", file=file.name, column=name
            )
    frame, notes = _local(table)
    read = replay(frame.assign(arrival_soc=np.nan, departure_soc=target), options, file.name)
    return replace(read, notes=(*notes, *read.notes))


def _local(table: RawTable) -> tuple[pd.DataFrame, list[str]]:
    """Return the sessions of a table of local times, and notes on those that cannot be read."""
    columns: Columns = {
        "session_id": ("session_id", Cells.text),
        "arrival": ("arrival_local_los_angeles", Cells.wall_times),
        "departure": ("departure_local_los_angeles", Cells.wall_times),
        "energy_kwh": ("requested_energy_kwh", _energies),
    }
    frame, notes = whole_rows(table, columns, "session")
    frame = frame.assign(requested_kwh=frame["energy_kwh"])
    if "station_id" in table.columns:
        frame["charger_id"] = Cells.of(table, "station_id").text()
    return frame, notes


def _energies(cells: Cells) -> pd.Series:
    energies = cells.floats()
    cells.refuse_first(energies < 0, "is not an energy ≥ 0 kWh")
    return energies
