"""The wear map: what each habit of a day costs, and what it costs to hold charge.

One-at-a-time changes of the ordinary day and of one V2G day: energy, C-rate of the V2G part, resting SoC,
temperature, depth at equal energy. PyBaMM solves each day once at the battery's state today; the ratios of
its wear rates to the ordinary day's are taken to hold for life, as in `twin.profile`, and the life follows.

Stress-driven loss sees current, hardly depth: the map shows what the model sees, not what a cell may feel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from twin.duty import Profile, StandardDuty
from twin.errors import SolveError, TwinError
from twin.health import Health
from twin.life import Factors, life_days
from twin.rates import RateModel, Rates, solve_rates

_HEAT_K = 10.0
_REST_STEP = 0.05  # of SoC, to either side
_SHARES = (0.5, 1.0)  # of the most V2G that fits into a day
_SLOWER = (0.5, 0.75)  # V2G C-rates as shares of the charger's
COLUMNS = (
    "v2g_efc_per_day",
    "c_rate",
    "rest_soc",
    "temperature_degc",
    "depth",
    "life_days",
    "wear_eur_per_day",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WearMap:
    """``table``: `COLUMNS`, one row a kind of day, the ordinary day first; ``rest_price_eur_per_kwh_h``."""

    table: pd.DataFrame
    rest_price_eur_per_kwh_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Day:
    """A duty with V2G: a share of nominal capacity in so many cycles, at so much of the charger's rate."""

    duty: StandardDuty
    v2g_ah_share: float = 0.0
    cycles: int = 0
    speed: float = 1.0


def wear_map(
    base: RateModel,
    duty: StandardDuty,
    factors: Factors,
    today: Health,
    *,
    soh: float,
    end_capacity_ah: float,
    residual_value_eur: float,
    usable_energy_kwh: float,
) -> WearMap:
    """The map of one battery, ``today``'s health in floats; days that it cannot run are left out.

    The rest price is that of one kWh more, held for one hour: the ordinary day's wear, differentiated by the
    SoC at which its SEI grows (central difference over 10 % of SoC).
    """
    standard = solve_rates(base.cell, duty.profile(), today)

    def life(day: _Day) -> float:
        try:
            rates = _rates(base, day, today)
        except (SolveError, TwinError):
            return float("nan")
        return _life(base, rates, standard, factors, today, end_capacity_ah)

    rows = [(day, life(day)) for day in _days(duty)]
    table = pd.DataFrame(
        [
            (
                day.v2g_ah_share * day.cycles / soh,
                day.duty.charge_c_rate * day.speed,
                day.duty.target_soc,
                day.duty.temperature_degc,
                day.v2g_ah_share / soh,
                days,
                residual_value_eur / days,
            )
            for day, days in rows
            if np.isfinite(days)
        ],
        columns=list(COLUMNS),
    ).drop_duplicates(list(COLUMNS[:5]), ignore_index=True)
    return WearMap(
        table=table,
        rest_price_eur_per_kwh_h=residual_value_eur
        * _rest_slope(base, standard, duty, factors, today, end_capacity_ah)
        / (usable_energy_kwh * 24),
    )


def _rest_slope(
    base: RateModel,
    standard: Rates,
    duty: StandardDuty,
    factors: Factors,
    today: Health,
    end_capacity_ah: float,
) -> float:
    """Change of 1/life [1/day] with the SoC of rest, at unchanged loss of active material; not below 0."""

    def at_rest(soc: float) -> float:
        profile = Profile(
            start_s=np.zeros(1),
            c_rate=np.zeros(1),
            start_soc=soc,
            temperature_degc=duty.temperature_degc,
        )
        return float(solve_rates(base.cell, profile, today).sei_m)

    def life(soc: float) -> float:
        grown = replace(standard, sei_m=standard.sei_m * at_rest(soc) / ordinary)
        return _life(base, grown, standard, factors, today, end_capacity_ah)

    high = min(1.0, duty.target_soc + _REST_STEP)
    low, ordinary = high - 2 * _REST_STEP, at_rest(duty.target_soc)
    return max(0.0, (1 / life(high) - 1 / life(low)) / (high - low))


def _life(
    base: RateModel,
    rates: Rates,
    standard: Rates,
    factors: Factors,
    today: Health,
    end_capacity_ah: float,
) -> float:
    model = base.scaled(rates, standard)
    return max(1.0, float(life_days(model, today.row(), factors, end_capacity_ah)[0]))


def _days(duty: StandardDuty) -> list[_Day]:
    most = duty.v2g_limit()
    middle = _Day(duty=duty, v2g_ah_share=most / 4, cycles=2)
    cooler, warmer = (
        replace(duty, temperature_degc=duty.temperature_degc + step) for step in (-_HEAT_K, _HEAT_K)
    )
    fuller, emptier = (
        replace(duty, target_soc=float(np.clip(duty.target_soc + step, duty.trip_efc + 0.1, 1.0)))
        for step in (2 * _REST_STEP, -2 * _REST_STEP)
    )
    days = [_Day(duty=duty)]
    days += [_Day(duty=duty, v2g_ah_share=share * most / 2, cycles=2) for share in _SHARES]
    # Equal energy, half as deep or slower.
    days += [replace(middle, v2g_ah_share=most / 8, cycles=4)]
    days += [replace(middle, speed=speed) for speed in _SLOWER]
    others = (cooler, warmer, fuller, emptier)
    return days + [replace(day, duty=other) for other in others for day in (days[0], middle)]


def _rates(base: RateModel, day: _Day, today: Health) -> Rates:
    profile = day.duty.profile(
        v2g_ah_share=day.v2g_ah_share, cycles=day.cycles, v2g_c_rate=day.duty.charge_c_rate * day.speed
    )
    return solve_rates(base.cell, profile, today)
