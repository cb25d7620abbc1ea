"""What sessions tell of the past: the day that was lived through, and ageing read from it, not from now."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.twin.batteries import AS_OF, battery, duty, request, truth
from twin.calibrate import calibrate_battery
from twin.climate import typical_degc
from twin.days import duty_spread
from twin.duty import derive_duty
from twin.past import lived_through, ordinary_day, present

BORN = pd.Timestamp("2022-03-01", tz="UTC")
NO_TELEMETRY = truth().telemetry[:0]


def nights(first: pd.Timestamp, days: int, driven: float, *, target: float = 0.8) -> pd.DataFrame:
    """One session a night of 13.5 h, each after a day that drove ``driven`` of capacity."""
    arrival = first.normalize() + pd.to_timedelta(np.arange(days) + 0.7, unit="D")
    return pd.DataFrame(
        {
            "arrival_utc": arrival,
            "departure_utc": arrival + pd.Timedelta(hours=13.5),
            "arrival_soc": target - driven,
            "departure_soc": target,
        }
    )


def now(driven: float = 0.22) -> pd.DataFrame:
    return nights(AS_OF - pd.Timedelta(days=30), 29, driven)


def test_a_past_of_more_driving_is_lived_through() -> None:
    before = nights(AS_OF - pd.Timedelta(days=330), 300, 0.44, target=0.9)
    stated = lived_through(
        duty(), NO_TELEMETRY, pd.concat([before, now()]), commissioned_utc=BORN, as_of_utc=AS_OF
    )
    share = 300 / 330
    assert stated.duty.trip_efc == pytest.approx(duty().trip_efc * (1 + share), rel=0.05)
    assert stated.duty.target_soc == pytest.approx(duty().target_soc + 0.1 * share, abs=0.01)
    assert stated.duty.plugged_hours == pytest.approx(duty().plugged_hours, abs=0.6)
    assert stated.duty.temperature_degc == duty().temperature_degc
    assert stated.known_share == pytest.approx(330 / (AS_OF - BORN).days, rel=0.03)


def test_months_without_sessions_are_not_months_without_driving() -> None:
    before = [nights(AS_OF - pd.Timedelta(days=start), 60, 0.22) for start in (1000, 300)]
    stated = lived_through(
        duty(), NO_TELEMETRY, pd.concat([*before, now()]), commissioned_utc=BORN, as_of_utc=AS_OF
    )
    assert stated.duty.trip_efc == pytest.approx(duty().trip_efc, rel=0.35)
    assert stated.known_share < 0.2


def test_without_older_sessions_the_past_is_like_now() -> None:
    made = truth()
    alone = lived_through(duty(), made.telemetry, now(), commissioned_utc=BORN, as_of_utc=AS_OF)
    assert alone.duty == duty()
    assert alone.known_share == pytest.approx(10 / (AS_OF - BORN).days, rel=0.1)
    unborn = lived_through(duty(), made.telemetry, now(), commissioned_utc=AS_OF, as_of_utc=AS_OF)
    assert unborn.known_share == 1.0


def test_the_ordinary_day_is_that_of_now() -> None:
    older = nights(AS_OF - pd.Timedelta(days=330), 300, 0.44)
    everything = pd.concat([older, now(0.1)], ignore_index=True)
    found = derive_duty(NO_TELEMETRY, present(everything, AS_OF), nominal_ah=150.0, charge_c_rate=0.2)
    assert found.trip_efc == pytest.approx(0.1, rel=0.1)


def months(first: str, degc: list[float], quarter_hours: int = 2880) -> pd.DataFrame:
    begins = pd.date_range(first, periods=len(degc), freq="MS", tz="UTC")
    return pd.DataFrame({"month_utc": begins, "temperature_degc": degc, "quarter_hours": quarter_hours})


def test_a_typical_year_holds_every_month_once() -> None:
    year = [2.0, 4.0, 8.0, 12.0, 16.0, 20.0, 22.0, 22.0, 18.0, 12.0, 6.0, 2.0]
    known = months("2023-01", year)
    assert typical_degc(known) == pytest.approx(12.0)
    summers = pd.concat([months("2022-06", year[5:8]), known])  # three more summer months
    assert typical_degc(summers) == pytest.approx(12.0)
    cut_off = pd.concat([known, months("2024-01", [-20.0], quarter_hours=100)])
    assert typical_degc(cut_off) == pytest.approx(12.0)
    assert typical_degc(months("2024-01", [5.0], quarter_hours=100)) is None
    assert typical_degc(months("2024-01", [])) is None


def test_the_ordinary_day_is_as_warm_as_a_typical_year() -> None:
    made = truth()
    asked = request(made, climate=months("2025-01", [8.0, 10.0]))
    assert ordinary_day(asked).temperature_degc == pytest.approx(9.0)
    assert ordinary_day(request(made)).temperature_degc == pytest.approx(
        made.telemetry["temperature_degc"].mean()
    )
    assert ordinary_day(asked).trip_efc == ordinary_day(request(made)).trip_efc


def test_ageing_is_read_from_the_day_that_was_lived() -> None:
    """A battery aged on the tests' duty that is driven half as much of late, known by its sessions alone."""
    made = truth()
    late = now(0.11)
    age = (AS_OF - BORN).days
    past = nights(BORN, age - 31, duty().trip_efc)
    unknown, known = (
        calibrate_battery(
            request(made, battery=battery(charge_limit_kw=10.0), telemetry=NO_TELEMETRY, sessions=sessions)
        )
        for sessions in (late, pd.concat([past, late], ignore_index=True))
    )
    true = np.log(made.hidden["lam_factor"])
    error = {name: found.record.mean[1] - true for name, found in (("now", unknown), ("past", known))}
    assert abs(error["past"]) < abs(error["now"]) - 0.1
    assert known.record.interval_parts.l0["past"] < 0.01
    assert unknown.record.interval_parts.l0["past"] > 0.09
    assert known.l0_days > unknown.l0_days


def test_more_days_tell_the_ordinary_day_better() -> None:
    made = truth()
    few, many = (
        duty_spread(
            made.telemetry[made.telemetry["time_utc"] >= AS_OF - pd.Timedelta(days=days)],
            made.sessions,
            nominal_ah=150.0,
        )
        for days in (4, 10)
    )
    assert 0.04 < many.driving < 0.12 < 1.3 * few.driving < 0.5
    assert 0.3 < many.temperature_k < few.temperature_k < 6.0
    nothing = duty_spread(NO_TELEMETRY, made.sessions[:0], nominal_ah=150.0)
    by_sessions = duty_spread(NO_TELEMETRY, now(), nominal_ah=150.0)
    assert by_sessions.driving < 0.1 < nothing.driving
