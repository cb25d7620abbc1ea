"""Structures side by side: published laws, plain curves and PyBaMM, and what their mixture knows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.benchmarks.law_batteries import Truth, figures
from tests.twin.batteries import calibrated, duty
from twin.duty import Profile, StandardDuty
from twin.ensemble.fit import Observed
from twin.ensemble.growth import Structure
from twin.ensemble.laws import LAWS
from twin.ensemble.mixture import PHYSICS, Ensemble, answers, fit_all, mix, v2g_days
from twin.ensemble.quantiles import quantiles
from twin.ensemble.stored import band_of, life_of_day, more_wear, wear_ratio
from twin.ensemble.stress import stress_of
from twin.health import Array
from twin.life import days_until
from twin.record import TwinRecord

AGE = 5.0 * 365.25
CHECKUPS = np.arange(30.0, AGE, 182.6)


def mixed(
    name: str, day: StandardDuty, *, checkups: int = 10, noise: float = 0.0
) -> tuple[Ensemble, dict[str, float]]:
    """What the mixture without the law ``name`` says of a battery that ages by it, and the truth."""
    truth = Truth(law=LAWS[name], sizes=(1.0, 1.0))
    daily = truth.progress(day.profile())
    ages = CHECKUPS[-checkups:] if checkups else CHECKUPS[:0]
    capacity = 1.0 - truth.loss(daily * ages[:, None])
    capacity = capacity + np.random.default_rng(1).normal(0.0, noise, len(ages))
    soh = float(1.0 - truth.loss(daily * AGE))
    found = mixture(day, ages, capacity, soh, {one: law for one, law in LAWS.items() if one != name})
    return found, figures(truth, day, 1.0, daily * AGE)


def mixture(day: StandardDuty, ages: Array, capacity: Array, soh: float, laws: dict[str, object]) -> Ensemble:
    past = stress_of(day.profile())
    observed = Observed(ages=ages, capacity=capacity, sd=np.full(len(ages), 0.003), last_days=AGE)
    fits = fit_all(past, observed, len(ages), laws=laws)  # type: ignore[arg-type]
    shares = day.v2g_limit() / soh * np.array([0.2, 0.4, 0.6, 0.8, 1.0])
    cycles = np.where(shares > 0.45, 2, 1)
    days = v2g_days(day, shares / cycles, cycles, soh)
    drawn = answers(
        fits, past, days, day, age_days=AGE, end_soh=min(0.8, soh - 0.02), fast=0.0, discrepancy=0.15
    )
    return mix("nmc811", drawn, shares)


def test_a_day_is_read_as_rest_and_cycles() -> None:
    plain, v2g = duty().profile(), duty().profile(v2g_ah_share=0.3, cycles=1)
    ordinary, busy = stress_of(plain), stress_of(v2g)
    assert ordinary.depth == pytest.approx([0.22])
    assert busy.depth == pytest.approx([0.22, 0.3])
    assert busy.efc == pytest.approx(ordinary.efc + 0.3)
    assert ordinary.kelvin == pytest.approx(291.15)
    assert 0.58 < busy.soc.mean() < ordinary.soc.mean() < 0.8
    rest = Profile(start_s=np.zeros(1), c_rate=np.zeros(1), start_soc=0.6, temperature_degc=25.0)
    assert stress_of(rest).efc == 0
    assert (stress_of(rest).soc == 0.6).all()


@pytest.mark.parametrize(
    ("name", "soc", "degc", "days", "loss"),
    [
        # Naumann 2018: 885 days at 25 °C and half charge, 1.2571e-5 · 0.60225 · √t [s].
        ("naumann2020", 0.5, 25.0, 885.0, 0.0662),
        # Schmalstieg 2014: 500 days at 50 °C and half charge.
        ("schmalstieg2014", 0.5, 50.0, 500.0, 0.182),
        # Wang 2014: 14,876 · exp(-24,500 / RT) % of √d.
        ("wang2014", 0.9, 25.0, 400.0, 0.152),
    ],
)
def test_laws_give_the_published_loss_at_rest(
    name: str, soc: float, degc: float, days: float, loss: float
) -> None:
    rest = Profile(start_s=np.zeros(1), c_rate=np.zeros(1), start_soc=soc, temperature_degc=degc)
    progress, _ = LAWS[name].progress(stress_of(rest))
    assert (progress * days) ** LAWS[name].z_calendar == pytest.approx(loss, rel=0.02)


def test_cycling_of_a_law_is_its_published_loss() -> None:
    # Naumann 2020: 1C, depth 0.8, 1,000 full cycles: (0.0630 + 0.0971)(4.0253 · 0.2³ + 1.0923) √1,000 %.
    hours = 0.8
    profile = Profile(
        start_s=np.array([0.0, hours, 2 * hours]) * 3600,
        c_rate=np.array([-1.0, 1.0, 0.0]),
        start_soc=0.9,
        temperature_degc=25.0,
    )
    law = LAWS["naumann2020"]
    _, daily = law.progress(stress_of(profile))
    assert (daily * 1000 / 0.8) ** law.z_cycling == pytest.approx(0.0570, rel=0.01)


@pytest.mark.parametrize("name", sorted(LAWS))
@pytest.mark.parametrize("degc", [-10.0, 25.0, 45.0])
def test_every_law_ages_every_day(name: str, degc: float) -> None:
    day = duty(temperature_degc=degc)
    rest, cycled = LAWS[name].progress(stress_of(day.profile()))
    assert 0 < rest < 1 and 0 < cycled < 1


@pytest.mark.parametrize("name", ["schmalstieg2014", "naumann2020", "smith2021", "keil-preger"])
def test_intervals_hold_the_truth_of_a_law_that_nobody_knows(name: str) -> None:
    found, truth = mixed(name, duty(), noise=0.002)
    for figure in ("l0", "alpha", "beta"):
        low, middle, high = getattr(found, figure)
        assert low <= truth[figure] <= high, figure
        assert low < middle < high
    assert found.l0[1] == pytest.approx(truth["l0"], rel=0.5)


def test_checkups_of_one_duty_do_not_tell_rest_from_cycling() -> None:
    found, _ = mixed("naumann2020", duty())
    low, _, high = found.calendar
    assert high - low > 0.4
    assert found.beta[2] > 5 * found.beta[0]
    bare, _ = mixed("naumann2020", duty(), checkups=0)
    # Check-ups tell the life all the same.
    assert found.l0[2] / found.l0[0] < 0.5 * bare.l0[2] / bare.l0[0]


def test_what_foretells_better_weighs_more() -> None:
    straight = mixture(duty(), CHECKUPS, 1.0 - 0.14 * CHECKUPS / AGE, 0.86, dict(LAWS))
    bent = mixture(duty(), CHECKUPS, 1.0 - 0.14 * np.sqrt(CHECKUPS / AGE), 0.86, dict(LAWS))

    def weight(found: Ensemble, name: str) -> float:
        return next(one.weight for one in found.members if one.name == name)

    assert weight(straight, "linear") > 1.5 * weight(straight, "square root")
    assert weight(bent, "square root") > 1.5 * weight(bent, "linear")
    assert sum(one.weight for one in bent.members) == pytest.approx(1.0)
    assert straight.l0[1] < bent.l0[1]


def test_little_fade_foretold_is_no_certainty() -> None:
    found = mixture(duty(), CHECKUPS, np.full(len(CHECKUPS), 0.995), 0.995, dict(LAWS))
    in_ten_years = float(np.interp(3652.0, found.band.days, found.band.high - found.band.low))
    assert in_ten_years > 0.02
    assert (np.diff(found.band.median) <= 0).all()
    assert (found.band.low <= found.band.median).all() and (found.band.median <= found.band.high).all()


def test_a_warm_or_full_day_rests_worse_in_every_structure() -> None:
    day = duty()
    warm = replace(day, temperature_degc=28.0)
    past = stress_of(day.profile())
    for fit in fit_all(
        past, Observed(ages=CHECKUPS[:0], capacity=CHECKUPS[:0], sd=CHECKUPS[:0], last_days=AGE), 0
    ):
        assert pace(fit.structure, fit.sample, day, warm).mean() > 0.95, fit.structure.name


def pace(structure: Structure, theta: Array, day: StandardDuty, other: StandardDuty) -> Array:
    from twin.ensemble.growth import Lived

    lived = Lived(past=stress_of(day.profile()), days=[stress_of(other.profile())])
    return structure.pace(theta, lived)[:, 0, 0]


def test_quantiles_are_weighted() -> None:
    assert quantiles(
        np.array([3.0, 1.0, 2.0]), np.array([0.8, 0.1, 0.1]), (0.05, 0.5, 0.95)
    ) == pytest.approx([1.0, 3.0, 3.0])


def test_more_wear_scales_what_is_added_alone() -> None:
    assert more_wear(np.array([-0.2, 0.0, 0.5]), 0.4) == pytest.approx([0.8, 1.0, 1.2])


def test_a_calibration_publishes_the_mixture() -> None:
    found = calibrated()
    ensemble = found.record.ensemble
    assert ensemble is not None
    names = {one.name for one in ensemble.members}
    assert {PHYSICS, "square root", *LAWS} <= names
    assert sum(one.weight for one in ensemble.members) == pytest.approx(1.0)
    band = band_of(found, ensemble)
    ends = [
        float(days_until(band.days, edge.copy(), ensemble.end_soh))
        for edge in (band.low, band.median, band.high)
    ]
    given = [found.l0_low_days, found.l0_days, found.l0_high_days]
    assert ends == pytest.approx(given, rel=0.08)
    assert found.life_points["life_days"].iloc[0] == pytest.approx(found.l0_days)
    assert found.alpha_low_day_per_efc < found.alpha_day_per_efc < found.alpha_high_day_per_efc
    assert "calendar share" in found.identifiability
    assert TwinRecord.from_json(found.record.to_json()) == found.record


def test_a_planned_day_is_answered_on_the_footing_of_the_mixture() -> None:
    found = calibrated()
    ratio = wear_ratio(found, PHYSICS)
    assert life_of_day(found, PHYSICS, 2000.0, 2000.0) == pytest.approx(found.l0_days)
    assert life_of_day(found, PHYSICS, 1000.0, 2000.0) == pytest.approx(found.l0_days / (1 + ratio))
    alone = replace(found, record=replace(found.record, ensemble=None))
    assert life_of_day(alone, PHYSICS, 1000.0, 2000.0) == 1000.0
