"""Fast-charging sessions with state of charge in and out (EPFL DESL, xlsx), replayed onto a fleet.

The cars are strangers that came once, so that only a replay gives them a battery id; since it keeps
wall-clock times, the time zone, which the file does not state, does not matter. Energy, power and the
estimated capacity of the strangers' batteries have no column in the table and stay behind.
"""

from collections.abc import Mapping

import numpy as np

from warehouse.sources.cars import REACHED
from warehouse.sources.cells import Cells
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import read_table
from warehouse.sources.replay import OPTIONS as REPLAY_OPTIONS
from warehouse.sources.replay import replay
from warehouse.sources.single import Columns, whole_rows

PROVIDER = "Distributed Electrical Systems Laboratory, EPFL"
LICENCE = "MIT"
OPTIONS = REPLAY_OPTIONS


def parse_desl(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return sessions of the cars on the days asked for; options: those of `replay`.

    departure_soc is what the source's car left with, not more than the fleet's car may use. Raises
    SourceError.
    """
    table = read_table(file)
    columns: Columns = {
        "session_id": ("Session", Cells.integers),
        "arrival": ("Arrival", Cells.wall_times),
        "departure": ("Departure", Cells.wall_times),
        "arrival_soc": ("SOC arrival", Cells.percents),
        "departure_soc": ("SOC departure", Cells.percents),
    }
    frame, notes = whole_rows(table, columns, "session")
    frame = frame.assign(session_id="desl-" + frame["session_id"].astype("str"))
    backwards, cells = frame["departure"] <= frame["arrival"], Cells.found(table, "Departure")
    if backwards.any():
        rows, problem = frame.loc[backwards, "source_row"].to_numpy() - 1, "is not after the arrival"
        if backwards.all():
            raise cells.error(int(rows[0]), problem)
        notes.append(cells.set_aside(rows, problem))
    parsed = replay(frame[~backwards].assign(energy_kwh=np.nan), options, file.name)
    return Parsed(frame=parsed.frame, notes=(*notes, *parsed.notes, REACHED))
