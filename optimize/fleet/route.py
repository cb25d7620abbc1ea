"""Which engine plans a day: the exact formulation where it is quick, the fleet engine for large fleets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from optimize.fleet.alone import with_own_limits
from optimize.fleet.arrays import arrays_of, unsupported
from optimize.fleet.before import weighed
from optimize.fleet.compile import chunk_bytes
from optimize.fleet.coupling import count_rows
from optimize.fleet.errors import UnsupportedError
from optimize.types import DayProblem, Mode
from optimize.windows import session_windows

STEPS_AT_ONCE = 12_000
# The same where cars have minimum powers: a binary a slot each way.
STEPS_WITH_LEAST = 2_000
RESERVE_WEIGHT = 4
# The engine factorises its coupling rows densely, in rows³; what HiGHS takes grows like size^1.5.
ROWS_A_ROOT = 8.0
# Memory: of the engine so many square matrices of its rows at once and bytes a weighted slot, next to what
# its chunks of cars hold; of HiGHS and what is passed to it, bytes a weighted slot.
SQUARES, FLEET_BYTES, HIGHS_BYTES = 4, 800, 7_000
# So few sites need no counting.
FEW_SITES = 4
# Up to here memory is no reason to choose; beyond, the engine that needs less of it plans.
MUCH_BYTES = 2e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The engine for a problem and why, in words; size: weighted slots (see `route`)."""

    engine: Literal["pyomo", "fleet"]
    why: str
    size: int


def route(problem: DayProblem, mode: Mode) -> Route:
    """Choose the engine of an optimising mode.

    Size is counted in plugged slots of all cars; with reserve on offer each counts fourfold, as linear
    programmes of that kind take longer. Directions, drawdown, minimum power and minimum bids are exact in
    Pyomo; the fleet engine's relaxation leaves them out, and its polish brings them in while time allows, but
    minimum powers always (`least`).
    What the fleet engine cannot express, and coupling by more rows than it can factorise in reasonable time
    and memory, goes to Pyomo whatever the size.
    """
    windows = session_windows(problem)
    size = sum(window.end - window.first for window in windows) * weight(problem, mode)
    at_once = most_at_once(problem)
    if size <= at_once:
        return Route(engine="pyomo", why=f"{size} weighted slots are at most {at_once}", size=size)
    beyond = unsupported(problem)
    if beyond:
        return Route(engine="pyomo", why=f"the fleet engine cannot plan with {beyond}", size=size)
    most = int(ROWS_A_ROOT * size**0.5)
    if problem.objective != "net_benefit":
        problem = weighed(problem, 1.0)
    few = len(problem.sites) <= FEW_SITES and 3 * len(problem.sites) * len(problem.slots) <= most
    if few and not problem.reserves:
        return Route(engine="fleet", why=f"{size} weighted slots are more than {at_once}", size=size)
    rows = count_rows(arrays := with_own_limits(arrays_of(problem, windows, mode)))
    try:
        chunks = chunk_bytes(arrays) if rows else 0
    except UnsupportedError as error:
        return Route(engine="pyomo", why=str(error), size=size)
    own, other = 8.0 * SQUARES * rows**2 + chunks + FLEET_BYTES * size, float(HIGHS_BYTES * size)
    why = (
        f"{size} weighted slots coupled by {rows} rows (at most {most} for the fleet engine), about"
        f" {own / 1e9:.2g} GB by the fleet engine and {other / 1e9:.2g} GB by HiGHS"
    )
    fits = rows <= most and own <= max(MUCH_BYTES, other)
    return Route(engine="fleet" if fits else "pyomo", why=why, size=size)


def most_at_once(problem: DayProblem) -> int:
    """So many weighted slots are planned in one search of the exact formulation."""
    least = any(car.min_charge_kw or car.min_discharge_kw for car in problem.cars)
    return STEPS_WITH_LEAST if least else STEPS_AT_ONCE


def weight(problem: DayProblem, mode: Mode) -> int:
    """What a plugged slot counts."""
    return RESERVE_WEIGHT if mode == "v2g" and problem.reserves else 1
