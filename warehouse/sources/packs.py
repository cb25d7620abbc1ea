"""Values of a cell → values of the pack it stands for, by the fleet's cells in series and in parallel.

Voltage × Ns, current and capacity × Np, resistance × Ns / Np: every cell of the pack is taken to be like it.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from warehouse.errors import OptionError
from warehouse.sources.parsed import Parsed
from warehouse.sources.refusals import require_known

OPTIONS = frozenset({"level", "cars"})

_POWERS: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "telemetry": {"voltage_v": (1, 0), "current_a": (0, 1)},
    "checkups": {"capacity_ah": (0, 1), "resistance_ohm": (1, -1)},
}
"""Dataset → column → powers of Ns and Np in its factor."""
SCALED = frozenset(_POWERS)


def to_pack(dataset: str, parsed: Parsed, options: Mapping[str, object], file: str) -> Parsed:
    """Return rows at pack level; options: level ("pack" or "cell"), cars (battery table) for "cell".

    Raises OptionError, UnknownIdError for a battery that `cars` does not hold.
    """
    level, cars = options.get("level", "pack"), options.get("cars")
    if level == "pack":
        return parsed
    if level != "cell" or dataset not in SCALED:
        raise OptionError(
            f"is not pack or cell, or {dataset} has no level", file=file, column="level", value=str(level)
        )
    if not isinstance(cars, pd.DataFrame):
        raise OptionError(
            "needs the fleet, for the cells in series and in parallel", file=file, column="cars"
        )
    by_battery = cars.set_index("battery_id")
    require_known(parsed.frame, "battery_id", set(by_battery.index), file)
    series, parallel = (
        parsed.frame["battery_id"].map(by_battery[name]).to_numpy(dtype="float64", na_value=np.nan)
        for name in ("cells_series", "cells_parallel")
    )
    scaled = {
        name: parsed.frame[name] * series**in_series * parallel**in_parallel
        for name, (in_series, in_parallel) in _POWERS[dataset].items()
    }
    note = (
        "cell values were made pack values with the fleet's cells in series and in parallel: "
        f"{', '.join(scaled)}"
    )
    return replace(parsed, frame=parsed.frame.assign(**scaled), spelling={}, notes=(*parsed.notes, note))
