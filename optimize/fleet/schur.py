"""One car's share of the Schur complement in the coupling prices (compiled).

The inverse of a tridiagonal is semiseparable: going back from a later step to an earlier one multiplies by
one number a step, so that all entries of a car cost one multiplication and one addition each.
"""

from __future__ import annotations

import numpy as np

from optimize.fleet.kernel import kernel
from optimize.fleet.layout import Fleet, FloatArray
from optimize.fleet.newton import (
    DOWN_PORT,
    GG,
    PF,
    PH,
    PHI,
    PIVOT,
    QPF,
    QPH,
    QQ,
    RC,
    RD,
    SHARES,
    TT,
    UP_PORT,
    joint_rows,
)

NEGLIGIBLE = 1e-120


@kernel
def _local(
    counts: tuple[int, int, bool],
    dt: float,
    eta: float,
    etad: float,
    offers: tuple[float, float],
    k: int,
    F: FloatArray,
    jf: FloatArray,
    jh: FloatArray,
    C: FloatArray,
) -> None:
    """Responses of the step's outputs to f and h (jf, jh) and to one another with both held (C).

    counts: reserve channels up and down, and whether the step is of the simple kind; offers: up and down.
    """
    nu, nd, simple = counts
    loss = eta - etad
    rc, rd, g = F[RC, k], F[RD, k], F[GG, k]
    if simple:
        X = rc * eta + rd * etad
        jh[0] = g * dt * X
        jf[0] = -jh[0]
        C[0, 0] = rc * rd * loss * loss / (rc + rd)
        return
    q = F[QQ, k]
    D = 1.0 + q * (etad * etad * rd + rc * eta * eta)
    A = (rc * eta * eta + rd * etad * etad) / D
    X = (rc * eta + rd * etad) / D
    jh[0] = g * F[PH, k] * dt * X - F[QPH, k] * A
    jf[0] = -g * F[PF, k] * dt * X - F[TT, k] * rc * eta / D - F[QPF, k] * A
    C[0, 0] = rc * rd * loss * loss / (rc + rd + q * loss * loss * rc * rd)
    for j in range(nu + nd):
        up = j < nu
        port = UP_PORT if up else DOWN_PORT
        sign = 1.0 if up else -1.0
        offered = offers[0] if up else offers[1]
        gp = offered * sign * F[SHARES + 3 * j, k]
        ge = offered * sign * F[SHARES + 3 * j + 1, k]
        a = F[port + 3, k]
        jh[1 + j] = gp * jh[0] + ge * a
        jf[1 + j] = gp * jf[0] + ge * (1.0 - a)
        C[0, 1 + j] = gp * C[0, 0]
        C[1 + j, 1 + j] = offered * F[SHARES + 3 * j + 2, k] + gp * gp * C[0, 0]
        for other in range(j):
            C[1 + other, 1 + j] = C[0, 1 + other] * gp
            if (other < nu) == up:
                C[1 + other, 1 + j] += offered * F[port + 4, k]


@kernel
def add_schur(
    fleet: Fleet, i: int, F: FloatArray, border: FloatArray, border_weight: float, S: FloatArray
) -> None:
    """S [local rows, local rows] += A·K⁻¹·Aᵀ of car i; S_sym = S + Sᵀ − diag(S).

    border [V, K]: K0⁻¹ times the duty row; border_weight: its weight in the Sherman–Morrison term.
    """
    T = fleet.slots
    outs = 1 + fleet.up + fleet.down
    K = border.shape[1]
    jf, jh = np.zeros(outs), np.zeros(outs)
    C = np.zeros((outs, outs))
    reach = np.zeros((outs, K))
    bent = np.zeros((outs, K))
    if border_weight > 0.0:
        k = 0
        for s in range(fleet.session_start[i], fleet.session_start[i + 1]):
            eta = 1.0 / fleet.efficiency_charge[s]
            etad = fleet.efficiency_discharge[s]
            for _ in range(fleet.length[s]):
                bent[0, k] = eta * border[0, k] - etad * border[1, k]
                for j in range(outs - 1):
                    offers = fleet.offers_up[s] if j < fleet.up else fleet.offers_down[s]
                    bent[1 + j, k] = offers * border[3 + j, k]
                k += 1
    counts = (fleet.up, fleet.down, fleet.up + fleet.down + fleet.taper + fleet.change == 0)
    joint = joint_rows(fleet)
    after = chain = K
    inverse = 0.0
    for s in range(fleet.session_start[i + 1] - 1, fleet.session_start[i] - 1, -1):
        start = after - fleet.length[s]
        base = fleet.base[s] + fleet.first[s] - start
        eta, etad = 1.0 / fleet.efficiency_charge[s], fleet.efficiency_discharge[s]
        offers = (fleet.offers_up[s], fleet.offers_down[s])
        if fleet.ahead[s] < 0 and after > start:
            inverse, chain = 0.0, after
        for k in range(after - 1, start - 1, -1):
            later_inverse = inverse
            inverse = 1.0 / F[PIVOT, k] + F[PHI, k] * F[PHI, k] * later_inverse
            _local(counts, fleet.hours, eta, etad, offers, k, F, jf, jh, C)
            linked = k == start and fleet.behind[s] >= 0
            phi_before = F[PHI, k - 1] if k > start else F[joint + 1, k] if linked else 0.0
            # reach[o', k'] is T⁻¹·J_{k', o'} at step k, for every later k' of this session and those ahead.
            for o in range(outs):
                phi = F[PHI, k]
                row = reach[o]
                for later in range(k + 2, chain):
                    value = row[later] * phi
                    row[later] = value if abs(value) > NEGLIGIBLE else 0.0
            for o in range(outs):
                ahead = jh[o] + jf[o] * phi_before
                into = S[base + o * T + k]
                for o2 in range(outs):
                    row = reach[o2]
                    first, stop, shift = k + 1, after, base + o2 * T
                    other = s
                    while other >= 0:
                        for later in range(first, stop):
                            into[shift + later] += ahead * row[later]
                        other = fleet.ahead[other]
                        if other >= 0:
                            first, stop = stop, stop + fleet.length[other]
                            shift = fleet.base[other] + fleet.first[other] - first + o2 * T
            if k > start or linked:
                pivot = F[joint, k] if linked else F[PIVOT, k - 1]
                before_inverse = 1.0 / pivot + phi_before * phi_before * inverse
                for o in range(outs):
                    at_before = jf[o] * before_inverse + jh[o] * phi_before * inverse
                    at_own = jf[o] * phi_before * inverse + jh[o] * inverse
                    for o2 in range(o + 1):
                        S[base + o2 * T + k, base + o * T + k] += (
                            C[o2, o] + jf[o2] * at_before + jh[o2] * at_own
                        )
                    reach[o, k] = at_before
                if linked:  # on to the link, whose inverse is the next one, and to the step before it
                    inverse = before_inverse
                    for o in range(outs):
                        reach[o, k] *= F[PHI, k - 1]
                        for later in range(k + 1, chain):
                            reach[o, later] *= phi_before
            else:
                for o in range(outs):
                    for o2 in range(o + 1):
                        S[base + o2 * T + k, base + o * T + k] += C[o2, o] + jh[o2] * inverse * jh[o]
        after = start
    if border_weight > 0.0:
        _subtract_border(fleet, i, bent, border_weight, S)


@kernel
def _subtract_border(fleet: Fleet, i: int, bent: FloatArray, border_weight: float, S: FloatArray) -> None:
    """S −= weight·g·gᵀ over the outputs g = bent [outs, K], above the diagonal."""
    T = fleet.slots
    outs = bent.shape[0]
    start = 0
    for s in range(fleet.session_start[i], fleet.session_start[i + 1]):
        base = fleet.base[s] + fleet.first[s] - start
        end = start + fleet.length[s]
        for k in range(start, end):
            for o in range(outs):
                into = S[base + o * T + k]
                factor = border_weight * bent[o, k]
                for o2 in range(o, outs):
                    into[base + o2 * T + k] -= factor * bent[o2, k]
                for o2 in range(outs):
                    row = bent[o2]
                    first, stop, shift = k + 1, end, base + o2 * T
                    for other in range(s, fleet.session_start[i + 1]):
                        if other > s:
                            first, stop = stop, stop + fleet.length[other]
                            shift = fleet.base[other] + fleet.first[other] - first + o2 * T
                        for later in range(first, stop):
                            into[shift + later] -= factor * row[later]
        start = end
