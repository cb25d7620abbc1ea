"""Ready by departure, against tables worked out by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from flows.mapping.readiness import capacity_kwh, readiness

START = pd.Timestamp("2026-06-16T20:00Z")
CAPACITY = pd.Series({"a": 40.0, "b": 40.0})


def slots(car: str, energy: list[float], start: pd.Timestamp = START) -> pd.DataFrame:
    """Quarter-hours of a stay from the energy at each of their edges."""
    return pd.DataFrame({
        "battery_id": car, "interval_start_utc": pd.date_range(start, periods=len(energy) - 1, freq="15min"),
        "energy_start_kwh": energy[:-1], "energy_end_kwh": energy[1:],
    })  # fmt: skip


def departure(
    car: str, quarters: float, target: float, missing: float = 0.0, minutes: float = 0.0
) -> dict[str, Any]:
    at = START + pd.Timedelta(minutes=15 * quarters + minutes)
    return {
        "battery_id": car, "departure_utc": at, "target_kwh": target, "reached_kwh": target - missing,
        "missing_kwh": missing,
    }  # fmt: skip


def found(departures: list[dict[str, Any]], *stays: pd.DataFrame) -> list[dict[str, Any]]:
    return readiness(pd.DataFrame(departures), pd.concat(stays), CAPACITY).to_dict("records")


@pytest.mark.parametrize(
    ("energy", "quarters", "ready_after", "early", "word"),
    [
        ([10, 20, 30, 30, 30, 30, 30, 30, 30], 8, 2, 0.0, "ready"),
        ([10, 10, 10, 10, 10, 15, 20, 25, 30], 8, 8, 20.0, "tight"),  # an hour before it holds 10
        ([30, 20, 10, 10, 30, 30, 30, 30, 30], 8, 4, 0.0, "ready"),  # sold in between: counted from then on
        ([30, 30, 30, 30, 30, 30, 30, 30, 30], 8, 0, 0.0, "ready"),
        ([10, 20, 30], 2, 2, 20.0, "tight"),  # plugged in for half an hour: it came with 10
        ([10, 29.9, 29.9, 29.9, 29.9, 29.9, 30.0], 6, 1, 0.1, "ready"),  # 0.5 % of 40 kWh are no shortfall
    ],
)
def test_since_when_a_car_is_ready(
    energy: list[float], quarters: int, ready_after: int, early: float, word: str
) -> None:
    (row,) = found([departure("a", quarters, 30.0)], slots("a", energy))
    assert row["ready_utc"] == START + pd.Timedelta(minutes=15 * ready_after)
    assert row["margin_h"] == pytest.approx((quarters - ready_after) / 4)
    assert row["early_missing_kwh"] == pytest.approx(early)
    assert row["readiness"] == word


def test_who_leaves_short_is_never_ready() -> None:
    (row,) = found([departure("a", 4, 30.0, missing=5.0)], slots("a", [10, 15, 20, 25, 25]))
    assert row["readiness"] == "short" and pd.isna(row["ready_utc"]) and row["margin_h"] == 0.0


def test_each_stay_counts_for_its_own_departure_and_cars_for_themselves() -> None:
    morning = START + pd.Timedelta(hours=10)
    rows = found(
        [departure("a", 4, 30.0), departure("a", 48, 30.0), departure("b", 4, 0.0)],
        slots("a", [30, 30, 30, 30, 30]), slots("a", [12, 12, 12, 12, 12, 12, 12, 20, 30], morning),
        slots("b", [5, 5, 5, 5, 5]),
    )  # fmt: skip
    assert [(row["battery_id"], row["readiness"]) for row in rows] == [("a", "ready"), ("a", "tight")]
    assert rows[1]["ready_utc"] == morning + pd.Timedelta(hours=2)
    assert rows[1]["early_missing_kwh"] == pytest.approx(18.0)


def test_a_departure_within_a_quarter_hour_is_not_after_it() -> None:
    (row,) = found([departure("a", 3, 30.0, minutes=7)], slots("a", [10, 15, 20, 25, 30]))
    assert row["ready_utc"] == row["departure_utc"]
    assert row["margin_h"] == 0.0


def test_a_car_without_a_calibration_is_as_large_as_it_is_sold() -> None:
    cars = pd.DataFrame({"battery_id": ["a", "b"], "calibration_id": ["of a", ""]})
    sold = pd.DataFrame({"battery_id": ["b", "a", "c"], "nominal_energy_kwh": [50.0, 60.0, 70.0]})
    found = capacity_kwh(cars, pd.Series({"of a": 40.0}), sold)
    assert found.to_dict() == {"a": 40.0, "b": 50.0}


def test_without_departures_or_slots_there_is_nothing_to_tell() -> None:
    none = pd.DataFrame([departure("a", 4, 30.0)])
    assert readiness(none.iloc[:0], slots("a", [1, 2]), CAPACITY).empty
    (row,) = readiness(none, slots("a", [1, 2]).iloc[:0], CAPACITY).to_dict("records")
    assert pd.isna(row["ready_utc"]) and row["readiness"] == "ready", "nothing is known against it"
