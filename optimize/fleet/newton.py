"""One car's Newton system, eliminated in closed form (compiled).

With ω = z/s for every inequality, a car's reduced system is a convex quadratic in (c, d, w_j, e) per step,
tied by the energy balance. Step by step, with f = Δe_{k−1} and h = Δe_k:

1. Reserve shares of one direction see the step through two ports, p = c/η_ch − η_dis·d and the sustain energy
   ē = a·h + (1 − a)·f. Their optimum is ½(v − v0)ᵀY(v − v0), v = ±(p, ē), Y = Z⁻¹ and
   Z = [[1/ω_power + ΣR, ΣκR], [ΣκR, 1/(ω_end + ω_start) + Σκ²R]], R_j = 1/ω_j; exact for any number of
   channels, at most two of a direction here.
2. c and d, tied by Δt(Δc − Δd) = h − f + residual, leave a conductance g between f and h.
3. What remains is tridiagonal in Δe. Its pivots are carried as excess over the conductance, so that a chain
   of idle slots (g up to 10¹⁰ times all else) loses no digits; everywhere resistances are added, not weights
   subtracted, and a zero resistance (no charger, no discharge) needs no special case.

4. Where a session carries on from another, φ = Δe_end + Δm of that one takes the place of f at its first
step:
   a link of the chain between the two, with θ/(a + θ) from φ to Δe_end and a/(a + θ) to Δm, where a is the
   pivot of Δe_end so far and θ the weight of m.

5. The change δ of a step is eliminated into its metered power, by the weights of its three rows:
   (4ω₁ω₂ + ω₃(ω₁ + ω₂))/(ω₁ + ω₂ + ω₃) on p.

The day's wear and V2G limit add one rank-one term per car (a border), eliminated by Sherman–Morrison.
"""

from __future__ import annotations

from optimize.fleet.kernel import kernel
from optimize.fleet.layout import BOX_PAIRS, Fleet, FloatArray

RC, RD, GG, PIVOT, PHI = range(5)
PH, PF, QPH, QPF, TT, QQ = range(5, 11)
UP_PORT, DOWN_PORT, SHARES = 11, 16, 21


@kernel
def factor_rows(fleet: Fleet) -> int:
    """Numbers kept per step by `factorise`."""
    return change_rows(fleet) + 2 * fleet.change


@kernel
def change_rows(fleet: Fleet) -> int:
    """Where those of changes begin: from p to δ, and what δ answers to its own push."""
    return joint_rows(fleet) + 3 * fleet.linked


@kernel
def joint_rows(fleet: Fleet) -> int:
    """Where those of links begin, kept at the step after one: its pivot, from Δe to it, from it to Δm."""
    if fleet.up + fleet.down > 0:
        return SHARES + 3 * (fleet.up + fleet.down)
    return 11 if fleet.taper + fleet.change > 0 else 5


@kernel
def _port(
    number: int,
    k_one: float,
    k_two: float,
    om: FloatArray,
    k: int,
    row: int,
    wide: int,
    F: FloatArray,
    at: int,
    share: int,
) -> tuple[float, float]:
    """Store one direction's port; returns the conductance it adds between f and h, and det Y.

    k_one, k_two: κ of its channels, the latter 0 where there is but one. Per port Y_pp, Y_pe, Y_ee, a, H_12;
    per channel what w_j answers to p, to ē and to its own push.
    """
    r_two = cross = 0.0
    r_one = 1.0 / om[wide, k]
    if number == 2:
        r_two = 1.0 / om[wide + 1, k]
        cross = r_one * r_two * (k_one - k_two) ** 2
    s0 = r_one + r_two
    s1 = k_one * r_one + k_two * r_two
    s2 = k_one * k_one * r_one + k_two * k_two * r_two
    i1 = 1.0 / om[row, k]
    i2 = 1.0 / (om[row + 1, k] + om[row + 2, k])
    det = i1 * i2 + s0 * i2 + s2 * i1 + cross
    F[at, k] = (i2 + s2) / det
    F[at + 1, k] = -s1 / det
    F[at + 2, k] = (i1 + s0) / det
    F[at + 3, k] = om[row + 1, k] * i2
    F[at + 4, k] = -r_one * r_two * (i2 + k_one * k_two * i1) / det
    F[share, k] = r_one / det * (i2 + r_two * k_two * (k_two - k_one))
    F[share + 1, k] = r_one / det * (k_one * i1 + r_two * (k_one - k_two))
    F[share + 2, k] = r_one / det * (i1 * i2 + r_two * (i2 + k_two * k_two * i1))
    if number == 2:
        F[share + 3, k] = r_two / det * (i2 + r_one * k_one * (k_one - k_two))
        F[share + 4, k] = r_two / det * (k_two * i1 + r_one * (k_two - k_one))
        F[share + 5, k] = r_two / det * (i1 * i2 + r_one * (i2 + k_one * k_one * i1))
    return om[row + 1, k] * om[row + 2, k] * i2, 1.0 / det


@kernel
def factorise(
    fleet: Fleet,
    i: int,
    om: FloatArray,
    theta: FloatArray,
    weight: FloatArray,
    om_session: FloatArray,
    F: FloatArray,
) -> None:
    """Eliminate car i down to the pivots of Δe. om [P, K]: weights; [sessions]: theta, weight as in `solve`,
    om_stay: both together on e_end.
    """
    nu, nd = fleet.up, fleet.down
    dt = fleet.hours
    up_row = BOX_PAIRS + nu + nd
    down_row = up_row + (3 if nu > 0 else 0)
    taper_row = down_row + (3 if nd > 0 else 0)
    change_row = taper_row + (1 if fleet.taper > 0 else 0)
    simple = nu + nd + fleet.taper + fleet.change == 0
    changes, kept = change_rows(fleet), 0.0
    joint, s0 = joint_rows(fleet), fleet.session_start[i]
    excess = 0.0
    k = 0
    for s in range(s0, fleet.session_start[i + 1]):
        linked = fleet.behind[s] >= 0
        eta = 1.0 / fleet.efficiency_charge[s]
        etad = fleet.efficiency_discharge[s]
        loss = eta - etad
        end = k + fleet.length[s]
        t = fleet.first[s]
        start = k
        if end > start:
            behind = fleet.behind[s] - s0
            excess = _joined(excess, theta[behind], weight[behind], joint, k, F) if linked else 0.0
        while k < end:
            w_c = om[0, k] + om[1, k]
            able = fleet.discharge_limit[s] > 0.0 and fleet.may_discharge[t]
            rd = 1.0 / (om[2, k] + om[3, k]) if able else 0.0
            he = om[4, k] + om[5, k]
            if k == end - 1 and fleet.ahead[s] < 0:
                he += om_session[s - s0]
            if simple:
                rc = 1.0 / w_c
                F[RC, k] = rc
                F[RD, k] = rd
                g = 1.0 / (dt * dt * (rc + rd))
                F[GG, k] = g
                if k > start or linked:
                    pivot = excess + g
                    if k > start:
                        F[PIVOT, k - 1], F[PHI, k - 1] = pivot, g / pivot
                    else:
                        F[joint, k], F[joint + 1, k] = pivot, g / pivot
                    excess = excess * g / pivot + he
                else:
                    excess = g + he
                k += 1
                t += 1
                continue
            wt = fall = 0.0
            if fleet.taper > 0 and (k > start or linked):
                wt = om[taper_row, k]
                fall = fleet.taper_fall[s]
            elif fleet.taper > 0:
                w_c += om[taper_row, k]
            rc = 1.0 / (w_c + wt)
            gs = det_u = det_d = 0.0
            yu_pp = yu_pe = yu_ee = au = yd_pp = yd_pe = yd_ee = ad = 0.0
            if nu > 0:
                one = fleet.sustain[0, t] / etad
                two = fleet.sustain[1, t] / etad if nu == 2 else 0.0
                gs_u, det_u = _port(nu, one, two, om, k, up_row, BOX_PAIRS, F, UP_PORT, SHARES)
                gs += gs_u
                yu_pp, yu_pe = F[UP_PORT, k], F[UP_PORT + 1, k]
                yu_ee, au = F[UP_PORT + 2, k], F[UP_PORT + 3, k]
            if nd > 0:
                one = fleet.sustain[nu, t] / eta
                two = fleet.sustain[nu + 1, t] / eta if nd == 2 else 0.0
                share = SHARES + 3 * nu
                gs_d, det_d = _port(nd, one, two, om, k, down_row, BOX_PAIRS + nu, F, DOWN_PORT, share)
                gs += gs_d
                yd_pp, yd_pe = F[DOWN_PORT, k], F[DOWN_PORT + 1, k]
                yd_ee, ad = F[DOWN_PORT + 2, k], F[DOWN_PORT + 3, k]
            if fleet.change > 0:
                above, below, bounded = om[change_row, k], om[change_row + 1, k], om[change_row + 2, k]
                whole = above + below + bounded
                F[changes, k], F[changes + 1, k] = (above - below) / whole, 1.0 / whole
                kept = (4.0 * above * below + bounded * (above + below)) / whole
            q = yu_pp + yd_pp + kept
            qph = yu_pe * au + yd_pe * ad
            qpf = yu_pe * (1.0 - au) + yd_pe * (1.0 - ad)
            D = 1.0 + q * (etad * etad * rd + rc * eta * eta)
            A0 = rc * eta * eta + rd * etad * etad
            X = (rc * eta + rd * etad) / D
            N = (rc + rd + q * loss * loss * rc * rd) / D
            g = 1.0 / (dt * dt * N)
            # q_xy − q_px·q_py·A, written as sums of positive terms (A = A0/D).
            cross_u = yu_ee * (yd_pp + kept)
            cross_d = yd_ee * (yu_pp + kept)
            cross = yu_pe * yd_pe
            bu, bd = 1.0 - au, 1.0 - ad
            uu, dd = yu_ee + A0 * (det_u + cross_u), yd_ee + A0 * (det_d + cross_d)
            ud = A0 * cross
            hh = (uu * au * au + dd * ad * ad - 2.0 * ud * au * ad) / D
            ff = (uu * bu * bu + dd * bd * bd - 2.0 * ud * bu * bd) / D
            hf = (uu * au * bu + dd * ad * bd - ud * (au * bd + bu * ad)) / D
            det = max(uu * dd - ud * ud, 0.0) * (au * bd - bu * ad) ** 2 / (D * D)
            tt = wt * fall
            if tt > 0.0:
                one = 1.0 + q * etad * etad * rd
                ff += tt * fall * (one * w_c * rc + q * rc * eta * eta) / D
                ff -= 2.0 * tt * qpf * rc * eta / D
                hf -= tt * qph * rc * eta / D
                det = max(hh * ff - hf * hf, 0.0)
            ph = 1.0 + dt * qph * X
            pf = 1.0 - dt * (
                tt * (rc * (1.0 + q * etad * etad * rd) - q * etad * eta * rc * rd) / D + qpf * X
            )
            F[RC, k], F[RD, k], F[GG, k], F[PH, k], F[PF, k] = rc, rd, g, ph, pf
            F[QPH, k], F[QPF, k], F[TT, k], F[QQ, k] = qph, qpf, tt, q
            if k > start or linked:
                low = excess + ff
                both = g * ph * pf + gs
                pivot = low + g * pf * pf + gs
                if k > start:
                    F[PIVOT, k - 1], F[PHI, k - 1] = pivot, (both - hf) / pivot
                else:
                    F[joint, k], F[joint + 1, k] = pivot, (both - hf) / pivot
                # (hh + g·ph² + gs)·pivot − (both − hf)², its cancelling terms taken out by hand.
                excess = (
                    hh * excess
                    + det
                    + hh * (g * pf * pf + gs)
                    + low * (g * ph * ph + gs)
                    + g * gs * (ph - pf) ** 2
                    + 2.0 * hf * both
                ) / pivot + he
            else:
                excess = g * ph * ph + gs + hh + he
            k += 1
            t += 1
        if end > start:
            F[PIVOT, end - 1] = excess
            F[PHI, end - 1] = 0.0


@kernel
def _joined(excess: float, theta: float, weight: float, joint: int, k: int, F: FloatArray) -> float:
    """Eliminate the end of a session into its link, before step k; the excess of that."""
    pivot = excess + theta
    F[PIVOT, k - 1], F[PHI, k - 1], F[joint + 2, k] = pivot, theta / pivot, excess / pivot
    return excess * theta / pivot + weight
