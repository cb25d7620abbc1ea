"""Right-hand sides of one car's Newton system, by what `newton.factorise` left (compiled)."""

from __future__ import annotations

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
    change_rows,
    joint_rows,
)


@kernel
def solve(
    fleet: Fleet,
    i: int,
    F: FloatArray,
    G: FloatArray,
    G_session: FloatArray,
    residual: FloatArray,
    dx: FloatArray,
    nu_next: FloatArray,
    dmissing: FloatArray,
    theta: FloatArray,
    weight: FloatArray,
) -> None:
    """dx [V, K], ν, Δm for right-hand sides G [V, K], G_stay and balance residual [K], without the border.

    theta, weight [sessions]: z/s of m ≥ 0 and of the target row, see `view.Linear.on_lack`.
    """
    _push_energies(fleet, i, F, G, G_session, residual, dx, dmissing, theta, weight)
    _energies(fleet, i, F, dx, dmissing, theta, weight)
    _powers(fleet, i, F, G, residual, dx, nu_next, dmissing)


@kernel
def _push_energies(
    fleet: Fleet,
    i: int,
    F: FloatArray,
    G: FloatArray,
    G_session: FloatArray,
    residual: FloatArray,
    dx: FloatArray,
    dmissing: FloatArray,
    theta: FloatArray,
    weight: FloatArray,
) -> None:
    """What everything but the energies pushes on these, left in dx[2] and dmissing; see `solve`."""
    nu, nd = fleet.up, fleet.down
    dt = fleet.hours
    changes, simple = change_rows(fleet), nu + nd + fleet.taper + fleet.change == 0
    k = 0
    s0 = fleet.session_start[i]
    for s in range(s0, fleet.session_start[i + 1]):
        eta = 1.0 / fleet.efficiency_charge[s]
        etad = fleet.efficiency_discharge[s]
        start, end, behind = k, k + fleet.length[s], fleet.behind[s]
        dmissing[s - s0] = G_session[s - s0]
        if end == start:
            if behind >= 0:
                push = weight[s - s0] * G_session[s - s0] / (theta[s - s0] + weight[s - s0])
                dx[2, start - 1] -= push
                dmissing[behind - s0] -= push
            continue
        for k in range(start, end):
            dx[2, k] = G[2, k]
        for k in range(start, end):
            rc, rd, g = F[RC, k], F[RD, k], F[GG, k]
            if simple:
                push = g * (residual[k] - dt * (rc * G[0, k] - rd * G[1, k]))
                dx[2, k] -= push
                if k > start or behind >= 0:
                    dx[2, k - 1] += push
                if k == start and behind >= 0:
                    dmissing[behind - s0] += push
                continue
            q, tt = F[QQ, k], F[TT, k]
            D = 1.0 + q * (etad * etad * rd + rc * eta * eta)
            gp = before = 0.0
            for j in range(nu + nd):
                up = j < nu
                port = UP_PORT if up else DOWN_PORT
                push = G[3 + j, k] if up else -G[3 + j, k]
                gp += F[SHARES + 3 * j, k] * push
                ge = F[SHARES + 3 * j + 1, k] * push
                a = F[port + 3, k]
                dx[2, k] += a * ge
                before += (1.0 - a) * ge
            if fleet.change > 0:
                gp += F[changes, k] * G[3 + nu + nd, k]
            Lc = G[0, k] + eta * gp
            Ld = G[1, k] - etad * gp
            dx[0, k] = Lc
            dx[1, k] = Ld
            mixed = q * etad * eta * rc * rd
            hc = (rc * (1.0 + q * etad * etad * rd) * Lc + mixed * Ld) / D
            hd = (mixed * Lc + rd * (1.0 + q * eta * eta * rc) * Ld) / D
            rest = residual[k] - dt * (hc - hd)
            drawn = eta * hc - etad * hd
            dx[2, k] -= g * F[PH, k] * rest + F[QPH, k] * drawn
            before += g * F[PF, k] * rest - tt * hc - F[QPF, k] * drawn
            if k > start or behind >= 0:
                dx[2, k - 1] += before
            if k == start and behind >= 0:
                dmissing[behind - s0] += before
        k = end


@kernel
def _energies(
    fleet: Fleet,
    i: int,
    F: FloatArray,
    dx: FloatArray,
    dmissing: FloatArray,
    theta: FloatArray,
    weight: FloatArray,
) -> None:
    """Δe and Δm from what is pushed on them."""
    joint = joint_rows(fleet)
    s0, s1 = fleet.session_start[i], fleet.session_start[i + 1]
    k = 0
    for s in range(s0, s1):
        end, behind = k + fleet.length[s], fleet.behind[s]
        if end > k and behind >= 0:  # the link takes over: dmissing holds what is pushed on it
            dx[2, k - 1] -= dmissing[behind - s0]
            dmissing[behind - s0] += F[PHI, k - 1] * dx[2, k - 1]
            dx[2, k] += F[joint + 1, k] * dmissing[behind - s0]
        for at in range(k + 1, end):
            dx[2, at] += F[PHI, at - 1] * dx[2, at - 1]
        if end > k and fleet.ahead[s] < 0:
            dx[2, end - 1] -= weight[s - s0] * dmissing[s - s0] / (theta[s - s0] + weight[s - s0])
        k = end
    for s in range(s1 - 1, s0 - 1, -1):
        start = k - fleet.length[s]
        if k == start:
            continue
        if fleet.ahead[s] < 0:
            dx[2, k - 1] /= F[PIVOT, k - 1]
            missed = dmissing[s - s0] - weight[s - s0] * dx[2, k - 1]
            dmissing[s - s0] = missed / (theta[s - s0] + weight[s - s0])
        else:
            link, apart = dmissing[s - s0], dx[2, k - 1] / F[PIVOT, k - 1]
            dx[2, k - 1] = apart + F[PHI, k - 1] * link
            dmissing[s - s0] = F[joint + 2, k] * link - apart
        for at in range(k - 2, start - 1, -1):
            dx[2, at] = dx[2, at] / F[PIVOT, at] + F[PHI, at] * dx[2, at + 1]
        if fleet.behind[s] >= 0:
            behind = fleet.behind[s] - s0
            dmissing[behind] = dmissing[behind] / F[joint, start] + F[joint + 1, start] * dx[2, start]
        k = start
    for s in range(s0, s1):
        k += fleet.length[s]
        if fleet.length[s] == 0:
            missed = dmissing[s - s0]
            if fleet.behind[s] >= 0:
                missed -= weight[s - s0] * (dx[2, k - 1] + dmissing[fleet.behind[s] - s0])
            dmissing[s - s0] = missed / (theta[s - s0] + weight[s - s0])


@kernel
def _powers(
    fleet: Fleet,
    i: int,
    F: FloatArray,
    G: FloatArray,
    residual: FloatArray,
    dx: FloatArray,
    nu_next: FloatArray,
    dmissing: FloatArray,
) -> None:
    """Δc, Δd, Δw and ν from the energies; see `solve`."""
    nu, nd = fleet.up, fleet.down
    dt = fleet.hours
    changes, simple = change_rows(fleet), nu + nd + fleet.taper + fleet.change == 0
    k = 0
    s0 = fleet.session_start[i]
    for s in range(s0, fleet.session_start[i + 1]):
        eta = 1.0 / fleet.efficiency_charge[s]
        etad = fleet.efficiency_discharge[s]
        start, end = k, k + fleet.length[s]
        for k in range(start, end):
            rc, rd, g = F[RC, k], F[RD, k], F[GG, k]
            h = dx[2, k]
            f = dx[2, k - 1] if k > start or fleet.behind[s] >= 0 else 0.0
            if k == start and fleet.behind[s] >= 0:
                f += dmissing[fleet.behind[s] - s0]
            if simple:
                price = g * (h - f + residual[k] - dt * (rc * G[0, k] - rd * G[1, k]))
                nu_next[k] = price
                dx[0, k] = rc * (G[0, k] + dt * price)
                dx[1, k] = rd * (G[1, k] - dt * price)
                continue
            q, tt, qph, qpf = F[QQ, k], F[TT, k], F[QPH, k], F[QPF, k]
            D = 1.0 + q * (etad * etad * rd + rc * eta * eta)
            moved = qpf * f + qph * h
            Lc = dx[0, k] - f * tt - eta * moved
            Ld = dx[1, k] + etad * moved
            mixed = q * etad * eta * rc * rd
            cc = rc * (1.0 + q * etad * etad * rd)
            dd = rd * (1.0 + q * eta * eta * rc)
            hc = (cc * Lc + mixed * Ld) / D
            hd = (mixed * Lc + dd * Ld) / D
            price = g * (h - f + residual[k] - dt * (hc - hd))
            nu_next[k] = price
            dc = hc + dt * price * (cc - mixed) / D
            dd_ = hd + dt * price * (mixed - dd) / D
            dx[0, k] = dc
            dx[1, k] = dd_
            p = eta * dc - etad * dd_
            for j in range(nu + nd):
                up = j < nu
                port, first, number = (UP_PORT, 0, nu) if up else (DOWN_PORT, nu, nd)
                a = F[port + 3, k]
                moved = F[SHARES + 3 * j, k] * p + F[SHARES + 3 * j + 1, k] * (a * h + (1.0 - a) * f)
                own = F[SHARES + 3 * j + 2, k] * G[3 + j, k]
                if number == 2:
                    own += F[port + 4, k] * G[3 + 2 * first + 1 - j, k]
                dx[3 + j, k] = own + moved if up else own - moved
            if fleet.change > 0:
                dx[3 + nu + nd, k] = F[changes + 1, k] * G[3 + nu + nd, k] + F[changes, k] * p
        k = end
