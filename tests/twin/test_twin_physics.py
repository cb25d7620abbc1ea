"""What physics demands of lives, whatever the parameters: one metamorphic relation each."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from twin.ageing import factors_of, health_path
from twin.cell import reference_cell
from twin.chemistry import CHEMISTRIES
from twin.duty import REFERENCE_DUTY, Profile, StandardDuty
from twin.health import Health
from twin.law import fit_alpha
from twin.life import Factors, life_days
from twin.prior import CHEMISTRY_PRIOR
from twin.rates import RateModel, rate_model, solve_rates
from twin.wearmap import wear_map

NAMES = sorted(CHEMISTRIES)
UNIT = Factors(sei=np.ones(1), lam=np.ones(1))


@lru_cache(maxsize=8)
def ordinary(name: str) -> RateModel:
    return rate_model(reference_cell(name), REFERENCE_DUTY.profile())


def life(name: str, profile: Profile, **load: float) -> float:
    """Life of a new battery on a day whose rates stand to the ordinary day's as PyBaMM says they do now."""
    cell, base = reference_cell(name), ordinary(name)
    own, standard = (solve_rates(cell, day, cell.fresh) for day in (profile, REFERENCE_DUTY.profile()))
    end = 0.8 * reference_cell(name).circuit.fresh_capacity_ah
    return float(life_days(base.scaled(own, standard), new(name), UNIT, end, **load)[0])


def new(name: str) -> Health:
    return reference_cell(name).fresh.row()


def late(duty: StandardDuty) -> Profile:
    """The ordinary day with its charging put off until departure."""
    immediate = duty.profile()
    edges = np.append(immediate.start_s, 86400.0)
    hours, rates = np.diff(edges) / 3600, immediate.c_rate
    # Steps of the ordinary day: trip, stay, trip, charging, rest.
    order = [0, 1, 2, 4, 3]
    return replace(
        immediate,
        start_s=np.concatenate([[0.0], np.cumsum(hours[order])[:-1]]) * 3600,
        c_rate=rates[order],
    )


@pytest.mark.parametrize("name", NAMES)
def test_life_falls_with_heat_above_25_degrees(name: str) -> None:
    lives = [
        life(name, replace(REFERENCE_DUTY, temperature_degc=degc).profile()) for degc in (25.0, 32.0, 40.0)
    ]
    assert lives[0] > lives[1] > lives[2]


def test_the_cold_strains_graphite_alike_in_both_nmc_cells() -> None:
    """Stress goes with diffusion, whose activation energy is one measured for graphite, not a default."""

    def strain(name: str, degc: float) -> float:
        profile = replace(REFERENCE_DUTY, temperature_degc=degc).profile()
        return float(solve_rates(reference_cell(name), profile, reference_cell(name).fresh).eps_n)

    by_cold = [strain(name, 10.0) / strain(name, 25.0) for name in ("nmc811", "nmc532")]
    assert by_cold[1] == pytest.approx(by_cold[0], rel=0.03)
    assert 3 < by_cold[1] < 4


@pytest.mark.parametrize("name", NAMES)
def test_rest_wears_more_the_fuller_and_the_warmer(name: str) -> None:
    """Calendar ageing answers to both: SEI of a day at rest."""

    def grown(soc: float, degc: float) -> float:
        rest = Profile(start_s=np.zeros(1), c_rate=np.zeros(1), start_soc=soc, temperature_degc=degc)
        return float(solve_rates(reference_cell(name), rest, reference_cell(name).fresh).sei_m)

    assert grown(0.3, 25.0) < grown(0.6, 25.0) < grown(0.95, 25.0)
    assert grown(0.6, 10.0) < grown(0.6, 25.0) < grown(0.6, 40.0)


@pytest.mark.parametrize("name", NAMES)
def test_life_falls_with_the_c_rate_of_v2g(name: str) -> None:
    lives = [
        life(name, REFERENCE_DUTY.profile(v2g_ah_share=0.2, cycles=1, v2g_c_rate=rate))
        for rate in (1 / 12, 1 / 6, 1 / 3)
    ]
    assert lives[0] > lives[1] > lives[2]


@pytest.mark.parametrize("name", NAMES)
def test_late_charging_outlives_immediate_charging(name: str) -> None:
    duty = replace(REFERENCE_DUTY, target_soc=0.9)
    assert life(name, late(duty)) > life(name, duty.profile())


def test_alpha_of_an_aged_start_is_that_of_a_fresh_one() -> None:
    """α in days per cycle falls with the life left; in lives, α/L0 compared, it is the same law."""
    name = "nmc811"
    cell, circuit = reference_cell(name), reference_cell(name).circuit
    base = ordinary(name)
    share = circuit.window(aged_path(name)).capacity_ah / circuit.fresh_capacity_ah
    at = int(np.argmax(share[:, 0] <= 0.9))
    aged = aged_path(name).at(at)
    alphas = []
    for start, soh in ((new(name), 1.0), (aged, float(share[at, 0]))):
        end = 0.8 * circuit.fresh_capacity_ah
        l0 = float(life_days(base, start, UNIT, end)[0])
        x, ratios = [], []
        for depth in (0.1, 0.2):
            model = rate_model(cell, REFERENCE_DUTY.profile(v2g_ah_share=depth * soh, cycles=2))
            x.append(2 * depth)
            ratios.append(np.log(float(life_days(model, start, UNIT, end)[0]) / l0))
        alphas.append(float(fit_alpha(np.array(x), np.array(ratios))))
    assert alphas[1] == pytest.approx(alphas[0], rel=0.10)


@lru_cache(maxsize=1)
def aged_path(name: str) -> Health:
    theta = CHEMISTRY_PRIOR.mean[None]
    assert factors_of(ordinary(name), theta).knee_gain[0] == 0.0  # nothing plates at a wallbox
    return health_path(ordinary(name), theta, np.linspace(100.0, 4000.0, 40))


def test_range_ends_before_capacity_under_a_heavy_load_only() -> None:
    by_capacity = life("nmc811", REFERENCE_DUTY.profile())
    light, heavy = (
        life("nmc811", REFERENCE_DUTY.profile(), load_c_rate=rate, volts_at_1c=0.06) for rate in (0.01, 1.0)
    )
    assert light == pytest.approx(by_capacity, rel=0.02)
    assert heavy < 0.97 * by_capacity


def test_the_wear_map_prices_habits() -> None:
    name = "nmc811"
    cell, value, energy = reference_cell(name), 6000.0, 58.0
    found = wear_map(
        ordinary(name),
        REFERENCE_DUTY,
        UNIT,
        cell.fresh,
        soh=1.0,
        end_capacity_ah=0.8 * reference_cell(name).circuit.fresh_capacity_ah,
        residual_value_eur=value,
        usable_energy_kwh=energy,
    )
    table = found.table
    assert np.allclose(table["wear_eur_per_day"] * table["life_days"], value)
    plain, v2g = table[table["v2g_efc_per_day"] == 0], table[table["v2g_efc_per_day"] > 0]
    assert v2g["wear_eur_per_day"].min() > plain["wear_eur_per_day"].iloc[0]
    same = v2g[(v2g["temperature_degc"] == 25.0) & (v2g["rest_soc"] == 0.8)]
    slower = same[same["c_rate"] < 1 / 6 - 1e-9].sort_values("c_rate")
    assert slower["wear_eur_per_day"].is_monotonic_increasing
    assert len(slower) == 2
    # A day's resting wear at most: what the battery holds, all day, priced at the margin.
    held = found.rest_price_eur_per_kwh_h * 0.8 * energy * 24
    assert 0 < held < 2 * plain["wear_eur_per_day"].iloc[0]
