"""What moving energy between slots does, to one car after another, and how far it may go (compiled).

A move raises the net battery-side power c − d of some steps and lowers that of others. `gauge` adds up, for
all steps of some cars, what a unit of the move costs and how far it can go both ways before anything of the
cars' own stops it; what it does to the rows that cars share is left with these, and `row_reach` looks there.
Rows are nodes (site·T + slot: the metered power of its cars) and, after them, what cars can hold of a block
(S·T + (2·block + side)·T + slot). A car holds what headroom and its stock at a slot's begin and end leave it,
whichever is least. In a row that is kept as it is one of these three pieces counts, and where another takes
over, a move stops; elsewhere the worst of those that may take over counts.

Everything lies in a few tables, by the columns named here: calls that pass dozens of arrays take longer than
what they do, to compile and to run.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from optimize.fleet.kernel import kernel
from optimize.fleet.layout import FloatArray, IntArray

FAR = 1e30
AT_BOUND_KW, AT_BOUND_KWH, ROUNDING_KW, NOTHING = 1e-7, 1e-7, 1e-9, 1e-11
# A difference between pieces so small that any of them may soon be the least.
NEAR_KW = 1.0

# step: net power, energy at the end, the move; limits and least powers of charging and discharging; the net
# power in the plan in force, NaN for none; what a kW of either way costs, €; what a kW more to hold upwards
# saves, €; hours that a kW held up and down takes of the stock; what must stay free for shares that are not
# to change: power and stock, up and down; what a metered kW of departing from the plan in force costs, €.
NET, ENERGY, CHANGE, MOST_IN, MOST_OUT, LEAST_IN, LEAST_OUT, KINK, IN_EUR, OUT_EUR, WORTH = range(11)
LAST_UP, LAST_DOWN, NEED_UP, NEED_DOWN, STOCK_UP, STOCK_DOWN, KINK_EUR = range(11, 18)
STEP_COLUMNS = 18
# place: its car; the row of what it can hold up and down, −1 for none; the piece that counts there; from
# NODES on the rows of its site and what is above.
CAR, ROW_UP, ROW_DOWN, PIECE_UP, PIECE_DOWN, NODES = range(6)
# stay: what it begins with; see `layout.Fleet`, `repair.Rules`; floor and ceiling are widened to the arrival.
BEGIN, FLOOR, CEILING, LOWEST, HIGHEST, INTO, OUT_OF, FALL, TOP, WORTH_LEFT, TARGET, MISSING = range(12)
# span: first step, end, the session that it carries on from.
FIRST, AFTER, BEHIND_IT = range(3)
# car: duty, EFC; kWh left of its contract; its duty by a kW over a slot; kW less discharged by the move.
USED, LEFT, DUTY, SHIFT, DRAWDOWN, REST, WEAR_LINEAR, WEAR_SCALE, WEAR_ALPHA, WEAR_MOST = range(10)
CAR_COLUMNS = 10
# row: how far its value may rise and fall, what a kW costs, what a unit of the move does forth and back.
UP, DOWN, PRICE, AHEAD, BEHIND = range(5)
ROW_COLUMNS = 5


class Ground(NamedTuple):
    """A plan to move in, in tables by the columns above.

    span [sessions, 3]; sessions [n + 1]: where each car's begin. basic [rows]: a row's number
    among those that are kept as they are, −1 for none; mark, touched [rows]: which the move has touched.
    """

    hours: float
    step: FloatArray
    place: IntArray
    session: FloatArray
    span: IntArray
    car: FloatArray
    sessions: IntArray
    row: FloatArray
    basic: IntArray
    mark: IntArray
    touched: IntArray


class Reach(NamedTuple):
    """€ for a unit of the move and saved by one back; how far it can go both ways; how many rows it has."""

    slope: float
    slope_back: float
    forth: float
    back: float
    rows: int


@kernel
def is_free(step: FloatArray, at: int) -> bool:
    """Whether a power lies between its bounds: on, neither at its least nor its limit, nor as it was."""
    net = step[at, NET]
    if abs(net - step[at, KINK]) <= AT_BOUND_KW:
        return False
    if net > 0.0:
        return bool(step[at, LEAST_IN] + AT_BOUND_KW < net < step[at, MOST_IN] - AT_BOUND_KW)
    return bool(step[at, LEAST_OUT] + AT_BOUND_KW < -net < step[at, MOST_OUT] - AT_BOUND_KW)


@kernel
def both(
    value: float, rate: float, low: float, high: float, forth: float, back: float
) -> tuple[float, float]:
    """The reaches, cut to what keeps value + reach·rate between low and high."""
    if rate > 0.0:
        return min(forth, max(0.0, high - value) / rate), min(back, max(0.0, value - low) / rate)
    if rate < 0.0:
        return min(forth, max(0.0, value - low) / -rate), min(back, max(0.0, high - value) / -rate)
    return forth, back


@kernel
def wear_slope(car: FloatArray, i: int, used: float) -> float:
    """What wear costs by the duty, € per EFC; see `rows.wear_slopes`."""
    a = car[i, WEAR_ALPHA]
    base = car[i, WEAR_SCALE] * a
    if base == 0.0:
        return float(car[i, WEAR_LINEAR])
    inside = min(used, car[i, WEAR_MOST])
    slope = base * math.exp(a * inside)
    return float(slope + slope * a * (used - inside))


@kernel
def gauge(ground: Ground, cars: IntArray, count: int) -> Reach:
    """What the move does to cars, the first `count` of a list."""
    dt, step, place, session, car, row = (
        ground.hours,
        ground.step,
        ground.place,
        ground.session,
        ground.car,
        ground.row,
    )
    slope, held_eur, held_back_eur, forth, back, rows = 0.0, 0.0, 0.0, FAR, FAR, 0
    for number in range(count):
        i = cars[number]
        less_out = passed = 0.0
        for s in range(ground.sessions[i], ground.sessions[i + 1]):
            start, end = ground.span[s, FIRST], ground.span[s, AFTER]
            de = passed if ground.span[s, BEHIND_IT] >= 0 else 0.0
            if end > start:
                slope += (0.5 * car[i, REST] * dt + session[s, WORTH_LEFT]) * de
            for at in range(start, end):
                dg, de_before = step[at, CHANGE], de
                if dg == 0.0 and de == 0.0:
                    continue
                de += dt * dg
                if abs(de) < NOTHING:
                    de = 0.0
                net, energy = step[at, NET], step[at, ENERGY]
                before = step[at - 1, ENERGY] if at > start else session[s, BEGIN]
                dp = 0.0
                if dg != 0.0:
                    if net > 0.0:
                        forth, back = both(net, dg, step[at, LEAST_IN], step[at, MOST_IN], forth, back)
                        slope += step[at, IN_EUR] * dg
                        dp = dg / session[s, INTO]
                    elif net < 0.0:
                        forth, back = both(-net, -dg, step[at, LEAST_OUT], step[at, MOST_OUT], forth, back)
                        slope += step[at, OUT_EUR] * dg
                        dp = dg * session[s, OUT_OF]
                        less_out += dg
                    else:  # gone off meanwhile: which way it went is no longer said
                        forth = back = 0.0
                    kink, eur = step[at, KINK], step[at, KINK_EUR] * abs(dp)
                    if abs(net - kink) <= AT_BOUND_KW:
                        held_eur -= eur
                        held_back_eur += eur
                    elif net > kink:
                        slope += eur if dg > 0.0 else -eur
                        forth, back = both(net, dg, kink, FAR, forth, back)
                    elif net < kink:
                        slope += eur if dg < 0.0 else -eur
                        forth, back = both(net, dg, -FAR, kink, forth, back)
                    for column in range(NODES, place.shape[1]):
                        node = place[at, column]
                        if node >= 0:
                            if ground.mark[node] == 0:
                                ground.mark[node] = 1
                                ground.touched[rows] = node
                                rows += 1
                            row[node, AHEAD] += dp
                            row[node, BEHIND] += dp
                if session[s, FALL] > 0.0 and net > 0.0:
                    fall = session[s, FALL]
                    forth, back = both(
                        net + fall * before, dg + fall * de_before, -FAR, session[s, TOP], forth, back
                    )
                if de != 0.0:
                    low = session[s, LOWEST] if net < 0.0 else session[s, FLOOR]
                    high = session[s, HIGHEST] if net > 0.0 else session[s, CEILING]
                    forth, back = both(energy, de, low, high, forth, back)
                    slope += car[i, REST] * dt * de * (0.5 if at == end - 1 else 1.0)
                for side in range(2):
                    held_in = place[at, ROW_UP + side]
                    if held_in < 0:
                        continue
                    p = net / session[s, INTO] if net > 0.0 else net * session[s, OUT_OF]
                    last = step[at, LAST_UP + side]
                    begin_kw = end_kw = FAR
                    begin_rate = end_rate = 0.0
                    if side == 0:
                        room, room_rate = session[s, OUT_OF] * step[at, MOST_OUT] + p, dp
                        if last > 0.0:
                            begin_kw, begin_rate = (before - session[s, LOWEST]) / last, de_before / last
                            end_kw, end_rate = (energy - session[s, LOWEST]) / last, de / last
                    else:
                        room, room_rate = step[at, MOST_IN] / session[s, INTO] - p, -dp
                        if last > 0.0:
                            begin_kw, begin_rate = (session[s, HIGHEST] - before) / last, -de_before / last
                            end_kw, end_rate = (session[s, HIGHEST] - energy) / last, -de / last
                    if step[at, NEED_UP + side] >= 0.0:
                        stock = step[at, STOCK_UP + side]
                        forth, back = both(room, room_rate, step[at, NEED_UP + side], FAR, forth, back)
                        forth, back = both(begin_kw, begin_rate, stock, FAR, forth, back)
                        forth, back = both(end_kw, end_rate, stock, FAR, forth, back)
                        continue
                    kept = ground.basic[held_in] >= 0
                    mine = place[at, PIECE_UP + side] if kept else least_piece(room, begin_kw, end_kw)
                    value, pace = room, room_rate
                    if mine == 1:
                        value, pace = begin_kw, begin_rate
                    elif mine == 2:
                        value, pace = end_kw, end_rate
                    ahead = behind = pace
                    for piece in range(3):
                        other, rate = room, room_rate
                        if piece == 1:
                            other, rate = begin_kw, begin_rate
                        elif piece == 2:
                            other, rate = end_kw, end_rate
                        if piece != mine and not kept and other - value < NEAR_KW:
                            ahead, behind = min(ahead, rate), max(behind, rate)
                        elif piece != mine:
                            forth, back = both(other - value, rate - pace, 0.0, FAR, forth, back)
                    if value > 0.0:
                        if side == 0:
                            held_eur += step[at, WORTH] * ahead
                            held_back_eur += step[at, WORTH] * behind
                        if ground.mark[held_in] == 0:
                            ground.mark[held_in] = 1
                            ground.touched[rows] = held_in
                            rows += 1
                        row[held_in, AHEAD] += ahead
                        row[held_in, BEHIND] += behind
            if end > start:
                passed = passed_on(session, s, step[end - 1, ENERGY], de)
            if de != 0.0:
                left, target = session[s, BEGIN], session[s, TARGET]
                if end > start:
                    slope -= session[s, WORTH_LEFT] * de
                    left = step[end - 1, ENERGY]
                if abs(target - left) <= AT_BOUND_KWH:  # more may be left, but no less
                    forth, back = (forth, 0.0) if de > 0.0 else (0.0, back)
                elif target > left:
                    slope -= session[s, MISSING] * de
                    forth, back = both(left, de, -FAR, target, forth, back)
                else:
                    forth, back = both(left, de, target, FAR, forth, back)
        car[i, SHIFT] = less_out
        if less_out != 0.0:
            slope -= wear_slope(car, i, car[i, USED]) * car[i, DUTY] * less_out
            forth, back = both(0.0, -less_out * dt, -FAR, car[i, LEFT], forth, back)
        if math.isfinite(car[i, DRAWDOWN]):
            forth = _drawn_down(ground, i, forth, 1.0)
            back = _drawn_down(ground, i, back, -1.0)
    return Reach(slope - held_eur, slope - held_back_eur, forth, back, rows)


@kernel
def passed_on(session: FloatArray, s: int, left: float, de: float) -> float:
    """What of a change of what a session is left with goes on to those that carry on from it."""
    return de if left >= session[s, TARGET] - AT_BOUND_KWH else 0.0


@kernel
def least_piece(room: float, begin_kw: float, end_kw: float) -> int:
    """Which of the three is least, the first among equals."""
    if room <= begin_kw + ROUNDING_KW and room <= end_kw + ROUNDING_KW:
        return 0
    return 1 if begin_kw <= end_kw + ROUNDING_KW else 2


@kernel
def _drawn_down(ground: Ground, i: int, reach: float, way: float) -> float:
    """The reach, cut to what keeps every fall within a session to the car's drawdown: convex, so by
    halving."""
    low, high = 0.0, min(reach, 1e6)
    for turn in range(40):
        middle = high if turn == 0 else 0.5 * (low + high)
        fits, passed = True, 0.0
        for s in range(ground.sessions[i], ground.sessions[i + 1]):
            start, end = ground.span[s, FIRST], ground.span[s, AFTER]
            de = passed if ground.span[s, BEHIND_IT] >= 0 else 0.0
            top = ground.session[s, BEGIN] + way * middle * de
            for at in range(start, end):
                de += ground.hours * ground.step[at, CHANGE]
                now = ground.step[at, ENERGY] + way * middle * de
                top = max(top, now)
                fits = fits and top - now <= ground.car[i, DRAWDOWN]
            if end > start:
                passed = passed_on(ground.session, s, ground.step[end - 1, ENERGY], de)
        if fits and turn == 0:
            return reach
        if fits:
            low = middle
        else:
            high = middle
    return low


@kernel
def row_reach(ground: Ground, reach: Reach, boxed: bool) -> Reach:
    """The reach as the rows let it; unless boxed, those that are kept do not move and are left out."""
    slope, slope_back, forth, back, rows = reach
    row = ground.row
    for n in range(rows):
        r = ground.touched[n]
        if ground.basic[r] >= 0 and not boxed:
            continue
        ahead, behind = row[r, AHEAD], row[r, BEHIND]
        slope += row[r, PRICE] * ahead
        slope_back += row[r, PRICE] * behind
        if abs(ahead) > ROUNDING_KW:
            forth, _ = both(0.0, ahead, -row[r, DOWN], row[r, UP], forth, back)
        if abs(behind) > ROUNDING_KW:
            _, back = both(0.0, behind, -row[r, DOWN], row[r, UP], forth, back)
    return Reach(slope, slope_back, forth, back, rows)


@kernel
def forget_rows(ground: Ground, rows: int) -> None:
    """Clear what a move does to rows."""
    for n in range(rows):
        r = ground.touched[n]
        ground.row[r, AHEAD] = ground.row[r, BEHIND] = 0.0
        ground.mark[r] = 0


@kernel
def go(ground: Ground, cars: IntArray, count: int, rows: int, far: float) -> None:
    """Take a step of the move, back if negative."""
    step, row = ground.step, ground.row
    for n in range(count):
        i = cars[n]
        passed = 0.0
        for s in range(ground.sessions[i], ground.sessions[i + 1]):
            start, end = ground.span[s, FIRST], ground.span[s, AFTER]
            left = step[end - 1, ENERGY]
            de = passed if ground.span[s, BEHIND_IT] >= 0 else 0.0
            ground.session[s, BEGIN] += de
            for at in range(start, end):
                dg = step[at, CHANGE]
                if dg != 0.0:
                    net = step[at, NET] + far * dg
                    for bound in (
                        step[at, LEAST_IN],
                        step[at, MOST_IN],
                        -step[at, LEAST_OUT],
                        -step[at, MOST_OUT],
                        step[at, KINK],
                    ):
                        if abs(net - bound) < ROUNDING_KW:
                            net = bound
                    step[at, NET] = net
                    de += ground.hours * dg * far
                if de != 0.0:
                    step[at, ENERGY] += de
            if end > start:
                passed = passed_on(ground.session, s, left, de)
        ground.car[i, USED] -= far * ground.car[i, SHIFT] * ground.car[i, DUTY]
        ground.car[i, LEFT] += far * ground.car[i, SHIFT] * ground.hours
    for n in range(rows):
        r = ground.touched[n]
        change = far * (row[r, AHEAD] if far > 0.0 else row[r, BEHIND])
        row[r, UP] = max(0.0, row[r, UP] - change)
        row[r, DOWN] = max(0.0, row[r, DOWN] + change)


@kernel
def note_pieces(ground: Ground) -> None:
    """Note which piece counts at each step."""
    step, session = ground.step, ground.session
    for s in range(ground.span.shape[0]):
        for at in range(ground.span[s, 0], ground.span[s, 1]):
            net, energy = step[at, NET], step[at, ENERGY]
            before = step[at - 1, ENERGY] if at > ground.span[s, FIRST] else session[s, BEGIN]
            p = net / session[s, INTO] if net > 0.0 else net * session[s, OUT_OF]
            last = max(step[at, LAST_UP], 1e-30)
            ground.place[at, PIECE_UP] = least_piece(
                session[s, OUT_OF] * step[at, MOST_OUT] + p,
                (before - session[s, LOWEST]) / last,
                (energy - session[s, LOWEST]) / last,
            )
            last = max(step[at, LAST_DOWN], 1e-30)
            ground.place[at, PIECE_DOWN] = least_piece(
                step[at, MOST_IN] / session[s, INTO] - p,
                (session[s, HIGHEST] - before) / last,
                (session[s, HIGHEST] - energy) / last,
            )
