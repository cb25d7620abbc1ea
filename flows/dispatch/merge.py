"""A plan's quarter-hours as few periods of one power each, at the least cost.

A station takes so many periods a schedule (often 24), a plan has up to four an hour. The quarter-hours of a
session are cut into runs; each run gets its mean power, so that its energy stays what it was, and costs what
that energy costs at the run's other prices more than at its own. A run never mixes charging with feeding
back, and keeps the battery in its bounds at every quarter-hour. A dynamic programme finds the cheapest cut.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_HOURS = 0.25
_SLACK_KWH = 1e-6
_SLACK_KW = 1e-6
_EUR_PER_KWH_MOVED = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SessionPowers:
    """What is planned for a car while it is plugged in, a row a quarter-hour [T].

    power_kw: at the plug, + = charging, with least_kw and most_kw allowed there (what the site leaves).
    import_price, export_price: €/kWh at the plug. energy_kwh: in the battery at the end of each, with
    least_kwh and most_kwh allowed. Efficiencies: plug to battery and back, 0–1.
    """

    power_kw: Floats
    least_kw: Floats
    most_kw: Floats
    import_price: Floats
    export_price: Floats
    energy_kwh: Floats
    least_kwh: Floats
    most_kwh: Floats
    efficiency_charge: float
    efficiency_discharge: float


def charging_only(session: SessionPowers) -> SessionPowers:
    """Return a session that rests where it was to feed back.

    Its battery needs no bounds: it is never emptier than before, and a car that is full stops by itself.
    """
    free = np.full(len(session.power_kw), np.inf)
    power = np.maximum(session.power_kw, 0.0)
    return replace(session, power_kw=power, least_kwh=-free, most_kwh=free)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Quarter-hours [first, last) at one power, kW at the plug."""

    first: int
    last: int
    power_kw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The runs of a session, and what they cost more than its quarter-hours, €."""

    runs: tuple[Run, ...]
    cost_eur: float


class MergeError(ValueError):
    """A session cannot be expressed in so few periods without leaving the battery's bounds."""


def merged(session: SessionPowers, most: int) -> Merged:
    """Return the cheapest cut of a session into `most` runs or fewer; what fits is left as it is.

    Of cuts at one price the one that moves the least energy is taken. Raises MergeError where there is none:
    charging and feeding back alternate more often than that.
    """
    power, slots = session.power_kw, len(session.power_kw)
    edges = [0, *(np.flatnonzero(np.abs(np.diff(power)) > _SLACK_KW) + 1).tolist(), slots]
    if len(edges) <= most + 1:
        whole = (Run(first=a, last=b, power_kw=float(power[a:b].mean())) for a, b in pairwise(edges))
        return Merged(runs=tuple(whole), cost_eur=0.0)
    costs = run_costs(session)
    ranked = costs + _EUR_PER_KWH_MOVED * _moved(power)
    best = np.full((most + 1, slots + 1), np.inf)
    best[0, 0] = 0.0
    cut = np.zeros((most + 1, slots + 1), dtype=np.intp)
    for count in range(1, most + 1):
        reached = best[count - 1, :-1, None] + ranked[:, 1:]
        cut[count, 1:] = np.argmin(reached, axis=0)
        best[count, 1:] = np.min(reached, axis=0)
    total = best[:, slots]
    if not np.isfinite(total).any():
        raise MergeError(f"{slots} quarter-hours cannot be expressed in {most} periods")
    count = int(np.argmin(total))
    runs: list[Run] = []
    last, cost = slots, 0.0
    while last:
        first = int(cut[count, last])
        cost += float(costs[first, last])
        runs.append(Run(first=first, last=last, power_kw=float(session.power_kw[first:last].mean())))
        last, count = first, count - 1
    return Merged(runs=tuple(reversed(runs)), cost_eur=cost)


def run_costs(session: SessionPowers) -> Floats:
    """Return what each run costs more than its quarter-hours, €; infinite where none can be [first, last]."""
    power, slots = session.power_kw, len(session.power_kw)
    costs = np.full((slots, slots + 1), np.inf)
    for first in range(slots):
        own = power[first:]
        length = np.arange(1, len(own) + 1)
        counted = np.cumsum(own)
        mean = counted / length
        mixed = (np.minimum.accumulate(own) < 0) & (np.maximum.accumulate(own) > 0)
        above = mean > np.minimum.accumulate(session.most_kw[first:]) + _SLACK_KW
        below = mean < np.maximum.accumulate(session.least_kw[first:]) - _SLACK_KW
        never = mixed | above | below | ~_bounded(session, first, mean)
        costs[first, first + 1 :] = np.where(never, np.inf, _dearer(session, first, mean))
    return costs


def _moved(power: Floats) -> Floats:
    """Return the energy that each run moves from one quarter-hour to another, kWh [first, last]."""
    slots = len(power)
    moved = np.zeros((slots, slots + 1))
    for first in range(slots):
        own = power[first:]
        step = np.arange(1, len(own) + 1)
        apart = np.abs(own - (np.cumsum(own) / step)[:, None])
        moved[first, first + 1 :] = _HOURS * np.where(step <= step[:, None], apart, 0.0).sum(axis=1)
    return moved


def _dearer(session: SessionPowers, first: int, mean: Floats) -> Floats:
    """What the runs that begin at `first` cost more, one for each last: bought, or sold, as a whole."""
    own = session.power_kw[first:]
    bought, sold = (
        _HOURS * (mean * np.cumsum(prices[first:]) - np.cumsum(own * prices[first:]))
        for prices in (session.import_price, session.export_price)
    )
    return np.where(mean < 0, sold, bought)


def _bounded(session: SessionPowers, first: int, mean: Floats) -> npt.NDArray[np.bool_]:
    """Whether the battery stays in its bounds in the runs that begin at `first`, one for each last."""
    own = session.power_kw[first:]
    step = np.arange(1, len(own) + 1)
    change = _HOURS * (mean[:, None] * step - np.cumsum(own))  # at the plug [last, quarter-hour]
    way = np.where(mean >= 0, session.efficiency_charge, 1.0 / session.efficiency_discharge)
    energy = session.energy_kwh[first:] + way[:, None] * change
    out = (energy < session.least_kwh[first:] - _SLACK_KWH) | (energy > session.most_kwh[first:] + _SLACK_KWH)
    inside: npt.NDArray[np.bool_] = ~np.any(out & (step <= step[:, None]), axis=1)
    return inside
