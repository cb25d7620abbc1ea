"""A battery for its owner: health and life left with their intervals, and what V2G takes of that life."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from flows.mapping.past import FOLLOWED
from flows.mapping.requests import newest_calibrations
from twin.identifiable import not_identified, would_narrow
from twin.types import Calibration
from warehouse.known import Known

_SD_OF_90 = 1.645


def battery_health(
    known: Known, battery_id: str, v2g_kwh: float | None, days: float
) -> dict[str, Any] | None:
    """The newest calibration in an owner's words; None where there is none.

    v2g_kwh: discharged for the grid on so many days, battery side; None where it is not to be reported.
    Intervals are of 90 %. `l0_over_l` is the life on ordinary days over that with V2G as on these days on all
    days, by the law L = L0·exp(−α·x).
    """
    found = newest_calibrations(known, [battery_id]).get(battery_id)
    if found is None:
        return None
    nominal = found.usable_capacity_ah / found.soh if found.soh else math.nan
    half = _SD_OF_90 * found.usable_capacity_sd_ah
    return {
        "calibration_id": found.calibration_id,
        "quality": found.quality,
        "usable_energy_kwh": round(found.usable_energy_kwh, 2),
        "health": _interval(found.soh, found.soh - half / nominal, found.soh + half / nominal),
        "life_left_years": _interval(
            found.l0_days / 365.25, found.l0_low_days / 365.25, found.l0_high_days / 365.25
        ),
        "v2g": None if v2g_kwh is None or not days else _worn(found, v2g_kwh / days),
        "warnings": not_identified(found),
        "would_narrow": [
            {"data": data, "less_doubt_of_life": round(l0, 3), "less_doubt_of_v2g_wear": round(beta, 3)}
            for data, l0, beta in would_narrow(found)
        ],
    }


def account_sums(known: Known, battery_id: str, realised_ids: Sequence[str]) -> dict[str, Any]:
    """V2G energy (kWh, battery side), departures and metered quarter-hours of the accounts of some days."""
    where = {"realised_id": list(realised_ids), "battery_id": battery_id, "mode": FOLLOWED}
    columns = ["v2g_kwh", "departures", "metered_slots"]
    rows: pd.DataFrame = known.read("out_realised_car", where=where, columns=columns)
    v2g, departures, metered = (rows[name].sum() for name in columns)
    return {
        "v2g_kwh": round(float(v2g), 3),
        "departures": int(departures),
        "metered_slots": int(metered),
    }


def _worn(found: Calibration, kwh_per_day: float) -> dict[str, Any]:
    cycles = kwh_per_day / found.usable_energy_kwh
    alphas = (found.alpha_day_per_efc, found.alpha_low_day_per_efc, found.alpha_high_day_per_efc)
    middle, low, high = (math.exp(alpha * cycles) for alpha in alphas)
    return {"cycles_per_day": round(cycles, 4), "l0_over_l": _interval(middle, low, high)}


def _interval(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": round(value, 4), "low": round(low, 4), "high": round(high, 4)}
