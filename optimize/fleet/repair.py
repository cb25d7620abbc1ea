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
from typing import NamedTuple

import numpy as np

from optimize.assemble import NEGLIGIBLE_KWH
from optimize.fleet.kernel import kernel
from optimize.fleet.layout import Fleet, FloatArray, IntArray
from optimize.fleet.rows import most_discharge

STILL_KW = 1e-5
NEARLY_KWH = 0.01
ROUNDING_KW = 1e-7


class Rules(NamedTuple):
    """What a plan must keep next to what `Fleet` says; cars, stays and steps in the kernel's order.

    owner, site, start (its first step), lowest, highest, target, charge_limit [sessions]; stay, slot [steps];
    v2g_limit, drawdown, least_in, least_out [n]; parent [S]; bottom_up [S]: sites, children first; draw, feed
    [S, T]: what the cars of a node may draw and feed; block [channels, S, T]: what a site's cars serve, −1
    for none.
    """

    owner: IntArray
    site: IntArray
    start: IntArray
    lowest: FloatArray
    highest: FloatArray
    target: FloatArray
    charge_limit: FloatArray
    session: IntArray
    slot: IntArray
    v2g_limit: FloatArray
    drawdown: FloatArray
    least_in: FloatArray
    least_out: FloatArray
    parent: IntArray
    bottom_up: IntArray
    draw: FloatArray
    feed: FloatArray
    block: IntArray


@kernel
def follow(
    fleet: Fleet, rules: Rules, x: FloatArray, charge: FloatArray, discharge: FloatArray, energy: FloatArray
) -> None:
    """charge, discharge, energy [steps] of a feasible plan near the iterate x."""
    dt = fleet.hours
    sessions, S = fleet.first.size, rules.parent.size
    now, highest_seen = fleet.arrival.copy(), fleet.arrival.copy()
    left = rules.v2g_limit.copy()
    change, lift = np.zeros(sessions), np.zeros(sessions)
    for s in range(sessions):
        lack = 0.0
        if fleet.length[s] > 0:
            lack = fleet.target[s] - x[_place(fleet, rules, 2, rules.start[s] + fleet.length[s] - 1)]
        if 0.0 < lack < NEARLY_KWH:
            lift[s] = lack
    power, share, here = np.zeros(S), np.ones(S), np.zeros(sessions, dtype=np.bool_)
    for t in range(fleet.slots):
        for s in range(sessions):
            k = t - fleet.first[s]
            here[s] = 0 <= k < fleet.length[s]
            if not here[s]:
                continue
            if k == 0 and fleet.behind[s] >= 0:
                now[s] = highest_seen[s] = _begins(fleet, rules, s, now[fleet.behind[s]])
            i = rules.owner[s]
            move = x[_place(fleet, rules, 2, rules.start[s] + k)] + lift[s] - now[s]
            if abs(move) < STILL_KW * dt and k < fleet.length[s] - 1:
                move = 0.0
            highest_seen[s] = max(highest_seen[s], now[s])
            up, down = _room(fleet, rules, s, t, now[s], highest_seen[s], left[i])
            wanted = min(max(move, -down), up)
            change[s] = _at_least(wanted, rules.least_in[i] * dt, rules.least_out[i] * dt, up, down)
        for turn in range(2 + S):
            power[:] = 0.0
            for s in range(sessions):
                if here[s]:
                    into = change[s] > 0.0
                    factor = 1.0 / fleet.efficiency_charge[s] if into else fleet.efficiency_discharge[s]
                    power[rules.site[s]] += change[s] / dt * factor
            if not _shares(power, rules.parent, rules.bottom_up, rules.draw[:, t], rules.feed[:, t], share):
                break
            # A power scaled below its least goes off, which may need a look at the sums again; in the end
            # everything below a limit goes off.
            for s in range(sessions):
                if here[s] and share[rules.site[s]] < 1.0:
                    i = rules.owner[s]
                    moved = change[s] * share[rules.site[s]] if turn < 2 else 0.0
                    change[s] = _at_least(moved, rules.least_in[i] * dt, rules.least_out[i] * dt, 0.0, 0.0)
        for s in range(sessions):
            if here[s]:
                at = rules.start[s] + t - fleet.first[s]
                charge[at] = max(change[s], 0.0) / dt
                discharge[at] = max(-change[s], 0.0) / dt
                left[rules.owner[s]] -= max(-change[s], 0.0)
                now[s] += change[s]
                energy[at] = now[s]


@kernel
def _begins(fleet: Fleet, rules: Rules, s: int, left: float) -> float:
    """What a session begins with; left: what the session with slots before it ended with."""
    if fleet.behind[s] < 0:
        return float(fleet.arrival[s])
    return float(fleet.arrival[s] + max(0.0, left - rules.target[fleet.behind[s]]))


@kernel
def begin_energies(fleet: Fleet, rules: Rules, gain: FloatArray, begin: FloatArray) -> None:
    """begin [sessions] of sessions that gain so much [sessions], kWh."""
    left = 0.0
    for s in range(gain.size):
        begin[s] = _begins(fleet, rules, s, left)
        if fleet.length[s] > 0:
            left = begin[s] + gain[s]


@kernel
def drop_small(fleet: Fleet, rules: Rules, least: FloatArray, net: FloatArray) -> None:
    """Take powers of net [steps] below `least` [steps] off; the rest goes on as far as it can."""
    dt = fleet.hours
    for i in range(fleet.capacity.size):
        weak = False
        for at in range(fleet.step_start[i], fleet.step_start[i + 1]):
            weak = weak or 0.0 < abs(net[at]) < least[at] - ROUNDING_KW
        if not weak:
            continue
        left, now = rules.v2g_limit[i], 0.0
        for s in range(fleet.session_start[i], fleet.session_start[i + 1]):
            if fleet.length[s] > 0:
                now = _begins(fleet, rules, s, now)
            highest = now
            for k in range(fleet.length[s]):
                at = rules.start[s] + k
                highest = max(highest, now)
                up, down = _room(fleet, rules, s, fleet.first[s] + k, now, highest, left)
                move = min(max(net[at] * dt, -down), up)
                if abs(move) < (least[at] - ROUNDING_KW) * dt:
                    move = 0.0
                net[at] = move / dt
                now += move
                left -= max(-move, 0.0)


@kernel
def _room(
    fleet: Fleet, rules: Rules, s: int, t: int, now: float, highest_seen: float, left: float
) -> tuple[float, float]:
    """kWh that a session may take and give in a slot that begins with `now`; left: kWh of its contract."""
    dt, most = fleet.hours, rules.charge_limit[s]
    if fleet.taper_fall[s] > 0.0:
        most = min(most, fleet.taper_top[s] - fleet.taper_fall[s] * now)
    up = min(most * dt, rules.highest[s] - now)
    down = min(
        most_discharge(fleet.discharge_limit[s], fleet.may_discharge[t]) * dt, now - rules.lowest[s], left
    )
    down = min(down, rules.drawdown[rules.owner[s]] - highest_seen + now)
    return max(0.0, up), max(0.0, down)


@kernel
def _place(fleet: Fleet, rules: Rules, variable: int, step: int) -> int:
    """Where x holds a variable of a step."""
    i = rules.owner[rules.session[step]]
    a, b = fleet.step_start[i], fleet.step_start[i + 1]
    return int((3 + fleet.up + fleet.down + fleet.change) * a + variable * (b - a) + step - a)


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
def _headroom(
    fleet: Fleet,
    rules: Rules,
    side: int,
    step: int,
    charge: FloatArray,
    discharge: FloatArray,
    energy: FloatArray,
) -> tuple[float, float]:
    """Metered kW and kWh that a plan leaves a step for reserve: side 0 upwards, 1 downwards."""
    s = rules.session[step]
    eta, etad = 1.0 / fleet.efficiency_charge[s], fleet.efficiency_discharge[s]
    p = eta * charge[step] - etad * discharge[step]
    before = energy[step - 1] if step > rules.start[s] else fleet.arrival[s]
    if side == 0:
        room, stock = (
            etad * most_discharge(fleet.discharge_limit[s], fleet.may_discharge[rules.slot[step]]) + p,
            min(before, energy[step]) - rules.lowest[s],
        )
    else:
        room, stock = rules.charge_limit[s] * eta - p, rules.highest[s] - max(before, energy[step])
    return max(0.0, room), max(0.0, stock)


@kernel
def _sustained(fleet: Fleet, rules: Rules, j: int, step: int) -> float:
    """kWh that a kW of channel j takes of a step's stock."""
    s = rules.session[step]
    scale = 1.0 / fleet.efficiency_discharge[s] if j < fleet.up else fleet.efficiency_charge[s]
    return float(fleet.sustain[j, rules.slot[step]] * scale)


@kernel
def _serves(fleet: Fleet, rules: Rules, j: int, step: int) -> int:
    """The block that channel j of a step serves, −1 for none."""
    s = rules.session[step]
    offers = fleet.offers_up[s] if j < fleet.up else fleet.offers_down[s]
    return int(rules.block[j, rules.site[s], rules.slot[step]]) if offers > 0.0 else -1


@kernel
def hold(
    fleet: Fleet,
    rules: Rules,
    x: FloatArray,
    wanted: FloatArray,
    charge: FloatArray,
    discharge: FloatArray,
    energy: FloatArray,
    shares: FloatArray,
) -> None:
    """shares [channels, steps] that the plan can hold; wanted [B]: the bids to fill up to."""
    steps = rules.slot.size
    held, spare = np.zeros((wanted.size, 2, fleet.slots)), np.zeros((wanted.size, 2, fleet.slots))
    for turn in range(2):
        for at in range(steps):
            t = rules.slot[at]
            for side in range(2):
                first = 0 if side == 0 else fleet.up
                end = fleet.up if side == 0 else fleet.up + fleet.down
                room, stock = _headroom(fleet, rules, side, at, charge, discharge, energy)
                used = taken = 0.0
                for j in range(first, end):
                    if turn == 0 and _serves(fleet, rules, j, at) >= 0:
                        shares[j, at] = max(0.0, x[_place(fleet, rules, 3 + j, at)])
                    used += shares[j, at]
                    taken += shares[j, at] * _sustained(fleet, rules, j, at)
                fit = 1.0
                if turn == 0:
                    if used > room:
                        fit = room / used
                    if taken > stock:
                        fit = min(fit, stock / taken)
                    used *= fit
                    taken *= fit
                for j in range(first, end):
                    shares[j, at] *= fit
                    b = _serves(fleet, rules, j, at)
                    if b < 0:
                        continue
                    kappa = _sustained(fleet, rules, j, at)
                    more = max(0.0, room - used)
                    if kappa > 0.0:
                        more = min(more, max(0.0, stock - taken) / kappa)
                    if turn == 0:
                        held[b, side, t] += shares[j, at]
                        spare[b, side, t] += more
                    elif wanted[b] > held[b, side, t] and spare[b, side, t] > 0.0:
                        more *= min(1.0, (wanted[b] - held[b, side, t]) / spare[b, side, t])
                        shares[j, at] += more
                        used += more
                        taken += more * kappa


@kernel
def trim(fleet: Fleet, rules: Rules, bids: FloatArray, held: FloatArray, shares: FloatArray) -> None:
    """Scale shares down to the bids; held [B, 2, T]: their sums (up, down)."""
    for at in range(rules.slot.size):
        for j in range(fleet.up + fleet.down):
            b = _serves(fleet, rules, j, at)
            total = held[b, 0 if j < fleet.up else 1, rules.slot[at]] if b >= 0 else 0.0
            shares[j, at] *= min(1.0, bids[b] / total) if total > 0.0 else 0.0


@kernel
def cost_cars(
    fleet: Fleet,
    rules: Rules,
    charge: FloatArray,
    discharge: FloatArray,
    energy: FloatArray,
    shares: FloatArray,
    cost: FloatArray,
    unmet: FloatArray,
) -> None:
    """Exact cost [n] of the cars' own part of a plan, €, and what each session misses [sessions], kWh."""
    dt = fleet.hours
    for i in range(fleet.capacity.size):
        at = fleet.step_start[i]
        total = duty = left = 0.0
        for s in range(fleet.session_start[i], fleet.session_start[i + 1]):
            eta, etad = 1.0 / fleet.efficiency_charge[s], fleet.efficiency_discharge[s]
            own = fleet.own_meter[s] * dt
            begin = before = _begins(fleet, rules, s, left)
            for t in range(fleet.first[s], fleet.first[s] + fleet.length[s]):
                total += own * fleet.import_cost[t] * eta * charge[at]
                total -= own * fleet.export_value[t] * etad * discharge[at]
                total += 0.5 * fleet.rest_price[i] * dt * (before + energy[at])
                duty += discharge[at]
                if fleet.change > 0:
                    moved = abs(eta * charge[at] - etad * discharge[at] - fleet.previous[at])
                    total += dt * fleet.change_price[at] * moved
                for j in range(fleet.up):
                    duty += shares[j, at] * fleet.activation[j, t] / etad
                before = energy[at]
                at += 1
            if fleet.length[s] > 0:
                left = before
            total -= fleet.terminal_value[s] * (before - begin)
            lack = rules.target[s] - before
            unmet[s] = lack if lack > NEGLIGIBLE_KWH else 0.0
            total += fleet.missing_price[s] * unmet[s]
        duty *= dt / fleet.capacity[i]
        total += fleet.wear_linear[i] * duty
        if fleet.wear_scale[i] > 0.0:
            total += fleet.wear_scale[i] * math.expm1(fleet.wear_alpha[i] * duty)
        cost[i] = total
