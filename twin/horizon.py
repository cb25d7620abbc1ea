"""When capacity falls to each level: the life of a calibration, L0, and its interval, level by level.

The interval of L0 (`twin.ensemble.mixture`, of older calibrations `twin.intervals`) is one of a time: that at
which capacity falls to the end of life. The same is made here of every other level, so that a band through
them meets the end of life where L0 and its interval say, and nowhere else.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from twin.ageing import factors_of
from twin.ensemble.stored import band_of
from twin.health import Array
from twin.intervals import interval
from twin.life import HORIZON_DAYS, days_until, time_grid, trajectory
from twin.prior import discrepancy_growth
from twin.record import EnsembleRecord, need
from twin.restore import ageing_of, health_of
from twin.types import BatterySpec, Calibration

_LEVELS = 40
_BEYOND = 0.25  # levels below the end of life, as a share of the fade until then
_Z90 = 1.645


def end_of_life_soh(calibration: Calibration) -> float:
    """Capacity over nominal at which the life of a calibration ends."""
    return ageing_of(calibration).end_soh


def life_band(battery: BatterySpec, calibration: Calibration, draws: Array) -> pd.DataFrame:
    """Days until capacity falls to each level: soh, days, days_low, days_high (90 %).

    Every day is an ordinary day. Levels (capacity over nominal, falling) reach from the most that today's may
    be to somewhat below the end of life; at that, one of them, days and interval are those of L0. ``days`` of
    levels above today's is NaN. ``draws``: of the ageing unknowns, one a row.
    """
    stored, ageing = calibration.record, ageing_of(calibration)
    if stored.ensemble is not None:
        return _of_ensemble(calibration, stored.ensemble)
    unknowns, prior = need(stored.mean, "mean"), need(stored.prior, "prior")
    circuit, end = ageing.model.cell.circuit, ageing.end_soh
    factors = factors_of(ageing.model, np.vstack([unknowns, draws]))
    grid = time_grid(HORIZON_DAYS)
    path = trajectory(ageing.model, health_of(calibration), factors, grid)
    share = circuit.window(path).capacity_ah / circuit.fresh_capacity_ah
    today, today_sd = float(share[0, 0]), calibration.usable_capacity_sd_ah / battery.nominal_capacity_ah
    off = np.random.default_rng(1).normal(0.0, today_sd, len(draws))
    parts = {} if stored.interval_parts is None else dict(stored.interval_parts.l0)
    levels = _levels(today, end, _Z90 * today_sd)
    rows = []
    for level in levels:
        observed, ahead = unknowns[2] - today, today - level
        parts["left_out"] = prior.discrepancy * float(discrepancy_growth(observed, ahead))
        best = float(days_until(grid, share[:, :1], level)[0])
        rows.append((best, *interval(days_until(grid, share[:, 1:], level - off), best, parts)))
    middle, low, high = _through(np.array(rows).T, levels == end, calibration)
    middle = np.where(levels <= today, middle, np.nan)
    return pd.DataFrame({"soh": levels, "days": middle, "days_low": low, "days_high": high})


def _of_ensemble(calibration: Calibration, stated: EnsembleRecord) -> pd.DataFrame:
    """The same from the band of the ensemble: when each of its curves falls to a level."""
    band, end = band_of(calibration, stated), end_of_life_soh(calibration)
    levels = _levels(calibration.soh, end, max(0.0, float(band.high[0]) - calibration.soh))
    edges = (band.median, band.low, band.high)
    rows = np.array(
        [[float(days_until(band.days, edge.copy(), level)) for edge in edges] for level in levels]
    )
    middle, low, high = _through(rows.T, levels == end, calibration)
    middle = np.where(levels <= calibration.soh, middle, np.nan)
    return pd.DataFrame({"soh": levels, "days": middle, "days_low": low, "days_high": high})


def _levels(today: float, end: float, sure: float) -> Array:
    """Levels that fall, today's and the end of life among them."""
    lowest = max(0.0, end - _BEYOND * (today - end))
    return np.unique([*np.linspace(today + sure, lowest, _LEVELS), today, end])[::-1]


def _through(rows: Array, at: npt.NDArray[np.bool_], calibration: Calibration) -> tuple[Array, Array, Array]:
    """Best, low and high with both sides of the interval in proportion, so that they meet those of L0 there.

    They nearly do: an interval of L0 is of other draws, and of the state at the last full calibration.
    """
    l0 = calibration.l0_days
    best, low, high = rows * (l0 / max(float(rows[0, at][0]), 1e-9))
    below, above = (float(abs(edge[at] - best[at])[0]) for edge in (low, high))
    low = best - (best - low) * ((l0 - calibration.l0_low_days) / max(below, 1e-9))
    high = best + (high - best) * ((calibration.l0_high_days - l0) / max(above, 1e-9))
    ends = calibration.l0_low_days, calibration.l0_high_days
    low, high = (_rising(edge, at, end) for edge, end in zip((low, high), ends, strict=True))
    return best, low, high


def _rising(edge: Array, at: npt.NDArray[np.bool_], end: float) -> Array:
    """An edge that is never earlier at a lower level, and ``end`` at the end of life."""
    first = int(np.argmax(at))
    bounded = np.concatenate([np.clip(edge[:first], 0.0, end), [end], np.maximum(edge[first + 1 :], end)])
    return np.asarray(np.maximum.accumulate(bounded))
