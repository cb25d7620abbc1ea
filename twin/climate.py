"""The temperature of a battery's ordinary day: that of a typical year of its own."""

from __future__ import annotations

import pandas as pd

_LEAST_QUARTER_HOURS = 5 * 96  # of a month that counts


def typical_degc(months: pd.DataFrame) -> float | None:
    """Mean temperature [°C] of a typical year; None if no month is known.

    ``months``: month_utc, temperature_degc, quarter_hours. Every calendar month counts once, however often it
    was seen, so that a life that began in a summer is not taken for a hot one. Months never observed are
    taken to be like those seen.
    """
    known = months[months["quarter_hours"] >= _LEAST_QUARTER_HOURS]
    if not len(known):
        return None
    weight = known["quarter_hours"]
    table = pd.DataFrame({"weight": weight, "weighted": weight * known["temperature_degc"]})
    sums = table.groupby(known["month_utc"].dt.month).sum()
    return float((sums["weighted"] / sums["weight"]).mean())
