"""Reserve that was won, as a day holds it: before all that energy can earn, after what drivers were promised.

A day asks for it at a price ρ above every gain of a kWh, and for a kWh missing at a departure at one above
what any block could gain by it: a kW held in all of a block of H hours whose calls last h takes at most
h·η_ch kWh of room or promise, so that 2·Σ_products ρ·H/(h·η_ch) is enough. What the plan says afterwards is
accounted for at what holding it really pays (`restated`): neither price stays in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from optimize.account import account
from optimize.market.bids.evened import evened
from optimize.market.bids.pooled import pooled
from optimize.sites import Direction, ReserveBlock
from optimize.types import DayProblem, ModePlan
from optimize.validation import require_not_negative, require_positive

_HELD = 1e-4
"""Of what was won, by which less counts as all of it: powers below are rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Won:
    """A block of reserve to be held, metered kW, begin to end (UTC, half-open).

    sustain_hours: how long all of it can be called one way; called_share: expected to be called upwards, of
    what is held; price_eur_per_kw_h: what holding it pays, 0 where nobody says. Raises ProblemError.
    """

    product: str
    direction: Direction
    begin: pd.Timestamp
    end: pd.Timestamp
    kw: float
    sustain_hours: float
    called_share: float = 0.0
    price_eur_per_kw_h: float = 0.0

    def __post_init__(self) -> None:
        require_not_negative(f"award {self.product!r}", "kw", self.kw)
        require_positive(f"award {self.product!r}", "sustain_hours", self.sustain_hours)

    @property
    def name(self) -> str:
        """The product with the way that it is called, where its name does not say that."""
        plain = self.direction == "symmetric" or self.product.endswith(self.direction)
        return self.product if plain else f"{self.product} {self.direction}"

    def span(self, problem: DayProblem) -> tuple[int, int]:
        """The first slot of a day in it, and the one after its last; the same where there is none."""
        first, end = (int(problem.slots.searchsorted(at)) for at in (self.begin, self.end))
        return first, end

    def block(self, problem: DayProblem, site_id: str, price_eur_per_kw_h: float) -> ReserveBlock:
        """As the optimiser holds it, of the cars below a site."""
        first, end = self.span(problem)
        return ReserveBlock(
            product_id=f"{self.product} {self.direction}",
            direction=self.direction,
            site_id=site_id,
            first_slot=first,
            end_slot=end,
            price_eur_per_kw_h=price_eur_per_kw_h,
            sustain_hours=self.sustain_hours,
            activation_share=self.called_share,
            max_kw=self.kw,
        )


def holding(problem: DayProblem, won: Sequence[Won]) -> DayProblem:
    """The day with all that was won in its slots; the day itself where nothing was.

    Its objective is net benefit, and its sessions do not carry on: neither is known next to reserve.
    """
    there = within(problem, won)
    if not there:
        return problem
    day, site_id = pooled(problem)
    price = 2.0 * day.most_gain_eur_per_kwh()
    into = min((car.efficiency_charge for car in day.cars), default=1.0)
    into = min([into, *(one.efficiency_charge or 1.0 for one in day.sessions)])
    lasts: dict[tuple[str, str], float] = {}
    for one in there:
        hours = (one.end - one.begin) / pd.Timedelta(hours=1)
        of = (one.product, one.direction)
        lasts[of] = max(lasts.get(of, 0.0), max(hours / one.sustain_hours, 1.0) / into)
    missing = 2.0 * price * sum(lasts.values())
    return replace(
        day,
        departure_price_eur_per_kwh=max(day.departure_price_eur_per_kwh, missing),
        reserves=tuple(one.block(day, site_id, price) for one in there),
    )


def restated(
    problem: DayProblem, held: DayProblem, plan: ModePlan, won: Sequence[Won]
) -> tuple[DayProblem, ModePlan]:
    """The day that holds what was won, and its plan, at what holding it pays and missing costs.

    Who holds it is, where that costs nothing, all cars by what each could hold (`evened`).
    """
    if not held.reserves:
        return held, plan
    blocks = tuple(
        replace(block, price_eur_per_kw_h=one.price_eur_per_kw_h)
        for block, one in zip(held.reserves, within(problem, won), strict=True)
    )
    day = replace(held, departure_price_eur_per_kwh=problem.departure_price_eur_per_kwh, reserves=blocks)
    plan = evened(day, plan)
    solver, objective = plan.solver, account(day, plan).total.objective_eur
    gap = solver.gap * max(1.0, abs(solver.objective_eur)) / max(1.0, abs(objective))
    return day, replace(plan, solver=replace(solver, objective_eur=objective, gap=gap))


def within(problem: DayProblem, won: Sequence[Won]) -> list[Won]:
    """What was won in slots of the day."""
    return [one for one in won if one.kw > 0.0 and one.span(problem)[0] < one.span(problem)[1]]


def held_kw(plan: ModePlan, number: int, one: Won) -> float:
    """What a plan holds of the block of that number, kW; all of it where it lacks no more than rounding."""
    kw = plan.reserves[number].bid_kw
    return one.kw if kw >= one.kw * (1.0 - _HELD) else kw
