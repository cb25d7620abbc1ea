"""Limits of places that one car has for itself: its own limits rather than rows that couple cars."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimize.arrays import BoolArray, FloatArray
from optimize.fleet.arrays import FleetArrays
from optimize.fleet.coupling import node_limits

# By so much, relative, a limit taken over stays below the place's: its row is then surely none.
INSIDE = 1e-12


def with_own_limits(arrays: FleetArrays) -> FleetArrays:
    """The same day, each session held to what the places above it that no other car visits let it draw and
    feed.

    A place whose limit changes within the session keeps its rows. So do all where reserve is on offer: it is
    held against the charger's power, whatever the place.
    """
    lone = lone_places(arrays)
    if arrays.blocks or not lone.any():
        return arrays
    draw, feed = node_limits(arrays)
    charge, discharge = arrays.charge_limit_kw.copy(), arrays.discharge_limit_kw.copy()
    for s, site in enumerate(arrays.site.tolist()):
        span = slice(int(arrays.first[s]), int(arrays.first[s] + arrays.count[s]))
        for node in arrays.path(site):
            if lone[node] and span.stop > span.start:
                most_in, most_out = _steady(draw[node, span]), _steady(feed[node, span])
                charge[s] = min(charge[s], most_in * arrays.efficiency_charge[s] * (1.0 - INSIDE))
                discharge[s] = min(discharge[s], most_out / arrays.efficiency_discharge[s] * (1.0 - INSIDE))
    charge[charge < arrays.least_charge_kw[arrays.car]] = 0.0
    discharge[discharge < arrays.least_discharge_kw[arrays.car]] = 0.0
    return replace(arrays, charge_limit_kw=charge, discharge_limit_kw=discharge)


def lone_places(arrays: FleetArrays) -> BoolArray:
    """Whether all sessions below a node are of one car, [S]."""
    least, most = np.full(arrays.sites, arrays.cars), np.full(arrays.sites, -1)
    for i, site in {*zip(arrays.car.tolist(), arrays.site.tolist(), strict=True)}:
        path = arrays.path(site)
        least[path], most[path] = np.minimum(least[path], i), np.maximum(most[path], i)
    return np.asarray(least == most)


def _steady(limit_kw: FloatArray) -> float:
    """The limit, if it is the same in all slots; no limit if not."""
    low, high = float(limit_kw.min()), float(limit_kw.max())
    return low if low == high else np.inf
