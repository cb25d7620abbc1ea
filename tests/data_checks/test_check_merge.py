"""The checks of parts put together: as if the frame had been one."""

import pandas as pd

from data_checks import combined_checks
from warehouse.contracts import CONTRACTS, conform

NOW = pd.Timestamp("2026-06-15T12:00", tz="UTC")


def checks(*rows):
    """Rows of out_check: scope, rule, rows checked, rows failed, message."""
    names = ["scope", "rule", "rows_checked", "rows_failed", "message"]
    frame = pd.DataFrame(rows, columns=names).assign(
        run_id="r", dataset="telemetry", severity="warning", as_of_utc=NOW
    )
    return conform(frame.assign(passed=frame["rows_failed"] == 0), CONTRACTS["out_check"])


def merged_checks(parts, judged=()):
    found = combined_checks(parts, judged)
    return {
        (row["scope"], row["rule"]): (row["rows_checked"], row["rows_failed"], row["message"])
        for row in found.to_dict("records")
    }


def test_a_part_that_tells_nothing_of_a_battery_has_found_its_rows_good():
    first = checks(("*", "stuck", 100, 4, "it stands still"), ("CAR1", "stuck", 60, 4, "it stands still"))
    second = checks(("*", "stuck", 90, 0, ""))
    found = merged_checks([first, second], [{"CAR1": 60, "CAR2": 40}, {"CAR1": 90}])
    assert found == {
        ("*", "stuck"): (190, 4, "it stands still"),
        ("CAR1", "stuck"): (150, 4, "it stands still"),
    }


def test_emptied_rows_are_counted_together_from_the_first_on():
    first = checks(
        ("CAR1", "stale", 50, 3, "soc is stale: emptied in 3 rows from 2026-06-02 10:00 UTC on; other")
    )
    second = checks(("CAR1", "stale", 40, 2, "soc is stale: emptied in 2 rows from 2026-06-01 09:00 UTC on"))
    message = "other; soc is stale: emptied in 5 rows from 2026-06-01 09:00 UTC on"
    assert merged_checks([first, second], [{"CAR1": 50}, {"CAR1": 40}]) == {
        ("CAR1", "stale"): (90, 5, message)
    }


def test_batteries_that_are_each_in_one_part_are_as_they_were():
    parts = [checks(("CAR1", "stuck", 50, 3, "a")), checks(("CAR2", "stuck", 40, 2, "b"))]
    assert merged_checks(parts, [{"CAR1": 50}, {"CAR2": 40}]) == merged_checks(parts)
