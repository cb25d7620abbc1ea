"""A session's plan from now on as a ChargingProfile of OCPI 2.2.1, and what of the plan it cannot say.

Limits are W and never negative: what the plan feeds back has no words there, the car rests in its stead. What
that loses is counted, in kWh at the plug and at the price that the plan sold it for, wear and recharging not
taken off. The battery is never emptier for it than planned, so what is promised at the departure holds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from flows.dispatch.current import Found, powers_from
from flows.dispatch.merge import Run, charging_only, merged

_HOURS = 0.25
_QUARTER_S = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A ChargingProfile; what fewer periods cost, what is not fed back, and what the plan got for that."""

    profile: Mapping[str, Any]
    merge_cost_eur: float
    not_fed_back_kwh: float
    not_fed_back_eur: float

    @property
    def periods(self) -> int:
        """How many it has."""
        return len(self.profile["charging_profile_period"])


def profile_of(found: Found, now: datetime, most_periods: int) -> Offer:
    """Return a session's profile from the quarter-hour of a moment on to its departure.

    Raises MergeError where it cannot be expressed in so few periods.
    """
    session = found.session
    begin, slots = powers_from(session, now)
    fed = np.maximum(-slots.power_kw, 0.0) * _HOURS
    cut = merged(charging_only(slots), max(1, most_periods - len(session.last_minutes)))
    size = len(slots.power_kw)
    rest = [Run(first=size, last=size + 1, power_kw=0.0)] if session.last_minutes else []
    profile: dict[str, Any] = {
        "start_date_time": begin.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "duration": int((session.departure - begin) / timedelta(seconds=1)),
        "charging_rate_unit": "W",
        "charging_profile_period": [
            {"start_period": run.first * _QUARTER_S, "limit": _watts(run.power_kw)}
            for run in [*cut.runs, *rest]
        ],
    }
    plugs = {one.charger_id: one for one in found.plan.plugs}
    at = plugs.get(session.charger_id or "")
    if at is not None and at.least_kw > 0:
        profile["min_charging_rate"] = _watts(at.least_kw)
    return Offer(
        profile=profile, merge_cost_eur=cut.cost_eur, not_fed_back_kwh=float(fed.sum()),
        not_fed_back_eur=float((fed * slots.export_price).sum()),
    )  # fmt: skip


def _watts(power_kw: float) -> int:
    """Whole watts, towards 0: neither a site's limit nor a battery's is exceeded by rounding."""
    return math.trunc(round(power_kw * 1000.0, 6))
