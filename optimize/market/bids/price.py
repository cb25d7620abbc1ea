"""What a block of reserve costs: what the day earns less for holding it, its wear, and what a call costs.

    cost = (J₀ − J(b)) / (b·hours)     J₀, J(b): the day's objective without the bid and with it, income of
                                      reserve apart; b is held by the model's own rows, its calls wear
         + a·λ·…                      where a call is not paid: a kWh given is bought back at the block's mean
                                      price λ after losses, λ/(η_c·η_d); of a symmetric product what is given
                                      is also taken, and losses alone are bought, λ·(1/(η_c·η_d) − 1)

a: the share of what is held that is expected to be called one way. Where a call is paid, its price says what
of it is worth: giving a kWh from λ/(η_c·η_d) on, taking one up to λ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from optimize.account import account
from optimize.market.bids.products import Reserve
from optimize.market.bids.quantity import KW_PER_MW
from optimize.plan import plan_day
from optimize.types import DayProblem, ReserveBlock

_HELD = 1e-4
_UNMET_KWH = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What holding kW in a block costs: holding_eur_per_mw_h (what the day earns less, wear of calls), calls
    (recovery_eur_per_mw_h), and what a called MWh has to bring or may cost, None where calls are not paid.

    held_kw: what the day as known can hold next to the rest, at most what was asked; unmet_kwh: what more
    departures lack.
    """

    held_kw: float
    unmet_kwh: float
    holding_eur_per_mw_h: float
    recovery_eur_per_mw_h: float
    energy_eur_per_mwh: float | None

    @property
    def price_eur_per_mw_h(self) -> float:
        """From which price on the bid pays."""
        return max(0.0, self.holding_eur_per_mw_h + self.recovery_eur_per_mw_h)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayWithout:
    """What a day earns, the income of its reserves apart, and what its departures lack."""

    earned_eur: float
    unmet_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A product held in slots first_slot … end_slot − 1 by the cars below a site."""

    product: Reserve
    site_id: str
    first_slot: int
    end_slot: int

    def asked(self, problem: DayProblem, kw: float) -> ReserveBlock:
        """As the optimiser holds it: above all that energy can earn, below what departures are promised."""
        price = 2.0 * problem.most_gain_eur_per_kwh()
        return ReserveBlock(
            product_id=self.product.name,
            direction=self.product.direction,
            site_id=self.site_id,
            first_slot=self.first_slot,
            end_slot=self.end_slot,
            price_eur_per_kw_h=price,
            sustain_hours=self.product.reservoir_hours,
            activation_share=self.product.called_share if self.product.up else 0.0,
            max_kw=kw,
        )


def without(problem: DayProblem, *, time_limit_seconds: float) -> DayWithout:
    """The day with the reserves that it holds already. Raises the errors of `plan_day`."""
    return _planned(problem, time_limit_seconds)[0]


def cost_of(
    problem: DayProblem, day: DayWithout, block: Block, kw: float, *, time_limit_seconds: float
) -> tuple[Cost, DayProblem, DayWithout]:
    """What holding kW > 0 costs next to the reserves of a problem, and the day that holds it too.

    day: `without` of the problem. Raises the errors of `plan_day`.
    """
    asked = block.asked(problem, kw)
    beside = replace(problem, reserves=(*problem.reserves, asked))
    held, bids = _planned(beside, time_limit_seconds)
    hours = (block.end_slot - block.first_slot) * problem.slot_hours
    others = all(bid >= one.max_kw * (1.0 - _HELD) for bid, one in zip(bids, problem.reserves, strict=False))
    held_kw = bids[-1] if others else 0.0
    per_mw_h = KW_PER_MW / (held_kw * hours) if held_kw > _HELD else 0.0
    buys = max(0.0, float(np.mean(problem.import_cost_eur_per_kwh[block.first_slot : block.end_slot])))
    given = buys / _round_trip(problem)
    cost = Cost(
        held_kw=kw if held_kw >= kw * (1.0 - _HELD) else held_kw,
        unmet_kwh=max(0.0, held.unmet_kwh - day.unmet_kwh - _UNMET_KWH),
        holding_eur_per_mw_h=(day.earned_eur - held.earned_eur) * per_mw_h,
        recovery_eur_per_mw_h=_recovery(block.product, buys, given) * KW_PER_MW,
        energy_eur_per_mwh=_called(block.product, buys, given),
    )
    return cost, beside, held


def _planned(problem: DayProblem, time_limit_seconds: float) -> tuple[DayWithout, list[float]]:
    plan = plan_day(problem, ["v2g"], time_limit_seconds=time_limit_seconds)["v2g"]
    total = account(problem, plan).total
    earned = total.objective_eur - total.reserve_income_eur
    return DayWithout(earned_eur=earned, unmet_kwh=total.unmet_kwh), [bid.bid_kw for bid in plan.reserves]


def _recovery(product: Reserve, buys: float, given: float) -> float:
    if product.energy_paid or not product.up:
        return 0.0
    return product.called_share * (given - buys if product.down else given)


def _called(product: Reserve, buys: float, given: float) -> float | None:
    if not product.energy_paid:
        return None
    return KW_PER_MW * (given if product.up else buys)


def _round_trip(problem: DayProblem) -> float:
    weights = [max(car.discharge_limit_kw, 1e-9) for car in problem.cars]
    each = [car.efficiency_charge * car.efficiency_discharge for car in problem.cars]
    return float(np.average(each, weights=weights))
