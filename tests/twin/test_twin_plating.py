"""Lithium plated by fast charging in the cold: what laws say of it, and the order of real cells."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from twin.duty import Profile
from twin.ensemble.fit import Observed
from twin.ensemble.laws import LAWS, plating
from twin.ensemble.mixture import fit_all, foretell, weigh
from twin.ensemble.quantiles import quantiles
from twin.ensemble.stress import Stress, stress_of


def cycled(temperature_degc: float, c_rate: float = 0.5) -> Stress:
    """Cycles of 80 % all day, charged as fast as discharged."""
    hours = 0.8 / c_rate
    count = int(23.5 / (2 * hours))
    profile = Profile(
        start_s=np.asarray(np.arange(2 * count + 1) * hours * 3600, dtype=np.float64),
        c_rate=np.append(np.tile([-c_rate, c_rate], count), 0.0),
        start_soc=0.9,
        temperature_degc=temperature_degc,
        of_usable=True,
    )
    return stress_of(profile)


def test_plating_is_of_the_cold_and_of_fast_charging() -> None:
    by_cold = [plating(cycled(degc)) for degc in (0.0, 10.0, 24.0)]
    assert by_cold[0] > by_cold[1] > by_cold[2] > 1
    # 0.30 eV between 25 and 0 °C.
    assert by_cold[0] == pytest.approx(np.exp(0.30 / 8.617e-5 * (1 / 273.15 - 1 / 298.15)), rel=0.01)
    assert [plating(cycled(degc)) for degc in (25.0, 45.0)] == [1.0, 1.0]
    assert plating(cycled(0.0, 0.2)) == 1.0
    assert 1.0 < plating(cycled(0.0, 0.35)) < by_cold[0] == plating(cycled(0.0, 1.0))


def test_a_law_that_tells_of_the_cold_itself_is_left_as_it_was_published() -> None:
    cold, own = cycled(0.0), {}
    for name, law in LAWS.items():
        published = law.cycling(cold) ** (1 / law.z_cycling)
        own[name] = law.progress(cold)[1] / float((published * cold.depth).sum())
    untouched = {name for name, more in own.items() if more == pytest.approx(1.0)}
    assert untouched == {"everlasting2020", "smith2021", "wang2014", "gasper2023-lfp"}
    assert all(own[name] == pytest.approx(plating(cold)) for name in set(LAWS) - untouched)


@lru_cache
def days_of_a_new_cell(temperature_degc: float) -> float:
    """Days to 90 % of capacity by the median of all laws and curves, of a cell that nothing is known of."""
    stress, days = cycled(temperature_degc), np.geomspace(0.5, 3e4, 60)
    new = Observed(ages=np.array([1e-3]), capacity=np.ones(1), sd=np.full(1, 0.004), last_days=1e-3)
    stated = foretell(
        fit_all(stress, new, 1), stress, days, age_days=new.last_days, fast=1.0, discrepancy=0.2
    )
    each = np.concatenate(
        [
            np.full(len(one.path), w / len(one.path))
            for one, w in zip(stated, weigh("nmc811", stated), strict=True)
        ]
    )
    paths = np.vstack([one.path for one in stated])
    median = np.minimum.accumulate([quantiles(column, each)[1] for column in paths.T])
    return float(np.interp(-0.9, -median, days))


def test_the_colder_a_cell_is_cycled_at_half_its_rate_the_sooner_it_fades() -> None:
    # Of LG MJ1 cells at 0, 10 and 25 °C the median reached 90 % after 45, 68 and 142 equivalent full cycles.
    assert days_of_a_new_cell(0.0) < 0.9 * days_of_a_new_cell(10.0) < 0.9 * days_of_a_new_cell(25.0)
