"""Written checks of the battery table: figures of one pack that have to fit one another.

Each figure may be right alone; energy in Wh, a capacity per cell or a price in cents shows in the ratio.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from data_checks.types import RowFinding

CELL_V = (2.2, 5.0)
"""Energy over capacity and cells in series: the mean voltage of a cell."""
CELL_AH = (0.2, 1000.0)
POWER_PER_ENERGY = (1 / 500, 20.0)
EUR_PER_KWH = (5.0, 5000.0)


def ill_matched(frame: pd.DataFrame) -> list[RowFinding]:
    """Find packs whose energy, cell size, charger or price cannot be in its unit, given the others."""
    energy = frame["nominal_energy_kwh"]
    cell_v = 1000.0 * energy / (frame["nominal_capacity_ah"] * frame["cells_series"])
    cell_ah = frame["nominal_capacity_ah"] / frame["cells_parallel"]
    findings = [
        _ratio("nominal_energy_kwh", cell_v, CELL_V, "V a cell, from energy, capacity and cells in series"),
        _ratio("nominal_capacity_ah", cell_ah, CELL_AH, "Ah a cell, from capacity and cells in parallel"),
        _ratio("replacement_value_eur", frame["replacement_value_eur"] / energy, EUR_PER_KWH, "€ a kWh"),
    ]
    for limit in ("charge_limit_kw", "discharge_limit_kw"):
        used = frame[limit].where(frame[limit] > 0)  # 0 = the charger cannot
        findings.append(_ratio(limit, used / energy, POWER_PER_ENERGY, "kW a kWh"))
    return findings


def _ratio(column: str, values: Iterable[float], bounds: tuple[float, float], words: str) -> RowFinding:
    low, high = bounds
    figures = np.asarray(values, dtype="float64")
    return RowFinding(
        rule="unit",
        column=column,
        reason=f"{column} does not fit the pack: outside {low:g} to {high:g} {words}",
        positions=np.flatnonzero((figures < low) | (figures > high)),
    )
