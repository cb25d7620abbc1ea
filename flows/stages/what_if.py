"""What an owner's choices would change: a car's day solved again with the car alone otherwise.

A cell is what `v2g plan` would answer, had the car's row in the fleet, its announced departure or its
contract said so: the rows are supposed as they are read (`flows.mapping.supposed`), and the plan is made by
the same stage. Cars that share a limit, a meter or a peak with it are planned anew with it; all others would
do the same, and are left out. Writes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from flows.context import Context
from flows.errors import NoPlanError, UsageError
from flows.mapping.inputs import PlanInputs
from flows.mapping.plannable import IMPOSSIBLE, in_words, without_cars
from flows.mapping.question import day_problem
from flows.mapping.read_inputs import read_inputs
from flows.mapping.settled_energy import fed_back_price_eur, spot_eur_per_kwh
from flows.mapping.supposed import Change, SupposingContext, supposing
from flows.plain import records
from flows.stages.made import Made, make
from optimize.account import Account, account
from optimize.apart import cars_with
from optimize.errors import BillError, SolverError
from optimize.market.bill import in_decimals
from optimize.market.contract import Contract
from optimize.market.settlement import OwnerDay, Settlement, settle
from optimize.realised import KEPT_SOC
from optimize.types import DayProblem, ModePlan

Progress = Callable[[str, int, int], None]
HIGHER_BY = (0.0, 0.2, 0.4)
"""Shares of the battery by which the least charge is supposed higher."""
EARLIER_BY = timedelta(hours=1)
MOST_CONTRACTS = 6
"""So many have a choice on the page: its style knows no more."""
_UNSOLVED = {"last_plan": "does what the last good plan said", "charge_only": "only charges on plug-in"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of each: the least charge (0–1), the session that leaves at another time and when (None: as it is),
    the contract (None: as it is), and whether anything is fed back.
    """

    soc_min: float
    leaves: tuple[str, pd.Timestamp] | None
    contract: Contract | None
    feeds_back: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What may be chosen of each, as it is first.

    departure: when the stay ends whose departure is meant, None for none. contract: that holds the car now.
    why_not: what cannot be chosen, and why.
    """

    soc_min: Sequence[float]
    leaves: Sequence[tuple[str, pd.Timestamp] | None]
    contracts: Sequence[Contract | None]
    feeds_back: Sequence[bool]
    departure: pd.Timestamp | None
    contract: Contract | None
    why_not: Sequence[str]

    @property
    def choices(self) -> list[Choice]:
        """Every combination; the first is the car as it is."""
        every = product(self.soc_min, self.leaves, self.contracts, self.feeds_back)
        return [Choice(soc_min=s, leaves=d, contract=c, feeds_back=v) for s, d, c, v in every]


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """cells: one for each of `options.choices`, in their order; a cell that could not be solved has `error`.

    near: the cars that were planned with it. same: whether the plan rests on what is known and set now.
    days: how many days a cell's V2G is of.
    """

    options: Options
    cells: Sequence[Mapping[str, Any]]
    near: frozenset[str]
    same: bool
    days: float


def what_if(context: Context, plan: Mapping[str, Any], battery_id: str, progress: Progress) -> WhatIf:
    """The cells of a car in a plan (a row of out_plan), as of what that knew.

    Raises NoPlanError for a plan that nothing was solved for, or that the car is not in; UsageError for a car
    that there is not.
    """
    if (how := _UNSOLVED.get(str(plan["plan_source"]))) is not None:
        raise NoPlanError(f"plan {plan['plan_id']} {how}: nothing was reckoned that could be otherwise")
    at = replace(context, as_of=plan["as_of_utc"], shown=False)
    if at.known.read("core_battery", where={"battery_id": battery_id}, columns=["battery_id"]).empty:
        raise UsageError(
            f"battery {battery_id!r} is not in the fleet", hint="`v2g ingest fleet` declares cars."
        )
    as_it_is = read_inputs(at, plan["market_date"])
    _require_planned(as_it_is, battery_id)
    options = _options(at, as_it_is, battery_id)
    asked = [_asked(at, plan, battery_id, choice) for choice in options.choices]
    near = frozenset[str]().union(*(one.near for one in asked if isinstance(one, _Asked)))
    cells: list[Mapping[str, Any]] = []
    progress("cells", 0, len(asked))
    for number, one in enumerate(asked, start=1):
        cells.append({"error": one} if isinstance(one, str) else _cell(one, battery_id, near))
        progress("cells", number, len(asked))
    first = cells[0]
    if "error" not in first:
        cells = [
            one if "error" in one else {**one, "others_eur": one["others_eur"] - first["others_eur"]}
            for one in cells
        ]
    return WhatIf(
        options=options,
        cells=cells,
        near=near - {battery_id},
        same=as_it_is.input_hash == plan["input_hash"],
        days=day_problem(as_it_is).duty_days,
    )


def _require_planned(inputs: PlanInputs, battery_id: str) -> None:
    if battery_id in set(inputs.batteries["battery_id"].astype(str)):
        return
    why = inputs.left_out.get(battery_id) or inputs.unforeseen.get(battery_id) or "it has no stay in it"
    raise NoPlanError(f"{battery_id} is not in the plan for {inputs.market_date}: {why}")


def _options(at: Context, inputs: PlanInputs, battery_id: str) -> Options:
    rows = records(inputs.batteries[inputs.batteries["battery_id"] == battery_id])
    (car,) = rows
    own, most = float(car["soc_min"]), float(car["soc_max"])
    levels = [own + more for more in HIGHER_BY if own + more <= most]
    why_not: list[str] = []
    session = _next_session(inputs, battery_id)
    leaves: list[tuple[str, pd.Timestamp] | None] = [None]
    if session is None:
        why_not.append("no announced stay of it ends within the plan: no other departure can be chosen")
    elif (earlier := session["departure_utc"] - EARLIER_BY) > max(
        session["arrival_utc"], inputs.prices.horizon.start
    ):
        leaves.append((str(session["session_id"]), earlier))
    else:
        why_not.append("its stay is too short to leave an hour earlier")
    held = inputs.contracts.of.get(battery_id)
    day = inputs.market_date
    others = [
        one for one in at.workspace.contracts
        if one.holds_on(day) and (held is None or one.digest != held.digest)
    ]  # fmt: skip
    if len(others) >= MOST_CONTRACTS:
        why_not.append(f"{len(others) - MOST_CONTRACTS + 1} more contracts: the page holds {MOST_CONTRACTS}")
    able = float(car["discharge_limit_kw"]) > 0.0 and battery_id in inputs.calibrations
    if not able:
        why_not.append(
            "it feeds nothing back: " + ("its charger or battery cannot" if battery_id in inputs.calibrations
            else "it is not calibrated, so nobody knows what that would wear")
        )  # fmt: skip
    return Options(
        soc_min=levels,
        leaves=leaves,
        contracts=[None, *others[: MOST_CONTRACTS - 1]],
        feeds_back=[True, False] if able else [False],
        departure=None if session is None else session["departure_utc"],
        contract=held,
        why_not=why_not,
    )


def _next_session(inputs: PlanInputs, battery_id: str) -> Mapping[str, Any] | None:
    """The first announced stay that ends within the plan."""
    expected = set(inputs.expected.sessions["session_id"].astype(str))
    own = inputs.sessions[inputs.sessions["battery_id"] == battery_id].sort_values("departure_utc")
    return next(
        (
            row
            for row in records(own)
            if str(row["session_id"]) not in expected and row["departure_utc"] <= inputs.prices.horizon.end
        ),
        None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A choice as it is asked: near: the cars of the car's component."""

    context: SupposingContext
    inputs: PlanInputs
    near: frozenset[str]


def _asked(at: Context, plan: Mapping[str, Any], battery_id: str, choice: Choice) -> _Asked | str:
    """A choice as it is asked, or why it cannot be."""
    change = Change(
        battery_id=battery_id,
        soc_min=choice.soc_min,
        feeds_back=choice.feeds_back,
        leaves=choice.leaves,
    )
    context = supposing(at, change, choice.contract)
    try:
        inputs = read_inputs(context, plan["market_date"])
        _require_planned(inputs, battery_id)
        cars = [str(name) for name in inputs.batteries["battery_id"]]
        # Reserve that was won is held by all cars together.
        near = frozenset(cars) if inputs.awards.won else cars_with(day_problem(inputs), battery_id)
    except (NoPlanError, *IMPOSSIBLE) as error:
        return str(error) if isinstance(error, NoPlanError) else in_words(error)
    return _Asked(context=context, inputs=inputs, near=near)


def _cell(asked: _Asked, battery_id: str, near: frozenset[str]) -> dict[str, Any]:
    """A choice as it is solved."""
    apart = {str(name) for name in asked.inputs.batteries["battery_id"]} - near
    inputs = without_cars(asked.inputs, apart) if apart else asked.inputs
    try:
        made = make(asked.context, inputs)
        return _figures(asked.context, inputs, made, battery_id)
    except (NoPlanError, SolverError, *IMPOSSIBLE) as error:
        return {"error": str(error) if isinstance(error, NoPlanError) else in_words(error)}


def _figures(context: Context, inputs: PlanInputs, made: Made, battery_id: str) -> dict[str, Any]:
    """What a cell tells of the car; money €, energy kWh (fed back metered, missing battery side), SoC 0–1."""
    problem, plan = made.problems[made.followed], made.planned.plans[made.followed]
    at_once = made.planned.plans.get("uncontrolled")
    if at_once is None:
        raise NoPlanError(f"charging on plug-in is not planned: {made.planned.failures['uncontrolled']}")
    accounts = account(problem, plan)
    one = accounts.cars[battery_id]
    other = account(made.problems["uncontrolled"], at_once).cars[battery_id]
    number = [car.battery_id for car in problem.cars].index(battery_id)
    car = problem.cars[number]
    held = np.concatenate([plan.energy_start_kwh[number], plan.energy_end_kwh[number]])
    due = [each for each in plan.departures if each.battery_id == battery_id and each.due != "later"]
    missed = [each for each in due if each.missing_kwh > 0.0]
    saved = other.energy_cost_eur - one.energy_cost_eur
    stored = one.stored_value_eur - other.stored_value_eur
    wear = _wear(one) - _wear(other)
    benefit = one.net_benefit_eur - other.net_benefit_eur
    gap = plan.solver.gap
    return {
        "mode": made.followed,
        "least_soc": car.soc_min,
        "cost_eur": one.energy_cost_eur,
        "at_once_eur": other.energy_cost_eur,
        "saved_eur": saved,
        "stored_eur": stored,
        "wear_eur": wear,
        "besides_eur": benefit - (saved + stored - wear),
        "benefit_eur": benefit,
        "fed_back_kwh": one.export_kwh,
        "v2g_kwh": one.v2g_kwh,
        "lowest_soc": float(np.nanmin(held)) / car.capacity_kwh,
        "departures": len(due),
        "missing_kwh": sum(each.missing_kwh for each in missed),
        "why": "; ".join(sorted({each.reason for each in missed})),
        **_by_contract(context, inputs, made, battery_id),
        "others_eur": accounts.total.net_benefit_eur - one.net_benefit_eur,
        "open_eur": 0.0 if math.isnan(gap) else gap * max(1.0, abs(plan.solver.objective_eur)),
    }


def _wear(one: Account) -> float:
    return one.wear_price_eur + one.rest_price_eur


def _by_contract(context: Context, inputs: PlanInputs, made: Made, battery_id: str) -> dict[str, Any]:
    """What the contract makes of the plan, were it one day that came so; hours and free charging apart, which
    it counts by the day and the month. Empty figures without a contract, or where it cannot be told.
    """
    contract = inputs.contracts.of.get(battery_id)
    settled = None
    if contract is not None and contract.against in made.planned.plans:
        settled = _settled(context, inputs, made, battery_id, contract)
    return {
        "contract_id": contract and contract.contract_id,
        "received_eur": None if settled is None else float(settled.owner_share_eur + settled.paid_eur),
        "after_wear_eur": None if settled is None else float(settled.owner_eur),
    }


def _settled(
    context: Context, inputs: PlanInputs, made: Made, battery_id: str, contract: Contract
) -> Settlement | None:
    problem, plan = made.problems[made.followed], made.planned.plans[made.followed]
    fed_back: float | None = 0.0
    if contract.share_of_price_fed_back:
        spot = spot_eur_per_kwh(context.known, inputs.zone, problem.slots)
        fed_back = fed_back_price_eur(problem, plan, spot)[battery_id]
    if fed_back is None:
        return None
    one = account(problem, plan).cars[battery_id]
    other = account(made.problems[contract.against], made.planned.plans[contract.against]).cars[battery_id]
    figures = {
        "import_kwh": one.import_kwh,
        "export_kwh": one.export_kwh,
        "energy_cost_eur": one.energy_cost_eur,
        "wear_eur": _wear(one),
        "other_energy_cost_eur": other.energy_cost_eur,
        "other_wear_eur": _wear(other),
        "fed_back_price_eur": fed_back,
        "hours": 0.0,
        "hours_before": 0.0,
    }
    stated = {name: in_decimals([value])[0] for name, value in figures.items()}
    day = OwnerDay(missed=_missed(problem, plan, battery_id), **stated)
    try:
        return settle(replace(contract, bonus=None, free=None), day)
    except BillError:  # a figure that rounds below nothing: there is no day to settle
        return None


def _missed(problem: DayProblem, plan: ModePlan, battery_id: str) -> int:
    """Departures within the plan that a contract would compensate."""
    capacity = next(car.capacity_kwh for car in problem.cars if car.battery_id == battery_id)
    due = [one for one in plan.departures if one.battery_id == battery_id and one.due == "departure"]
    return sum(one.missing_kwh > KEPT_SOC * capacity for one in due)
