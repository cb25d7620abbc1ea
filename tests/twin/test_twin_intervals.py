"""Parts of the intervals: added and taken out again, estimated from scatter, larger for a longer reach."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from tests.twin.batteries import calibrated
from twin.ageing import AgeingFit, fit_ageing, health_at, health_path
from twin.cell import reference_cell
from twin.days import DutySpread
from twin.duty import REFERENCE_DUTY
from twin.forecast import forecast_capacity
from twin.intervals import STRUCTURAL, duty_part, interval, without
from twin.law import fit_alpha
from twin.life import Factors, life_days
from twin.prior import CHEMISTRY_PRIOR, Scatter, discrepancy_growth, fleet_prior, spread_of
from twin.rates import RateModel, rate_model
from twin.record import sibling_statistics


@lru_cache(maxsize=1)
def everyday() -> RateModel:
    return rate_model(reference_cell("nmc811"), REFERENCE_DUTY.profile())


def fitted(noise: float, count: int = 14) -> AgeingFit:
    """A battery of the nominal factors whose check-ups scatter by ``noise``."""
    model, ages = everyday(), np.linspace(5.0, 2000.0, count)
    circuit = reference_cell("nmc811").circuit
    path = health_path(model, CHEMISTRY_PRIOR.mean, ages)
    share = circuit.window(path).capacity_ah[:, 0] / circuit.fresh_capacity_ah
    return fit_ageing(
        model,
        age_days=2000.0,
        checkup_age_days=ages,
        capacity_share=share * np.random.default_rng(4).normal(1.0, noise, count),
        resistance_share=np.full(count, np.nan),
        state=None,
    )


def test_parts_add_in_quadrature_and_structural_ones_come_out_again() -> None:
    draws = np.linspace(90.0, 110.0, 201)
    parts = {"duty": 0.05, "form": 0.2, "law": 0.1}
    low, high = interval(draws, 100.0, parts)
    assert high - 100.0 == pytest.approx(np.hypot(9.0, 164.5 * np.linalg.norm(list(parts.values()))))
    assert 100.0 - low == pytest.approx(high - 100.0)
    assert without(parts, 100.0, low, high) == pytest.approx(interval(draws, 100.0, {"duty": 0.05}))
    assert "duty" not in STRUCTURAL
    assert interval(draws, 100.0, {"form": 2.0})[0] == 0.0


def test_a_check_ups_spread_is_estimated_from_its_scatter() -> None:
    fine, coarse = fitted(0.001), fitted(0.015)
    assert fine.capacity_sd < 0.004
    assert coarse.capacity_sd == pytest.approx(0.015, rel=0.4)
    assert fine.sample[:, 2].std() < coarse.sample[:, 2].std()
    assert fine.scatter is not None
    assert 3 < fine.scatter.freedom < 14 - 3
    assert np.sqrt(fine.scatter.squares / fine.scatter.freedom) == pytest.approx(0.001, rel=0.5)


def test_few_check_ups_hardly_move_what_is_believed_and_siblings_do() -> None:
    assert spread_of(0.005, []) == pytest.approx(0.005)
    assert spread_of(0.005, [Scatter(squares=1e-6, freedom=0.5)]) == pytest.approx(0.005, rel=0.1)
    assert spread_of(0.005, [Scatter(squares=3e-3**2 * 6, freedom=6.0)] * 10) == pytest.approx(3e-3, rel=0.1)


def test_siblings_are_taught_the_spread_by_a_calibration() -> None:
    statistics = sibling_statistics(calibrated().record)
    assert statistics is not None
    assert statistics.scatter is not None
    prior = fleet_prior(CHEMISTRY_PRIOR, [statistics] * 8)
    assert prior.capacity_sd == pytest.approx(0.003, rel=0.5)
    assert prior.capacity_sd == spread_of(CHEMISTRY_PRIOR.capacity_sd, [statistics.scatter] * 8)
    untold = fleet_prior(CHEMISTRY_PRIOR, [replace(statistics, scatter=None)])
    assert untold.capacity_sd == CHEMISTRY_PRIOR.capacity_sd


def test_a_forecast_far_beyond_the_fade_seen_may_be_further_off() -> None:
    assert float(discrepancy_growth(0.1, 0.05)) == float(discrepancy_growth(0.1, 0.1)) == 1.0
    assert float(discrepancy_growth(0.1, 0.7)) == pytest.approx(np.sqrt(3.0))
    assert float(discrepancy_growth(0.0, 0.03)) == pytest.approx(np.sqrt(2.0))


def test_a_band_is_the_discrepancy_times_the_reach() -> None:
    """Draws that are all alike leave nothing else."""
    model, theta = everyday(), np.repeat(CHEMISTRY_PRIOR.mean[None], 2001, axis=0)
    young = health_at(model, theta[:1], 300.0)
    band = forecast_capacity(model, theta, young, np.array([0.0, 3000.0]), discrepancy=0.1)
    ahead = band.best[0] - band.best[1]
    reached = float(discrepancy_growth(1 - band.best[0], ahead))
    assert reached > 1.3
    assert band.high[1] - band.low[1] == pytest.approx(2 * 1.645 * 0.1 * reached * ahead, rel=0.08)
    assert band.high[0] - band.low[0] == pytest.approx(0.0, abs=1e-9)


def test_the_ordinary_days_spread_moves_alpha_as_another_day_does() -> None:
    """Against the whole protocol at a day of 8 % less driving, rates brought to the same ordinary fade."""
    model, cell = everyday(), reference_cell("nmc811")
    unit, end = Factors(sei=1.0, lam=1.0), 0.8 * reference_cell("nmc811").circuit.fresh_capacity_ah
    stated = duty_part(
        model,
        REFERENCE_DUTY,
        DutySpread(driving=0.08, temperature_k=0.0),
        cell.fresh,
        unit,
        end_capacity_ah=end,
        v2g_ah_share=0.3,
    )
    less = replace(REFERENCE_DUTY, trip_efc=0.92 * REFERENCE_DUTY.trip_efc)

    def alpha(plain: RateModel, v2g: RateModel, lam: float) -> float:
        factors = Factors(sei=1.0, lam=lam)
        lives = [float(life_days(one, cell.fresh, factors, end)) for one in (v2g, plain)]
        return float(fit_alpha(np.array([0.3]), np.log([lives[0] / lives[1]])))

    ours = alpha(model, rate_model(cell, REFERENCE_DUTY.profile(v2g_ah_share=0.3, cycles=1)), 1.0)
    other = rate_model(cell, less.profile())
    # The factor that gives the fade was observed, the less driving is taken to have made it.
    lam = float(model.at(cell.fresh).eps_n / other.at(cell.fresh).eps_n)
    theirs = alpha(other, rate_model(cell, less.profile(v2g_ah_share=0.3, cycles=1)), lam)
    assert stated == pytest.approx(abs(np.log(theirs / ours)), rel=0.4)
    assert stated > 0.02


def test_parts_are_kept_with_the_calibration() -> None:
    found = calibrated()
    parts = found.record.interval_parts.by_name()
    assert set(parts) == {"l0", "alpha", "beta"}
    assert 0 < parts["alpha"]["law"] < 0.3
    assert 0 < parts["alpha"]["duty"] < 0.3
