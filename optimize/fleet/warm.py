"""Prices to begin with: yesterday's, or those of a sample of the fleet."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import LinAlgError

from optimize.fleet.arrays import FleetArrays
from optimize.fleet.coupling import Coupling, couple
from optimize.fleet.engine import CouplingPoint, Engine
from optimize.fleet.layout import FloatArray
from optimize.fleet.part import Part

START_MU = 1.0
MOST_ITERATIONS = 40
COUPLED_KW = 1e-2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CouplingPrices:
    """The coupling's prices by what they are the price of, € per kW: 0 where there is no row.

    node, peak, meter [S, T]; up, down [B, T].
    """

    node: FloatArray
    peak: FloatArray
    meter: FloatArray
    up: FloatArray
    down: FloatArray

    @classmethod
    def of(cls, coupling: Coupling, y: FloatArray) -> CouplingPrices:
        """The prices y of a coupling's rows."""
        padded = np.append(y, 0.0)
        return cls(
            node=padded[coupling.node_row],
            peak=padded[coupling.peak_row],
            meter=padded[coupling.meter_row],
            up=padded[coupling.up_row],
            down=padded[coupling.down_row],
        )

    def on(self, coupling: Coupling) -> FloatArray:
        """y of another coupling's rows; where this one had none, 0."""
        y = np.zeros(coupling.rows + 1)
        for rows, prices in (
            (coupling.node_row, self.node),
            (coupling.peak_row, self.peak),
            (coupling.meter_row, self.meter),
            (coupling.up_row, self.up),
            (coupling.down_row, self.down),
        ):
            if rows.shape == prices.shape:
                y[rows] = prices
        return y[:-1]


def market_prices(arrays: FleetArrays) -> CouplingPrices:
    """Nothing is scarce: behind a shared meter a kWh is worth what the day asks for it, elsewhere no more."""
    nothing = np.zeros((len(arrays.blocks), arrays.slots))
    behind = arrays.metered[:, None] * arrays.slot_hours * arrays.import_cost
    return CouplingPrices(node=behind, peak=np.zeros_like(behind), meter=behind, up=nothing, down=nothing)


def sample(arrays: FleetArrays, size: int) -> FleetArrays:
    """Every so-many-th car, at a grid shrunk alike."""
    cars = np.unique(np.linspace(0, arrays.cars - 1, size).astype(np.int64))
    share = cars.size / arrays.cars
    return replace(
        arrays.subset(cars),
        import_limit_kw=arrays.import_limit_kw * share,
        export_limit_kw=arrays.export_limit_kw * share,
        base_load_kw=arrays.base_load_kw * share,
        peak_so_far_kw=arrays.peak_so_far_kw * share,
        blocks=tuple(replace(b, max_kw=b.max_kw * share, min_kw=b.min_kw * share) for b in arrays.blocks),
    )


def central_prices(arrays: FleetArrays, mu: float, threads: int, deadline: float) -> CouplingPrices:
    """Prices near the central path at μ, from a cold start; whatever there is at the deadline."""
    coupling = couple(arrays)
    cars = Part(arrays, coupling, START_MU, threads)
    engine = Engine(coupling, cars, CouplingPoint.start(coupling, np.zeros(coupling.rows), START_MU))
    for _ in range(MOST_ITERATIONS):
        engine.advance()
        met = engine.mu <= mu and engine.residual <= COUPLED_KW * arrays.cars
        if met or time.perf_counter() > deadline:
            break
        try:
            engine.direct()
        except LinAlgError:
            break
    return CouplingPrices.of(coupling, engine.coupling_point.y)


def meet(coupling: Coupling, y: FloatArray, mu: float) -> CouplingPoint:
    """v on its own central path: low − high = reduced cost, low·v_low = high·v_high = μ."""
    width = coupling.upper - coupling.lower
    reduced = coupling.cost - coupling.F.T @ y
    pull = np.abs(reduced) * width
    near = 2.0 * mu * width / (pull + 2.0 * mu + np.hypot(pull, 2.0 * mu))
    v_low = np.where(reduced > 0.0, near, width - near)
    v_high = np.where(reduced > 0.0, width - near, near)
    return CouplingPoint(
        y=y.copy(),
        v=np.where(reduced > 0.0, coupling.lower + near, coupling.upper - near),
        v_low=v_low,
        v_high=v_high,
        low=mu / v_low,
        high=mu / v_high,
    )
