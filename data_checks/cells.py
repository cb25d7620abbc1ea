"""Written checks of telemetry against the cell: its voltage, its neighbours in the pack, its charge.

Coarse and generous on purpose: what lies outside is a wrong unit, a wrong number of cells or a broken sensor,
not an unusual cell.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data_checks.emptied import CellFinding
from data_checks.packs import Floats, Packs
from data_checks.types import Mask, RowFinding

CELL_VOLTAGE_V = (1.5, 4.6)
SPREAD_TOLERANCE_V = 0.05
"""A pack's own voltmeter and the sum of its cells' may differ by this, per cell."""
CELLS_APART_V = 0.5
"""The lowest and the highest cell agree that the pack's voltage is wrong if they are no further apart."""
FARTHEST_V = 0.7
"""No highest cell is so far above the mean one."""
SAG_V_PER_C = 0.4
"""How far a current of 1 C may move a cell's voltage; cold cells come near it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellBounds:
    """Voltage [V] a cell at rest may have at the charge that its car reports.

    low_v, high_v: at SOC_GRID, straight between. They leave the car 0.15 for its buffers and errors, and the
    cell 0.08 V. full_v: above it a charger holds the voltage. flat: share of the capacity that may pass while
    the voltage does not move a millivolt.
    """

    low_v: tuple[float, ...]
    high_v: tuple[float, ...]
    full_v: float
    flat: float


SOC_GRID = (0.0, 0.1, 0.2, 0.5, 0.8, 0.9, 1.0)
_LAYERED = CellBounds(
    low_v=(2.0, 2.3, 2.8, 3.4, 3.6, 3.7, 3.8),
    high_v=(3.65, 3.75, 3.8, 4.0, 4.3, 4.4, 4.5),
    full_v=4.1,
    flat=0.05,
)
_LFP = CellBounds(
    low_v=(1.6, 1.8, 2.3, 3.0, 3.05, 3.1, 3.15),
    high_v=(3.35, 3.4, 3.45, 3.5, 3.75, 4.0, 4.0),
    full_v=3.4,
    flat=0.3,
)
_HIGHER = CellBounds(
    low_v=_LAYERED.low_v,
    high_v=(3.8, 3.9, 3.95, 4.1, 4.3, 4.4, 4.5),
    full_v=4.1,
    flat=0.05,
)
CELL_BOUNDS: Mapping[str, CellBounds] = {
    "nmc811": _LAYERED, "nmc532": _LAYERED, "nca": _LAYERED, "lfp": _LFP, "nmc111": _LAYERED, "lmo": _HIGHER,
    "lco": _HIGHER,
}  # fmt: skip


def cell_voltage(frame: pd.DataFrame, packs: Packs) -> Iterator[RowFinding]:
    """Find rows whose voltage over cells in series lies outside 1.5–4.6 V; apart those that one cell has."""
    low, high = CELL_VOLTAGE_V
    volts, per_cell = frame["voltage_v"].to_numpy(), _per_cell(frame, packs)
    wrong, alone = (per_cell < low) | (per_cell > high), (volts >= low) & (volts <= high)
    reason = f"voltage_v over cells in series is outside {low:g} to {high:g} V"
    yield _finding("cell_voltage", "voltage_v", wrong & ~alone, reason)
    yield _finding(
        "cell_voltage", "voltage_v", wrong & alone,
        f"{reason}: one cell's? `--level cell` or a mapping's `level` says so",
    )  # fmt: skip


def cell_spread(frame: pd.DataFrame, packs: Packs) -> RowFinding:
    """Find rows whose mean cell does not lie between a lowest and a highest cell that agree."""
    per_cell = _per_cell(frame, packs)
    lowest, highest = (frame[f"cell_voltage_{end}_v"].to_numpy() for end in ("min", "max"))
    beyond = (lowest > per_cell + SPREAD_TOLERANCE_V) | (highest < per_cell - SPREAD_TOLERANCE_V)
    agreed = (lowest <= highest) & (highest - lowest <= CELLS_APART_V)
    return _finding(
        "cell_spread", "voltage_v", beyond & agreed,
        "voltage_v over cells in series is not between the lowest and the highest cell voltage",
    )  # fmt: skip


def cell_outliers(frame: pd.DataFrame, packs: Packs) -> Iterator[CellFinding]:
    """Find cell voltages that no cell has, or that are beyond the mean cell and alone in that."""
    low, high = CELL_VOLTAGE_V
    per_cell = _per_cell(frame, packs)
    lowest, highest = (frame[f"cell_voltage_{end}_v"].to_numpy() for end in ("min", "max"))
    agreed = (lowest <= highest) & (highest - lowest <= CELLS_APART_V)
    above = (lowest > per_cell + SPREAD_TOLERANCE_V) & ~agreed
    below = (highest < per_cell - SPREAD_TOLERANCE_V) & ~agreed
    crossed = (lowest > highest) & ~above & ~below
    far = highest > per_cell + FARTHEST_V
    for end, values, wrong in (("min", lowest, above), ("max", highest, below | far)):
        column = f"cell_voltage_{end}_v"
        yield CellFinding(
            rule="cell_outlier", column=column,
            reason=f"{column} is outside {low:g} to {high:g} V or cannot be with voltage_v",
            positions=np.flatnonzero(wrong | crossed | (values < low) | (values > high)),
        )  # fmt: skip


def soc_voltage(frame: pd.DataFrame, packs: Packs) -> Mask:
    """Return rows whose cell voltage cannot belong to the charge that the car reports."""
    soc = frame["soc_reported"].to_numpy()
    wrong = np.zeros(len(frame), dtype=bool)
    if not np.isnan(soc).all():
        per_cell = _per_cell(frame, packs)
        sag = SAG_V_PER_C * np.abs(frame["current_a"].to_numpy() / packs.figure("nominal_capacity_ah"))
        for chemistry, rows in packs.chemistries().items():
            bounds = CELL_BOUNDS.get(chemistry)
            if bounds is not None:
                low = np.interp(soc[rows], SOC_GRID, bounds.low_v) - sag[rows]
                high = np.interp(soc[rows], SOC_GRID, bounds.high_v) + sag[rows]
                wrong[rows] = (per_cell[rows] < low) | (per_cell[rows] > high)
    return wrong


def _per_cell(frame: pd.DataFrame, packs: Packs) -> Floats:
    return np.asarray(frame["voltage_v"].to_numpy() / packs.figure("cells_series"))


def _finding(rule: str, column: str, wrong: Mask, reason: str) -> RowFinding:
    return RowFinding(rule=rule, column=column, reason=reason, positions=np.flatnonzero(wrong))
