"""Solve one optimising mode: LP, exact wear by tangents, binaries only where directions need them.

1. Solve the LP; add a tangent wherever a car's wear is underestimated, until the total error is negligible.
2. Look for pairs that charge and discharge at once, or that move on the wrong side of an SoC bound widened by
   their arrival. If there are none, this is the plan, with the LP's prices of the site limits.
3. Otherwise give those, and only those, a binary; fix each to what the LP does on balance and repeat 1 until
   none is left: a plan. If it is not yet proven to be the best, let the MILP over the binaries improve it and
   say how good it can get, and repeat. The last LP, with binaries fixed, holds the plan and the prices.

Every program solved with its binaries free relaxes the whole problem: tangents never overestimate wear, and
pairs without a binary may do anything. So the best bound seen is a bound on the exact problem.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from optimize.assemble import assemble_plan
from optimize.errors import SolverError, TimeLimitError
from optimize.even import even_out
from optimize.highs import HighsProgram
from optimize.model import DayModel, add_direction, build_model, wear_cut
from optimize.types import BoolArray, DayProblem, FloatArray, Mode, ModePlan, Prices, SolverRecord
from optimize.windows import session_windows

WEAR_ERROR_EUR = 1e-7
TOLERANCE = 1e-7
GAP = 2e-6
MILP_SHARE = 0.8
CUT_ROUNDS = 60


@dataclass(slots=True)
class _Search:
    """One solve under way: the program in force, what has been added to it and the time that is left.

    directed: pairs with a binary. powers and energy: [pairs], of the last LP.
    """

    day: DayModel
    program: HighsProgram
    seconds_left: float
    seconds_spent: float = 0.0
    lp_seconds: float = 0.0
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

    def run_lp(self) -> None:
        """An LP that closes a search may overrun the limit by a few times what the first one took."""
        self.run(max(self.seconds_left, self.lp_seconds))

    def binaries(self) -> list[int]:
        """The columns of the directed pairs."""
        return [self.program.column(self.day.model.discharging[k]) for k in self.directed]


def solve_mode(problem: DayProblem, mode: Mode, time_limit_seconds: float) -> ModePlan:
    """The best plan of an optimising mode ("ordered" or "v2g"), not yet checked.

    Same input, same plan, unless the time limit strikes: one thread, fixed seed. Raises TimeLimitError if not
    even the LP was solved in time and SolverError if the solver ends otherwise.
    """
    day = build_model(problem, session_windows(problem), mode)
    search = _Search(day=day, program=HighsProgram(day.model, mode), seconds_left=time_limit_seconds)
    _settle_wear(search)
    search.lp_seconds = 1.0 + 2.0 * search.seconds_spent
    gap = _settle_directions(search)
    charge, discharge = even_out(
        problem, day.windows, _on_grid(day, search.charge), _on_grid(day, search.discharge)
    )
    return assemble_plan(
        problem,
        day.windows,
        mode,
        charge,
        discharge,
        SolverRecord(
            status="optimal" if gap <= GAP else "time_limit",
            objective_eur=-search.program.objective(),
            gap=gap,
            solve_seconds=search.seconds_spent,
            columns=search.program.columns,
            rows=search.program.rows,
            binaries=len(search.directed),
            wear_cuts=len(search.cuts),
        ),
        prices=_prices(search),
    )


def _settle_wear(search: _Search) -> None:
    """Solve the LP in force, adding tangents until its wear is exact; leaves the powers in the search."""
    day, m = search.day, search.day.model
    cars = [(i, m.duty[i], m.wear[i]) for i in day.discharging_cars]
    for _ in range(CUT_ROUNDS):
        search.run_lp()
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


def _settle_directions(search: _Search) -> float:
    """Leave a plan that keeps the direction rule in the search; returns its proven gap."""
    bound, in_time = search.program.objective(), True
    if not _broken(search).any():
        return 0.0
    while True:
        _fix_what_is_broken(search)
        objective = search.program.objective()
        gap = max(0.0, objective - bound) / max(1.0, abs(objective))
        if gap <= GAP or not in_time:
            return gap
        columns = search.binaries()
        values = _directions(search)
        search.program.free_binaries(columns)
        search.program.suggest(columns, values)
        try:
            in_time = search.run(MILP_SHARE * search.seconds_left)
            values = np.round(search.program.values()[columns])
            bound = max(bound, search.program.mip_bound())
        except TimeLimitError:
            in_time = False
        search.program.fix_integers(columns, values)
        _settle_wear(search)


def _fix_what_is_broken(search: _Search) -> None:
    """Fix broken pairs to what they do on balance and solve the LP again, until none is left."""
    day = search.day
    while (broken := _broken(search)).any():
        fresh = np.flatnonzero(_alike(search, broken)).tolist()
        if not fresh:
            raise SolverError(day.mode, "a fixed direction is not kept", search.program.size)
        search.directed += fresh
        directions = _directions(search)
        add_direction(day, search.directed)
        search.program = HighsProgram(day.model, day.mode)
        for i, x in search.cuts:
            _add_cut(search, i, x)
        search.program.fix_integers(search.binaries(), directions)
        _settle_wear(search)


def _broken(search: _Search) -> BoolArray:
    """Pairs that charge and discharge at once, or discharge below SOC_min, or charge above SOC_max."""
    charges, discharges = search.charge > TOLERANCE, search.discharge > TOLERANCE
    low, high = _outside(search)
    broken: BoolArray = (charges & discharges) | (discharges & low) | (charges & high)
    return broken


def _outside(search: _Search) -> tuple[BoolArray, BoolArray]:
    """Pairs that end below SOC_min and above SOC_max."""
    cars = [search.day.car(k) for k in range(len(search.energy))]
    lowest = np.array([car.soc_min * car.capacity_kwh for car in cars])
    highest = np.array([car.soc_max * car.capacity_kwh for car in cars])
    return search.energy < lowest - TOLERANCE, search.energy > highest + TOLERANCE


def _directions(search: _Search) -> FloatArray:
    """1 where a directed pair discharges on balance and may, or must not charge; else 0."""
    low, high = _outside(search)
    discharging = ((search.discharge > search.charge) & ~low) | high
    return discharging[search.directed].astype(np.float64)


def _alike(search: _Search, broken: BoolArray) -> BoolArray:
    """Broken pairs, and those of the same session where doing both at once pays as well or better.

    Energy burnt in one slot only moves to the next that pays; taking them together saves rounds.
    """
    day, problem = search.day, search.day.problem
    pays = np.array(
        [
            problem.export_price_eur_per_kwh[t] * day.car(k).efficiency_discharge
            - problem.import_price_eur_per_kwh[t] / day.car(k).efficiency_charge
            for k, t in enumerate(day.pair_slot)
        ]
    )
    window = np.array(day.pair_window)
    at_once = broken & (search.charge > TOLERANCE) & (search.discharge > TOLERANCE)
    least = np.full(len(day.windows), np.inf)
    np.minimum.at(least, window[at_once], pays[at_once])
    alike: BoolArray = broken | (pays >= least[window])
    alike[search.directed] = False
    return alike


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


def _prices(search: _Search) -> Prices:
    """Shadow prices of the last LP; 0 where nothing binds."""
    m, problem = search.day.model, search.day.problem
    price: FloatArray = np.zeros((len(problem.sites), len(problem.slots)))
    duals = search.program.duals()
    for key, constraint in m.site_import.items():
        price[key] -= search.program.row_dual(constraint, duals) / problem.slot_hours
    for key, constraint in m.site_export.items():
        price[key] += search.program.row_dual(constraint, duals) / problem.slot_hours
    unknown = Prices.unknown(len(problem.cars), len(problem.sites), 0, len(problem.slots))
    return replace(unknown, site_eur_per_kwh=price)
