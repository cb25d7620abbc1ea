"""Cars below limits that they share: the shares of their full powers rise together until a limit binds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimize.arrays import IntArray
from optimize.tree import SiteTree
from optimize.types import BoolArray, FloatArray
from optimize.windows import SessionWindow

LEAST_ROUNDING_KW = 1e-7


def sites_above(tree: SiteTree, windows: Sequence[SessionWindow]) -> IntArray:
    """The sites whose limits count each session, [sessions, depth], -1 for none."""
    above = np.full((len(windows), max((len(path) for path in tree.paths), default=0)), -1)
    for s, window in enumerate(windows):
        path = tree.paths[window.site]
        above[s, : len(path)] = path
    return above


def filled(
    full_kw: FloatArray, need_kw: FloatArray, efficiency: FloatArray, above: IntArray, limit_kw: FloatArray
) -> FloatArray:
    """Powers min(share·full, need) with shares that rise together until the limits above each car bind.

    above [cars, depth]: the sites whose limits [sites], metered, count each car, −1 for none. A limit that
    binds before all others that count some of its cars stops them, whatever happens elsewhere.
    """
    power = need_kw.copy()
    rising = need_kw > 0.0
    while True:
        metered = power / efficiency
        drawn = np.zeros(limit_kw.size + 1)  # the last: no site
        np.add.at(drawn, above, metered[:, None])
        over = np.append(drawn[:-1] > limit_kw + 1e-12 * np.maximum(1.0, limit_kw), False)
        shares: dict[int, float] = {}
        groups: dict[int, IntArray] = {}
        for j, members in _members(above, over):
            group = members[rising[members]]
            room = limit_kw[j] - float(metered[members[~rising[members]]].sum())
            if group.size:
                shares[j] = _common_share(full_kw[group], need_kw[group], efficiency[group], room)
                groups[j] = group
        if not groups:
            return power
        # The least share at each car's own limits, and then whether a limit is the first for all its cars.
        least = np.full(power.size, np.inf)
        for j, group in groups.items():
            least[group] = np.minimum(least[group], shares[j])
        for j, group in groups.items():
            if shares[j] <= least[group].min():
                power[group] = np.minimum(shares[j] * full_kw[group], need_kw[group])
                rising[group] = False


def filled_at_least(
    full_kw: FloatArray,
    need_kw: FloatArray,
    efficiency: FloatArray,
    above: IntArray,
    limit_kw: FloatArray,
    least_kw: FloatArray,
    turn: IntArray,
) -> FloatArray:
    """`filled`, no car below its least power unless it needs no more: for the others' sake some pause.

    Of those whose share is too small the last by turn [cars] pauses, of many the last quarter, and the rest
    share again, until no share is.
    """
    need = need_kw.copy()
    while True:
        power = filled(full_kw, need, efficiency, above, limit_kw)
        weak = np.flatnonzero(power < np.minimum(least_kw, need) - LEAST_ROUNDING_KW)
        if not weak.size:
            return power
        last = np.argsort(turn[weak], kind="stable")[-max(1, weak.size // 4) :]
        need[weak[last]] = 0.0


def _members(above: IntArray, chosen: BoolArray) -> list[tuple[int, IntArray]]:
    """The chosen sites that have cars below them, and these."""
    cars, levels = np.nonzero(chosen[above])
    sites = above[cars, levels]
    order = np.argsort(sites, kind="stable")
    found, begins = np.unique(sites[order], return_index=True)
    return list(zip(found.tolist(), np.split(cars[order], begins[1:]), strict=True)) if found.size else []


def _common_share(
    full_kw: FloatArray, needed_kw: FloatArray, efficiency: FloatArray, limit_kw: float
) -> float:
    """The largest share ≤ 1 with Σ min(share·full, needed)/efficiency ≤ limit.

    The sum grows piecewise linearly in the share, so walk its kinks from the car that is done first.
    """
    order = np.argsort(needed_kw / full_kw, kind="stable")
    kinks = (needed_kw / full_kw)[order].tolist()
    metered_full = (full_kw / efficiency)[order].tolist()
    metered_need = (needed_kw / efficiency)[order].tolist()
    rising, done = sum(metered_full), 0.0
    for kink, full, need in zip(kinks, metered_full, metered_need, strict=True):
        share = max(0.0, limit_kw - done) / rising
        if share <= kink:
            return float(share)
        rising -= full
        done += need
    return 1.0
