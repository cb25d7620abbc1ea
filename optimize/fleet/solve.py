"""Iterate until the gap of a feasible plan to a safe bound is proven small, or time is up; then tidy up."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.linalg import LinAlgError
from threadpoolctl import threadpool_limits

from optimize.errors import SolverError
from optimize.fleet.arrays import FleetArrays
from optimize.fleet.certificate import Feasible, Repairer
from optimize.fleet.compile import compile_fleet
from optimize.fleet.coupling import Coupling, couple
from optimize.fleet.engine import LEFT_OUT, Cars, CouplingPoint, Engine
from optimize.fleet.layout import FloatArray
from optimize.fleet.least import with_least, without_least
from optimize.fleet.part import Part
from optimize.fleet.tidy import tidied
from optimize.fleet.warm import START_MU, CouplingPrices, central_prices, market_prices, meet, sample
from optimize.fleet.workers import Scattered

MOST_ITERATIONS = 200
# Plan and bound are looked at now and then, and always once Σ s·z is within NEAR of the gap that is wanted.
LOOK_EVERY, NEAR, PATIENCE = 4, 30.0, 12
# From this multiple of the gap on, fewer and fewer cars are left out of the step: in the end what they miss
# of their rows is what keeps the plan apart from the bound.
ALL_ABOARD = 5.0
# A large fleet begins at the centre for this μ, at the prices of a sample: one car in SAMPLE_SHARE.
WARM_MU = 3e-3
SAMPLE_FROM, SAMPLE_SHARE, SAMPLE_LEAST, SAMPLE_MOST, SAMPLE_TIME = 500, 20, 100, 1000, 0.2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FleetSolution:
    """The best plan found, the best bound, both in € of cost, and the prices at the end.

    gap: (cost − bound)/max(1 €, |cost|). y [rows] are the coupling's prices, low and high the multipliers of
    its variables' bounds, ν [steps] what a stored kWh is worth at the end of a slot; cars: where they stand.
    """

    plan: Feasible
    bound_eur: float
    gap: float
    status: Literal["optimal", "time_limit"]
    iterations: int
    centring: int
    seconds: float
    columns: int
    y: FloatArray
    low: FloatArray
    high: FloatArray
    nu: FloatArray
    coupling: Coupling
    repairer: Repairer
    cars: Cars

    @property
    def prices(self) -> CouplingPrices:
        """The coupling's prices, to begin another day with."""
        return CouplingPrices.of(self.coupling, self.y)


class _Watch:
    """Whether another turn of the loop would end late, by how long the last turn and the last look took."""

    def __init__(self, deadline: float) -> None:
        self.deadline, self.begun = deadline, time.perf_counter()
        self.turn = self.look = self.in_turn = 0.0

    def late(self) -> bool:
        """To be asked at the begin of each turn: is there no time for it and one more look after the next?"""
        now = time.perf_counter()
        self.turn = now - self.begun - self.in_turn
        self.begun, self.in_turn = now, 0.0
        return now + 2.0 * self.turn + (self.look or self.turn) > self.deadline

    def looked(self, since: float) -> None:
        """A look at plan and bound was taken."""
        self.look = self.in_turn = time.perf_counter() - since


@threadpool_limits.wrap(limits=1, user_api="blas")  # type: ignore[untyped-decorator]
def solve_arrays(
    arrays: FleetArrays,
    *,
    gap: float = 1e-4,
    time_limit_seconds: float = 600.0,
    threads: int | None = None,
    client: Any = None,
    parts: int = 2,
    prices: CouplingPrices | None = None,
    most_iterations: int = MOST_ITERATIONS,
    trace: list[tuple[float, ...]] | None = None,
) -> FleetSolution:
    """Plan to a proven gap or as far as time allows; there is always a plan. Raises UnsupportedError.

    Whatever the time, the day is laid out, every car finds its way alone at the first prices (some 0.3 ms a
    car and core), and that is repaired to a plan and bounded. No iteration or look at plan and bound begins
    that by the last of its kind would end late. most_iterations 0 stops there.

    The few hundred coupling rows take a millisecond on one core, but half a second on threads that have to
    wait for a core that another process uses; nor would their digits be the same.
    """
    begun = time.perf_counter()
    deadline = begun + time_limit_seconds
    threads = threads or os.cpu_count() or 1
    coupling = couple(arrays)
    compiled = compile_fleet(arrays)
    cars: Cars
    if client is None:
        cars = Part(arrays, coupling, START_MU, threads)
    else:
        cars = Scattered(client, arrays, compiled, coupling, START_MU, parts)
    repairer = Repairer(arrays, compiled, coupling)
    free = without_least(arrays)
    loose = repairer if free is arrays else Repairer(free, compiled, coupling)
    few = most_iterations == 0 or time.perf_counter() > deadline
    if prices is None and not few and arrays.cars >= SAMPLE_FROM and coupling.rows:
        share = sample(arrays, min(SAMPLE_MOST, max(SAMPLE_LEAST, arrays.cars // SAMPLE_SHARE)))
        prices = central_prices(share, WARM_MU, threads, begun + SAMPLE_TIME * time_limit_seconds)
    if prices is None and few:
        prices = market_prices(arrays)
    centring = 0
    if prices is None:
        coupling_point = CouplingPoint.start(coupling, np.zeros(coupling.rows), START_MU)
    else:
        y = prices.on(coupling)
        centring = cars.centre(y, WARM_MU)
        coupling_point = meet(coupling, y, WARM_MU)
    engine = Engine(coupling, cars, coupling_point)
    watch = _Watch(deadline)
    best: Feasible | None = None
    bound, proven, stalled, stuck = -np.inf, np.inf, 0, False
    for number in range(max(1, most_iterations)):
        late = watch.late() or stuck or number >= most_iterations - 1
        if not (stuck or (late and number == 0)):
            engine.advance()
        scale = max(1.0, abs(best.cost_eur)) if best else np.inf
        near = engine.mu * cars.pairs <= NEAR * gap * scale
        engine.left_out = LEFT_OUT * min(1.0, engine.mu * cars.pairs / (ALL_ABOARD * gap * scale))
        if late or (near and best) or (number % LOOK_EVERY == LOOK_EVERY - 1 and not (best and near)):
            since = time.perf_counter()
            x, nu = cars.point()
            plan = loose.repair(x, engine.coupling_point.v)
            if best is None or plan.cost_eur < best.cost_eur:
                best = plan
            bound = max(bound, engine.bound())
            before, proven = proven, best.gap_to(bound)
            # Once complementarity is far below the gap, a gap that stays is not the iteration's to close.
            stalled = stalled + 1 if near and proven > 0.99 * before else 0
            watch.looked(since)
        if trace is not None:
            trace.append((number, engine.mu, engine.residual, engine.direction_x, engine.direction_z, proven))
        if proven <= gap or late or stalled >= PATIENCE:
            break
        try:
            engine.direct()
        except LinAlgError:
            stuck = True
    if best is None:  # the last turn always looks
        raise SolverError("fleet", "no turn", f"{arrays.cars} cars and {coupling.rows} coupling rows")
    best = tidied(loose, best, engine.coupling_point.y, bound, gap, deadline)
    best = with_least(repairer, best, engine.coupling_point.y, deadline)
    proven = best.gap_to(bound)
    return FleetSolution(
        plan=best,
        bound_eur=bound,
        gap=max(0.0, proven),
        status="optimal" if proven <= gap else "time_limit",
        iterations=number + 1,
        centring=centring,
        seconds=time.perf_counter() - begun,
        columns=x.size + coupling.cost.size,
        y=engine.coupling_point.y,
        low=engine.coupling_point.low,
        high=engine.coupling_point.high,
        nu=nu,
        coupling=coupling,
        repairer=repairer,
        cars=cars,
    )
