"""What to promise before the day: the two-stage problem over scenarios, and what a promise costs in each.

First stage: energy q_t committed in every slot [kWh, metered, + = import] and bids R_b [kW]. Second stage, in
each scenario s with its own prices, sessions and loads: the whole of `optimize.model`, cost C⁰_s(x_s), and
    deviation   Δt·(Σ_k (c_k/η_ch − η_dis·d_k) + base load)_{s,t} − q_t = v⁺_{s,t} − v⁻_{s,t}
    shortfall   bid_{s,b} + f_{s,b} = R_b
    C_s = C⁰_s + δ·Σ_t (v⁺ + v⁻) + Σ_b hours_b·(φ − price_b)·f_{s,b}
    min (1 − w)·Σ_s π_s·C_s + w·(z + Σ_s π_s·ξ_s/(1 − β)),  ξ_s ≥ C_s − z, ξ_s ≥ 0
Committed energy is paid at the scenario's own price, so that δ is what a deviation costs besides; every
promised kW is paid for, and one that is missing costs φ. The last line is CVaR by Rockafellar and Uryasev
(Journal of Risk 2:21, 2000). Cars act in each scenario as if they knew it from the day's first slot,
binaries are relaxed and wear is its tangents': what that leaves out is reported as `wear_error_eur`.

| symbol | here |
|---|---|
| q, R | Commitment.energy_kwh, bids_kw |
| π, δ, φ | probability, deviation_price_eur_per_kwh, shortfall_price_eur_per_kw_h |
| w, β | cvar_weight, cvar_level |
| v⁺, v⁻, f, z, ξ | columns after those of all scenarios |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import block_diag, csr_array, eye_array, hstack, lil_array, vstack

from optimize.errors import ProblemError
from optimize.highs import INTERIOR_POINT, HighsProgram
from optimize.model.assembly import LinearProgramme
from optimize.scenarios.program import ScenarioProgram
from optimize.scenarios.types import Commitment, CommitmentPlan, Scenario, UncertainDay
from optimize.types import FloatArray


def commit(uncertain: UncertainDay, *, time_limit_seconds: float = 120.0) -> CommitmentPlan:
    """The commitment with the least expected (or risk-weighted) cost over the scenarios.

    Raises ProblemError where a shortfall would pay, a bid has a least size or an own constraint forbids
    idling, TimeLimitError, SolverError.
    """
    _require_soluble(uncertain)
    programs = [
        ScenarioProgram.of(scenario.day, _broken_eur_per_kwh(uncertain), _weight(uncertain, scenario))
        for scenario in uncertain.scenarios
    ]
    return _plan(uncertain, programs, None, time_limit_seconds)


def evaluate(
    uncertain: UncertainDay, commitment: Commitment, *, time_limit_seconds: float = 120.0
) -> CommitmentPlan:
    """What a given commitment costs in each scenario, by the best that can still be done there."""
    _require_soluble(uncertain)
    plans = [
        _plan(
            replace(uncertain, scenarios=(Scenario(probability=1.0, day=scenario.day),), cvar_weight=0.0),
            [ScenarioProgram.of(scenario.day, _broken_eur_per_kwh(uncertain), 1.0)],
            commitment,
            time_limit_seconds,
        )
        for scenario in uncertain.scenarios
    ]
    cost = np.array([plan.expected_cost_eur for plan in plans])
    weight = np.array([scenario.probability for scenario in uncertain.scenarios])
    return CommitmentPlan(
        commitment=commitment,
        scenario_cost_eur=cost,
        expected_cost_eur=float(weight @ cost),
        cvar_eur=tail_mean(cost, weight, uncertain.cvar_level),
        wear_error_eur=float(weight @ [plan.wear_error_eur for plan in plans]),
        solve_seconds=sum(plan.solve_seconds for plan in plans),
        columns=max(plan.columns for plan in plans),
        rows=max(plan.rows for plan in plans),
    )


def _broken_eur_per_kwh(uncertain: UncertainDay) -> float:
    """The most that a kWh costs where promises are broken with it."""
    ways = sum(block.up + block.down for block in uncertain.day.reserves)
    return uncertain.deviation_price_eur_per_kwh + ways * uncertain.shortfall_price_eur_per_kw_h


def _weight(uncertain: UncertainDay, scenario: Scenario) -> float:
    """The least share that a scenario's own cost has of the goal: beyond its tail it may have no other."""
    sure = 1.0 - uncertain.cvar_weight
    return scenario.probability * (sure if sure > 0.0 else 1.0)


def tail_mean(cost: FloatArray, probability: FloatArray, level: float) -> float:
    """The mean of the dearest 1 − level of the cases (CVaR)."""
    order = np.argsort(-cost, kind="stable")
    left = 1.0 - level
    taken = np.clip(left - (np.cumsum(probability[order]) - probability[order]), 0.0, probability[order])
    return float(taken @ cost[order] / taken.sum())


def _require_soluble(uncertain: UncertainDay) -> None:
    for block in uncertain.day.reserves:
        subject = f"reserve {block.name}"
        if block.price_eur_per_kw_h >= uncertain.shortfall_price_eur_per_kw_h:
            rule = f"must be below the price of a shortfall ({uncertain.shortfall_price_eur_per_kw_h})"
            raise ProblemError(subject, "price_eur_per_kw_h", block.price_eur_per_kw_h, rule)
        if block.min_kw > 0.0:
            raise ProblemError(subject, "min_kw", block.min_kw, "must be 0 in a two-stage plan")
    for scenario in uncertain.scenarios:
        for one in scenario.day.constraints:
            if one.excludes_idling:
                bounds = f"{one.lower:g} to {one.upper:g}"
                raise ProblemError(one.subject, "bounds", bounds, "must let a two-stage plan idle")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """Where columns begin: scenarios one after another, then q, R, v⁺ and v⁻ by scenario, f, z, ξ."""

    scenarios: int
    slots: int
    blocks: int
    energy: int

    @property
    def bids(self) -> int:
        return self.energy + self.slots

    @property
    def shortfalls(self) -> int:
        return self.bids + self.blocks + 2 * self.slots * self.scenarios

    @property
    def threshold(self) -> int:
        return self.shortfalls + self.blocks * self.scenarios

    @property
    def columns(self) -> int:
        return self.threshold + 1 + self.scenarios

    def deviation(self, s: int) -> int:
        """v⁺ of scenario s; v⁻ follows."""
        return self.bids + self.blocks + 2 * self.slots * s

    def shortfall(self, s: int) -> int:
        """f of scenario s."""
        return self.shortfalls + self.blocks * s


def _plan(
    uncertain: UncertainDay,
    programs: Sequence[ScenarioProgram],
    fixed: Commitment | None,
    time_limit_seconds: float,
) -> CommitmentPlan:
    day = uncertain.day
    shape = _Shape(
        scenarios=len(programs),
        slots=len(day.slots),
        blocks=len(day.reserves),
        energy=sum(program.columns for program in programs),
    )
    costs = _costs(uncertain, programs, shape)
    solver = HighsProgram(_stack(uncertain, programs, shape, costs, fixed), "two-stage", INTERIOR_POINT)
    solver.run(time_limit_seconds)
    values = solver.values()
    weight = np.array([scenario.probability for scenario in uncertain.scenarios])
    offset = np.array([program.programme.offset for program in programs])
    cost: FloatArray = costs @ values + offset
    return CommitmentPlan(
        commitment=Commitment(
            energy_kwh=values[shape.energy : shape.bids],
            bids_kw=values[shape.bids : shape.bids + shape.blocks],
        ),
        scenario_cost_eur=cost,
        expected_cost_eur=float(weight @ cost),
        cvar_eur=tail_mean(cost, weight, uncertain.cvar_level),
        wear_error_eur=float(
            weight
            @ [
                program.wear_error_eur(values[start : start + program.columns])
                for program, start in zip(programs, _starts(programs), strict=True)
            ]
        ),
        solve_seconds=solver.seconds,
        columns=solver.columns,
        rows=solver.rows,
    )


def _starts(programs: Sequence[ScenarioProgram]) -> list[int]:
    widths = [program.columns for program in programs]
    return [sum(widths[:s]) for s in range(len(widths))]


def _costs(uncertain: UncertainDay, programs: Sequence[ScenarioProgram], shape: _Shape) -> csr_array:
    """C_s but for its constant, one row a scenario."""
    day = uncertain.day
    price = np.array([block.price_eur_per_kw_h for block in day.reserves])
    hours = np.array([len(block.slots) * day.slot_hours for block in day.reserves])
    missing = hours * (uncertain.shortfall_price_eur_per_kw_h - price)
    costs = lil_array((shape.scenarios, shape.columns))
    for s, (program, start) in enumerate(zip(programs, _starts(programs), strict=True)):
        costs[s, start : start + program.columns] = program.programme.cost
        deviations = slice(shape.deviation(s), shape.deviation(s) + 2 * shape.slots)
        costs[s, deviations] = uncertain.deviation_price_eur_per_kwh
        costs[s, shape.shortfall(s) : shape.shortfall(s) + shape.blocks] = missing
    return costs.tocsr()


def _stack(
    uncertain: UncertainDay,
    programs: Sequence[ScenarioProgram],
    shape: _Shape,
    costs: csr_array,
    fixed: Commitment | None,
) -> LinearProgramme:
    weight = np.array([scenario.probability for scenario in uncertain.scenarios])
    risk = uncertain.cvar_weight
    objective = (1.0 - risk) * (costs.T @ weight)
    lower, upper = np.zeros(shape.columns), np.full(shape.columns, np.inf)
    lower[: shape.energy] = np.concatenate([program.programme.lower for program in programs])
    upper[: shape.energy] = np.concatenate([program.programme.upper for program in programs])
    lower[shape.energy : shape.bids] = -np.inf
    if fixed is not None:
        promised = np.concatenate([fixed.energy_kwh, fixed.bids_kw])
        lower[shape.energy :][: promised.size] = upper[shape.energy :][: promised.size] = promised
    own = block_diag([program.programme.matrix for program in programs])
    rows = [hstack([own, csr_array((own.shape[0], shape.columns - shape.energy))]), *_links(programs, shape)]
    linked = [-program.base_kwh for program in programs]
    kept = np.zeros(shape.scenarios * shape.blocks)
    row_lower = [*(program.programme.row_lower for program in programs), *linked, kept]
    row_upper = [*(program.programme.row_upper for program in programs), *linked, kept]
    if risk > 0.0:
        objective[shape.threshold] = risk
        objective[shape.threshold + 1 :] = risk * weight / (1.0 - uncertain.cvar_level)
        lower[shape.threshold] = -np.inf
        tail = lil_array((shape.scenarios, shape.columns))
        tail[:, shape.threshold] = -1.0
        for s in range(shape.scenarios):
            tail[s, shape.threshold + 1 + s] = -1.0
        rows.append(costs + tail)
        row_lower.append(np.full(shape.scenarios, -np.inf))
        row_upper.append(np.array([-program.programme.offset for program in programs]))
    return LinearProgramme(
        cost=objective,
        offset=0.0,
        lower=lower,
        upper=upper,
        integer=np.zeros(shape.columns, dtype=np.bool_),
        matrix=vstack(rows).tocsc(),
        row_lower=np.concatenate(row_lower),
        row_upper=np.concatenate(row_upper),
    )


def _links(programs: Sequence[ScenarioProgram], shape: _Shape) -> list[csr_array]:
    """The deviation rows of every scenario, then the shortfall rows."""
    unit, promise = csr_array(eye_array(shape.slots)), csr_array(eye_array(shape.blocks))
    deviations, shortfalls = [], []
    for s, (program, start) in enumerate(zip(programs, _starts(programs), strict=True)):
        both = csr_array(hstack([-unit, unit]))
        parts = [(start, program.energy_kwh), (shape.energy, -unit), (shape.deviation(s), both)]
        deviations.append(_row_block(shape, shape.slots, parts))
        parts = [(start, program.bids), (shape.bids, -promise), (shape.shortfall(s), promise)]
        shortfalls.append(_row_block(shape, shape.blocks, parts))
    return [*deviations, *shortfalls]


def _row_block(shape: _Shape, rows: int, parts: Sequence[tuple[int, csr_array]]) -> csr_array:
    """Rows made of sparse parts that begin at given columns, in ascending order."""
    placed, at = [], 0
    for start, part in parts:
        placed += [csr_array((rows, start - at)), part]
        at = start + part.shape[1]
    return csr_array(hstack([*placed, csr_array((rows, shape.columns - at))]))
