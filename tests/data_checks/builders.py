"""What the checks are given in the tests."""

from data_checks import CheckContext
from tests.warehouse.builders import NOW, fleet

ZONES_TZ = {"DE-LU": "Europe/Berlin", "FI": "Europe/Helsinki"}


def context(**changes):
    fields = {
        "as_of_utc": NOW,
        "run_id": "r1",
        "battery_ids": frozenset(fleet()["battery_id"]),
        "site_ids": frozenset({"DEPOT"}),
        "zones_tz": ZONES_TZ,
        "batteries": fleet(),
    }
    return CheckContext(**{**fields, **changes})


def outcome(report, rule, scope="*"):
    """The one row of a report's checks for a rule and scope."""
    checks = report.checks
    rows = checks[(checks["rule"] == rule) & (checks["scope"] == scope)]
    assert len(rows) == 1, (rule, scope, checks)
    return rows.iloc[0]
