"""From an iterate to a plan that keeps every rule (compiled).

Slot by slot, every car follows the energy path of the iterate as far as its own limits let it, never charging
and discharging at once; where a node's limit would break, everything below it is scaled towards idling, which
every other limit allows. Reserve is then what headroom and energy really carry: shares are scaled down to
it, shortages against the bid filled from what others have left, and the bid is what every slot of its block
holds.
A target that the iterate misses by a hair is met; a power too small to mean anything waits for the next slot.
"""

from __future__ import annotations

import math

import numpy as np

from optimize.assemble import NEGLIGIBLE_KWH
from optimize.fleet.kernel import kernel
from optimize.fleet.layout import Fleet, FloatArray, IntArray

STILL_KW = 1e-5
NEARLY_KWH = 0.01
ROUNDING_KW = 1e-7


@kernel
def follow(
    fleet: Fleet,
    x: FloatArray,
    owner: IntArray,
    site: IntArray,
    parent: IntArray,
    bottom_up: IntArray,
    draw: FloatArray,
    feed: FloatArray,
    lowest: FloatArray,
    highest: FloatArray,
    charge_limit: FloatArray,
    v2g_limit: FloatArray,
    drawdown: FloatArray,
    least_in: FloatArray,
    least_out: FloatArray,
    charge: FloatArray,
    discharge: FloatArray,
    energy: FloatArray,
) -> None:
    """charge, discharge, energy [steps] of a feasible plan near the iterate x.

    owner, site, lowest, highest, charge_limit [stays]; v2g_limit, drawdown, least_in, least_out [n];
    bottom_up [S]: sites, children first; draw, feed [S, T]: what the cars of a node may draw and feed.
    """
    V, dt = 3 + fleet.up + fleet.down, fleet.hours
    stays, S = fleet.first.size, parent.size
    now, highest_seen = fleet.arrival.copy(), fleet.arrival.copy()
    left = v2g_limit.copy()
    change, lift = np.zeros(stays), np.zeros(stays)
    for s in range(stays):
        i = owner[s]
        last = V * fleet.step_start[i] + 2 * (fleet.step_start[i + 1] - fleet.step_start[i])
        lack = 0.0
        if fleet.length[s] > 0:
            lack = fleet.target[s] - x[last + _step(fleet, s, i) + fleet.length[s] - 1]
        if 0.0 < lack < NEARLY_KWH:
            lift[s] = lack
    power, share = np.zeros(S), np.ones(S)
    for t in range(fleet.slots):
        for s in range(stays):
            k = t - fleet.first[s]
            if k < 0 or k >= fleet.length[s]:
                continue
            i = owner[s]
            a, b = fleet.step_start[i], fleet.step_start[i + 1]
            at = V * a + 2 * (b - a) + _step(fleet, s, i) + k
            most = charge_limit[s]
            if fleet.taper_fall[s] > 0.0:
                most = min(most, fleet.taper_top[s] - fleet.taper_fall[s] * now[s])
            up = max(0.0, min(most * dt, highest[s] - now[s]))
            down = max(0.0, min(fleet.discharge_limit[s] * dt, now[s] - lowest[s], left[i]))
            move = x[at] + lift[s] - now[s]
            if abs(move) < STILL_KW * dt and k < fleet.length[s] - 1:
                move = 0.0
            highest_seen[s] = max(highest_seen[s], now[s])
            down = max(0.0, min(down, drawdown[i] - highest_seen[s] + now[s]))
            change[s] = _at_least(min(max(move, -down), up), least_in[i] * dt, least_out[i] * dt, up, down)
        for turn in range(2 + S):
            power[:] = 0.0
            for s in range(stays):
                if 0 <= t - fleet.first[s] < fleet.length[s]:
                    into = change[s] > 0.0
                    factor = 1.0 / fleet.efficiency_charge[s] if into else fleet.efficiency_discharge[s]
                    power[site[s]] += change[s] / dt * factor
            if not _shares(power, parent, bottom_up, draw[:, t], feed[:, t], share):
                break
            # A power scaled below its least goes off, which may need a look at the sums again; in the end
            # everything below a limit goes off.
            for s in range(stays):
                if 0 <= t - fleet.first[s] < fleet.length[s] and share[site[s]] < 1.0:
                    i = owner[s]
                    moved = change[s] * share[site[s]] if turn < 2 else 0.0
                    change[s] = _at_least(moved, least_in[i] * dt, least_out[i] * dt, 0.0, 0.0)
        for s in range(stays):
            k = t - fleet.first[s]
            if k < 0 or k >= fleet.length[s]:
                continue
            at = fleet.step_start[owner[s]] + _step(fleet, s, owner[s]) + k
            charge[at] = max(change[s], 0.0) / dt
            discharge[at] = max(-change[s], 0.0) / dt
            left[owner[s]] -= max(-change[s], 0.0)
            now[s] += change[s]
            energy[at] = now[s]


@kernel
def _shares(
    power: FloatArray,
    parent: IntArray,
    bottom_up: IntArray,
    draw: FloatArray,
    feed: FloatArray,
    share: FloatArray,
) -> bool:
    """share [S] of their power that the cars at each site may keep; whether any must be cut."""
    cut = False
    for j in bottom_up:
        share[j] = 1.0
        if power[j] > draw[j] + ROUNDING_KW:
            share[j], cut = draw[j] / power[j], True
        elif power[j] < -feed[j] - ROUNDING_KW:
            share[j], cut = -feed[j] / power[j], True
        if parent[j] >= 0:
            power[parent[j]] += share[j] * power[j]
    for n in range(bottom_up.size - 1, -1, -1):
        j = bottom_up[n]
        if parent[j] >= 0:
            share[j] *= share[parent[j]]
    return cut


@kernel
def _at_least(move: float, least_in: float, least_out: float, up: float, down: float) -> float:
    """The move; where it is below the least that may be on, that least if nearer and allowed, or 0."""
    least, most = (least_in, up) if move > 0.0 else (least_out, down)
    if abs(move) >= least:
        return move
    if 2.0 * abs(move) < least or least > most:
        return 0.0
    return least if move > 0.0 else -least


@kernel
def _step(fleet: Fleet, s: int, i: int) -> int:
    """Steps of car i before its stay s."""
    before = 0
    for other in range(fleet.session_start[i], s):
        before += fleet.length[other]
    return before


@kernel
def hold(
    fleet: Fleet,
    x: FloatArray,
    owner: IntArray,
    site: IntArray,
    block: IntArray,
    wanted: FloatArray,
    lowest: FloatArray,
    highest: FloatArray,
    charge_limit: FloatArray,
    charge: FloatArray,
    discharge: FloatArray,
    energy: FloatArray,
    shares: FloatArray,
    held: FloatArray,
) -> None:
    """shares [channels, steps] that the plan can hold and their sums held [B, 2, T] (up, down).

    block [channels, S, T]: the block that a site serves, −1 for none; wanted [B]: the bids to fill up to.
    """
    V = 3 + fleet.up + fleet.down
    spare_sum = np.zeros_like(held)
    for turn in range(2):
        for s in range(fleet.first.size):
            i = owner[s]
            a, b = fleet.step_start[i], fleet.step_start[i + 1]
            K, k0 = b - a, _step(fleet, s, i)
            eta, etad = 1.0 / fleet.efficiency_charge[s], fleet.efficiency_discharge[s]
            before = fleet.arrival[s]
            for k in range(k0, k0 + fleet.length[s]):
                t = fleet.first[s] + k - k0
                at = a + k
                p = eta * charge[at] - etad * discharge[at]
                for side in range(2):
                    first = 0 if side == 0 else fleet.up
                    number = fleet.up if side == 0 else fleet.down
                    offers = fleet.offers_up[s] if side == 0 else fleet.offers_down[s]
                    scale = 1.0 / etad if side == 0 else 1.0 / eta
                    if side == 0:
                        room = max(0.0, etad * fleet.discharge_limit[s] + p)
                        stock = max(0.0, min(before, energy[at]) - lowest[s])
                    else:
                        room = max(0.0, charge_limit[s] * eta - p)
                        stock = max(0.0, highest[s] - max(before, energy[at]))
                    used = taken = 0.0
                    for j in range(first, first + number):
                        if turn == 0:
                            serves = block[j, site[s], t] >= 0 and offers > 0.0
                            shares[j, at] = max(0.0, x[V * a + (3 + j) * K + k]) if serves else 0.0
                        used += shares[j, at]
                        taken += shares[j, at] * fleet.sustain[j, t] * scale
                    if turn == 0:
                        fit = 1.0
                        if used > room:
                            fit = room / used
                        if taken > stock:
                            fit = min(fit, stock / taken)
                        for j in range(first, first + number):
                            shares[j, at] *= fit
                        used *= fit
                        taken *= fit
                    for j in range(first, first + number):
                        b_j = block[j, site[s], t]
                        if b_j < 0 or offers == 0.0:
                            continue
                        spare = max(0.0, room - used)
                        kappa = fleet.sustain[j, t] * scale
                        if kappa > 0.0:
                            spare = min(spare, max(0.0, stock - taken) / kappa)
                        if turn == 0:
                            held[b_j, side, t] += shares[j, at]
                            spare_sum[b_j, side, t] += spare
                        else:
                            lack = wanted[b_j] - held[b_j, side, t]
                            if lack > 0.0 and spare_sum[b_j, side, t] > 0.0:
                                more = spare * min(1.0, lack / spare_sum[b_j, side, t])
                                shares[j, at] += more
                                used += more
                                taken += more * kappa
                before = energy[at]
        if turn == 1:
            held[:] = 0.0
            for s in range(fleet.first.size):
                a = fleet.step_start[owner[s]] + _step(fleet, s, owner[s])
                for k in range(fleet.length[s]):
                    t = fleet.first[s] + k
                    for j in range(fleet.up + fleet.down):
                        b_j = block[j, site[s], t]
                        if b_j >= 0:
                            held[b_j, 0 if j < fleet.up else 1, t] += shares[j, a + k]


@kernel
def trim(
    fleet: Fleet,
    owner: IntArray,
    site: IntArray,
    block: IntArray,
    bids: FloatArray,
    held: FloatArray,
    shares: FloatArray,
) -> None:
    """Scale shares down to the bids."""
    for s in range(fleet.first.size):
        a = fleet.step_start[owner[s]] + _step(fleet, s, owner[s])
        for k in range(fleet.length[s]):
            t = fleet.first[s] + k
            for j in range(fleet.up + fleet.down):
                b_j = block[j, site[s], t]
                total = held[b_j, 0 if j < fleet.up else 1, t] if b_j >= 0 else 0.0
                shares[j, a + k] *= min(1.0, bids[b_j] / total) if total > 0.0 else 0.0


@kernel
def cost_cars(
    fleet: Fleet,
    target: FloatArray,
    charge: FloatArray,
    discharge: FloatArray,
    energy: FloatArray,
    shares: FloatArray,
    cost: FloatArray,
    unmet: FloatArray,
) -> None:
    """Exact cost [n] of the cars' own part of a plan, €, and what each stay misses [stays], kWh."""
    dt = fleet.hours
    for i in range(fleet.capacity.size):
        at = fleet.step_start[i]
        total = duty = 0.0
        for s in range(fleet.session_start[i], fleet.session_start[i + 1]):
            eta, etad = 1.0 / fleet.efficiency_charge[s], fleet.efficiency_discharge[s]
            own = fleet.own_meter[s] * dt
            before = fleet.arrival[s]
            for t in range(fleet.first[s], fleet.first[s] + fleet.length[s]):
                total += own * fleet.import_price[t] * eta * charge[at]
                total -= own * fleet.export_price[t] * etad * discharge[at]
                total += 0.5 * fleet.rest_price[i] * dt * (before + energy[at])
                duty += discharge[at]
                for j in range(fleet.up):
                    duty += shares[j, at] * fleet.activation[j, t] / etad
                before = energy[at]
                at += 1
            total -= fleet.terminal_value * (before - fleet.arrival[s])
            lack = target[s] - before
            unmet[s] = lack if lack > NEGLIGIBLE_KWH else 0.0
            total += fleet.departure_price * unmet[s]
        duty *= dt / fleet.capacity[i]
        total += fleet.wear_linear[i] * duty
        if fleet.wear_scale[i] > 0.0:
            total += fleet.wear_scale[i] * math.expm1(fleet.wear_alpha[i] * duty)
        cost[i] = total
