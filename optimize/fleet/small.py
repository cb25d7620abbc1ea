"""Powers too small to mean anything, taken off one by one at the corner (compiled)."""

from __future__ import annotations

from optimize.fleet.corner import END, Basis, add_move, find_shares, mix, take_out
from optimize.fleet.kernel import kernel
from optimize.fleet.layout import FloatArray
from optimize.fleet.moves import (
    CHANGE,
    FAR,
    MOST_IN,
    MOST_OUT,
    NET,
    Ground,
    forget_rows,
    gauge,
    go,
    row_reach,
)

ROUNDS = 3
ENOUGH_KW = 1e-9
NOBODY = -2
# A slot that goes on begins with this, which says which way.
BARELY_KW = 1e-12


@kernel
def clear_small(
    ground: Ground, basis: Basis, least: FloatArray, weak: FloatArray, most_eur: float
) -> tuple[int, int]:
    """Take powers below `least` [steps] off, or up to it; those below `weak` off for most_eur each at most.

    Another power of the session that is on, or what the session ends with, takes what that leaves; where rows
    that are used up stand against it, the moves of the basis are taken along. How many are left of both
    kinds.
    """
    left = weaker = 0
    for _ in range(ROUNDS):
        cleared = left = weaker = 0
        for s in range(ground.span.shape[0]):
            for at in range(ground.span[s, 0], ground.span[s, 1]):
                now = abs(ground.step[at, NET])
                if 0.0 < now < weak[at] - ENOUGH_KW:
                    if now < least[at] - ENOUGH_KW:
                        done = _clear(ground, basis, s, at, now, least[at] - now, least, FAR)
                        left += 1 - done
                    else:
                        done = _clear(ground, basis, s, at, now, 0.0, weak, most_eur)
                        weaker += 1 - done
                    cleared += done
        if cleared == 0:
            break
    return left, weaker


@kernel
def _clear(
    ground: Ground,
    basis: Basis,
    s: int,
    at: int,
    off_kw: float,
    up_kw: float,
    least: FloatArray,
    most_eur: float,
) -> int:
    """Lower a step's power to nothing or raise it by up_kw, 0 for not, whichever costs least; 1 if done."""
    start, end = ground.span[s, 0], ground.span[s, 1]
    for along in range(2):
        best, best_up, best_eur = NOBODY, False, most_eur
        # First the best of all is looked for, then it is taken.
        for number in range(2 * (end - start) + 3):
            taken = number == 2 * (end - start) + 2
            other, up = start + number // 2, number % 2 == 1
            partner = other if other < end else END
            if taken:
                partner, up = best, best_up
            far = up_kw if up else off_kw
            idle = partner >= 0 and (partner == at or ground.step[partner, NET] == 0.0)
            if idle or partner == NOBODY or far == 0.0:
                continue
            share = 1.0 if (ground.step[at, NET] > 0.0) == up else -1.0
            cars = add_move(ground, basis, at, partner, share, 0)
            reach = gauge(ground, basis.cars, cars)
            if along == 1 and find_shares(ground, basis, reach.rows):
                forget_rows(ground, reach.rows)
                cars = mix(ground, basis, cars)
                reach = gauge(ground, basis.cars, cars)
            reach = row_reach(ground, reach, True)
            if taken:
                go(ground, basis.cars, cars, reach.rows, far)
            elif (
                reach.forth >= far - ENOUGH_KW
                and far * reach.slope < best_eur
                and _none_small(ground, basis, least, cars, far)
            ):
                best, best_up, best_eur = partner, up, far * reach.slope
            forget_rows(ground, reach.rows)
            take_out(ground, basis, cars)
            if taken:
                return 1
    return 0


@kernel
def _none_small(ground: Ground, basis: Basis, least: FloatArray, cars: int, far: float) -> bool:
    """Whether a step of the move makes no power small that it lowers."""
    for n in range(cars):
        i = basis.cars[n]
        for s in range(ground.sessions[i], ground.sessions[i + 1]):
            for at in range(ground.span[s, 0], ground.span[s, 1]):
                if ground.step[at, CHANGE] != 0.0:
                    before = abs(ground.step[at, NET])
                    after = abs(ground.step[at, NET] + far * ground.step[at, CHANGE])
                    if ENOUGH_KW < after < min(before, least[at]) - ENOUGH_KW:
                        return False
    return True


@kernel
def shift_small(ground: Ground, basis: Basis, least: FloatArray) -> int:
    """Move powers below `least` [steps] to slots that are off, which go on at that; how many are left.

    What that is more than before, another power of the session gives or its end takes.
    """
    left = 0
    for s in range(ground.span.shape[0]):
        for at in range(ground.span[s, 0], ground.span[s, 1]):
            if 0.0 < abs(ground.step[at, NET]) < least[at] - ENOUGH_KW:
                left += 1 - _shift(ground, basis, s, at, least)
    return left


@kernel
def _shift(ground: Ground, basis: Basis, s: int, at: int, least: FloatArray) -> int:
    """Take a step's power to the slot of the session where that costs least; 1 if done."""
    start, end = ground.span[s, 0], ground.span[s, 1]
    step, now = ground.step, ground.step[at, NET]
    way = 1.0 if now > 0.0 else -1.0
    most = MOST_IN if now > 0.0 else MOST_OUT
    more = least[at] - abs(now)
    best, best_partner, best_eur = NOBODY, NOBODY, FAR
    for other in range(start, end + 1):
        taken = other == end
        to = best if taken else other
        if to in (NOBODY, at) or step[to, NET] != 0.0 or step[to, most] < least[at]:
            continue
        step[to, NET] = way * BARELY_KW
        done = False
        for number in range(start, end + 1):
            partner = number if number < end else END
            if taken and partner != best_partner:
                continue
            if partner != END and (step[partner, NET] == 0.0 or partner in (at, to)):
                continue
            cars = add_move(ground, basis, to, at, way * abs(now), 0)
            cars = add_move(ground, basis, to, partner, way * more, cars)
            reach = row_reach(ground, gauge(ground, basis.cars, cars), True)
            if taken:
                go(ground, basis.cars, cars, reach.rows, 1.0)
                done = True
            elif (
                reach.forth >= 1.0 - ENOUGH_KW
                and reach.slope < best_eur
                and _none_small(ground, basis, least, cars, 1.0)
            ):
                best, best_partner, best_eur = to, partner, reach.slope
            forget_rows(ground, reach.rows)
            take_out(ground, basis, cars)
            if done:
                step[to, NET], step[at, NET] = way * least[at], 0.0
                return 1
        step[to, NET] = 0.0
    return 0
