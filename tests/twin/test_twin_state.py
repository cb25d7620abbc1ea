"""Stage A day after day: yesterday's posterior as prior, what asks for more, outliers, gaps, no news."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.twin.batteries import AS_OF, battery, request, truth
from tests.twin.faulty import broken, clean_spec
from twin import calibrate
from twin.calibrate import calibrate_battery
from twin.cell import reference_cell
from twin.observe import Observation, capacity_draws, observe
from twin.state import StatePrior, fit_state
from twin.types import Calibration, CalibrationRequest
from twin.update import carried, daily_update, why_full
from twin.window import DAILY_WINDOW_H, select_window

YESTERDAY = AS_OF - pd.Timedelta(days=2)


def observed_by(as_of: pd.Timestamp, **changes: Any) -> CalibrationRequest:
    """The request of the plain truth as of a moment."""
    made = truth()
    values: dict[str, Any] = {
        "telemetry": made.telemetry[made.telemetry["time_utc"] < as_of],
        "as_of_utc": as_of,
        "input_hash": f"{as_of:%d}" * 32,
    }
    return request(made, **(values | changes))


@lru_cache(maxsize=1)
def yesterday() -> Calibration:
    return calibrate_battery(observed_by(YESTERDAY))


def test_a_day_later_only_the_state_is_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    before = yesterday()

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a full calibration")

    monkeypatch.setattr(calibrate, "fit_ageing", refused)
    after = calibrate_battery(observed_by(AS_OF, previous=before))
    assert after.quality == "calibrated"
    assert after.reason.startswith("state of today")
    assert before.calibration_id in after.reason
    assert after.alpha_day_per_efc == before.alpha_day_per_efc
    true_ah = truth().hidden["usable_capacity_ah"]
    assert after.usable_capacity_ah == pytest.approx(true_ah, rel=0.01)
    assert after.usable_capacity_ah != before.usable_capacity_ah
    assert 0.9 < after.l0_days / before.l0_days < 1.05
    assert set(after.life_points["calibration_id"]) == {after.calibration_id}
    assert after.life_points["life_days"].iloc[0] == pytest.approx(after.l0_days)
    ratios = [c.life_points["life_days"] / c.l0_days for c in (before, after)]
    assert ratios[1].tolist() == pytest.approx(ratios[0].tolist())
    assert after.residuals["time_utc"].iloc[0] > YESTERDAY - pd.Timedelta(days=1)
    assert after.record.state.until_utc > before.record.state.until_utc


def test_without_a_new_window_the_state_is_carried_on() -> None:
    before = yesterday()
    made = truth()
    old = made.telemetry[made.telemetry["time_utc"] < YESTERDAY]
    after = calibrate_battery(observed_by(AS_OF, telemetry=old, previous=before))
    assert "state carried on" in after.reason
    assert after.l0_days < before.l0_days
    assert before.l0_days - after.l0_days == pytest.approx(2.0, abs=1.0)
    assert after.usable_capacity_sd_ah > before.usable_capacity_sd_ah
    assert after.residuals.empty


def _changed(**changes: Any) -> CalibrationRequest:
    return observed_by(AS_OF, **({"previous": yesterday()} | changes))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda: {"previous": None}, "no calibration"),
        (lambda: {"previous": replace(yesterday(), quality="stale")}, "no calibration"),
        (lambda: {"checkups": truth().checkups.iloc[:-1]}, "check-up"),
        (lambda: {"full_every_days": 1.5}, "2 days old"),
        (lambda: {"end_of_life_soh": 0.7}, "end of life"),
        (lambda: {"battery": battery(cells_parallel=2)}, "nameplate"),
        (lambda: {"sessions": truth().sessions.assign(departure_soc=0.95)}, "target_soc"),
        (
            lambda: {
                "telemetry": truth().telemetry.assign(
                    temperature_degc=truth().telemetry["temperature_degc"] + 9
                )
            },
            "temperature_degc",
        ),
    ],
)
def test_what_asks_for_a_full_calibration(change: Any, why: str) -> None:
    assert why_full(_changed()) == ""
    assert why in why_full(_changed(**change()))


def test_telemetry_where_there_was_none_asks_for_a_full_calibration() -> None:
    before = yesterday()
    blind = replace(before, record=replace(before.record, full=replace(before.record.full, observed=False)))
    assert "telemetry" in why_full(_changed(previous=blind))
    bare = _changed(previous=blind, telemetry=truth().telemetry[:0])
    assert "telemetry" not in why_full(bare)


def test_a_state_that_drifts_from_its_ageing_is_not_carried_on() -> None:
    asked = _changed()
    kept = carried(yesterday(), AS_OF)
    assert daily_update(asked, kept, Observation()) is not None
    lost = replace(kept.prior, mean=kept.prior.mean - np.array([0.0, 0.0, 0.04, 0.0, 0.0]))
    assert daily_update(asked, replace(kept, prior=lost), Observation()) is None


def test_yesterdays_posterior_narrows_todays() -> None:
    made, kept = truth(), carried(yesterday(), AS_OF)
    replay = select_window(made.telemetry, battery(), hours=DAILY_WINDOW_H)
    assert replay is not None
    alone = fit_state(replay, reference_cell("nmc811"), kept.health)
    with_prior = fit_state(replay, reference_cell("nmc811"), kept.health, prior=kept.prior)
    spread = [np.sqrt(np.diag(fit.posterior.covariance))[:3] for fit in (alone, with_prior)]
    assert (spread[1] < 0.7 * spread[0]).all()
    assert isinstance(with_prior.posterior, StatePrior)
    later = with_prior.posterior.after(30.0)
    assert (np.diag(later.covariance) > np.diag(with_prior.posterior.covariance)).all()


def test_outliers_and_gaps_leave_the_state_where_it_was() -> None:
    made, rng = truth(), np.random.default_rng(5)
    struck = made.telemetry.copy()
    struck.loc[rng.random(len(struck)) < 0.003, "voltage_v"] += 0.15 * battery().cells_series
    kept_rows = rng.random(len(struck)) > 0.2  # another window of the same days
    kept = carried(yesterday(), AS_OF).health
    capacity, spread = [], 0.0
    for frame in (made.telemetry, struck, made.telemetry[kept_rows], struck[kept_rows]):
        replay = select_window(frame, battery())
        assert replay is not None
        fit = fit_state(replay, reference_cell("nmc811"), kept)
        shares = capacity_draws(reference_cell("nmc811"), fit.posterior, fit.health.sei_m)
        capacity.append(float(shares[0]))
        spread = float(shares[1:].std())
        assert fit.used.mean() > 0.9
    assert abs(capacity[1] - capacity[0]) < 0.5 * spread
    assert abs(capacity[3] - capacity[2]) < 0.5 * spread
    assert abs(capacity[3] - capacity[0]) < 1.645 * np.sqrt(2) * spread


def test_the_electrolyte_brings_cold_resistance_nearer_the_truth() -> None:
    fits = {
        electrolyte: observe(observed_by(AS_OF, electrolyte=electrolyte), 1400.0).state
        for electrolyte in (False, True)
    }
    assert fits[False] is not None and fits[True] is not None
    errors = {name: abs(fit.posterior.mean[3] - 0.06) for name, fit in fits.items() if fit is not None}
    assert errors[True] < 0.5 * errors[False]


def test_a_sensor_that_fails_and_recovers() -> None:
    """Stale while it fails, the last good α kept; a full calibration when it is well again."""
    before, made = yesterday(), truth()
    _, record = broken("quantised_voltage", 0.05, replace(clean_spec(4), battery=battery()), made)
    failing = calibrate_battery(observed_by(AS_OF, telemetry=record.telemetry, previous=before))
    assert (failing.quality, failing.sensor_fault) == ("stale", "quantised_voltage")
    assert failing.alpha_day_per_efc == before.alpha_day_per_efc
    assert len(failing.life_points) == len(before.life_points)
    again = calibrate_battery(
        observed_by(AS_OF, telemetry=record.telemetry, previous=failing, input_hash="d" * 64)
    )
    assert before.calibration_id in again.reason
    assert why_full(observed_by(AS_OF, previous=again)) != ""
