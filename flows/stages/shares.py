"""Whose part of what a day's V2G earns is how large, and whether it is to be dispatched. Writes nothing.

The day is asked as a plan asks it, and planned for coalitions of its cars; who is left out of one charges on
plug-in. Where a contract in force holds a car, its operator is a player, without whom nobody is coordinated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np

from flows.context import Context
from flows.mapping.inputs import PlanInputs
from flows.mapping.left_out import in_words
from flows.mapping.question import day_problem
from flows.mapping.read_inputs import read_inputs
from flows.money import Money
from flows.stages.record import StageResult
from optimize.account import Account, account
from optimize.arrays import FloatArray
from optimize.market.contract import Contract
from optimize.market.fair.bargain import Bargain, Owner, bargain
from optimize.market.fair.coalitions import Coalitions
from optimize.market.fair.core import least_core, least_core_of_needed, nucleolus
from optimize.market.fair.game import MOST_PLAYERS, Game, with_needed
from optimize.market.fair.owen import PricedShares, priced_shares
from optimize.market.fair.shapley import SampledShares, sampled_shapley, shapley

OPERATOR = "operator"
_NOTHING_EUR = 1e-6
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What each owner and the operator would have otherwise, € of the day; orders drawn for Shapley beyond
    MOST_PLAYERS, and their seed."""

    owner_otherwise_eur: float = 0.0
    operator_otherwise_eur: float = 0.0
    orders: int = 20
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Shared:
    """game: None beyond MOST_PLAYERS; sampled: None up to there."""

    game: Game | None
    sampled: SampledShares | None
    priced: PricedShares
    operated: bool


def shares(context: Context, day: date, asked: Asked, progress: Progress) -> StageResult:
    """The shares of a market day's cars as known, and θ; progress: what is under way, how much is done, of
    what.

    Degraded, exit code 3, where cars are left out. Raises NoPlanError as a plan does, and the errors of its
    solver.
    """
    inputs = read_inputs(context, day)
    problem = replace(day_problem(inputs), objective="net_benefit", peak_slots=())
    limit = context.workspace.settings.plan.solver_time_limit_s
    coalitions = Coalitions(problem, time_limit_seconds=limit)
    held = inputs.contracts.of
    shared = _shared(
        coalitions, asked, progress, operated=any(car.battery_id in held for car in problem.cars)
    )
    owners, agreed = _bargained(coalitions, inputs, asked)
    money = context.workspace.money
    left_out = f"; left out: {in_words(inputs.left_out)}" if inputs.left_out else ""
    tables = {
        "game": [_game_row(coalitions, shared)],
        "shares": _share_rows(coalitions, shared),
        "owners": owners,
        "bargain": [_bargain_row(agreed)],
    }
    return StageResult(
        stage="shares",
        status="degraded" if left_out else "ok",
        message=f"{day}: {_core_in_words(shared, money)}; {_verdict(agreed, money)}{left_out}",
        exit_code=3 if left_out else 0,
        tables={name: money.rows(rows) for name, rows in tables.items()},
        details={"market_date": str(day), "dispatch": agreed.dispatch},
    )


def _shared(coalitions: Coalitions, asked: Asked, progress: Progress, *, operated: bool) -> _Shared:
    cars = len(coalitions.problem.cars)
    game: Game | None = None
    sampled: SampledShares | None = None
    if cars + operated <= MOST_PLAYERS:
        game = coalitions.game(lambda done, total: progress("coalitions", done, total))
        game = with_needed(game, OPERATOR) if operated else game
    else:
        total, last = asked.orders * cars, 1 << cars

        def value_eur(coalition: int) -> float:
            progress("coalitions, at most", coalitions.solved, total)
            if not operated:
                return coalitions.value_eur(coalition)
            return coalitions.value_eur(coalition ^ last) if coalition & last else 0.0

        sampled = sampled_shapley(cars + operated, value_eur, orders=asked.orders, seed=asked.seed)
    priced = priced_shares(coalitions, None if game is None else game.all_eur)
    return _Shared(game=game, sampled=sampled, priced=priced, operated=operated)


def _epsilon_eur(game: Game, *, operated: bool) -> float:
    """ε of the least core; that of one player, whom nobody can leave, is 0."""
    if len(game.players) == 1:
        return 0.0
    found = least_core_of_needed(game, len(game.players) - 1) if operated else least_core(game)
    return found.epsilon_eur


def _game_row(coalitions: Coalitions, shared: _Shared) -> dict[str, Any]:
    game = shared.game
    return {
        "cars": len(coalitions.problem.cars),
        "operator_is_player": shared.operated,
        "value_eur": coalitions.value_eur(coalitions.everybody) if game is None else game.all_eur,
        "coalitions": coalitions.solved,
        "all_coalitions": game is not None,
        "orders": None if shared.sampled is None else shared.sampled.orders,
        "least_core_eur": None if game is None else _epsilon_eur(game, operated=shared.operated),
        "duality_gap_eur": shared.priced.gap_eur,
        "room_eur": shared.priced.room_eur,
        "open_eur": coalitions.open_eur,
        "binaries": coalitions.binaries,
    }


def _share_rows(coalitions: Coalitions, shared: _Shared) -> list[dict[str, Any]]:
    """A row a player, None for what is not known: as shares by prices where the room is nobody's."""
    names = [*(car.battery_id for car in coalitions.problem.cars), *([OPERATOR] if shared.operated else [])]
    game, sampled, priced = shared.game, shared.sampled, shared.priced
    at_prices: Sequence[float | None] = [*priced.cars_eur.tolist(), priced.room_eur][: len(names)]
    if not shared.operated and priced.room_eur > _NOTHING_EUR:
        at_prices = [None] * len(names)
    columns: dict[str, Sequence[float | None]] = {
        "alone_eur": _alone_eur(coalitions, operated=shared.operated),
        "last_eur": [None] * len(names) if game is None else _last_eur(game).tolist(),
        "shapley_eur": shapley(game).tolist() if game is not None else [],
        "shapley_low_eur": [None] * len(names),
        "shapley_high_eur": [None] * len(names),
        "nucleolus_eur": [None] * len(names) if game is None else nucleolus(game).tolist(),
        "prices_eur": at_prices,
    }
    if sampled is not None:
        columns["shapley_eur"] = sampled.mean_eur.tolist()
        columns["shapley_low_eur"] = sampled.low_eur.tolist()
        columns["shapley_high_eur"] = sampled.high_eur.tolist()
    return [
        {"player": name, **{key: column[i] for key, column in columns.items()}}
        for i, name in enumerate(names)
    ]


def _alone_eur(coalitions: Coalitions, *, operated: bool) -> list[float | None]:
    """What each car earns with the others on plug-in; the operator alone earns nothing."""
    cars: list[float | None] = [coalitions.value_eur(1 << i) for i in range(len(coalitions.problem.cars))]
    return [*cars, 0.0] if operated else cars


def _last_eur(game: Game) -> FloatArray:
    """What each player adds to all others: more than that it has in no core."""
    everybody = game.value_eur.size - 1
    return np.asarray(game.all_eur - game.value_eur[everybody ^ (1 << np.arange(len(game.players)))])


def _core_in_words(shared: _Shared, money: Money) -> str:
    priced = shared.priced
    if shared.game is None:
        if np.isnan(priced.gap_eur):
            return "whether the shares by prices are in the core is not proven"
        if not shared.operated and priced.room_eur > _NOTHING_EUR:
            room = _stated(priced.room_eur, money)
            return f"the cars share room worth {room} that is nobody's: the core may be empty"
        return (
            f"no coalition gains more than {_stated(priced.gap_eur, money)} by leaving the shares by prices"
        )
    epsilon = _epsilon_eur(shared.game, operated=shared.operated)
    if epsilon > _NOTHING_EUR:
        least = _stated(epsilon, money)
        return f"the core is empty: whatever is given, some coalition gains {least} or more by leaving"
    if priced.gap_eur > _NOTHING_EUR:
        return f"the core is not empty; prices promise {_stated(priced.gap_eur, money)} more than there is"
    return "the core is not empty"


def _bargained(
    coalitions: Coalitions, inputs: PlanInputs, asked: Asked
) -> tuple[list[dict[str, Any]], Bargain]:
    """Each owner's figures of the plan of all cars against plug-in, and θ of them all."""
    day = coalitions.problem
    came, before = account(day, coalitions.whole).cars, account(day, coalitions.idle).cars
    owners = [
        Owner(
            name=name,
            gain_eur=before[name].energy_cost_eur - came[name].energy_cost_eur,
            wear_eur=_wear_eur(came[name]) - _wear_eur(before[name]),
            otherwise_eur=asked.owner_otherwise_eur,
        )
        for name in came
    ]
    stored = np.nansum(coalitions.whole.charge_kw - coalitions.whole.discharge_kw, axis=1)
    stored -= np.nansum(coalitions.idle.charge_kw - coalitions.idle.discharge_kw, axis=1)
    rows = [
        _owner_row(owner, kwh, inputs.contracts.of)
        for owner, kwh in zip(owners, (stored * day.slot_hours).tolist(), strict=True)
    ]
    operator = asked.operator_otherwise_eur
    return rows, bargain(owners, operator=OPERATOR, operator_otherwise_eur=operator)


def _wear_eur(one: Account) -> float:
    return one.wear_price_eur + one.rest_price_eur


def _owner_row(owner: Owner, stored_kwh: float, held: Mapping[str, Contract]) -> dict[str, Any]:
    low, high = owner.agrees
    contract = held.get(owner.name)
    agreed: float | None = None
    if contract is not None:
        agreed = float(contract.theta)
        if contract.rule == "after_wear":
            rest = owner.gain_eur - owner.wear_eur
            agreed = (owner.wear_eur + agreed * rest) / owner.gain_eur if owner.gain_eur else None
    return {
        "battery_id": owner.name,
        "gain_eur": owner.gain_eur,
        "wear_eur": owner.wear_eur,
        "otherwise_eur": owner.otherwise_eur,
        "stored_more_kwh": stored_kwh,
        "theta_low": max(0.0, low),
        "theta_high": min(1.0, high),
        "contract_id": None if contract is None else contract.contract_id,
        "contract_theta": agreed,
        "contract_satisfies": None if agreed is None else low <= agreed <= high,
    }


def _bargain_row(agreed: Bargain) -> dict[str, Any]:
    return {
        "gain_eur": agreed.gain_eur,
        "wear_eur": agreed.wear_eur,
        "surplus_eur": agreed.surplus_eur,
        "theta_low": agreed.low,
        "theta_low_by": agreed.low_by or None,
        "theta_high": agreed.high,
        "theta_high_by": agreed.high_by or None,
        "theta": agreed.theta,
        "answer": "dispatch" if agreed.dispatch else "do not dispatch",
    }


def _verdict(agreed: Bargain, money: Money) -> str:
    if agreed.theta is not None:
        return f"θ = {agreed.theta:.4f} of {agreed.low:.4f} to {agreed.high:.4f}"
    low = f"{agreed.low_by} needs θ of {agreed.low:.4g} or more" if agreed.low_by else "θ is not below 0"
    high = f"{agreed.high_by} of {agreed.high:.4g} or less" if agreed.high_by else "it is not above 1"
    gained, worn = _stated(agreed.gain_eur, money), _stated(agreed.wear_eur, money)
    return f"do not dispatch: {low} and {high}; {gained} gained in energy, {worn} more wear"


def _stated(euros: float, money: Money) -> str:
    return f"{money.of(euros):.4g} {money.sign}"
