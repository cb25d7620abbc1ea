"""In which unit a column's values are: as its label says and its values bear out, or as they alone can be."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from warehouse.contracts import Column
from warehouse.sources.units import FOREIGN

Floats = NDArray[np.float64]
_PACK_V, _CELL_V = (40.0, 1500.0), (1.5, 4.7)
_RANGES: Mapping[str, tuple[float, float]] = {
    "current_a": (0.02, 1500.0),
    "power_kw": (0.02, 500.0),
    "cell_voltage_min_v": _CELL_V,
    "cell_voltage_max_v": _CELL_V,
    "energy_kwh": (0.2, 400.0),
    "requested_kwh": (0.2, 400.0),
    "import_kwh": (0.0, 100.0),
    "export_kwh": (0.0, 100.0),
    "price_eur_per_kwh": (0.002, 2.0),
    "odometer_km": (1.0, 1e6),
}
"""Column → what the 95th percentile of |value| may be, in its unit."""
_SURE_OF = frozenset({"voltage_v", "current_a", "cell_voltage_min_v", "cell_voltage_max_v"})
"""Columns whose values alone can be of our unit; a current is then held against the charge."""
_LEAST_A = 0.5
_MOST_PERCENT = 200.0
"""A charge above is scaled by a power of ten; one a little above 100 may be percent, and is asked about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit and why; None where it cannot be determined, with what it may be, or by which scale.

    cell: whether it is of one cell.
    """

    unit: str | None
    reason: str
    likely: str = ""
    cell: bool = False
    scale: float | None = None


def unit_of(column: Column, values: Floats, named: str | None) -> Unit:
    """Return the unit of a column's values; named: what its label, or our own name for it, says."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return Unit(unit=None, reason="it holds no number", likely=column.unit)
    if named is not None and named not in FOREIGN.get(column.unit, {}):
        return Unit(
            unit=None, reason=f"its label says {named}, which is no unit of {column.name}", likely=column.unit
        )
    if column.unit == "1":
        return _share(finite, named)
    if column.unit == "°C":
        return _temperature(finite, named)
    size = float(np.quantile(np.abs(finite), 0.95))
    shown = f"values of {finite.min():.4g} to {finite.max():.4g}"
    fitting = [unit for unit in FOREIGN.get(column.unit, {}) if _kind(column, size, unit)]
    if named is not None:
        if named in fitting or (size == 0.0 and column.name != "voltage_v"):
            return Unit(
                unit=named,
                reason=f"its label says {named}; {shown}",
                cell=_kind(column, size, named) == "cell",
            )
        text = f"its label says {named}, which {shown} do not bear out"
        return Unit(unit=None, reason=text, likely=fitting[0] if fitting else column.unit)
    alone = fitting == [column.unit] or (column.name == "current_a" and "A" in fitting and size >= _LEAST_A)
    if column.name in _SURE_OF and alone:
        kind = _kind(column, size, column.unit)
        return Unit(
            unit=fitting[0], reason=f"no unit is named; {shown} are {fitting[0]}", cell=kind == "cell"
        )
    return Unit(unit=None, reason=f"no unit is named; {shown}", likely=fitting[0] if fitting else column.unit)


def _kind(column: Column, size: float, unit: str) -> str:
    """Return what a value of that size can be in a unit: "cell", "pack", or "" for nothing."""
    factor, _ = FOREIGN[column.unit][unit]
    ours = size * factor
    if column.name == "voltage_v":
        return (
            "cell" if _CELL_V[0] <= ours <= _CELL_V[1] else "pack" if _PACK_V[0] <= ours <= _PACK_V[1] else ""
        )
    low, high = _RANGES.get(column.name, (0.0, np.inf))
    return "pack" if low <= ours <= high else ""


def _share(values: Floats, named: str | None) -> Unit:
    low, high = float(values.min()), float(values.max())
    shown = f"values of {low:.4g} to {high:.4g}"
    if low < 0.0 or (high <= 0.0 and named != "1"):
        return Unit(unit=None, reason=f"{shown} are no charge", likely="%")
    if high <= 1.0 and named != "%":
        return Unit(unit="1", reason=f"{shown} are shares of 1")
    if 1.5 < high <= 100.5:
        return Unit(unit="%", reason=f"{shown} are percent")
    scale = 10.0 ** -float(np.ceil(np.log10(high))) if high > _MOST_PERCENT else None
    guess = "how are they scaled?" if scale is None else f"would {high:.6g} be {100 * high * scale:.3g} %?"
    return Unit(
        unit=None, reason=f"{shown} are neither shares of 1 nor percent: {guess}", likely="%", scale=scale
    )


def _temperature(values: Floats, named: str | None) -> Unit:
    low, high = float(np.quantile(values, 0.02)), float(np.quantile(values, 0.98))
    shown = f"values of {low:.4g} to {high:.4g}"
    ranges = {"°C": (-40.0, 75.0), "°F": (-40.0, 165.0), "K": (230.0, 350.0)}
    if named is not None:
        least, most = ranges[named]
        fits = least <= low and high <= most
        reason = (
            f"its label says {named}; {shown}"
            if fits
            else f"its label says {named}, which {shown} do not bear out"
        )
        return Unit(unit=named if fits else None, reason=reason, likely="°C")
    if low >= -30.0 and high <= 50.0:
        return Unit(unit="°C", reason=f"no unit is named; {shown} are °C")
    likely = "K" if low >= 230.0 else "°F" if high <= 165.0 else "°C"
    return Unit(unit=None, reason=f"no unit is named; {shown}", likely=likely)
