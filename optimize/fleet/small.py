"""Powers too small to mean anything, taken off one by one at the corner (compiled)."""

from __future__ import annotations

from optimize.fleet.corner import END, Basis, add_move, find_shares, mix, take_out
from optimize.fleet.kernel import kernel
from optimize.fleet.layout import FloatArray
from optimize.fleet.moves import CHANGE, FAR, NET, Ground, forget_rows, gauge, go, row_reach

ROUNDS = 3
ENOUGH_KW = 1e-9
NOBODY = -2


@kernel
def clear_small(
    ground: Ground, basis: Basis, least: FloatArray, weak: FloatArray, most_eur: float
) -> tuple[int, int]:
    """Take powers below `least` [steps] off, or up to it; those below `weak` off for most_eur each at most.

    Another power of the stay that is on, or what the stay ends with, takes what that leaves; where rows that
    are used up stand against it, the moves of the basis are taken along. How many are left of both kinds.
    """
    left = weaker = 0
    for _ in range(ROUNDS):
        cleared = left = weaker = 0
        for s in range(ground.span.shape[0]):
            for at in range(ground.span[s, 0], ground.span[s, 1]):
                now = abs(ground.step[at, NET])
                if 0.0 < now < weak[at] - ENOUGH_KW:
                    done = 0
                    if now < least[at] - ENOUGH_KW:
                        done = _clear(ground, basis, s, at, now, True, least, FAR)
                        if done == 0:
                            done = _clear(ground, basis, s, at, least[at] - now, False, least, FAR)
                        left += 1 - done
                    else:
                        done = _clear(ground, basis, s, at, now, True, weak, most_eur)
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
    far: float,
    off: bool,
    least: FloatArray,
    most_eur: float,
) -> int:
    """Lower a step's power by far (off) or raise it, the cheapest way if any is cheap enough; 1 if done."""
    start, end = ground.span[s, 0], ground.span[s, 1]
    share = 1.0 if (ground.step[at, NET] > 0.0) != off else -1.0
    for along in range(2):
        best, best_eur = NOBODY, most_eur
        # First the best of all is looked for, then it is taken.
        for other in range(start, end + 2):
            taken = other == end + 1
            partner = other
            if other == end:
                partner = END
            if taken:
                partner = best
            idle = partner >= 0 and (partner == at or ground.step[partner, NET] == 0.0)
            if idle or partner == NOBODY:
                continue
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
                best, best_eur = partner, far * reach.slope
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
        for s in range(ground.stays[i], ground.stays[i + 1]):
            for at in range(ground.span[s, 0], ground.span[s, 1]):
                if ground.step[at, CHANGE] != 0.0:
                    before = abs(ground.step[at, NET])
                    after = abs(ground.step[at, NET] + far * ground.step[at, CHANGE])
                    if ENOUGH_KW < after < min(before, least[at]) - ENOUGH_KW:
                        return False
    return True
