"""Which engine plans a day: the exact formulation where it is quick, the fleet engine for large fleets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from optimize.fleet.arrays import unsupported
from optimize.types import DayProblem, Mode
from optimize.windows import session_windows

STEPS_AT_ONCE = 12_000
RESERVE_WEIGHT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The engine for a problem and why, in words."""

    engine: Literal["pyomo", "fleet"]
    why: str


def route(problem: DayProblem, mode: Mode) -> Route:
    """Choose the engine of an optimising mode.

    Size is counted in plugged slots of all cars; with reserve on offer each counts fourfold, as linear
    programmes of that kind take longer. Directions, drawdown, minimum power and minimum bids are exact in
    Pyomo; the fleet engine's relaxation leaves them out, and its polish brings them in while time allows.
    """
    steps = sum(window.end - window.first for window in session_windows(problem))
    size = steps * (RESERVE_WEIGHT if mode == "v2g" and problem.reserves else 1)
    if size <= STEPS_AT_ONCE:
        return Route(engine="pyomo", why=f"{size} weighted slots are at most {STEPS_AT_ONCE}")
    beyond = unsupported(problem)
    if beyond:
        return Route(engine="pyomo", why=f"the fleet engine cannot plan with {beyond}")
    return Route(engine="fleet", why=f"{size} weighted slots are more than {STEPS_AT_ONCE}")
