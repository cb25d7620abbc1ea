"""What PyBaMM's own answers for L0, α and β leave open: of which parts it is made, and what each rests on.

posterior   draws of the ageing unknowns: noise of check-ups and voltage, priors (asymmetric)
duty        the ordinary day is a mean over the days that telemetry holds, by `twin.days`; for α and β alone,
            since the factors of L0 are fitted on the same day that it is foretold for
form        what other forms of the model give, by the chemistry
left_out    how far forecasts of fade have been or are believed to be off, by the prior
past        the share of life of which nothing tells, on another duty perhaps
law         how far the law's form strays from the lives that it was fitted to

The last four are *structural*: what data of the battery cannot show, as a battery simulated by the same model
does not have it. Parts are standard deviations as shares of the figure, independent of one another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from twin.days import DutySpread
from twin.duty import StandardDuty
from twin.health import Array, Health
from twin.life import Factors, life_days
from twin.rates import RateModel, solve_rates

STRUCTURAL = ("form", "left_out", "past", "law")
_INTERVAL, _Z90 = (0.05, 0.95), 1.645
_UNKNOWN = 1.0  # of the figure: what hardly wears is not foretold by how it changes
_LESS, _WARMER_K = 0.9, 2.0  # changes by which the effect of the duty's driving and temperature is found
Parts = dict[str, float]


def interval(draws: Array, centre: float, parts: Mapping[str, float]) -> tuple[float, float]:
    """The interval about ``centre``: the spread of ``draws`` and, in quadrature, all ``parts``."""
    low, high = np.quantile(draws, _INTERVAL)
    rest = _Z90 * abs(centre) * float(np.linalg.norm(list(parts.values())))
    return (
        max(0.0, centre - float(np.hypot(max(0.0, centre - low), rest))),
        centre + float(np.hypot(max(0.0, high - centre), rest)),
    )


def without(parts: Mapping[str, float], centre: float, low: float, high: float) -> tuple[float, float]:
    """An interval of `interval` with its structural parts taken out again."""
    structure = _Z90 * abs(centre) * float(np.linalg.norm([parts.get(name, 0.0) for name in STRUCTURAL]))
    below, above = (np.sqrt(max(0.0, end**2 - structure**2)) for end in (centre - low, high - centre))
    return centre - float(below), centre + float(above)


def law_part(residual: float, window: float, slope: float) -> float:
    """The slope that would take the largest residual away at the window's end, as if it were 90 %.

    A slope that is less than what it leaves is as good as unknown, and no worse.
    """
    off = residual / window
    return off / max(_Z90 * slope, off) if off > 0 else 0.0


def duty_part(
    base: RateModel,
    duty: StandardDuty,
    spread: DutySpread,
    today: Health,
    factors: Factors,
    *,
    end_capacity_ah: float,
    v2g_ah_share: float,
) -> float:
    """Relative spread of α (and β) by that of the ordinary day: of its driving and of its temperature.

    What another ordinary day would change is found at one V2G day, of one cycle of ``v2g_ah_share`` of
    nominal capacity. The fade was observed stays as it was: rates of the V2G day are taken in proportion to
    those of the ordinary one, as a calibration takes them.
    """

    def log_wear(changed: StandardDuty) -> float:
        days = (changed.profile(v2g_ah_share=v2g_ah_share, cycles=1), changed.profile())
        model = base.scaled(*(solve_rates(base.cell, day, today) for day in days))
        with_v2g, plain = (
            float(np.ravel(life_days(one, today, factors, end_capacity_ah))[0]) for one in (model, base)
        )
        return float(np.log(max(np.log(plain / with_v2g), 1e-6)))

    ours = log_wear(duty)
    by_driving = (log_wear(replace(duty, trip_efc=_LESS * duty.trip_efc)) - ours) / np.log(_LESS)
    by_kelvin = (
        log_wear(replace(duty, temperature_degc=duty.temperature_degc + _WARMER_K)) - ours
    ) / _WARMER_K
    return min(float(np.hypot(by_driving * spread.driving, by_kelvin * spread.temperature_k)), _UNKNOWN)
