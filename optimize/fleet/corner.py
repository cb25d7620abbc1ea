"""From a plan between many best ones to a corner (compiled).

An interior plan leaves most powers somewhere between their bounds. Two free powers of a session are two ends
of a move: what one takes more the other takes less, at no change of what the session ends with. Where such a
move meets no row that cars share, it goes the way that pays until a power or an energy is on its bound. Where
it meets rows that are used up, these are kept as they are: moves whose effects on them are independent are
collected in a basis, any further one is a combination with those that leaves the rows alone, and what stops
it leaves. In the end no car has more free powers than its own problem needs, but for one a row of the basis
(N. Megiddo, "On finding primal- and dual-optimal bases", ORSA J. Computing 3 (1991) 63).

Nothing gets dearer on the way; a move that costs nothing goes to the nearer end.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from optimize.fleet.kernel import kernel
from optimize.fleet.layout import FloatArray, IntArray
from optimize.fleet.moves import (
    AFTER,
    AHEAD,
    AT_BOUND_KWH,
    BEHIND_IT,
    CAR,
    CEILING,
    CHANGE,
    DUTY,
    ENERGY,
    FAR,
    FLOOR,
    SHIFT,
    TARGET,
    USED,
    WEAR_SCALE,
    Ground,
    forget_rows,
    gauge,
    go,
    is_free,
    row_reach,
    wear_slope,
)

END = -1
SHORT_KW, TIE_EUR, DEPENDENT, NONE, CANCELLED = 1e-9, 1e-9, 1e-7, 1e-10, 1e-9
# Shares of the basis from which on a move of it may have stopped another.
STOPS = 1e-5
# A pair of steps is pushed this often at most: the rows' worst pieces may stop it before anything else does.
PUSHES = 4


class Basis(NamedTuple):
    """Independent moves: first, second [R] steps (END: the session's last energy; first −1: none yet).

    inverse [R, R]: of their effects on the kept rows. share, effect [R], cars, seen [n]: room to write in.
    """

    first: IntArray
    second: IntArray
    inverse: FloatArray
    share: FloatArray
    effect: FloatArray
    cars: IntArray
    seen: IntArray


def empty_basis(ground: Ground) -> Basis:
    """No move is in it yet."""
    rows, cars = int(ground.basic.max(initial=-1)) + 1, ground.sessions.size - 1
    return Basis(
        first=np.full(rows, -1, dtype=np.int64),
        second=np.full(rows, -1, dtype=np.int64),
        inverse=np.eye(rows),
        share=np.zeros(rows),
        effect=np.zeros(rows),
        cars=np.zeros(cars, dtype=np.int64),
        seen=np.zeros(cars, dtype=np.int64),
    )


@kernel
def sweep_corners(ground: Ground, basis: Basis, sure: float) -> int:
    """Once through all sessions; how many moves were made. Only those are that gain at least `sure` €/kW."""
    made = 0
    none = ground.span[0, 0] - 2  # no literal: all that takes it would be compiled once more
    held, of = none, 0
    for s in range(ground.span.shape[0]):
        start, end = ground.span[s, 0], ground.span[s, 1]
        if end > start and not _carries(ground, s):
            held = none
        for at in range(start, end + 1):
            if not _may_move(ground, s, at):
                continue
            for _ in range(PUSHES):
                if held == none or not _open_between(ground, of, held, min(at, end)):
                    break
                done = _push(ground, basis, held, at if at < end else END, sure)
                made += done
                if done == 0 or not (_may_move(ground, s, held) and _may_move(ground, s, at)):
                    break
            if at < end and is_free(ground.step, at):
                held, of = at, s
            elif held != none and not is_free(ground.step, held):
                held = none
    return made


@kernel
def _carries(ground: Ground, s: int) -> bool:
    """Whether a session begins with some of what the one before it leaves."""
    behind = ground.span[s, BEHIND_IT]
    if behind < 0:
        return False
    left = ground.step[ground.span[behind, AFTER] - 1, ENERGY]
    return bool(left > ground.session[behind, TARGET] + AT_BOUND_KWH)


@kernel
def _may_move(ground: Ground, s: int, at: int) -> bool:
    """Whether a step, or at its end what the session ends with, is free; that is not where it is its
    target."""
    end = ground.span[s, 1]
    if at < end:
        return is_free(ground.step, at)
    if end == ground.span[s, 0]:
        return False
    now, session = ground.step[end - 1, ENERGY], ground.session
    inside = session[s, FLOOR] + AT_BOUND_KWH < now < session[s, CEILING] - AT_BOUND_KWH
    return bool(inside and abs(now - session[s, TARGET]) > AT_BOUND_KWH)


@kernel
def _open_between(ground: Ground, s: int, first: int, second: int) -> bool:
    """Whether no energy from the end of one step, of session s, to the begin of another is on a bound."""
    inside = True
    for at in range(first, second):
        while at >= ground.span[s, AFTER]:
            s += 1
        low, high = ground.session[s, FLOOR] + AT_BOUND_KWH, ground.session[s, CEILING] - AT_BOUND_KWH
        inside = inside and low < ground.step[at, ENERGY] < high
    return inside


@kernel
def add_move(ground: Ground, basis: Basis, first: int, second: int, share: float, cars: int) -> int:
    """Add a share of a move to the one that is gauged; how many cars that has."""
    ground.step[first, CHANGE] += share
    if second != END:
        ground.step[second, CHANGE] -= share
    i = ground.place[first, CAR]
    if basis.seen[i] == 0:
        basis.seen[i] = 1
        basis.cars[cars] = i
        return cars + 1
    return cars


@kernel
def take_out(ground: Ground, basis: Basis, cars: int) -> None:
    """Clear the move."""
    for n in range(cars):
        i = basis.cars[n]
        basis.seen[i] = 0
        ground.car[i, SHIFT] = 0.0
        for s in range(ground.sessions[i], ground.sessions[i + 1]):
            for at in range(ground.span[s, 0], ground.span[s, 1]):
                ground.step[at, CHANGE] = 0.0


@kernel
def _push(ground: Ground, basis: Basis, first: int, second: int, sure: float) -> int:
    """Move between two steps of a session as far as that goes; 1 if anything moved."""
    cars = add_move(ground, basis, first, second, 1.0, 0)
    reach = gauge(ground, basis.cars, cars)
    kept = find_shares(ground, basis, reach.rows)
    if kept:
        forget_rows(ground, reach.rows)
        if _enters(basis, first, second):
            take_out(ground, basis, cars)
            return 0
        cars = mix(ground, basis, cars)
        reach = gauge(ground, basis.cars, cars)
    reach = row_reach(ground, reach, False)
    # Where pieces of what is held meet, both ways may cost.
    way, slope, far = 1.0, reach.slope, reach.forth
    tie = max(abs(reach.slope), abs(reach.slope_back)) <= TIE_EUR
    if reach.back < reach.forth if tie else -reach.slope_back < reach.slope:
        way, slope, far = -1.0, reach.slope_back, reach.back
    if -way * slope < sure:
        far = 0.0
    far = _until_dear(ground, basis, cars, slope, way, far)
    moves = SHORT_KW < far < FAR
    if moves:
        go(ground, basis.cars, cars, reach.rows, way * far)
    forget_rows(ground, reach.rows)
    take_out(ground, basis, cars)
    if kept and far < FAR and _can_go(ground, basis, first, second, way):
        # A move of the basis stopped it, and makes way.
        best, largest = -1, STOPS
        for r in range(basis.first.size):
            share = basis.share[r]
            if basis.first[r] >= 0 and abs(share) > largest:
                sense = -way if share > 0.0 else way
                if not _can_go(ground, basis, basis.first[r], basis.second[r], sense):
                    best, largest = r, abs(share)
        if best >= 0:
            _replace(basis, best, first, second)
    return 1 if moves else 0


@kernel
def find_shares(ground: Ground, basis: Basis, rows: int) -> bool:
    """Leave the shares of the basis that make up what a gauged move does to kept rows; whether it does."""
    kept = False
    basis.share[:] = 0.0
    for n in range(rows):
        r = ground.touched[n]
        q = ground.basic[r]
        if q >= 0 and abs(ground.row[r, AHEAD]) > NONE:
            kept = True
            for k in range(basis.first.size):
                basis.share[k] += basis.inverse[k, q] * ground.row[r, AHEAD]
    return kept


@kernel
def mix(ground: Ground, basis: Basis, cars: int) -> int:
    """Take those shares of the basis along, which leaves the kept rows alone; how many cars the move has."""
    for r in range(basis.first.size):
        if basis.first[r] >= 0 and abs(basis.share[r]) > NONE:
            cars = add_move(ground, basis, basis.first[r], basis.second[r], -basis.share[r], cars)
    for n in range(cars):  # what cancels but for rounding is no move
        i = basis.cars[n]
        for s in range(ground.sessions[i], ground.sessions[i + 1]):
            for at in range(ground.span[s, 0], ground.span[s, 1]):
                if abs(ground.step[at, CHANGE]) < CANCELLED:
                    ground.step[at, CHANGE] = 0.0
    return cars


@kernel
def _until_dear(ground: Ground, basis: Basis, cars: int, slope: float, way: float, far: float) -> float:
    """The step, cut to where growing wear has used up what the move gains: convex, so by halving."""
    car = ground.car
    curved = False
    for n in range(cars):
        i = basis.cars[n]
        curved = curved or (car[i, SHIFT] != 0.0 and car[i, WEAR_SCALE] > 0.0)
    if not curved or far >= FAR or far <= SHORT_KW:
        return far
    low, high = 0.0, far
    for turn in range(40):
        middle = high if turn == 0 else 0.5 * (low + high)
        then = slope
        for n in range(cars):
            i = basis.cars[n]
            out = -car[i, SHIFT] * car[i, DUTY]
            if out != 0.0:
                after = max(0.0, car[i, USED] + way * middle * out)
                then += (wear_slope(car, i, after) - wear_slope(car, i, car[i, USED])) * out
        pays = then * way <= TIE_EUR
        if pays and turn == 0:
            return far
        if pays:
            low = middle
        else:
            high = middle
    return low


@kernel
def _enters(basis: Basis, first: int, second: int) -> bool:
    """Take a move whose shares are known into the basis if it is independent of the others."""
    best, largest = -1, DEPENDENT
    for r in range(basis.first.size):
        if basis.first[r] < 0 and abs(basis.share[r]) > largest:
            best, largest = r, abs(basis.share[r])
    if best >= 0:
        _replace(basis, best, first, second)
    return best >= 0


@kernel
def _replace(basis: Basis, r: int, first: int, second: int) -> None:
    """Put a move whose shares are known in the place of another."""
    basis.inverse[r, :] /= basis.share[r]
    for q in range(basis.first.size):
        share = basis.share[q]
        if q != r and share != 0.0:
            for column in range(basis.first.size):
                basis.inverse[q, column] -= share * basis.inverse[r, column]
    basis.first[r], basis.second[r] = first, second


@kernel
def _can_go(ground: Ground, basis: Basis, first: int, second: int, way: float) -> bool:
    """Whether a move alone meets no bound of its car's own."""
    cars = add_move(ground, basis, first, second, 1.0, 0)
    reach = gauge(ground, basis.cars, cars)
    forget_rows(ground, reach.rows)
    take_out(ground, basis, cars)
    return (reach.forth if way > 0.0 else reach.back) > SHORT_KW
