"""Fast-charging sessions with state of charge in and out (EPFL DESL, xlsx), replayed onto a fleet.

The cars are strangers that came once, so that only a replay gives them a battery id; since it keeps
wall-clock times, the time zone, which the file does not state, does not matter. Energy, power and the
estimated capacity of the strangers' batteries have no column in the table and stay behind.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from warehouse.sources.cars import REACHED
from warehouse.sources.cells import Cells
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import read_table
from warehouse.sources.replay import OPTIONS as REPLAY_OPTIONS
from warehouse.sources.replay import replay

PROVIDER = "Distributed Electrical Systems Laboratory, EPFL"
LICENCE = "MIT"
OPTIONS = REPLAY_OPTIONS


def parse_desl(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return sessions of the cars on the days asked for; options: those of `replay`.

    departure_soc is what the source's car left with, not more than the fleet's car may use. Raises
    SourceError.
    """
    table = read_table(file)
    session = Cells.found(table, "Session")
    frame = pd.DataFrame({"session_id": "desl-" + session.integers().astype("str")})
    session.refuse_first(frame["session_id"].isna(), "is missing")
    for name, header in (("arrival", "Arrival"), ("departure", "Departure")):
        cells = Cells.found(table, header)
        frame[name] = cells.wall_times()
        cells.refuse_first(frame[name].isna(), "is missing")
    Cells.found(table, "Departure").refuse_first(
        frame["departure"] <= frame["arrival"], "is not after the arrival"
    )
    for name, header in (("arrival_soc", "SOC arrival"), ("departure_soc", "SOC departure")):
        frame[name] = Cells.found(table, header).percents()
    frame["source_row"] = range(1, table.rows + 1)
    parsed = replay(frame.assign(energy_kwh=np.nan), options, file.name)
    return Parsed(frame=parsed.frame, notes=(*parsed.notes, REACHED))
