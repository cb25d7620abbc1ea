"""Workplace charging sessions (ACN): a table of local times, replayed onto a fleet, or the service's JSON."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from warehouse.errors import OptionError
from warehouse.sources.acn_answer import is_answer, parse_answer
from warehouse.sources.cars import target_of
from warehouse.sources.cells import Cells
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import read_table
from warehouse.sources.replay import OPTIONS as REPLAY_OPTIONS
from warehouse.sources.replay import replay

PROVIDER = "ACN-Data, California Institute of Technology"
LICENCE = "BSD-3-Clause"
OPTIONS = REPLAY_OPTIONS | {"target_soc", "batteries", "battery_id"}

_TARGET_SOC = 0.8


def parse_acn(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return sessions of the cars on the days asked for; options: those of `replay`, target_soc (0–1).

    departure_soc is target_soc, arrival_soc what the requested energy (metered) leaves below it, not less
    than the car's soc_min. A JSON answer may also be read as it was, by batteries or battery_id. Raises
    SourceError.
    """
    target = target_of(options, file.name, _TARGET_SOC)
    if is_answer(file):
        return parse_answer(file, options, target or _TARGET_SOC)
    for name in ("batteries", "battery_id"):
        if name in options:
            raise OptionError("belongs to the JSON answer; a table is replayed", file=file.name, column=name)
    table = read_table(file)
    frame = pd.DataFrame({"session_id": Cells.found(table, "session_id").text()})
    for name in ("arrival", "departure"):
        cells = Cells.found(table, f"{name}_local_los_angeles")
        frame[name] = cells.wall_times()
        cells.refuse_first(frame[name].isna(), "is not a local time like 2019-03-01T06:20:00")
    energy = Cells.found(table, "requested_energy_kwh")
    frame["energy_kwh"] = energy.floats()
    energy.refuse_first(~(frame["energy_kwh"] >= 0), "is not an energy ≥ 0 kWh")
    frame["requested_kwh"] = frame["energy_kwh"]
    if "station_id" in table.columns:
        frame["charger_id"] = Cells.of(table, "station_id").text()
    frame["source_row"] = range(1, table.rows + 1)
    return replay(frame.assign(arrival_soc=np.nan, departure_soc=target), options, file.name)
