"""Three prices of a kWh drawn and of one fed back, one name each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimize.fleet.arrays import from_problem
from optimize.model.pairs import plugged_pairs
from optimize.tree import site_tree
from optimize.windows import session_windows
from tests.optimize.fleets import car, day, session_of
from tests.optimize.test_planning_features import place


def test_tariff_with_emissions_and_at_the_plug() -> None:
    cars = [car("A"), car("B", site_id="shared")]
    sessions = [session_of("A", 0, 2, 0.5, 0.5), session_of("B", 0, 2, 0.5, 0.5)]
    problem = day(
        [0.3, 0.2], cars, sessions, export=[0.1, 0.05], sites=[place(), place("shared", metering="site")]
    )
    problem = replace(problem, co2_kg_per_kwh=np.array([0.5, 0.1]), co2_price_eur_per_kg=0.2)
    windows = session_windows(problem)
    cost, value = [0.4, 0.22], [0.2, 0.07]
    np.testing.assert_allclose(problem.import_cost_eur_per_kwh, cost)
    np.testing.assert_allclose(problem.export_value_eur_per_kwh, value)
    arrays = from_problem(problem, windows, "v2g")
    np.testing.assert_allclose(arrays.import_cost, cost)
    np.testing.assert_allclose(arrays.export_value, value)
    # A is its own meter; what B draws is billed at its site, but for what it emits.
    data = plugged_pairs(problem, windows, site_tree(problem), "v2g").data
    np.testing.assert_allclose(data["plug_cost"], [*cost, 0.1, 0.02])
    np.testing.assert_allclose(data["plug_value"], [*value, 0.1, 0.02])
