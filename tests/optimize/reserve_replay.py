"""Whether a pool delivers a reserve bid: cars and signal second by second, apart from how bids are made.

A pool is the sessions of a day. Without a call each car charges evenly to what it was promised, or rests
where it has it. The signal asks for a share of the bid, as long as the product's reservoir lasts: what was
called net of what was called back is never more than the reservoir. A desk that knows no future gives each
car a part of what is asked, as its power and its charge allow, has cars that must charge to leave as promised
do so whatever is asked, and refills the pool with the power that the product leaves next to the bid. A draw
is delivered if in no step anything was missing, nobody left with less than was promised and no battery left
its bounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tests.benchmarks.data import file_of

STEP_S = 4.0
_SOON_H = 0.1
"""A car gives at most what it can hold for so long."""


@dataclass(frozen=True, kw_only=True)
class Cars:
    """Stays of a pool's day, [n]: hours from the block's start, battery-side kW and kWh, efficiencies."""

    arrive_h: np.ndarray
    depart_h: np.ndarray
    energy_kwh: np.ndarray
    target_kwh: np.ndarray
    least_kwh: np.ndarray
    most_kwh: np.ndarray
    charge_kw: np.ndarray
    discharge_kw: np.ndarray
    into: np.ndarray
    out: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Rules:
    """up, down: which ways are called; reservoir_h: how long the whole bid lasts; spare: as a share of the
    bid the power next to it that refills the pool."""

    up: bool
    down: bool
    reservoir_h: float
    spare: float


def caiso_days(data: Path) -> np.ndarray:
    """Dispatch of regulation as a share of capacity, + = up, [days, steps of 4 s]; public data."""
    frame = pd.read_csv(file_of(data, "regulation"), index_col=0)
    return np.clip(frame.to_numpy(dtype=np.float64).T / 100.0, -1.0, 1.0)


def random_signals(days: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Real days begun at any step and with either sign, and each made as large as a signal may be or less."""
    drawn = days[rng.integers(0, len(days), count)]
    drawn = np.array(
        [np.roll(one, shift) for one, shift in zip(drawn, rng.integers(0, 3600, count), strict=True)]
    )
    most = np.abs(drawn).max(axis=1, keepdims=True)
    size = np.where(most > 0.0, rng.uniform(0.5, 1.0, (count, 1)) / np.maximum(most, 1e-9), 1.0)
    return drawn * size * rng.choice([-1.0, 1.0], (count, 1))


def owed(signals: np.ndarray, rules: Rules) -> np.ndarray:
    """What may be asked by the rules: one way alone if so, and nothing beyond the reservoir."""
    signals = np.clip(signals, -1.0 if rules.down else 0.0, 1.0 if rules.up else 0.0)
    asked, used, hours = np.empty_like(signals), np.zeros(len(signals)), STEP_S / 3600.0
    for step in range(signals.shape[1]):
        now = np.clip(
            signals[:, step], (-rules.reservoir_h - used) / hours, (rules.reservoir_h - used) / hours
        )
        asked[:, step] = now
        used += now * hours
        used -= np.clip(used, -rules.spare * hours, rules.spare * hours)
    return asked


def delivered(pools: list[Cars], signals: np.ndarray, bid_kw: np.ndarray, rules: Rules) -> np.ndarray:
    """Whether each draw is delivered: pools and their bids [draws], what they are asked [draws, steps]."""
    size = max(len(pool.arrive_h) for pool in pools)
    of = {
        name: np.array([np.pad(getattr(pool, name), (0, size - len(pool.arrive_h))) for pool in pools])
        for name in Cars.__dataclass_fields__
    }
    here = np.array([np.arange(size) < len(pool.arrive_h) for pool in pools])
    into, out = (np.where(here, of[name], 1.0) for name in ("into", "out"))
    session = np.where(here, of["depart_h"] - of["arrive_h"], 1.0)
    base = np.clip((of["target_kwh"] - of["energy_kwh"]) / session, 0.0, of["charge_kw"])
    promised = np.minimum(of["target_kwh"], of["energy_kwh"] + base * session)
    energy = of["energy_kwh"] + base * np.clip(-of["arrive_h"], 0.0, None)
    hours, fine = STEP_S / 3600.0, np.ones(len(pools), dtype=np.bool_)
    lowest = np.minimum(of["least_kwh"], of["energy_kwh"])
    highest = np.maximum(of["most_kwh"], of["energy_kwh"])
    for step in range(signals.shape[1]):
        begin, end = step * hours, (step + 1) * hours
        there = here & (of["arrive_h"] <= begin + 1e-9) & (of["depart_h"] >= end - 1e-9)
        usual = np.where(there, base / into, 0.0)
        planned = of["energy_kwh"] + base * np.clip(begin - of["arrive_h"], 0.0, None)
        behind = np.where(there, planned - energy, 0.0)
        refill = np.clip(behind.sum(axis=1) / _SOON_H, -rules.spare * bid_kw, rules.spare * bid_kw)
        asked = refill - signals[:, step] * bid_kw  # metered, + = more is drawn
        left = np.clip(of["depart_h"] - end, 0.0, None)
        floor = np.maximum(lowest, promised - of["charge_kw"] * left)
        most = np.minimum(of["charge_kw"], np.clip(highest - energy, 0.0, None) / hours) / into
        must = (
            there & (energy - floor < of["charge_kw"] * hours) & (promised - of["charge_kw"] * left > lowest)
        )
        down = np.where(there, np.minimum(most - usual, (highest - energy) / (_SOON_H * into)), 0.0)
        give = np.clip((energy - floor) / _SOON_H, 0.0, None)
        can = usual + np.minimum(of["discharge_kw"], give) * out
        can = np.where(of["discharge_kw"] > 0.0, can, np.minimum(usual, give / into))
        up = np.where(there & ~must, np.maximum(can, 0.0), 0.0)
        forced = np.where(must, np.clip(most - usual, 0.0, None), 0.0)
        down = np.where(must, 0.0, np.clip(down, 0.0, None))
        change = forced + _shared(asked - forced.sum(axis=1), up, down, behind)
        missing = np.abs(asked - change.sum(axis=1))
        fine &= missing <= 1e-3 * np.maximum(bid_kw, 1e-9)
        power = usual + change
        energy = np.where(there, energy + np.where(power > 0.0, power * into, power / out) * hours, energy)
        gone = there & (of["depart_h"] < end + hours - 1e-9)
        fine &= ~(gone & (energy < promised - 0.01 - of["charge_kw"] * hours)).any(axis=1)
        fine &= ~(there & ((energy < lowest - 1e-6) | (energy > highest + 1e-6))).any(axis=1)
    return fine


def _shared(asked: np.ndarray, up: np.ndarray, down: np.ndarray, behind: np.ndarray) -> np.ndarray:
    """Metered kW more or less by car: first those whom it brings back to where they would be."""
    change = np.zeros_like(up)
    for able, sign, first in ((down, 1.0, behind > 0.0), (up, -1.0, behind < 0.0)):
        rest = np.clip(sign * asked, 0.0, None)
        for some in (np.where(first, able, 0.0), np.where(first, 0.0, able)):
            whole = some.sum(axis=1)
            share = np.where(whole > 0.0, np.minimum(1.0, rest / np.maximum(whole, 1e-12)), 0.0)
            change += sign * share[:, None] * some
            rest = rest - share * whole
    return change
