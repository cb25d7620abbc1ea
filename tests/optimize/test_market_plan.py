"""What a plan optimises is what is billed: the optimum and the bill of its own meters, to 1e-6 €."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimize import plan_day
from optimize.account import account
from optimize.market.bill import Bill, bill, in_decimals
from optimize.market.book import TariffBook, read_book
from optimize.market.prices import demand_charge_eur_per_kw, prices
from optimize.market.refund import refund_bounds
from optimize.types import DayProblem, ModePlan, Site
from tests.optimize.fleets import random_day
from tests.optimize.market_books import counted, random_text

CLOSE_EUR = 1e-6


def a_home(seed: int, book: TariffBook) -> tuple[DayProblem, np.ndarray]:
    """One car of a random day behind the meter of a home that draws and, in some, feeds in by itself."""
    rng = np.random.default_rng([seed, 77])
    asked = random_day(seed, cars=1, hours=0.25)
    start = asked.slots[0] + np.timedelta64(int(rng.integers(0, 300)), "D")
    moved = start - asked.slots[0]
    spot = np.round(rng.normal(0.09, 0.05, len(asked.slots)), 5)
    buy, sell = prices(book, asked.slots + moved, spot)
    load = np.round(rng.uniform(0.0, 3.0, len(asked.slots)), 3)
    if book.refund is None and rng.random() < 0.4:
        load -= np.round(4.0 * np.clip(np.sin(np.arange(len(load)) / 96 * 2 * np.pi - 1.5), 0, 1), 3)
    site = Site(
        site_id=asked.cars[0].site_id,
        import_limit_kw=30.0,
        export_limit_kw=30.0,
        base_load_kw=load,
        metering="site",
        peak_price_eur_per_kw=demand_charge_eur_per_kw(book),
    )
    return (
        replace(
            asked,
            slots=asked.slots + moved,
            sessions=tuple(
                replace(one, arrival_utc=one.arrival_utc + moved, departure_utc=one.departure_utc + moved)
                for one in asked.sessions
            ),
            import_price_eur_per_kwh=buy,
            export_price_eur_per_kwh=sell,
            sites=(site,),
            departure_price_eur_per_kwh=10.0,
        ),
        spot,
    )


def billed(book: TariffBook, problem: DayProblem, plan: ModePlan, spot: np.ndarray) -> Bill:
    return bill(book, problem.slots, counted(problem, plan), in_decimals(spot))


def from_the_optimum(book: TariffBook, problem: DayProblem, plan: ModePlan) -> float:
    """The bill by the optimum's own value: what it holds besides money paid taken out, constants put in."""
    total, (base,) = account(problem, plan).total, (site.base_load_kw for site in problem.sites)
    paid = -plan.solver.objective_eur + total.stored_value_eur - total.wear_price_eur
    paid -= total.rest_price_eur + total.unmet_price_eur
    buy, sell = problem.import_price_eur_per_kwh, problem.export_price_eur_per_kwh
    home = problem.slot_hours * (np.maximum(base, 0.0) @ buy - np.maximum(-base, 0.0) @ sell)
    monthly = sum(float(eur * book.with_vat("monthly")) for _, eur in book.monthly)
    return float(paid + home + monthly)


@pytest.mark.parametrize("block", range(4))
def test_the_optimum_is_the_bill(block: int) -> None:
    worst, fed = 0.0, 0
    for seed in range(50 * block, 50 * block + 50):
        rng = np.random.default_rng([seed, 5])
        book = read_book(random_text(rng, refund=seed % 2 == 0, steady=True), f"{seed}.toml")
        problem, spot = a_home(seed, book)
        plan = plan_day(problem, ("v2g",))["v2g"]
        paid = billed(book, problem, plan, spot)
        refunded = [line for line in paid.lines if line.name.startswith("refund") and line.exact_eur]
        fed += bool(refunded)
        if book.refund is not None:  # more fed back than drawn in a day: the bill refunds what was drawn
            series = counted(problem, plan)
            low, high = refund_bounds(book, series, [w.eur_per_kwh for w in book.grid_fee.at(problem.slots)])
            assert high == 0
            if low < 0:
                off = float(paid.exact_eur) - from_the_optimum(book, problem, plan)
                assert -CLOSE_EUR <= off <= -float(low) + CLOSE_EUR, seed
                continue
        worst = max(worst, abs(float(paid.exact_eur) - from_the_optimum(book, problem, plan)))
    assert worst <= CLOSE_EUR
    assert fed >= 5
