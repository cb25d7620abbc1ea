"""What was known at a moment: rows received later do not exist, results of later knowledge neither."""

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest

from tests.warehouse.builders import NOW, prices, promote_unchecked, source_of, telemetry
from warehouse.errors import ContractError
from warehouse.known import Known
from warehouse.store import Warehouse

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    made = Warehouse(tmp_path / "warehouse.duckdb")
    made.create()
    return made


def sessions(warehouse: Warehouse, received: dt.datetime, *ends: tuple[str, int, int]) -> None:
    rows = [
        {
            "session_id": name, "battery_id": f"CAR-{name}", "arrival_utc": NOW + first * HOUR,
            "departure_utc": NOW + last * HOUR, "arrival_soc": 0.4, "departure_soc": 0.8,
        }
        for name, first, last in ends
    ]  # fmt: skip
    warehouse.ingest(source_of("sessions", pd.DataFrame(rows), name=str(received)), received)
    promote_unchecked(warehouse, "sessions")


def test_a_day_is_asked_for_the_sessions_that_touch_it_as_known(warehouse: Warehouse) -> None:
    sessions(
        warehouse, NOW, ("before", -9, 0), ("over", -2, 2), ("in", 1, 2), ("turned", 3, 1), ("after", 4, 5)
    )
    sessions(warehouse, NOW + HOUR, ("late", 1, 3))
    day = NOW, NOW + 4 * HOUR
    assert set(Known(warehouse, NOW).sessions(*day)["session_id"]) == {"over", "in", "turned"}
    assert set(Known(warehouse, NOW + HOUR).sessions(*day)["session_id"]) == {"over", "in", "turned", "late"}


def test_how_much_was_known_is_reported_as_of_the_moment(warehouse: Warehouse) -> None:
    warehouse.ingest(source_of("prices", prices(hours=2)), NOW)
    promote_unchecked(warehouse, "prices")
    warehouse.ingest(source_of("prices", prices(hours=5).assign(price_eur_per_kwh=9.0)), NOW + HOUR)
    promote_unchecked(warehouse, "prices")
    then, now = (Known(warehouse, moment).extent("prices") for moment in (NOW, NOW + HOUR))
    assert (then.rows, now.rows) == (2, 5)
    assert then.newest_utc is not None and now.newest_utc is not None and then.newest_utc < now.newest_utc
    assert set(Known(warehouse, NOW).read("core_price")["price_eur_per_kwh"]).isdisjoint({9.0})
    assert Known(warehouse, NOW - HOUR).read("core_price").empty


def test_of_results_the_newest_of_each_is_read_among_those_of_then(warehouse: Warehouse) -> None:
    rows = pd.DataFrame(
        [
            {
                "run_id": f"r{number}{rule}", "dataset": "prices", "scope": "*", "rule": rule,
                "severity": "info",
                "passed": True, "rows_checked": number, "rows_failed": 0, "message": "",
                "as_of_utc": pd.Timestamp(NOW + number * HOUR),
            }
            for number in range(4)
            for rule in ("a", "b")[: 1 + (number < 2)]
        ]
    )  # fmt: skip
    warehouse.write({"out_check": rows})

    def newest(hours: int, **more: dt.datetime) -> dict[str, int]:
        found = Known(warehouse, NOW + hours * HOUR).newest("out_check", by=["rule"], **more)
        return dict(zip(found["rule"], found["rows_checked"], strict=True))

    assert newest(9) == {"a": 3, "b": 1}
    assert newest(0) == {"a": 0, "b": 0}
    assert newest(9, before=NOW + 3 * HOUR) == {"a": 2, "b": 1}
    assert len(Known(warehouse, NOW + HOUR).read("out_check")) == 4


def test_a_naive_moment_is_refused(warehouse: Warehouse) -> None:
    with pytest.raises(ContractError, match="naive"):
        Known(warehouse, NOW.replace(tzinfo=None))


def test_quarter_hours_are_those_of_the_samples_that_had_come(warehouse: Warehouse) -> None:
    rows = telemetry()
    warehouse.ingest(source_of("telemetry", rows), NOW)
    promote_unchecked(warehouse, "telemetry")
    end = rows["time_utc"].max() + HOUR
    before = warehouse.read("core_telemetry_15min")
    months = warehouse.monthly_temperature(["CAR1"], max(end, NOW))
    warehouse.ingest(source_of("telemetry", rows.assign(temperature_degc=44.0)), NOW + 900 * HOUR)
    promote_unchecked(warehouse, "telemetry")
    known = Known(warehouse, max(end, NOW))
    pd.testing.assert_frame_equal(known.read("core_telemetry_15min"), before)
    pd.testing.assert_frame_equal(known.monthly_temperature(["CAR1"]), months)
    assert set(warehouse.read("core_telemetry_15min")["temperature_mean_degc"]) == {44.0}
