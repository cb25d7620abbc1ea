"""Raw rows in, core rows and quarantine out: what has landed since the last check."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pandas as pd

from data_checks import CheckContext, CheckReport, check_frame
from flows.stages.findings import findings
from flows.stages.ingest import INGEST_ORDER, declared
from flows.stages.record import StageResult, recorded
from flows.workspace import Workspace
from warehouse.store import Warehouse
from warehouse.zones import ZONES


@recorded("check")
def check(workspace: Workspace, as_of: datetime, run_id: str) -> StageResult:
    """Check every landed row that no check has seen, dataset by dataset; doing it again changes nothing.

    Exit code 4 when a battery, zone or market day failed as a whole, or nothing of a dataset was good.
    """
    warehouse = workspace.warehouse
    rows: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for dataset in INGEST_ORDER:
        frame = warehouse.unchecked(dataset)
        if frame.empty:
            continue
        report = check_frame(dataset, frame, _context(warehouse, dataset, frame, as_of, run_id))
        sources = [str(source) for source in frame["source_id"].unique()]
        warehouse.promote(
            dataset, report.good, report.quarantine, report.checks, sources, pd.Timestamp(as_of)
        )
        rows.append(
            {
                "dataset": dataset,
                "rows": len(frame),
                "good": len(report.good),
                "quarantined": report.rows_quarantined,
                "repeated": report.rows_repeated,
                "blocked": ", ".join(sorted(report.blocked)),
            }
        )
        failed += _failed_rules(dataset, report)
    bad = [row for row in rows if row["blocked"] or not row["good"]]
    total = sum(row["rows"] for row in rows)
    quarantined = sum(row["quarantined"] for row in rows)
    message = f"{total} rows checked, {quarantined} quarantined" if rows else "nothing new to check"
    if bad:
        message += "; failed as a whole: " + ", ".join(
            f"{row['dataset']} {row['blocked'] or '(every row)'}" for row in bad
        )
    return StageResult(
        stage="check",
        status="failed" if bad else "degraded" if quarantined else "ok",
        message=message,
        exit_code=4 if bad else 0,
        tables={"datasets": rows, "failed checks": failed},
        details={"rows": total, "quarantined": quarantined},
    )


def _context(
    warehouse: Warehouse, dataset: str, frame: pd.DataFrame, as_of: datetime, run_id: str
) -> CheckContext:
    fleet = declared(warehouse, "fleet")
    return CheckContext(
        as_of_utc=pd.Timestamp(as_of),
        run_id=run_id,
        battery_ids=frozenset(fleet["battery_id"]),
        site_ids=frozenset(declared(warehouse, "sites")["site_id"]),
        zones_tz=ZONES,
        market_days=_inner_days(frame) if dataset == "prices" else (),
        batteries=fleet,
        known_prices=warehouse.read("core_price") if dataset == "prices" else None,
    )


def _inner_days(prices: pd.DataFrame) -> tuple[date, ...]:
    """The local days between a file's first and last: these have to be complete, whatever a plan asks for."""
    days: set[date] = set()
    for zone, rows in prices.groupby("zone"):
        if zone in ZONES:
            local = rows["interval_start_utc"].dt.tz_convert(ZONES[str(zone)]).dt.date
            inner = pd.date_range(local.min(), local.max(), freq="D").date[1:-1]
            days.update(inner)
    return tuple(sorted(days))


def _failed_rules(dataset: str, report: CheckReport) -> list[dict[str, Any]]:
    wrong = findings(report.checks)
    shown = ["scope", "rule", "severity", "rows_failed", "message"]
    return [
        {"dataset": dataset, **{str(k): v for k, v in row.items()}} for row in wrong[shown].to_dict("records")
    ]
