"""What siblings teach, how a posterior is sampled, what a forecast holds; recovery of hidden batteries."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial

import numpy as np
import pandas as pd
import pytest

from tests.benchmarks.real_cells import DATA, LABORATORY, cycling, groups, score
from tests.benchmarks.twin_recovery import calibrate, compare, draw, hide
from tests.stored import sources_of, stored_value
from twin.ageing import AgeingFit, fit_ageing, health_at, health_path
from twin.cell import reference_cell
from twin.forecast import Forecast, forecast_capacity
from twin.health import Array
from twin.prior import CHEMISTRY_PRIOR, NAMES, ForecastError, SiblingStatistics, fleet_prior, sibling_priors
from twin.rates import RateModel, Rates
from twin.record import TwinRecord, sibling_statistics
from twin.sampling import sample_posterior
from twin.synthetic import drifted

SEI, KNEE = NAMES.index("sei_factor"), NAMES.index("knee_fade")


def statistics(sei: float, *, error: float = 0.0, sd: float = 0.2) -> SiblingStatistics:
    mean, spread = CHEMISTRY_PRIOR.mean.copy(), CHEMISTRY_PRIOR.sd.copy()
    mean[SEI], spread[SEI] = sei, sd
    mean[KNEE], spread[KNEE] = -3.0, 0.1
    return SiblingStatistics(
        mean=mean,
        sd=spread,
        prior_mean=CHEMISTRY_PRIOR.mean,
        prior_sd=CHEMISTRY_PRIOR.sd,
        surprise=ForecastError(error=error, step=0.1, sd=0.005),
    )


def test_siblings_move_and_narrow_the_prior_but_teach_no_knee() -> None:
    none = fleet_prior(CHEMISTRY_PRIOR, [])
    few = fleet_prior(CHEMISTRY_PRIOR, [statistics(0.8), statistics(0.9)])
    many = fleet_prior(CHEMISTRY_PRIOR, [statistics(0.8 + 0.02 * k) for k in range(-10, 11)])
    assert none is CHEMISTRY_PRIOR
    assert 0 < few.mean[SEI] < many.mean[SEI] < 0.95
    assert many.mean[SEI] == pytest.approx(0.85, abs=0.15)
    assert many.sd[SEI] < few.sd[SEI] < CHEMISTRY_PRIOR.sd[SEI]
    assert (many.mean[KNEE], many.sd[KNEE]) == (CHEMISTRY_PRIOR.mean[KNEE], CHEMISTRY_PRIOR.sd[KNEE])
    assert many.siblings == 21


def test_the_models_error_is_learnt_from_forecasts_that_failed() -> None:
    right = fleet_prior(CHEMISTRY_PRIOR, [statistics(0.0, error=0.002)] * 12)
    wrong = fleet_prior(CHEMISTRY_PRIOR, [statistics(0.0, error=sign * 0.04) for sign in (-1, 1)] * 6)
    assert right.discrepancy < 0.06
    assert wrong.discrepancy == pytest.approx(0.4, rel=0.2)


def test_siblings_are_others_of_the_same_chemistry() -> None:
    priors = sibling_priors(
        {"a": "lfp", "b": "lfp", "c": "nca"},
        {"a": statistics(1.0), "b": statistics(-1.0), "c": statistics(1.0)},
    )
    assert [priors[name].siblings for name in "abc"] == [1, 1, 0]
    assert priors["a"].mean[SEI] < 0 < priors["b"].mean[SEI]


def test_the_sibling_statistics_of_another_model_is_none() -> None:
    assert sibling_statistics(TwinRecord.from_json('{"names": ["sei_factor"]}')) is None


def test_a_skewed_posterior_is_sampled_as_it_is() -> None:
    """A normal cut off at its mode, which the mode and the curvature there do not tell."""

    def log_density(rows: Array) -> Array:
        cut = np.where(rows[:, 1] > 0.0, 0.0, -np.inf)
        return np.asarray(-0.5 * ((rows[:, 0] - 0.5 * rows[:, 1]) ** 2 / 0.1**2 + rows[:, 1] ** 2) + cut)

    found = sample_posterior(
        log_density,
        np.zeros(2),
        np.array([[0.26, 0.5], [0.5, 1.0]]),
        prior_mean=np.zeros(2),
        prior_sd=np.ones(2),
        loose=[1],
    )
    assert (found[:, 1] > 0).all()
    assert found[:, 1].mean() == pytest.approx(np.sqrt(2 / np.pi), abs=0.12)
    assert (found[:, 0] - 0.5 * found[:, 1]).std() == pytest.approx(0.1, rel=0.25)


@lru_cache(maxsize=1)
def laboratory() -> RateModel:
    return cycling("nmc811", 0.8, 0.5, 25.0)[0][0]


def record(fade_at_knee: float) -> tuple[Array, Array]:
    """Ages and capacities of a cell with a knee, 1 ‰ of noise."""
    theta = LABORATORY.mean.copy()
    theta[:2], theta[KNEE] = (1.0, -1.0), np.log(fade_at_knee)
    ages = np.linspace(0.0, 700.0, 24)
    path = health_path(laboratory(), theta, ages)
    circuit = reference_cell("nmc811").circuit
    share = circuit.window(path).capacity_ah[:, 0] / circuit.fresh_capacity_ah
    return ages, share * np.random.default_rng(0).normal(1.0, 0.001, len(ages))


def fitted(ages: Array, capacity: Array, discrepancy: float) -> AgeingFit:
    return fit_ageing(
        laboratory(),
        age_days=float(ages[-1]),
        checkup_age_days=ages,
        capacity_share=capacity,
        resistance_share=np.full(len(ages), np.nan),
        state=None,
        prior=replace(LABORATORY, discrepancy=discrepancy),
    )


def forecast(fit: AgeingFit, ages: Array, observed: int) -> Forecast:
    """What the check-ups after the ``observed`` ones will show."""
    theta = np.vstack([fit.mean, fit.sample])
    today = health_at(laboratory(), theta, float(ages[observed - 1]))
    ahead = ages[observed:] - ages[observed - 1]
    left_out = {"discrepancy": fit.prior.discrepancy, "measured_sd": fit.capacity_sd}
    return forecast_capacity(laboratory(), theta, today, ahead, **left_out)


def test_a_knee_is_found_once_passed_and_allowed_for_before() -> None:
    ages, capacity = record(0.08)
    passed = fitted(ages, capacity, 0.02)
    before = int(np.argmax(capacity < 0.95))
    ahead = fitted(ages[:before], capacity[:before], 0.02)
    assert capacity[-1] < 0.85
    assert np.exp(passed.sample[:, KNEE]).mean() == pytest.approx(0.08, abs=0.02)
    assert passed.shrinkage[KNEE] < 0.5 < ahead.shrinkage[KNEE]
    assert "knee_fade: yes" in passed.identifiability()
    band = forecast(ahead, ages, before)
    assert band.low[-1] < capacity[-1] < band.high[-1]


def test_a_band_widens_with_distance_and_with_what_the_model_leaves_out() -> None:
    ages, capacity = record(0.3)
    widths = []
    for discrepancy in (0.02, 0.4):
        fit = fitted(ages[:10], capacity[:10], discrepancy)
        band = forecast(fit, ages, 10)
        assert (np.diff(band.median) < 0).all()
        widths.append(band.high - band.low)
        assert widths[-1][-1] > 1.5 * widths[-1][0]
    assert widths[1][-1] > 1.5 * widths[0][-1]


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason=f"public ageing data not at {DATA}")
def test_real_cells_are_forecast_next_to_the_baselines() -> None:
    """The three cells cycled at 0 °C; all groups: `python -m tests.benchmarks.real_cells`."""
    _, records = next(groups())
    result = score(records, "axis", LABORATORY)
    assert set(result.errors) == {"twin", "PyBaMM", "linear", "√", "power", "exponential"}
    error = {name: float(np.median(values)) for name, values in result.errors.items()}
    assert error["PyBaMM"] <= 1.1 * min(error.values())
    assert np.mean(result.held) >= 0.8


@pytest.mark.slow
def test_six_hidden_batteries_are_recovered() -> None:
    """Two of each of three climates; sixty: `python -m tests.benchmarks.twin_recovery`."""
    rows = []
    for index in (0, 2, 4, 6, 8, 10):
        hidden = stored_value(
            "hidden",
            partial(hide, index),
            made_by=sources_of("tests.benchmarks.twin_recovery"),
            rooms=["twin"],
            given=index,
        )
        rows.append(compare(hidden, calibrate(hidden)))
    found = pd.DataFrame(rows)
    assert (found["quality"] == "calibrated").all()
    assert found["capacity"].abs().median() < 0.01
    assert found["l0"].abs().median() < 0.2
    assert found["alpha"].abs().median() < 0.15
    held = found[["capacity_held", "l0_held", "alpha_held"]].to_numpy()
    assert held.mean() > 0.7


def test_a_truth_drifts_with_every_doubling_of_its_fade() -> None:
    steps = (0.2, -0.3, 0.5)
    spec = replace(draw(0, form_hidden=True), capacity_scale=1.0, drift=steps)
    # Electrodes and lithium in one proportion: capacity is that share of the fresh cell's.
    left = 1 - np.array([0.0, 0.01, 0.02, 0.04, 0.08, 0.2])
    health = reference_cell(spec.battery.chemistry).fresh.scaled(left)
    unit = np.ones(6)
    rates = drifted(spec, health, Rates(sei_m=unit, eps_n=2 * unit, eps_p=unit, lam_lithium_ah=unit))
    assert np.log(rates.sei_m) == pytest.approx([0.0, 0.0, 0.2, -0.1, 0.4, 0.4], abs=2e-3)
    assert rates.eps_n == pytest.approx(2 * rates.sei_m)
    assert drifted(replace(spec, drift=()), health, rates) is rates
