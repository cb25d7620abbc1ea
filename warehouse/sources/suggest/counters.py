"""Which columns of a file count up what was charged and what was discharged: by label, unit and values."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from warehouse.sources.labels import taken_apart
from warehouse.sources.suggest.pick import is_numeric, numbers
from warehouse.sources.suggest.sniff import Layout

_OUT = frozenset({"discharge", "discharged", "discharging", "out", "entladen", "entladung", "exported"})
_IN = frozenset({"charge", "charged", "charging", "in", "geladen", "laden", "ladung", "imported"})
_UNITS = {"current_a": ("Ah", "mAh", "kWh", "Wh"), "power_kw": ("kWh", "Wh", "MWh")}
_FEWEST, _RISING = 8, 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """The headers of a pair of counters, or of that of charge alone, and their unit."""

    charged: str
    discharged: str | None
    unit: str


def counts_up(values: np.ndarray[Any, np.dtype[np.float64]], rising: float = _RISING) -> bool:
    """Whether values are those of a meter's counter; rising: how often it moves at least."""
    steps = np.diff(values[np.isfinite(values)])
    return steps.size >= _FEWEST and bool((steps >= 0.0).all()) and float((steps > 0.0).mean()) > rising


def counters_of(column: str, layout: Layout, thousands: bool) -> Counters | None:
    """Return what counts up a current or a power, None where that is not one column for each way."""
    found: dict[str, list[tuple[str, str]]] = {"in": [], "out": []}
    for header, texts in layout.columns.items():
        spoken, named = taken_apart(header)
        unit = named or taken_apart(f"x [{layout.units.get(header, '')}]")[1]
        words = set(spoken.split())
        if unit not in _UNITS[column] or not is_numeric(texts, layout.decimal):
            continue
        if counts_up(numbers(texts, layout.decimal, thousands), 0.0):
            if words & _OUT:
                found["out"].append((header, str(unit)))
            elif words & _IN:
                found["in"].append((header, str(unit)))
    if len(found["in"]) != 1 or len(found["out"]) > 1:
        return None
    (charged, unit), out = found["in"][0], found["out"]
    if out and out[0][1] != unit:
        return None
    return Counters(charged=charged, discharged=out[0][0] if out else None, unit=unit)
