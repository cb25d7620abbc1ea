"""Fewer scenarios that stand for many: forward selection by the transport (Kantorovich) distance.

Chosen one after another is the scenario that brings the probability-weighted distance of all to their nearest
chosen one down furthest; each left out then gives its probability to its nearest (Heitsch and Römisch,
Computational Optimization and Applications 24:187, 2003).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.spatial.distance import cdist

from optimize.errors import ProblemError
from optimize.scenarios.types import Scenario
from optimize.types import FloatArray


def reduce_scenarios(scenarios: Sequence[Scenario], count: int) -> tuple[Scenario, ...]:
    """The `count` scenarios that stand best for all, in their order, with the probabilities of all.

    Distances are Euclidean over what a plan depends on, slot by slot: import and export price, base load and
    energy that the plugged cars ask for, each in units of its spread over the scenarios. Raises ProblemError
    for a count below 1.
    """
    if count < 1:
        raise ProblemError("scenario reduction", "count", count, "must be >= 1")
    if count >= len(scenarios):
        return tuple(scenarios)
    distance = _distances(scenarios)
    probability = np.array([scenario.probability for scenario in scenarios])
    chosen: list[int] = []
    nearest = np.full(len(scenarios), np.inf)
    for _ in range(count):
        cost = probability @ np.minimum(nearest[:, None], distance)
        cost[chosen] = np.inf
        chosen.append(int(np.argmin(cost)))
        nearest = np.minimum(nearest, distance[:, chosen[-1]])
    chosen.sort()
    heir = np.argmin(distance[:, chosen], axis=1)
    weight = np.bincount(heir, weights=probability, minlength=count)
    return tuple(
        replace(scenarios[number], probability=float(share))
        for number, share in zip(chosen, weight, strict=True)
    )


def _distances(scenarios: Sequence[Scenario]) -> FloatArray:
    features = [np.stack(kind) for kind in zip(*(_features(scenario) for scenario in scenarios), strict=True)]
    scaled = []
    for values in features:
        moved = values - values[0]
        spread = float(moved.std(axis=0).mean())
        scaled.append(moved / spread if spread > 0.0 else moved)
    points = np.hstack(scaled)
    distance: FloatArray = cdist(points, points)
    return distance


def _features(scenario: Scenario) -> tuple[FloatArray, ...]:
    """What a plan depends on, each [T]: prices, base load, and battery-side kWh asked for by plugged cars."""
    day = scenario.day
    wanted = np.zeros(len(day.slots))
    capacity = {car.battery_id: car.capacity_kwh for car in day.cars}
    for session in day.sessions:
        plugged = (day.slots >= session.arrival_utc) & (day.slots < session.departure_utc)
        asked = max(0.0, session.departure_soc - session.arrival_soc) * capacity[session.battery_id]
        wanted[plugged] += asked / max(1, int(plugged.sum()))
    base = np.zeros(len(day.slots))
    for site in day.sites:
        if site.base_load_kw is not None:
            base += site.base_load_kw
    return day.import_price_eur_per_kwh, day.export_price_eur_per_kwh, base, wanted
