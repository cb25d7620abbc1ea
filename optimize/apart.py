"""Cars that share nothing are days of their own: split before planning, joined again after.

Cars meet where a limit could bind them together, at a peak that is paid for, behind a meter, in a reserve
bid, in a user's own constraint, and at the roots where the objective counts their sum. Sites and cars linked
so, directly or through others, are a component. All that a plan holds, reaches and pays is a sum over
components, objective after objective, so the plans of components are the plan of the day, and their bounds
add up to its bound.
A site where nothing can bind links nobody; it may appear in several parts, each with its own cars.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from optimize.arrays import BoolArray, IntArray
from optimize.assemble import no_bids
from optimize.constraints import of_cars
from optimize.errors import ProblemError
from optimize.fleet.alone import with_own_limits
from optimize.fleet.arrays import FleetArrays, arrays_of, unsupported
from optimize.fleet.coupling import coupling_points, node_power_range
from optimize.fleet.route import RESERVE_WEIGHT, STEPS_AT_ONCE
from optimize.types import Car, DayProblem, DepartureOutcome, Mode, ModePlan, Prices, Session, SolverRecord
from optimize.windows import session_windows

LONE = 0
PACK = 3_000
"""Weighted slots of components that are planned together: large enough to be quick, small enough that a limit
which ends one search costs the others little."""
LIGHT = 0.04
"""Components with at most so many rows a weighted slot are light for the fleet engine. Just so many of them
go together that it plans them, few enough for its dense factors."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """The day of some of the cars; cars, sites, blocks: their numbers in the whole day."""

    problem: DayProblem
    cars: IntArray
    sites: IntArray
    blocks: IntArray


def take_apart(problem: DayProblem, mode: Mode) -> tuple[Part, ...]:
    """The day's components, small ones together up to PACK; every car is in exactly one part."""
    arrays = arrays_of(problem, session_windows(problem), mode)
    paths = [arrays.path(j) for j in range(arrays.sites)]
    above = _counted_above(problem, arrays)
    inside = np.array([bool(coupled) for coupled in above], dtype=np.bool_)
    visits = _visits(problem, arrays)
    weighed = [one.cars() for one in problem.constraints]
    site_pack, car_pack = _packs(arrays, above, inside, visits, weighed, _rows(problem, arrays))
    sessions: dict[str, list[Session]] = {car.battery_id: [] for car in problem.cars}
    for session in problem.sessions:
        sessions[session.battery_id].append(session)
    parts = []
    for pack in np.unique(np.concatenate([site_pack[inside], car_pack])).tolist():
        mine, held = np.flatnonzero(car_pack == pack), np.flatnonzero(site_pack == pack)
        near = set(held.tolist()).union(*(visits[i] for i in mine.tolist()))
        sites = np.array(sorted({k for j in near for k in paths[j]}), dtype=np.int64)
        blocks = np.flatnonzero(np.isin(arrays.block_site, held))
        cars = [_at_one_of(problem, i, visits[i]) for i in mine.tolist()]
        few = replace(
            problem,
            cars=tuple(cars),
            sessions=tuple(session for car in cars for session in sessions[car.battery_id]),
            sites=tuple(problem.sites[j] for j in sites.tolist()),
            reserves=tuple(arrays.blocks[b] for b in blocks.tolist()),
            previous_kw=None if problem.previous_kw is None else problem.previous_kw[mine],
            constraints=of_cars(problem.constraints, mine.tolist()),
        )
        parts.append(Part(problem=few, cars=mine, sites=sites, blocks=blocks))
    return tuple(parts)


def cars_with(problem: DayProblem, battery_id: str) -> frozenset[str]:
    """The cars of one car's component in mode "v2g", itself among them: without all others its plan is as
    good, in any mode. Raises ProblemError for a car that there is not.
    """
    ids = [car.battery_id for car in problem.cars]
    if battery_id not in ids:
        raise ProblemError("day", "battery_id", repr(battery_id), "is not a car of this day")
    arrays = arrays_of(problem, session_windows(problem), "v2g")
    above = _counted_above(problem, arrays)
    weighed = [one.cars() for one in problem.constraints]
    label = _components(arrays, above, _visits(problem, arrays), weighed)[arrays.sites :]
    together = label == label[ids.index(battery_id)]
    return frozenset(name for name, mine in zip(ids, together.tolist(), strict=True) if mine)


def _counted_above(problem: DayProblem, arrays: FleetArrays) -> list[list[int]]:
    """The sites at and above each that count cars together."""
    meets = _meets(problem, arrays)
    return [[k for k in arrays.path(j) if meets[k]] for j in range(arrays.sites)]


def _visits(problem: DayProblem, arrays: FleetArrays) -> list[list[int]]:
    """The sites that each car visits in the day, its own if none."""
    visits: list[list[int]] = [[] for _ in problem.cars]
    for i, j in zip(arrays.car.tolist(), arrays.site.tolist(), strict=True):
        visits[i].append(j)
    number = {site.site_id: j for j, site in enumerate(problem.sites)}
    return [places or [number[car.site_id]] for places, car in zip(visits, problem.cars, strict=True)]


def _at_one_of(problem: DayProblem, i: int, visits: Sequence[int]) -> Car:
    """Car i; at home somewhere that it visits, for its own site may be in another part."""
    ids = [problem.sites[j].site_id for j in visits]
    car = problem.cars[i]
    return car if car.site_id in ids else replace(car, site_id=ids[0])


def _packs(
    arrays: FleetArrays,
    above: Sequence[Sequence[int]],
    inside: BoolArray,
    visits: Sequence[Sequence[int]],
    weighed: Sequence[IntArray],
    rows: IntArray,
) -> tuple[IntArray, IntArray]:
    """The part of each site, −1 where nothing is counted, and of each car; above: what counts at each site.

    Cars that meet nobody are one part, however many: nothing makes their number difficult. weighed: the cars
    of each own constraint; those of one session together, and apart from who meets nobody. rows [S]: of each
    site, none where the fleet engine is not for the day.
    """
    nodes = arrays.sites + arrays.cars
    label = _components(arrays, above, visits, weighed)
    size = np.zeros(nodes, dtype=np.int64)
    np.add.at(size, label[arrays.sites + arrays.car], arrays.count)
    size[np.unique(label[arrays.block_site])] *= RESERVE_WEIGHT
    held_together = [arrays.sites + int(cars[0]) for cars in weighed]
    components = np.unique(label[[*np.flatnonzero(inside), *held_together]])
    coupled = np.zeros(nodes, dtype=np.int64)
    np.add.at(coupled, label[: arrays.sites], rows)
    light = (coupled[components] > 0) & (coupled[components] <= LIGHT * size[components])
    left = int(size[components[light]].sum())
    if left <= STEPS_AT_ONCE:
        light[:] = False
    pack, last, held = np.full(nodes, LONE), LONE, STEPS_AT_ONCE + 1
    for component in components[light].tolist():
        if held > STEPS_AT_ONCE < left:
            last, held = last + 1, 0
        pack[component] = last
        held, left = held + int(size[component]), left - int(size[component])
    held = PACK + 1
    for component in components[~light].tolist():
        held += int(size[component])
        if held > PACK:
            last, held = last + 1, int(size[component])
        pack[component] = last
    return np.where(inside, pack[label[: arrays.sites]], -1), pack[label[arrays.sites :]]


def _components(
    arrays: FleetArrays,
    above: Sequence[Sequence[int]],
    visits: Sequence[Sequence[int]],
    weighed: Sequence[IntArray],
) -> IntArray:
    """The component of each site, then of each car; one that meets nobody is a component of its own."""
    links = [(j, k) for j, coupled in enumerate(above) for k in coupled]
    links += [(arrays.sites + i, k) for i, places in enumerate(visits) for j in places for k in above[j]]
    links += [(arrays.sites + cars[0], arrays.sites + i) for cars in weighed for i in cars.tolist()]
    ends = np.array(links, dtype=np.int64).reshape(-1, 2)
    nodes = arrays.sites + arrays.cars
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(nodes, nodes))
    label: IntArray = connected_components(graph, directed=False)[1].astype(np.int64)
    return label


def _rows(problem: DayProblem, arrays: FleetArrays) -> IntArray:
    """How many rows the fleet engine needs for each site [S]; none if the day is not for it."""
    if unsupported(problem):
        return np.zeros(arrays.sites, dtype=np.int64)
    held = with_own_limits(arrays)
    where = coupling_points(held, *node_power_range(held))
    rows = np.asarray(where.node.sum(axis=1) + where.at_peak.sum(axis=1))
    if problem.objective == "peak_shaving":  # a price on the largest import of each root
        rows[arrays.parent < 0] += 2 * arrays.slots
    return rows


def _meets(problem: DayProblem, arrays: FleetArrays) -> BoolArray:
    """The sites [S] that count cars together."""
    meets: BoolArray = np.asarray(coupling_points(arrays, *node_power_range(arrays)).node.any(axis=1))
    meets[(arrays.peak_price > 0.0) | (arrays.metered > 0)] = True
    meets[arrays.block_site] = True
    if problem.objective in ("peak_shaving", "load_levelling"):
        meets[arrays.parent < 0] = True
    return meets


def join(problem: DayProblem, mode: Mode, parts: Sequence[Part], plans: Sequence[ModePlan]) -> ModePlan:
    """The plan of the whole day: rows put back in their places, money, gaps and sizes added up."""
    cars, sites, blocks = len(problem.cars), len(problem.sites), len(problem.reserves)
    slots = len(problem.slots)
    prices = Prices.unknown(cars, sites, blocks, slots)
    # Where nothing can bind, one more of it is worth nothing.
    for shared in (
        prices.site_eur_per_kwh,
        prices.peak_eur_per_kw,
        prices.reserve_up_eur_per_kw,
        prices.reserve_down_eur_per_kw,
    ):
        shared[:] = 0.0
    grids = {
        "charge_kw": np.zeros((cars, slots)),
        "discharge_kw": np.zeros((cars, slots)),
        "plugged": np.zeros((cars, slots), dtype=np.bool_),
        "energy_start_kwh": np.full((cars, slots), np.nan),
        "energy_end_kwh": np.full((cars, slots), np.nan),
        "binding": np.zeros((cars, slots), dtype=np.int8),
    }
    bids, outcomes = list(no_bids(problem)), list[DepartureOutcome]()
    for part, plan in zip(parts, plans, strict=True):
        for name, grid in grids.items():
            grid[part.cars] = getattr(plan, name)
        for name, rows in (
            ("site_eur_per_kwh", part.sites),
            ("peak_eur_per_kw", part.sites),
            ("reserve_up_eur_per_kw", part.blocks),
            ("reserve_down_eur_per_kw", part.blocks),
            ("energy_value_eur_per_kwh", part.cars),
        ):
            getattr(prices, name)[rows] = getattr(plan.prices, name)
        for b, bid in zip(part.blocks.tolist(), plan.reserves, strict=True):
            held = np.zeros((2, *bids[b].up_kw.shape))
            held[:, part.cars] = bid.up_kw, bid.down_kw
            bids[b] = replace(bid, up_kw=held[0], down_kw=held[1])
        outcomes += plan.departures
    row = {car.battery_id: i for i, car in enumerate(problem.cars)}
    return ModePlan(
        mode=mode,
        **grids,
        departures=tuple(sorted(outcomes, key=lambda outcome: row[outcome.battery_id])),
        solver=_together([plan.solver for plan in plans]),
        reserves=tuple(bids),
        prices=prices,
    )


def _together(records: Sequence[SolverRecord]) -> SolverRecord:
    """One record of all parts: objectives and what is open of them add up, as do all counts."""
    objective = sum(record.objective_eur for record in records)
    still_open = sum(record.gap * max(1.0, abs(record.objective_eur)) for record in records)
    return SolverRecord(
        status="optimal" if all(record.status == "optimal" for record in records) else "time_limit",
        objective_eur=objective,
        gap=still_open / max(1.0, abs(objective)),
        solve_seconds=sum(record.solve_seconds for record in records),
        columns=sum(record.columns for record in records),
        rows=sum(record.rows for record in records),
        binaries=sum(record.binaries for record in records),
        wear_cuts=sum(record.wear_cuts for record in records),
        primary=sum(record.primary for record in records),
        engine="fleet" if any(record.engine == "fleet" for record in records) else "highs",
    )
