"""What the most that a site draws costs, and what it was so far: that is not paid for again.

A price of the settings is paid each day. A demand charge of a book or a retail tariff is paid on a month's
highest import: what raises it is of use on all days that are left of the month, and each bears its part.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from flows.mapping.hashing import hash_values
from flows.mapping.horizon import Horizon
from flows.mapping.past import FOLLOWED, followed_rows, owned
from flows.mapping.plan_spans import plans_within
from optimize.types import MODES
from warehouse.known import Known


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Peaks:
    """kw: the most so far, by mode ("followed" too) and site_id; price_eur_per_kw: of what is above it."""

    price_eur_per_kw: float
    kw: Mapping[str, Mapping[str, float]]

    @classmethod
    def of(cls, known: Known, horizon: Horizon, settings_price: float, charge_eur_per_kw: float) -> Peaks:
        """settings_price: €/kW a day; where it is 0, charge_eur_per_kw on a month's highest import."""
        today = horizon.local[0].normalize()
        if settings_price:
            return cls(price_eur_per_kw=settings_price, kw=_so_far(known, horizon, today))
        if not charge_eur_per_kw:
            return NO_PEAKS
        day = horizon.market_date
        days_left = monthrange(day.year, day.month)[1] - day.day + 1
        kw = _so_far(known, horizon, today.replace(day=1))
        return cls(price_eur_per_kw=charge_eur_per_kw / days_left, kw=kw)

    def so_far_kw(self, mode: str, site_id: str) -> float:
        """The most that a site drew, ≥ 0."""
        return max(0.0, self.kw.get(mode, {}).get(site_id, 0.0))

    @property
    def digest(self) -> str:
        """Hash of all of it."""
        kw = sorted((mode, sorted(own.items())) for mode, own in self.kw.items())
        return hash_values([self.price_eur_per_kw, kw])


NO_PEAKS = Peaks(price_eur_per_kw=0.0, kw={})


def _so_far(known: Known, horizon: Horizon, since: pd.Timestamp) -> dict[str, dict[str, float]]:
    """As the plans tell that were followed since then, and each mode by itself."""
    start, since = horizon.start, since.tz_convert("UTC")
    plans = plans_within(known, horizon.zone, since, start)
    where = {"plan_id": plans["plan_id"].tolist()}
    rows = owned(known.read("out_plan_site_slot", where=where, start=since, end=start), plans)
    followed = followed_rows(rows, plans)
    found: dict[str, dict[str, float]] = {}
    for mode in (FOLLOWED, *MODES):
        own = rows[rows["mode"] == mode]
        drawn = followed if own.empty else own
        most = (drawn["power_kw"] + drawn["base_load_kw"].fillna(0.0)).groupby(drawn["site_id"]).max()
        found[mode] = {str(site): float(kw) for site, kw in most.items()}
    return found
