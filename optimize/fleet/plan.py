"""A `DayProblem` through the fleet engine: the same ModePlan as any other solver's."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from optimize.assemble import assemble_plan
from optimize.fleet.alone import lone_places, with_own_limits
from optimize.fleet.arrays import FleetArrays, arrays_of, from_problem, unsupported
from optimize.fleet.before import solve_before
from optimize.fleet.corner import sweep_corners
from optimize.fleet.kernel import is_ready
from optimize.fleet.layout import FloatArray
from optimize.fleet.part import Part
from optimize.fleet.passes import sweep
from optimize.fleet.polish import polish
from optimize.fleet.route import STEPS_AT_ONCE, most_at_once, weight
from optimize.fleet.solve import FleetSolution, solve_arrays
from optimize.follow import charge_on_plug_in
from optimize.sites import ReserveBlock, Site
from optimize.types import (
    Car,
    DayProblem,
    Mode,
    ModePlan,
    Prices,
    ReserveBid,
    Session,
    SolverRecord,
)
from optimize.wear import NO_WEAR
from optimize.windows import SessionWindow, session_windows

GAP = 1e-4
# What is wanted of a fleet with minimum powers: searches with a binary for each of its slots do not end.
LEAST_GAP = 1e-3
FAR = 1e-2
# A session's limit this near to its place's is that.
SAME_KW = 1e-9

_log = logging.getLogger(__name__)


def solve_fleet(
    problem: DayProblem,
    mode: Mode,
    time_limit_seconds: float,
    *,
    gap: float = GAP,
    threads: int | None = None,
) -> ModePlan:
    """A plan of an optimising mode ("ordered" or "v2g") with a proven gap, not yet checked.

    Same input, same plan, for any number of threads, unless the time limit strikes; compiling the kernel at
    its first use does not count. Without time left for a search, what `solve_arrays` does whatever the time
    is the plan, or plugging in where that is better. Raises UnsupportedError for what the engine cannot
    express.
    """
    if problem.objective != "net_benefit" and not unsupported(problem):
        kernel_seconds(arrays_of(problem, session_windows(problem), mode))

        def solve(day: DayProblem, seconds: float, wanted: float) -> ModePlan:
            return solve_fleet(day, mode, seconds, gap=wanted, threads=threads)

        return solve_before(problem, mode, time_limit_seconds, gap, solve)
    begun = time.perf_counter()
    windows = session_windows(problem)
    arrays = with_own_limits(from_problem(problem, windows, mode))
    begun += kernel_seconds(arrays)
    left = time_limit_seconds - (time.perf_counter() - begun)
    found = solve_arrays(arrays, gap=gap, time_limit_seconds=left, threads=threads)
    left = time_limit_seconds - (time.perf_counter() - begun)
    if most_at_once(problem) < min(STEPS_AT_ONCE, int(arrays.count.sum()) * weight(problem, mode)):
        gap = max(gap, LEAST_GAP)
        found = replace(found, status="optimal" if found.gap <= gap else found.status)
    found = polish(problem, windows, mode, found, gap=gap, time_limit_seconds=left)
    if found.gap > FAR:
        found = at_least_plugged_in(problem, found)
    return plan_of(problem, windows, mode, found)


def plan_of(
    problem: DayProblem, windows: Sequence[SessionWindow], mode: Mode, found: FleetSolution
) -> ModePlan:
    """The plan that a solution is."""
    view = _View(found)
    plan, fleet = found.plan, found.repairer.compiled.fleet
    return assemble_plan(
        problem,
        windows,
        mode,
        view.grid(plan.charge_kw, 0.0),
        view.grid(plan.discharge_kw, 0.0),
        SolverRecord(
            status=found.status,
            objective_eur=-plan.cost_eur,
            gap=found.gap,
            solve_seconds=found.seconds,
            columns=found.columns,
            rows=int(fleet.step_start[-1]) + found.coupling.rows,
            binaries=0,
            wear_cuts=0,
            engine="fleet",
        ),
        reserves=view.bids(problem, mode),
        prices=view.prices(len(problem.reserves)),
    )


def kernel_seconds(arrays: FleetArrays) -> float:
    """How long it took to have the kernel ready, by a look at one car: compiled once, then kept on disk."""
    begun = time.perf_counter()
    if _is_loaded():
        return 0.0
    ready = is_ready(sweep) and is_ready(sweep_corners)
    if not ready:
        _log.info("compiling the engine for large fleets: once, which takes a minute or two")
    solve_arrays(arrays.subset(arrays.car[:1]), threads=1, most_iterations=2)
    seconds = time.perf_counter() - begun
    if not ready:
        _log.info("compiled in %.0f s, and kept for the next time", seconds)
    return seconds


def _is_loaded() -> bool:
    """Whether this process has called the kernel before."""
    return all(getattr(one, "signatures", ()) for one in (sweep, sweep_corners))


def warm_up() -> float:
    """Have the kernel ready before the first day that needs it; the seconds it took."""
    slots = pd.date_range("2024-01-01", periods=4, freq="15min", tz="UTC")
    car = Car(
        battery_id="one",
        site_id="site",
        capacity_kwh=40.0,
        soc_min=0.1,
        soc_max=0.9,
        charge_limit_kw=11.0,
        discharge_limit_kw=11.0,
        efficiency_charge=0.9,
        efficiency_discharge=0.9,
        drawdown_limit=1.0,
        wear=NO_WEAR,
    )
    session = Session(
        session_id="one",
        battery_id="one",
        arrival_utc=slots[0],
        departure_utc=slots[-1] + pd.Timedelta(minutes=15),
        arrival_soc=0.5,
        departure_soc=0.6,
    )
    problem = DayProblem(
        slots=slots,
        slot_hours=0.25,
        import_price_eur_per_kwh=np.array([0.1, 0.2, 0.3, 0.1]),
        export_price_eur_per_kwh=np.array([0.1, 0.2, 0.3, 0.1]),
        cars=(car,),
        sessions=(session,),
        sites=(Site(site_id="site", import_limit_kw=8.0, export_limit_kw=8.0),),
        terminal_value_eur_per_kwh=0.1,
        departure_price_eur_per_kwh=5.0,
        reserves=(
            ReserveBlock(
                product_id="FCR",
                direction="symmetric",
                site_id="site",
                first_slot=0,
                end_slot=4,
                price_eur_per_kw_h=0.01,
                sustain_hours=0.5,
                activation_share=0.05,
            ),
        ),
    )
    begun = time.perf_counter()
    solve_fleet(problem, "v2g", 1.0, threads=1)
    return time.perf_counter() - begun


def at_least_plugged_in(problem: DayProblem, found: FleetSolution) -> FleetSolution:
    """The solution, or charging on plug-in where hardly any time was given and that costs less."""
    view, repairer = _View(found), found.repairer
    energy = charge_on_plug_in(problem).energy_end_kwh[view.rows, repairer.rules.slot]
    simple = repairer.follow_energy(energy)
    if simple.cost_eur >= found.plan.cost_eur:
        return found
    return replace(found, plan=simple, gap=simple.gap_to(found.bound_eur))


class _View:
    """A solution laid out by car, site, block and slot."""

    def __init__(self, found: FleetSolution) -> None:
        self.found, self.repairer = found, found.repairer
        self.shape = (self.repairer.arrays.cars, self.repairer.arrays.slots)
        self.rows = self.repairer.compiled.order[self.repairer.step_car]

    def grid(self, steps: FloatArray, away: float) -> FloatArray:
        """Values [steps] as [n, T]."""
        values: FloatArray = np.full(self.shape, away)
        values[self.rows, self.repairer.rules.slot] = steps
        return values

    def bids(self, problem: DayProblem, mode: Mode) -> tuple[ReserveBid, ...] | None:
        """The bids and who holds them; None where the mode offers none."""
        if mode != "v2g" or not self.repairer.arrays.blocks:
            return None
        plan, compiled, repairer = self.found.plan, self.repairer.compiled, self.repairer
        shares = [self.grid(row, 0.0) for row in plan.shares_kw]
        bids = []
        for b, block in enumerate(problem.reserves):
            below = np.isin(
                np.arange(repairer.arrays.sites), repairer.arrays.below(repairer.arrays.block_site[b])
            )
            here = self.grid(below[repairer.step_site].astype(np.float64), 0.0)
            window = slice(block.first_slot, block.end_slot)
            nothing = np.zeros((self.shape[0], len(block.slots)))
            up, down = int(compiled.up_channel[b]), compiled.fleet.up + int(compiled.down_channel[b])
            bids.append(
                ReserveBid(
                    name=block.name,
                    bid_kw=float(plan.bids_kw[b]),
                    up_kw=(shares[up] * here)[:, window] if block.up else nothing,
                    down_kw=(shares[down] * here)[:, window] if block.down else nothing,
                )
            )
        return tuple(bids)

    def prices(self, blocks: int) -> Prices:
        """Shadow prices; 0 where a row could not bind."""
        found, coupling, arrays = self.found, self.found.coupling, self.repairer.arrays
        net = np.append(found.high - found.low, 0.0) / arrays.slot_hours
        site = net[coupling.node_variable]
        self._own_limits(site)
        y = np.append(-found.y, 0.0)
        reserve = np.zeros((2, blocks, arrays.slots))
        for side, rows in enumerate((coupling.up_row, coupling.down_row)):
            reserve[side, : len(rows)] = y[rows]
        return Prices(
            site_eur_per_kwh=site,
            peak_eur_per_kw=y[coupling.peak_row],
            reserve_up_eur_per_kw=reserve[0],
            reserve_down_eur_per_kw=reserve[1],
            energy_value_eur_per_kwh=self.grid(found.nu, np.nan),
        )

    def _own_limits(self, price: FloatArray) -> None:
        """Fill in the prices [S, T] of places whose limits are those of the one car there (`alone`)."""
        cars, rules, arrays = self.found.cars, self.repairer.rules, self.repairer.arrays
        if not isinstance(cars, Part):
            return
        fleet, session, site = cars.fleet, rules.session, self.repairer.step_site
        place, row = (site, rules.slot), self.found.coupling.node_row
        mine = lone_places(arrays)[site] & (row[place] < 0)
        i = self.repairer.step_car
        at = fleet.pair_start[i] + np.arange(session.size) - fleet.step_start[i]
        count = np.diff(fleet.step_start)[i]
        into, out = fleet.efficiency_charge[session], fleet.efficiency_discharge[session]
        for way, limit, most, pair in (
            (into, rules.draw[place], fleet.charge_limit[session], at + count),
            (-1.0 / out, rules.feed[place], fleet.discharge_limit[session], at + 3 * count),
        ):
            ends = mine & (np.abs(limit * np.abs(way) - most) < SAME_KW)
            here = (site[ends], rules.slot[ends])
            price[here] += cars.iterate.dual[pair[ends]] * way[ends] / arrays.slot_hours
