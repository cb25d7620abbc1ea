"""A day's linear programme put together from the patterns, and where everything lies in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimize import most_duty
from optimize.arrays import FloatArray
from optimize.model.assembly import Assembly, Data, IntArray, LinearProgramme, Terms, summed
from optimize.model.car import car_pattern, contract_pattern, session_pattern, wear_cut_pattern
from optimize.model.constraints import add_constraints
from optimize.model.limits import duty_limits
from optimize.model.pairs import Pairs, plugged_pairs
from optimize.model.pattern import Pattern
from optimize.model.sites import SiteParts, add_sites
from optimize.model.slot import SlotFeatures, slot_pattern
from optimize.tree import SiteTree, site_tree
from optimize.types import DayProblem, Mode
from optimize.windows import SessionWindow

TANGENTS_AT_START = 8
Group = tuple[Pattern, IntArray, Data]
"""Pairs of one pattern: their numbers, and its parameters for them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DayModel:
    """The programme of one mode and its columns and rows; −1 where a pair has none.

    charge, discharge, energy, balance: [K] columns and rows of the pairs; up, down [channels, K]: what is
    held for the blocks of `pairs.up`, `pairs.down`. missing [sessions]. wearing: the cars with a duty; duty,
    wear: their columns. power: p of every pair as terms. constraints: the rows of the user's own, [C].
    """

    problem: DayProblem
    windows: Sequence[SessionWindow]
    tree: SiteTree
    mode: Mode
    pairs: Pairs
    programme: LinearProgramme
    charge: IntArray
    discharge: IntArray
    energy: IntArray
    balance: IntArray
    up: IntArray
    down: IntArray
    missing: IntArray
    wearing: IntArray
    duty: IntArray
    wear: IntArray
    power: Terms
    sites: SiteParts
    constraints: IntArray


def build_day(
    problem: DayProblem,
    windows: Sequence[SessionWindow],
    mode: Mode,
    most_duty_efc: FloatArray | None = None,
) -> DayModel:
    """The LP of a mode ("ordered" or "v2g") with the first wear tangents and without binaries.

    most_duty_efc: how far wear may pay, [n]; needed where more than what the day itself says could pay it.
    """
    tree = site_tree(problem)
    pairs = plugged_pairs(problem, windows, tree, mode)
    if most_duty_efc is None:
        most_duty_efc = most_duty.most_duty_efc(problem, windows)
    limits = duty_limits(problem, pairs, most_duty_efc)
    program = Assembly()
    columns, groups = _slot_columns(program, problem, pairs, limits)
    missing = program.add_columns(session_pattern(), {}, len(windows))["missing"]
    balance, sums = _add_slots(program, pairs, groups, columns, missing)
    _add_sessions(program, problem, windows, pairs, columns["energy"], missing)
    wearing, duty, wear = _add_cars(program, problem, pairs, sums, limits)
    sites = add_sites(program, problem, tree, pairs, sums["power"], columns)
    constraints = add_constraints(program, problem, pairs, columns)
    return DayModel(
        problem=problem,
        windows=windows,
        tree=tree,
        mode=mode,
        pairs=pairs,
        programme=program.finished(),
        charge=columns["charge"],
        discharge=columns["discharge"],
        energy=columns["energy"],
        balance=balance,
        up=_channel_columns(columns, "up", pairs.up),
        down=_channel_columns(columns, "down", pairs.down),
        missing=missing,
        wearing=wearing,
        duty=duty,
        wear=wear,
        power=sums["power"],
        sites=sites,
        constraints=constraints,
    )


def _features(problem: DayProblem, pairs: Pairs, limits: FloatArray) -> IntArray:
    """One row a pair: the fields of SlotFeatures as numbers."""
    contract = problem.v2g_left_kwh()
    drawdown = np.array([car.drawdown_limit for car in problem.cars])
    able = (pairs.data["discharge_limit"] > 0.0) & (limits > 0.0)[pairs.car]
    able &= contract[pairs.car, problem.day_of_slot[pairs.slot]] > 0.0
    # Between two slots with discharge the highest so far is remembered over those without.
    number, sessions = np.arange(len(pairs)), int(pairs.window.max(initial=-1)) + 1
    first_able, last_able = np.full(sessions, len(pairs)), np.full(sessions, -1)
    np.minimum.at(first_able, pairs.window[able], number[able])
    np.maximum.at(last_able, pairs.window[able], number[able])
    falls = (number >= first_able[pairs.window]) & (number <= last_able[pairs.window])
    follows = np.zeros(len(pairs), dtype=np.bool_)
    if "previous" in pairs.data and problem.change_price_eur_per_kwh > 0.0:
        follows = np.isfinite(pairs.data["previous"])
    return np.column_stack(
        [
            able,
            falls & (drawdown < 1.0)[pairs.car],
            pairs.data["taper_fall"] > 0.0,
            follows,
            (pairs.up >= 0).sum(axis=0),
            (pairs.down >= 0).sum(axis=0),
        ]
    ).astype(np.int64)


def _slot_columns(
    program: Assembly, problem: DayProblem, pairs: Pairs, limits: FloatArray
) -> tuple[dict[str, IntArray], list[Group]]:
    """Every pair's columns by name [K], and the pairs by the pattern that fits them."""
    kinds, kind = np.unique(_features(problem, pairs, limits), axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    constants = {"hours": problem.slot_hours, "change_price": problem.change_price_eur_per_kwh}
    names = ["charge", "discharge", "energy", "peak_energy", "change"]
    names += [f"up[{channel}]" for channel in range(len(pairs.up))]
    names += [f"down[{channel}]" for channel in range(len(pairs.down))]
    columns = {name: np.full(len(pairs), -1) for name in names}
    groups: list[Group] = []
    for number, row in enumerate(kinds.tolist()):
        discharges, drawdown, taper, follows, up, down = row
        has = SlotFeatures(
            discharges=bool(discharges),
            drawdown=bool(drawdown),
            taper=bool(taper),
            follows=bool(follows),
            up=up,
            down=down,
        )
        members = np.flatnonzero(kind == number)
        data: Data = {**constants, **{name: values[members] for name, values in pairs.data.items()}}
        pattern = slot_pattern(has)
        for name, numbers in program.add_columns(pattern, data, members.size).items():
            columns[name][members] = numbers
        groups.append((pattern, members, data))
    return columns, groups


def _add_slots(
    program: Assembly,
    pairs: Pairs,
    groups: Sequence[Group],
    columns: Mapping[str, IntArray],
    missing: IntArray,
) -> tuple[IntArray, dict[str, Terms]]:
    """Every pair's rows: the balance [K], and its sums."""
    balance = np.full(len(pairs), -1)
    parts: dict[str, list[Terms]] = {"power": [], "duty": [], "v2g": []}
    for pattern, members, data in groups:
        where = {name: Terms.of(numbers[members]) for name, numbers in columns.items()}
        where["energy_before"] = pairs.energy_before(columns["energy"], missing, members)
        # Before anything may be discharged, the energy itself is the highest so far.
        highest = np.where(columns["peak_energy"] >= 0, columns["peak_energy"], columns["energy"])
        where["peak_energy_before"] = pairs.energy_before(columns["energy"], missing, members, highest)
        balance[members] = program.add_rows(pattern, data, members.size, where)["energy_balance"]
        for name, terms in parts.items():
            terms.append(summed(pattern, name, data, members.size, where).gathered(members, len(pairs)))
    sums = {name: Terms.joined(terms, np.zeros(len(pairs))) for name, terms in parts.items()}
    return balance, sums


def _add_sessions(
    program: Assembly,
    problem: DayProblem,
    windows: Sequence[SessionWindow],
    pairs: Pairs,
    energy: IntArray,
    missing: IntArray,
) -> None:
    data: Data = {
        "target": np.array([window.target_kwh for window in windows]),
        "terminal_value": np.array([window.value_eur_per_kwh for window in windows]),
        "departure_price": problem.departure_price_eur_per_kwh
        * np.array([window.missing_weight for window in windows]),
    }
    end = np.append(energy, -1)[pairs.last]
    held, passed = _passed(windows, pairs, energy, missing)
    begin = pairs.energy_before(energy, missing, np.flatnonzero(pairs.before < 0))
    opens = pairs.window[pairs.before < 0]  # the sessions with slots; the others hold what they come with
    constant = held.copy()
    constant[opens] = begin.constant
    own = Terms.of(end, held)
    opened = replace(begin, instance=opens[begin.instance])
    where = {
        "missing": Terms.of(missing),
        "energy_end": Terms.joined([own, passed], own.constant),
        "energy_begin": Terms.joined([opened, passed], constant),
    }
    program.add_rows(session_pattern(), data, len(windows), where)


def _passed(
    windows: Sequence[SessionWindow], pairs: Pairs, energy: IntArray, missing: IntArray
) -> tuple[FloatArray, Terms]:
    """What sessions without a slot hold: what is said of them [sessions], and what they pass on of others."""
    held = np.array([window.arrival_kwh for window in windows])
    through = np.array([s for s, one in enumerate(windows) if one.carries and not one.slots], dtype=np.int64)
    behind = np.array([windows[s].behind for s in through], dtype=np.int64)
    held[through] -= np.array([windows[s].target_kwh for s in behind])
    return held, Terms(
        instance=np.concatenate([through, through]),
        column=np.concatenate([energy[pairs.last[behind]], missing[behind]]),
        coefficient=np.ones(2 * through.size),
        constant=held,
    )


def _add_cars(
    program: Assembly, problem: DayProblem, pairs: Pairs, sums: dict[str, Terms], limits: FloatArray
) -> tuple[IntArray, IntArray, IntArray]:
    """Duty and wear of the cars that can have any, their first tangents, and their contracts."""
    wearing = np.unique(pairs.car[sums["duty"].instance])
    place = np.full(len(problem.cars), -1)
    place[wearing] = np.arange(wearing.size)
    data = {"duty_limit": limits[wearing]}
    columns = program.add_columns(car_pattern(), data, wearing.size)
    where = {name: Terms.of(numbers) for name, numbers in columns.items()}
    where["discharged"] = sums["duty"].gathered(place[pairs.car], wearing.size)
    program.add_rows(car_pattern(), data, wearing.size, where)
    cars: list[int] = []
    points: list[float] = []
    for i, car in enumerate(wearing.tolist()):
        count = 1 if problem.cars[car].wear.linear else TANGENTS_AT_START
        cars += [i] * count
        points += np.linspace(0.0, limits[car], count).tolist() if count > 1 else [0.0]
    add_wear_cuts(
        program, problem, wearing[cars], columns["duty"][cars], columns["wear"][cars], np.array(points)
    )
    left = problem.v2g_left_kwh()
    limited = np.isfinite(left)
    place = np.full(left.shape, -1)
    place[limited] = np.arange(limited.sum())
    by_day = place[pairs.car, problem.day_of_slot[pairs.slot]]
    discharged = sums["v2g"].gathered(by_day, int(limited.sum()))
    data = {"v2g_limit": left[limited]}
    program.add_rows(contract_pattern(), data, int(limited.sum()), {"discharged": discharged})
    return wearing, columns["duty"], columns["wear"]


def add_wear_cuts(
    program: Assembly, problem: DayProblem, cars: IntArray, duty: IntArray, wear: IntArray, x: FloatArray
) -> None:
    """Tangents to the wear of cars at duties x; duty, wear: their columns."""
    prices = [problem.cars[i].wear.over(problem.duty_days) for i in cars.tolist()]
    slope = np.array([price.slope_eur(at) for price, at in zip(prices, x.tolist(), strict=True)])
    cost = np.array([price.cost_eur(at) for price, at in zip(prices, x.tolist(), strict=True)])
    data = {"slope": slope, "height": cost - slope * x}
    where = {"duty": Terms.of(duty), "wear": Terms.of(wear)}
    program.add_rows(wear_cut_pattern(), data, cars.size, where)


def _channel_columns(columns: dict[str, IntArray], way: str, channels: IntArray) -> IntArray:
    numbers = [columns[f"{way}[{channel}]"] for channel in range(len(channels))]
    return np.array(numbers, dtype=np.int64).reshape(channels.shape)
