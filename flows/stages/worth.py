"""What a kWh in store is worth when a stay ends: what it saves in the car's own next stay.

That stay's cheapest quarter-hours, as many as the car needs, are what it need not buy; each at its published
price, or, where none is known, at what it cost on each of the last days like it, and then the mean over these
days: the mean of the cheapest, not the cheapest of the mean. Battery side: divided by charging efficiency.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from flows.plain import records
from flows.stages.horizon import QUARTER, quarter_hours
from flows.stages.prices import PlanPrices
from optimize.types import Tariff

_LEAST_TRIP_KWH = 1.0
_DAY = pd.Timedelta(days=1)
Row = Mapping[str, Any]


class StoredWorth:
    """Values by stay, €/kWh battery side, ≥ 0: below zero, cars would pay to be emptied."""

    def __init__(self, prices: PlanPrices, tariff: Tariff) -> None:
        self.prices, self.tariff = prices, tariff
        buy, _ = prices.at_the_plug(tariff)
        self.known = pd.Series(buy, index=prices.slots)[: prices.horizon.priced_slots]
        self._seen: dict[tuple[pd.Timestamp, pd.Timestamp, int], float] = {}

    def of(
        self, sessions: pd.DataFrame, batteries: pd.DataFrame, kwh: Mapping[str, float]
    ) -> dict[str, float]:
        """Worth by session_id; kwh: usable energy by battery_id."""
        cars = {row["battery_id"]: row for row in records(batteries)}
        values: dict[str, float] = {}
        for battery_id, stays in sessions.sort_values("arrival_utc").groupby("battery_id", sort=False):
            rows = records(stays)
            for row, after in zip(rows, [*rows[1:], None], strict=True):
                car, capacity = cars[battery_id], kwh[str(battery_id)]
                values[str(row["session_id"])] = self._of_stay(row, after, car, capacity)
        return values

    def _of_stay(self, row: Row, after: Row | None, car: Row, capacity_kwh: float) -> float:
        end = self.prices.horizon.end
        if row["departure_utc"] > end:  # it stays on: what it stores is charged later in the same stay
            first, last = end, min(row["departure_utc"], end + _DAY)
            trip = row["departure_soc"] - row["arrival_soc"]
        elif after is not None:
            first, last = after["arrival_utc"], after["departure_utc"]
            trip = row["departure_soc"] - after["arrival_soc"]
        else:  # as it came this time, it comes again on a later day
            days = max(1, -(-(row["departure_utc"] - row["arrival_utc"]) // _DAY))
            first, last = row["arrival_utc"] + days * _DAY, row["departure_utc"] + days * _DAY
            trip = row["departure_soc"] - row["arrival_soc"]
        need = max(_LEAST_TRIP_KWH, trip * capacity_kwh)
        a_slot = max(1e-6, float(car["charge_limit_kw"]) * QUARTER / pd.Timedelta(hours=1))
        price = self._cheapest(
            first.floor(QUARTER), min(last, first + _DAY).ceil(QUARTER), int(-(-need // a_slot))
        )
        return max(0.0, price) / float(car["efficiency_charge"])

    def _cheapest(self, first: pd.Timestamp, last: pd.Timestamp, count: int) -> float:
        """Mean price of the `count` cheapest quarter-hours of [first, last), €/kWh at the plug."""
        asked = (first, last, count)
        if asked not in self._seen:
            slots = quarter_hours(first, max(last, first + QUARTER))
            known = self.known.reindex(slots).to_numpy(dtype=np.float64)
            days = known[None, :]
            if np.isnan(known).any():
                past = self.prices.past_at_the_plug(self.tariff, slots)
                days = np.where(np.isnan(known), past, known) if len(past) else known[None, :]
            cheapest = np.sort(days, axis=1)[:, : min(count, len(slots))]  # NaN is sorted last
            value = float(np.nanmean(cheapest)) if np.isfinite(cheapest).any() else self._mean()
            self._seen[asked] = value
        return self._seen[asked]

    def _mean(self) -> float:
        return float(self.known.mean()) if len(self.known) else 0.0
