"""The answer: one mode's plan, how it was found and the prices that explain it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from optimize.arrays import BoolArray, CodeArray, FloatArray
from optimize.validation import require_one_of

Mode = Literal["uncontrolled", "ordered", "v2g"]
MODES: tuple[Mode, ...] = ("uncontrolled", "ordered", "v2g")
DUES = ("departure", "day_end", "later")
STATUSES = ("optimal", "time_limit", "simulated")
ENGINES = ("highs", "fleet")


@dataclass(frozen=True, slots=True, kw_only=True)
class DepartureOutcome:
    """What a session was promised and what it got, battery-side kWh.

    due "departure": the car leaves within the day. due "day_end": it stays plugged beyond the day; the target
    is then what it must hold at the day's end for its departure to stay in reach. reason: "" if kept.
    """

    session_id: str
    battery_id: str
    departure_utc: pd.Timestamp
    due: Literal["departure", "day_end", "later"]
    target_kwh: float
    reached_kwh: float
    missing_kwh: float
    reason: str

    def __post_init__(self) -> None:
        require_one_of(f"outcome of session {self.session_id!r}", "due", self.due, DUES)


@dataclass(frozen=True, slots=True, kw_only=True)
class SolverRecord:
    """How a plan was found.

    status: "optimal", "time_limit" (a feasible plan with an open gap) or "simulated" (no optimisation).
    gap: proven distance of the objective to its bound, relative to the larger of 1 € and the objective; 0 for
    an LP, NaN if simulated. primary: what the objective that comes before net benefit reached, in its own
    unit (kWh or kW); NaN where net benefit is all. engine: who solved it: "highs", the exact formulation, or
    "fleet", the engine for large fleets, for all or some of the cars.
    """

    status: Literal["optimal", "time_limit", "simulated"]
    objective_eur: float
    gap: float
    solve_seconds: float
    columns: int
    rows: int
    binaries: int
    wear_cuts: int
    primary: float = math.nan
    engine: Literal["highs", "fleet"] = "highs"

    def __post_init__(self) -> None:
        require_one_of("solver record", "status", self.status, STATUSES)
        require_one_of("solver record", "engine", self.engine, ENGINES)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReserveBid:
    """The bid for one reserve block, kW metered, and who holds it: up_kw, down_kw [n, slots of the block]."""

    name: str
    bid_kw: float
    up_kw: FloatArray
    down_kw: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prices:
    """Shadow prices: what one more of each would add to the objective, NaN where the mode does not optimise.

    site_eur_per_kwh [S, T]: metered, signed like grid power: +v says one more kWh of import limit in that
    slot is worth v, −v the same of export limit. peak_eur_per_kw [S, T]: what one kW less of import in that
    slot takes off the peak charge. reserve_up_eur_per_kw, reserve_down_eur_per_kw [B, T]: one more kW held
    in that slot. energy_value_eur_per_kwh [n, T]: one more kWh in the battery at the end of the slot.
    """

    site_eur_per_kwh: FloatArray
    peak_eur_per_kw: FloatArray
    reserve_up_eur_per_kw: FloatArray
    reserve_down_eur_per_kw: FloatArray
    energy_value_eur_per_kwh: FloatArray

    @classmethod
    def unknown(cls, cars: int, sites: int, reserves: int, slots: int) -> Prices:
        """No prices: all NaN."""
        return cls(
            site_eur_per_kwh=np.full((sites, slots), np.nan),
            peak_eur_per_kw=np.full((sites, slots), np.nan),
            reserve_up_eur_per_kw=np.full((reserves, slots), np.nan),
            reserve_down_eur_per_kw=np.full((reserves, slots), np.nan),
            energy_value_eur_per_kwh=np.full((cars, slots), np.nan),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModePlan:
    """One mode's plan. Arrays [n, T]; energies are NaN where a car is unplugged.

    reserves: one bid for each block of the problem, in its order. binding: codes of `rulebook.BINDINGS`.
    """

    mode: Mode
    charge_kw: FloatArray
    discharge_kw: FloatArray
    plugged: BoolArray
    energy_start_kwh: FloatArray
    energy_end_kwh: FloatArray
    departures: tuple[DepartureOutcome, ...]
    solver: SolverRecord
    reserves: tuple[ReserveBid, ...]
    prices: Prices
    binding: CodeArray

    def __post_init__(self) -> None:
        require_one_of("plan", "mode", self.mode, MODES)
