"""Raw rows in, core rows and quarantine out: what has been ingested since the last check."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from typing import Any

import pandas as pd

from data_checks import CheckContext, check_frame, combined_checks, replaced
from data_checks.units import LEVEL_DAYS
from flows.context import Context
from flows.mapping.findings import findings
from flows.mapping.freshness import check_freshness
from flows.mapping.open_sessions import lack_their_end
from flows.plain import records
from flows.stages.ingest import INGEST_ORDER, declared
from flows.stages.record import StageResult, recorded
from flows.stages.trouble import DEGRADED, trace_of
from warehouse.at_once import at_once
from warehouse.errors import StoreError
from warehouse.ingestion import Part
from warehouse.quarantine import released
from warehouse.store import Warehouse
from warehouse.zones import FIRST_DAY, LAST_DAY, ZONES

_log = logging.getLogger(__name__)
_DAY = timedelta(days=1)
_EARLIEST, _LATEST = (pd.Timestamp(day, tz="UTC") for day in (FIRST_DAY, LAST_DAY))


@recorded("check")
def check(context: Context) -> StageResult:
    """Check every ingested row that no check has seen, dataset by dataset; doing it again changes nothing.

    A dataset that cannot be judged waits on, and the others are checked. Exit code 4 when there is one, when
    a battery or zone failed as a whole, or nothing of a dataset was good (sessions that go on are no fault);
    3 when a market day merely lacks prices. Raises StoreError.
    """
    warehouse = context.workspace.warehouse
    rows: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    unjudged: list[str] = []
    bad: list[dict[str, Any]] = []
    with at_once(warehouse):
        waiting = {dataset: warehouse.waiting(dataset) for dataset in INGEST_ORDER}
    for dataset, parts in waiting.items():
        if not parts:
            continue
        try:
            outcomes = _check_parts(context, parts)
            stated, judged = [one.checks for one in outcomes], [one.judged for one in outcomes]
            if dataset == "sessions":
                stated.append(_replaced(context, parts))
                judged.append({})
            checks = combined_checks(stated, judged)
            sources = sorted({one for part in parts for one in part.source_ids})
            warehouse.finish_check(dataset, checks, sources, pd.Timestamp(context.as_of))
        except StoreError:
            raise
        except Exception as error:
            _log.error("%s cannot be checked: %s", dataset, error, exc_info=trace_of(error))
            unjudged.append(f"{dataset} ({type(error).__name__}: {error})")
            continue
        rows.append(
            {
                "dataset": dataset,
                "rows": sum(part.rows for part in parts),
                "good": sum(outcome.good for outcome in outcomes),
                "quarantined": sum(outcome.quarantined for outcome in outcomes),
                "repeated": sum(outcome.repeated for outcome in outcomes),
                "blocked": ", ".join(sorted(frozenset().union(*(outcome.blocked for outcome in outcomes)))),
            }
        )
        failed += _failed_rules(dataset, checks)
        going_on = 0 < rows[-1]["quarantined"] == sum(one.going_on for one in outcomes)
        if rows[-1]["blocked"] or not (rows[-1]["good"] or going_on):
            bad.append(rows[-1])
    stale = check_freshness(
        warehouse, CheckContext(as_of_utc=pd.Timestamp(context.as_of), run_id=context.run_id)
    )
    failed += [row for name, own in stale.groupby("dataset") for row in _failed_rules(str(name), own)]
    total = sum(row["rows"] for row in rows)
    quarantined = sum(row["quarantined"] for row in rows)
    message = f"{total} rows checked, {quarantined} quarantined" if rows else "nothing new to check"
    holes = [row for row in bad if _only_holes(row)]
    bad = [row for row in bad if not _only_holes(row)]
    for words, some in (("not complete", holes), ("failed as a whole", bad)):
        if some:
            shown = (f"{row['dataset']} {row['blocked'] or '(every row)'}" for row in some)
            message += f"; {words}: {', '.join(shown)}"
    if unjudged:
        message += f"; could not be checked and wait on: {', '.join(unjudged)}"
    return StageResult(
        stage="check",
        status="failed" if bad or unjudged else "degraded" if quarantined or holes else "ok",
        message=message,
        exit_code=4 if bad or unjudged else DEGRADED if holes else 0,
        tables={"datasets": rows, "failed checks": failed},
        details={"rows": total, "quarantined": quarantined},
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Outcome:
    """What remains of a part's report once its rows are stored; going_on: sessions that lack but their
    end."""

    good: int
    quarantined: int
    repeated: int
    blocked: frozenset[str]
    checks: pd.DataFrame
    judged: Mapping[str, int]
    going_on: int


def _check_parts(context: Context, parts: Sequence[Part]) -> list[_Outcome]:
    """Check part after part; while one is checked, the one before it is stored."""
    warehouse = context.workspace.warehouse

    def read(part: Part) -> tuple[pd.DataFrame, CheckContext]:
        with at_once(warehouse):
            frame = warehouse.unchecked(part.dataset, part)
            against = check_context(context, part.dataset, frame)
            return frame, replace(against, within=(part.start, part.end))

    outcomes: list[_Outcome] = []
    storing: Future[None] | None = None
    with ThreadPoolExecutor(max_workers=1) as storer:
        frame, against = read(parts[0])
        for number, part in enumerate(parts, start=1):
            report = check_frame(part.dataset, frame, against)
            outcomes.append(
                _Outcome(
                    good=len(report.good), quarantined=report.rows_quarantined, repeated=report.rows_repeated,
                    blocked=report.blocked, checks=report.checks, judged=report.judged,
                    going_on=0
                    if part.dataset != "sessions"
                    else len(lack_their_end(report.quarantine).drop_duplicates(["source_id", "source_row"])),
                )
            )  # fmt: skip
            stored = (part, frame, report.good, report.quarantine)
            if storing is not None:
                storing.result()
            if number < len(parts):
                frame, against = read(parts[number])
            storing = storer.submit(copy_context().run, partial(warehouse.promote_part, *stored))
            del report, stored
        if storing is not None:
            storing.result()
    return outcomes


def _replaced(context: Context, parts: Sequence[Part]) -> pd.DataFrame:
    """What was just promoted and contradicts an earlier file: rows of out_check."""
    new = [source_id for part in parts for source_id in part.source_ids]
    just = pd.concat(
        [
            context.workspace.warehouse.read("core_session_superseded", where={name: new})
            for name in ("source_id", "by_source_id")
        ]
    )
    just = just.drop_duplicates("session_id").sort_values("session_id", kind="stable", ignore_index=True)
    against = CheckContext(as_of_utc=pd.Timestamp(context.as_of), run_id=context.run_id)
    return replaced(just, sum(part.rows for part in parts), against)


def check_context(
    context: Context, dataset: str, frame: pd.DataFrame, files: pd.DataFrame | None = None
) -> CheckContext:
    """What rows of a dataset are judged against: all that has been ingested.

    files: whose they are (source_id, source, provider); those of raw_source unless given.
    """
    warehouse = context.workspace.warehouse
    fleet = declared(warehouse, "fleet")
    stated: dict[str, Any] = {}
    if dataset == "prices":
        stated = _units_stated(_files(warehouse, frame) if files is None else files)
    return CheckContext(
        as_of_utc=pd.Timestamp(context.as_of),
        run_id=context.run_id,
        battery_ids=frozenset(fleet["battery_id"]),
        site_ids=frozenset(declared(warehouse, "sites")["site_id"]),
        zones_tz=ZONES,
        market_days=_inner_days(frame) if dataset == "prices" else {},
        batteries=fleet,
        known_prices=_known_prices(warehouse, frame) if dataset == "prices" else None,
        known_sessions=_known_sessions(warehouse, frame) if dataset == "sessions" else None,
        released=released(warehouse, dataset),
        **stated,
    )


def _files(warehouse: Warehouse, frame: pd.DataFrame) -> pd.DataFrame:
    return warehouse.read("raw_source", where={"source_id": list(frame["source_id"].unique())})


def _units_stated(files: pd.DataFrame) -> dict[str, frozenset[str]]:
    """Of which files of prices header or layout names the unit; a mapping may leave it out."""
    by_publisher = files["provider"].notna()
    stated = by_publisher | files["source"].isin(["csv", "parquet"])
    return {
        "unit_stated": frozenset(files.loc[stated, "source_id"]),
        "unit_published": frozenset(files.loc[by_publisher, "source_id"]),
    }


def _known_prices(warehouse: Warehouse, prices: pd.DataFrame) -> pd.DataFrame:
    """What is known of the zones of new prices, as far around them as it shows their level."""
    times, around = prices["interval_start_utc"].dropna(), timedelta(days=LEVEL_DAYS + 1)
    if times.empty:
        return warehouse.read("core_price", end=_EARLIEST)
    zones = [str(zone) for zone in prices["zone"].dropna().unique()]
    # A year that no market can mean has nothing known around it.
    first, last = max(times.min(), _EARLIEST), min(times.max(), _LATEST)
    return warehouse.read("core_price", where={"zone": zones}, start=first - around, end=last + around)


def _known_sessions(warehouse: Warehouse, sessions: pd.DataFrame) -> pd.DataFrame:
    """What is known under the ids of new sessions."""
    return warehouse.read(
        "core_session", where={"session_id": list(sessions["session_id"].dropna().unique())}
    )


def _inner_days(prices: pd.DataFrame) -> dict[str, tuple[date, ...]]:
    """By zone, the local days that must be complete, whatever a plan asks for.

    Of each run of days that the rows touch, all but the first and the last, which a file may begin or end in.
    Days that no row touches are nobody's fault, and no zone answers for another's.
    """
    days: dict[str, tuple[date, ...]] = {}
    for zone, rows in prices.groupby("zone"):
        if zone in ZONES:
            touched = set(rows["interval_start_utc"].dropna().dt.tz_convert(ZONES[str(zone)]).dt.date)
            inner = (day for day in touched if {day - _DAY, day + _DAY} <= touched)
            days[str(zone)] = tuple(sorted(inner))
    return days


def _only_holes(row: Mapping[str, Any]) -> bool:
    """Whether all that is wrong with prices is that a market day lacks some: the others are in."""
    return row["dataset"] == "prices" and row["good"] > 0 and not row["quarantined"]


def _failed_rules(dataset: str, checks: pd.DataFrame) -> list[dict[str, Any]]:
    wrong = findings(checks)
    shown = ["scope", "rule", "severity", "rows_failed", "message"]
    return [{"dataset": dataset, **row} for row in records(wrong[shown])]
