"""What has come: files by day and source, those that lost rows, what the checks found, with samples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from data_checks.types import EVERYTHING
from data_checks.verdict import examples
from flows.mapping.findings import findings
from flows.plain import records
from flows.publish.cut import Cut, Row, first_of
from flows.publish.local_time import local_text
from warehouse.known import Known

LATELY = timedelta(days=14)
"""How long before the last file that came others are looked at."""
MOST_LINES, MOST_FILES, MOST_SAMPLES = 300, 60, 3
"""Lines of days and sources, files that lost rows, and of each rule rows to look at."""
_LOTS = ("rows", "promoted", "held", "waiting", "withdrawn")


def files_section(known: Known, timezone: str) -> Mapping[str, Any]:
    """since: local day from which files are told, in all: their number and the lot of their rows; by_day,
    losing: files by day and source, and those of which rows are quarantined; failed, passed: rules as they
    were last looked at; samples: what they hold back.
    """
    files = known.arrivals(LATELY)
    if files.empty:
        nothing = first_of([], 0)
        return {
            "since": None,
            "by_day": nothing,
            "losing": nothing,
            "failed": [],
            "passed": [],
            "samples": [],
        }
    local = files["received_utc"].dt.tz_convert(timezone)
    begins = local.min().normalize()
    files = files.assign(day=local.dt.strftime("%Y-%m-%d"), received=local.dt.strftime("%Y-%m-%d %H:%M"))
    checks = _checks(known, begins.to_pydatetime(), timezone)
    return {
        "since": f"{begins:%Y-%m-%d}",
        "in_all": {"files": len(files), **{name: int(files[name].sum()) for name in _LOTS}},
        "by_day": _by_day(files),
        "losing": first_of(records(files[files["held"] > 0].drop(columns=["received_utc"])), MOST_FILES),
        "failed": [row for row in checks if not row["passed"]],
        "passed": [row for row in checks if row["passed"]],
        "samples": _samples(known, begins.to_pydatetime()),
    }


def _by_day(files: pd.DataFrame) -> Cut:
    """A line a day, dataset, reader and provider; the newest day first."""
    by = ["day", "dataset", "source", "provider"]
    grouped = files.assign(files=1).groupby(by, dropna=False)[["files", *_LOTS]].sum().reset_index()
    ordered = grouped.sort_values(by, ascending=[False, True, True, True], kind="stable")
    return first_of(records(ordered), MOST_LINES)


def _checks(known: Known, since: datetime, timezone: str) -> list[Row]:
    """A line a dataset and rule as it was last looked at."""
    rows = known.newest("out_check", by=["dataset", "rule"], within={"as_of_utc": (since, None)})
    told = defaultdict[tuple[str, str], dict[str, None]](dict)
    for row in records(findings(rows)):
        told[row["dataset"], row["rule"]][row["message"]] = None
    own = defaultdict[tuple[str, str], list[Row]](list)
    for row in records(rows):
        own[row["dataset"], row["rule"]].append(row)
    return [_check(own[rule], list(told[rule]), timezone) for rule in sorted(own)]


def _check(rows: Sequence[Row], messages: Sequence[str], timezone: str) -> Row:
    """What a rule found: in all where that is told, else added up over market days or other scopes."""
    whole = [row for row in rows if row["scope"] == EVERYTHING] or rows
    failed = [str(row["scope"]) for row in rows if not row["passed"] and row["scope"] != EVERYTHING]
    return {
        **{name: whole[0][name] for name in ("dataset", "rule", "severity")},
        "passed": all(row["passed"] for row in whole),
        **{name: sum(row[name] for row in whole) for name in ("rows_checked", "rows_failed")},
        "where": examples(failed),
        "message": "; ".join(messages),
        "looked": local_text(whole[0]["as_of_utc"], timezone),
    }


def _samples(known: Known, since: datetime) -> Sequence[Row]:
    """A record a dataset and rule: how many rows it holds back, and some of them with value, row and file."""
    found = known.held_samples(since, MOST_SAMPLES)
    return [
        {
            "dataset": dataset,
            "rule": rule,
            "severity": str(own["severity"].iloc[0]),
            "of": int(own["held"].iloc[0]),
            "rows": records(own[["column_name", "value", "reason", "row_key", "source_row", "file_name"]]),
        }
        for (dataset, rule), own in found.groupby(["dataset", "rule"], sort=True)
    ]
