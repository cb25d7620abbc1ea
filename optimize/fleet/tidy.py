"""A plan that chargers can follow, out of the one that an interior point leaves.

That plan lies between many that cost the same, with some power nearly everywhere: too little for a charger
to make, in all directions. It is taken to a corner (`corner`): what is off stays off, what is on is at its
limit but where energy, a target or a limit that cars share asks for a part. Powers below `LEAST_KW` that
are left go to nothing, or to that (`small`). All limits and bids are kept, and the plan costs no more than
the gap that is wanted allows.
"""

from __future__ import annotations

import time

import numpy as np

from optimize.fleet.certificate import Feasible, Repairer
from optimize.fleet.corner import TIE_EUR, empty_basis, sweep_corners
from optimize.fleet.ground import ground_of
from optimize.fleet.layout import FloatArray
from optimize.fleet.moves import NET
from optimize.fleet.small import clear_small

# Nothing smaller is left on, metered kW; below 6 A at one phase nothing is whose going off is cheap: all of
# them together may cost a share of what the gap leaves.
LEAST_KW, WEAK_KW, SPARE = 0.05, 1.38, 0.3
# Each pass begins with what the ones before have used up; the first goes by price alone where that is sure,
# € a kW and slot.
PASSES, SURE_EUR = 10, 1e-6
# An interior plan leaves who should hold all that it can a little short of it: from this share on, it does.
FULL = 0.5
# A pass that leaves more of the powers that are on than this was the last.
WORTHWHILE = 0.98
# From this pass on what is small is cleared: near the corner that costs least.
CLEARED = 3
# So much of the powers that are on may be small for them to be looked at one by one.
FEW = 0.1


def tidied(
    repairer: Repairer, plan: Feasible, y: FloatArray, bound_eur: float, gap: float, deadline: float
) -> Feasible:
    """The plan at a corner, without dust; y: the coupling's prices, by which reserve is kept where it pays.

    Its gap to the bound is at most the gap that is wanted, or what it was. deadline, of `time.perf_counter`:
    no pass is begun that by the last one would end later.
    """
    if plan.charge_kw.size == 0:
        return plan
    dearest = plan.cost_eur
    if np.isfinite(bound_eur):
        dearest = max(dearest, bound_eur + gap * max(1.0, abs(plan.cost_eur)))
    y = np.nan_to_num(y)
    now, taken = plan, 0.0
    for number in range(PASSES):
        begun = time.perf_counter()
        if begun + taken > deadline:
            break
        if number == 0 and repairer.arrays.blocks:
            now = repairer.moved_to(now, now.charge_kw - now.discharge_kw, FULL)
        spare = SPARE * (dearest - now.cost_eur)
        net, small = _passed(repairer, now, y, spare, number)
        before, now = np.count_nonzero(now.charge_kw + now.discharge_kw), repairer.moved_to(now, net)
        if not repairer.within_limits(now):
            break
        if now.cost_eur <= dearest:
            plan = now
        done = small == 0 and now.cost_eur <= dearest
        if number >= CLEARED and done and np.count_nonzero(net) > WORTHWHILE * before:
            break
        taken = time.perf_counter() - begun
    return plan


def _passed(
    repairer: Repairer, plan: Feasible, y: FloatArray, spare_eur: float, number: int
) -> tuple[FloatArray, int]:
    """Net powers after a pass, and how many of them are too small; spare_eur: what larger ones may cost."""
    by_price = number == 0
    ground = ground_of(repairer, plan, y, by_price=by_price)
    basis = empty_basis(ground)
    sweep_corners(ground, basis, SURE_EUR if by_price else -TIE_EUR)
    net: FloatArray = ground.step[:, NET]
    least, weak = _battery_side(repairer, net, LEAST_KW), _battery_side(repairer, net, WEAK_KW)
    small = int(np.count_nonzero((net != 0.0) & (np.abs(net) < least)))
    if number >= CLEARED and small <= FEW * np.count_nonzero(net):
        weaker = int(np.count_nonzero((net != 0.0) & (np.abs(net) < weak)))
        small, _ = clear_small(ground, basis, least, weak, max(0.0, spare_eur) / max(1, weaker))
    return net.copy(), small


def _battery_side(repairer: Repairer, net_kw: FloatArray, power_kw: float) -> FloatArray:
    """A power at the plug as battery-side powers [steps], the way that these go."""
    fleet, session = repairer.compiled.fleet, repairer.rules.session
    into, out = power_kw * fleet.efficiency_charge[session], power_kw / fleet.efficiency_discharge[session]
    return np.where(net_kw > 0.0, into, out)
