"""Solve one optimising mode: LP, exact wear by tangents, binaries only where directions need them.

1. Solve the LP; add a tangent wherever a car's wear is underestimated, until the total error is negligible.
2. Look for pairs that charge and discharge at once, or that move on the wrong side of an SoC bound widened by
   their arrival. Give those, and only those, a binary; solve the MILP; fix the binaries; repeat 1, then 2.
3. When nothing is left, the last LP (binaries fixed) holds the plan and the prices of the site limits, and
   the MILP's bound gives the gap. Tangents never overestimate wear, so the bound holds for the exact problem.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from optimize.assemble import assemble_plan
from optimize.errors import SolverError
from optimize.highs import HighsProgram
from optimize.model import DayModel, add_direction, build_model, wear_cut
from optimize.types import BoolArray, DayProblem, FloatArray, Mode, ModePlan, SolverRecord
from optimize.windows import session_windows

WEAR_ERROR_EUR = 1e-7
TOLERANCE = 1e-7
GAP = 2e-6
CUT_ROUNDS = 60
MILP_ROUNDS = 20


@dataclass(slots=True)
class _Search:
    """One solve under way: the program in force, what has been added to it and the time that is left."""

    day: DayModel
    program: HighsProgram
    seconds_left: float
    seconds_spent: float = 0.0
    cuts: list[tuple[int, float]] = field(default_factory=list)
    directed: list[int] = field(default_factory=list)
    charge: FloatArray = field(default_factory=lambda: np.zeros(0))
    discharge: FloatArray = field(default_factory=lambda: np.zeros(0))
    energy: FloatArray = field(default_factory=lambda: np.zeros(0))

    def run(self, seconds_allowed: float) -> bool:
        before = self.program.seconds
        try:
            return self.program.run(seconds_allowed)
        finally:
            used = self.program.seconds - before
            self.seconds_left -= used
            self.seconds_spent += used


def solve_mode(problem: DayProblem, mode: Mode, time_limit_seconds: float) -> ModePlan:
    """The best plan of an optimising mode ("ordered" or "v2g"), not yet checked.

    Same input, same plan: one thread, fixed seed. Raises TimeLimitError if no feasible plan was found in time
    and SolverError if the solver ends otherwise.
    """
    day = build_model(problem, session_windows(problem), mode)
    search = _Search(day=day, program=HighsProgram(day.model, mode), seconds_left=time_limit_seconds)
    _settle_wear(search)
    gap, in_time = _settle_directions(search)
    return assemble_plan(
        problem,
        day.windows,
        mode,
        _on_grid(day, search.charge),
        _on_grid(day, search.discharge),
        SolverRecord(
            status="optimal" if in_time else "time_limit",
            objective_eur=-search.program.objective(),
            gap=gap,
            solve_seconds=search.seconds_spent,
            columns=search.program.columns,
            rows=search.program.rows,
            binaries=len(search.directed),
            wear_cuts=len(search.cuts),
        ),
        _site_shadow_price(search),
    )


def _settle_wear(search: _Search) -> None:
    """Solve the LP in force, adding tangents until its wear is exact; leaves the powers in the search."""
    day, m = search.day, search.day.model
    cars = [(i, m.duty[i], m.wear[i]) for i in day.discharging_cars]
    for _ in range(CUT_ROUNDS):
        search.run(search.seconds_left)
        values = search.program.values()
        short = []
        for i, duty, wear in cars:
            x = float(values[search.program.column(duty)])
            error = day.problem.cars[i].wear.cost_eur(x) - float(values[search.program.column(wear)])
            short.append((error, i, x))
        if sum(max(0.0, error) for error, _, _ in short) <= WEAR_ERROR_EUR:
            _read_powers(search, values)
            return
        for error, i, x in short:
            if error > WEAR_ERROR_EUR / (2 * len(cars)):
                search.cuts.append((i, x))
                _add_cut(search, i, x)
    raise SolverError(day.mode, f"wear not exact after {CUT_ROUNDS} rounds of tangents", search.program.size)


def _add_cut(search: _Search, i: int, x: float) -> None:
    m = search.day.model
    slope, height = wear_cut(search.day, i, x)
    columns = [search.program.column(m.wear[i]), search.program.column(m.duty[i])]
    search.program.add_row(height, np.inf, columns, [1.0, -slope])


def _settle_directions(search: _Search) -> tuple[float, bool]:
    """Repeat MILP and LP until no pair breaks the rule; returns (gap, whether the MILPs ended in time)."""
    gap, in_time = 0.0, True
    for _ in range(MILP_ROUNDS):
        broken = np.flatnonzero(_broken(search)).tolist()
        if not broken and (gap <= GAP or not in_time):
            return gap, in_time
        cuts_before = len(search.cuts)
        if broken:
            add_direction(search.day, broken)
            search.directed += broken
            search.program = HighsProgram(search.day.model, search.day.mode)
            for i, x in search.cuts:
                _add_cut(search, i, x)
        columns = [search.program.column(search.day.model.discharging[k]) for k in search.directed]
        search.program.free_binaries(columns)
        search.program.suggest(
            columns, (search.discharge > search.charge)[search.directed].astype(np.float64)
        )
        in_time = search.run(search.seconds_left / 2)
        bound = search.program.mip_bound()
        search.program.fix_integers(columns, np.round(search.program.values()[columns]))
        _settle_wear(search)
        objective = search.program.objective()
        gap = max(0.0, objective - bound) / max(1.0, abs(objective))
        if len(search.cuts) == cuts_before and not _broken(search).any():
            return gap, in_time
    raise SolverError(search.day.mode, f"directions not settled in {MILP_ROUNDS} rounds", search.program.size)


def _broken(search: _Search) -> BoolArray:
    """Pairs that charge and discharge at once, or discharge below SOC_min, or charge above SOC_max."""
    day = search.day
    cars = [day.car(k) for k in range(len(day.pair_car))]
    lowest = np.array([car.soc_min * car.capacity_kwh for car in cars])
    highest = np.array([car.soc_max * car.capacity_kwh for car in cars])
    charges, discharges = search.charge > TOLERANCE, search.discharge > TOLERANCE
    broken: BoolArray = (
        (charges & discharges)
        | (discharges & (search.energy < lowest - TOLERANCE))
        | (charges & (search.energy > highest + TOLERANCE))
    )
    if day.mode == "ordered" and broken.any():
        raise SolverError(day.mode, "charging above soc_max", search.program.size)
    return broken


def _read_powers(search: _Search, values: FloatArray) -> None:
    """Take c, d and e of every pair out of the columns, cleared of the solver's rounding."""
    day, m, program = search.day, search.day.model, search.program
    pairs = range(len(day.pair_car))
    search.energy = values[[program.column(m.energy[k]) for k in pairs]]
    charge = values[[program.column(m.charge[k]) for k in pairs]]
    discharge = np.zeros(len(pairs))
    able = day.discharging_pairs
    discharge[able] = values[[program.column(m.discharge[k]) for k in able]]
    search.charge = _tidy(charge, np.array([day.car(k).charge_limit_kw for k in pairs]))
    search.discharge = _tidy(discharge, np.array([day.car(k).discharge_limit_kw for k in pairs]))


def _tidy(power_kw: FloatArray, limit_kw: FloatArray) -> FloatArray:
    clipped: FloatArray = np.clip(power_kw, 0.0, limit_kw)
    clipped[clipped < 1e-9] = 0.0
    return clipped


def _on_grid(day: DayModel, pair_values: FloatArray) -> FloatArray:
    grid: FloatArray = np.zeros((len(day.problem.cars), len(day.problem.slots)))
    grid[day.pair_car, day.pair_slot] = pair_values
    return grid


def _site_shadow_price(search: _Search) -> FloatArray:
    """€ per metered kWh, + for the import limit and − for the export limit; 0 where neither binds."""
    m, problem = search.day.model, search.day.problem
    price: FloatArray = np.zeros((len(problem.sites), len(problem.slots)))
    duals = search.program.duals()
    for key, constraint in m.site_import.items():
        price[key] -= search.program.row_dual(constraint, duals) / problem.slot_hours
    for key, constraint in m.site_export.items():
        price[key] += search.program.row_dual(constraint, duals) / problem.slot_hours
    return price
