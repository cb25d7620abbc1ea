"""What a kWh in store is worth when a session ends: what it saves in the car's own next session.

That session's cheapest quarter-hours, as many as the car needs, are what it need not buy; each at its
published price, or, where none is known, at what it cost on each of the last days like it, and then the mean
over these days: the mean of the cheapest, not the cheapest of the mean. Battery side: divided by charging
efficiency.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from flows.mapping.horizon import QUARTER, quarter_hours
from flows.mapping.prices import PlanPrices
from optimize.types import Car, Session, Tariff

_LEAST_TRIP_KWH, _LEAST_KWH = 1.0, 1e-6
_DAY = pd.Timedelta(days=1)


class StoredWorth:
    """Values by session, €/kWh battery side, ≥ 0: below zero, cars would pay to be emptied."""

    def __init__(self, prices: PlanPrices, tariff: Tariff) -> None:
        self.prices, self.tariff = prices, tariff
        buy, _ = prices.at_the_plug(tariff)
        self.known = pd.Series(buy, index=prices.slots)[: prices.horizon.priced_slots]
        self._seen: dict[tuple[pd.Timestamp, pd.Timestamp, int], float] = {}

    def of(
        self, sessions: Sequence[Session], cars: Sequence[Car], stated: Mapping[str, float], *, linked: bool
    ) -> list[Session]:
        """The sessions with their worth; stated: SoC (0–1) that they are said to arrive with, by session_id.

        linked: the optimiser carries what a session leaves to those after it that carry, and so will the
        plans that come: all of such a chain is worth what its last session's is.
        """
        car = {one.battery_id: one for one in cars}
        after: dict[str, Session] = {}
        last: dict[str, float | None] = {}
        valued: list[Session] = []
        for session in sorted(sessions, key=lambda session: session.arrival_utc, reverse=True):
            if session.arrival_utc >= self.prices.horizon.end:
                continue
            following = after.get(session.battery_id)
            value = (
                following.value_eur_per_kwh
                if following is not None and following.carries
                else self._of_session(session, following, car[session.battery_id], stated, linked=linked)
            )
            after[session.battery_id] = replace(session, value_eur_per_kwh=value)
            valued.append(after[session.battery_id])
            last.setdefault(session.battery_id, value)
        # One that comes after the plan has what it comes with, and no slot: it is worth what was left for it.
        later = [
            replace(session, value_eur_per_kwh=last[session.battery_id])
            for session in sessions
            if session.arrival_utc >= self.prices.horizon.end
        ]
        return [*valued[::-1], *later]

    def _of_session(
        self, session: Session, after: Session | None, car: Car, stated: Mapping[str, float], *, linked: bool
    ) -> float:
        end = self.prices.horizon.end
        comes_with = stated[(after or session).session_id]
        if session.departure_utc > end:  # it stays on: what it stores is charged later in the same session
            first, last, comes_with = end, session.departure_utc, stated[session.session_id]
        elif after is not None:
            first, last = after.arrival_utc, after.departure_utc
        else:  # as it came this time, it comes again on a later day
            days = max(1, -(-(session.departure_utc - session.arrival_utc) // _DAY))
            first, last = session.arrival_utc + days * _DAY, session.departure_utc + days * _DAY
        carried_on = linked and after is None  # by the next plan, which carries it on
        if (
            session.departure_utc <= end
            and not carried_on
            and not self._planned_between(session.departure_utc, first)
        ):
            return 0.0
        need = max(_LEAST_TRIP_KWH, (session.departure_soc - comes_with) * car.capacity_kwh)
        a_slot = max(_LEAST_KWH, car.charge_limit_kw * (QUARTER / pd.Timedelta(hours=1)))
        count = min(_DAY // QUARTER, math.ceil(need / a_slot))
        price = self._cheapest(first.floor(QUARTER), min(last, first + _DAY).ceil(QUARTER), count)
        return max(0.0, price) / car.efficiency_charge

    def _planned_between(self, departure: pd.Timestamp, arrival: pd.Timestamp) -> bool:
        """Whether a plan is made, day by day at this time of the day, that sees the car come back with more.

        A plan that sees it leave sees it come back with what its session says: more would be bought for
        nobody.
        """
        start = self.prices.horizon.start
        return bool(start + math.ceil((departure - start) / _DAY) * _DAY < arrival)

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
