"""Lives: the learnt rates against direct cycle-jumping, priors as documented, and what physics demands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twin.cell import ReferenceCell, reference_cell
from twin.chemistry import CHEMISTRIES
from twin.duty import REFERENCE_DUTY, Profile
from twin.health import Health
from twin.life import HORIZON_DAYS, Factors, life_days
from twin.rates import Rates, rate_model, solve_rates

NAMES = sorted(CHEMISTRIES)
UNIT = Factors(sei=np.float64(1.0), lam=np.float64(1.0))


def learnt_life(name: str, profile: Profile, start: Health | None = None, factors: Factors = UNIT) -> float:
    cell = reference_cell(name)
    end = 0.8 * reference_cell(name).circuit.fresh_capacity_ah
    return float(life_days(rate_model(cell, profile), start or cell.fresh, factors, end))


def direct_life(name: str, profile: Profile) -> float:
    """Cycle-jumping with a fresh PyBaMM day at every stage: midpoint rule, steps of a tenth of the age."""
    cell, circuit = reference_cell(name), reference_cell(name).circuit
    end, health, age = 0.8 * circuit.fresh_capacity_ah, cell.fresh, 0.0
    capacity = circuit.fresh_capacity_ah
    while True:
        step = max(20.0, 0.1 * age)
        middle = aged(cell, health, solve_rates(cell, profile, health), step / 2)
        health = aged(cell, health, solve_rates(cell, profile, middle), step)
        after = float(circuit.window(health).capacity_ah)
        if after < end:
            return age + step * (capacity - end) / (capacity - after)
        age, capacity = age + step, after


def aged(cell: ReferenceCell, health: Health, rates: Rates, days: float) -> Health:
    bound = rates.sei_m * cell.sei_ah_per_m_eps * health.eps_n
    return Health(
        sei_m=health.sei_m + rates.sei_m * days,
        eps_n=health.eps_n - rates.eps_n * days,
        eps_p=health.eps_p - rates.eps_p * days,
        lithium_ah=health.lithium_ah - (bound + rates.lam_lithium_ah) * days,
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("share", "cycles"), [(0.0, 0), (0.35, 2)])
def test_learnt_rates_give_the_life_of_direct_simulation(name: str, share: float, cycles: int) -> None:
    profile = REFERENCE_DUTY.profile(v2g_ah_share=share, cycles=cycles)
    assert learnt_life(name, profile) == pytest.approx(direct_life(name, profile), rel=0.015)


@pytest.mark.parametrize("name", NAMES)
def test_held_out_days_are_predicted(name: str) -> None:
    model = rate_model(reference_cell(name), REFERENCE_DUTY.profile(v2g_ah_share=0.2, cycles=1))
    assert 0 < model.held_out_error < 0.03


@pytest.mark.parametrize("name", NAMES)
def test_nominal_rates_reach_the_documented_life(name: str) -> None:
    life = learnt_life(name, REFERENCE_DUTY.profile())
    assert life == pytest.approx(CHEMISTRIES[name].reference_life_days, rel=0.03)


@pytest.mark.parametrize("name", NAMES)
def test_film_and_lost_material_each_take_about_half_of_the_loss(name: str) -> None:
    none, one = np.float64(1e-6), np.float64(1.0)
    for alone in (Factors(sei=one, lam=none), Factors(sei=none, lam=one)):
        times = learnt_life(name, REFERENCE_DUTY.profile(), factors=alone)
        assert 1.5 < times / CHEMISTRIES[name].reference_life_days < 3.0


@pytest.mark.parametrize("name", NAMES)
def test_heat_neither_feeds_nor_spares_active_material(name: str) -> None:
    mild, warm = (
        solve_rates(reference_cell(name), replace(REFERENCE_DUTY, temperature_degc=degc).profile(),
                    reference_cell(name).fresh)
        for degc in (25.0, 35.0)
    )  # fmt: skip
    assert warm.eps_n == pytest.approx(mild.eps_n, rel=0.08)
    assert warm.eps_p == pytest.approx(mild.eps_p, rel=0.08)


def test_wear_is_proportional_to_its_factor() -> None:
    # Twice both factors is the same path in half the time.
    profile = REFERENCE_DUTY.profile()
    double = Factors(sei=np.float64(2.0), lam=np.float64(2.0))
    assert 2 * learnt_life("nmc811", profile, factors=double) == pytest.approx(
        learnt_life("nmc811", profile), rel=0.01
    )


@pytest.mark.parametrize("name", NAMES)
def test_life_falls_with_heat_with_resting_charge_and_with_v2g(name: str) -> None:
    plain = learnt_life(name, REFERENCE_DUTY.profile())
    assert learnt_life(name, replace(REFERENCE_DUTY, temperature_degc=35.0).profile()) < plain
    assert learnt_life(name, replace(REFERENCE_DUTY, target_soc=0.95).profile()) < plain
    assert learnt_life(name, REFERENCE_DUTY.profile(v2g_ah_share=0.2, cycles=1)) < plain


def test_faster_v2g_wears_more_at_equal_energy() -> None:
    slow = replace(REFERENCE_DUTY, charge_c_rate=1 / 8).profile(v2g_ah_share=0.2, cycles=1)
    fast = replace(REFERENCE_DUTY, charge_c_rate=1 / 3).profile(v2g_ah_share=0.2, cycles=1)
    assert learnt_life("nmc811", fast) < learnt_life("nmc811", slow)


def test_draws_give_the_same_lives_as_one_by_one() -> None:
    cell = reference_cell("lfp")
    model, end = (
        rate_model(cell, REFERENCE_DUTY.profile()),
        0.8 * reference_cell("lfp").circuit.fresh_capacity_ah,
    )
    factors = np.array([[0.7, 1.0], [1.0, 1.6], [1.4, 0.5]])
    together = life_days(model, cell.fresh, Factors(sei=factors[:, 0], lam=factors[:, 1]), end)
    alone = [
        float(life_days(model, cell.fresh, Factors(sei=np.float64(s), lam=np.float64(a)), end))
        for s, a in factors
    ]
    assert np.allclose(together, alone, rtol=1e-9)


def test_a_battery_that_never_ages_lives_to_the_horizon() -> None:
    unworn = Factors(sei=np.float64(1e-6), lam=np.float64(1e-6))
    assert learnt_life("nmc811", REFERENCE_DUTY.profile(), factors=unworn) == pytest.approx(HORIZON_DAYS)


@pytest.mark.parametrize("name", NAMES)
def test_a_film_does_not_grow_by_the_material_under_it_being_lost(name: str) -> None:
    # Full cycles strain much: were the lost material's film spread over the rest, a thick film would grow
    # faster than a thin one.
    cell = reference_cell(name)
    hour = 3600.0
    cycles = Profile(
        start_s=np.arange(12) * 2 * hour,
        c_rate=np.tile([-0.4, 0.4], 6),
        start_soc=0.9,
        temperature_degc=10.0,
        of_usable=True,
    )
    thin, thick = (
        float(solve_rates(cell, cycles, replace(cell.fresh, sei_m=k * cell.middle_sei_m)).sei_m)
        for k in (1.0, 2.0)
    )
    assert 0 < thick < thin
