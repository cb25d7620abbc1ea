"""Status as Prometheus reads it: for the textfile collector of node_exporter, or whoever scrapes a file.

One gauge a figure, made of the tables of `flows.status` and of nothing else. Days are named by where they lie
("today", "tomorrow"), not by their date, so that a series goes on from day to day; moments are seconds since
1970. Names and units follow Prometheus' own conventions (seconds, bytes, _timestamp_seconds).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

Rows = Sequence[Mapping[str, Any]]
Sample = tuple[Mapping[str, str], float | None]
DAYS = ("3 days ago", "2 days ago", "yesterday", "today", "tomorrow")
"""How the days of `flows.status_days.day_rows` are named, the first one first."""
STATES = ("ok", "late", "missing", "awaited", "outdated")
_MB = 1e6


def metrics_text(tables: Mapping[str, Rows], told: datetime, zone: str) -> str:
    """The exposition text of status; told: the moment that it was looked at, zone: the fleet's."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    _gauge(
        registry,
        "v2g_status_timestamp_seconds",
        "When this was looked at.",
        [({"zone": zone}, told.timestamp())],
    )
    for part in (_days, _data, _calibrations, _runs, _plans, _room):
        part(registry, tables)
    return generate_latest(registry).decode()


def _gauge(registry: CollectorRegistry, name: str, what: str, samples: Iterable[Sample]) -> None:
    """A gauge with a sample a row of labels; those whose figure is missing have none."""
    from prometheus_client import Gauge

    stated = [(labels, value) for labels, value in samples if value is not None]
    if not stated:
        return
    gauge = Gauge(name, what, list(stated[0][0]), registry=registry)
    for labels, value in stated:
        (gauge.labels(**labels) if labels else gauge).set(value)


def _days(registry: CollectorRegistry, tables: Mapping[str, Rows]) -> None:
    rows = tables["days"]
    names = dict(zip(sorted({row["market_date"] for row in rows}), DAYS, strict=True))
    of = [({"day": names[row["market_date"]], "source": str(row["source"])}, row) for row in rows]
    _gauge(
        registry, "v2g_market_day_state", "1 for the state of what is wanted of a market day.",
        [(labels | {"state": state}, float(row["state"] == state)) for labels, row in of for state in STATES],
    )  # fmt: skip
    for name, key, what in (
        ("deadline", "deadline_utc", "By when it is wanted."), ("came", "came_utc", "When it came."),
    ):  # fmt: skip
        samples = [(labels, _seconds(row[key])) for labels, row in of]
        _gauge(registry, f"v2g_market_day_{name}_timestamp_seconds", what, samples)


def _data(registry: CollectorRegistry, tables: Mapping[str, Rows]) -> None:
    of = [({"dataset": str(row["dataset"])}, row) for row in tables["data"]]
    _gauge(
        registry,
        "v2g_rows",
        "Rows that the checks have let in.",
        [(one, float(row["rows"])) for one, row in of],
    )
    _gauge(
        registry, "v2g_unchecked_rows", "Rows that wait for their check.",
        [(one, float(row["unchecked"])) for one, row in of],
    )  # fmt: skip
    for name, key, what in (
        ("newest", "newest_utc", "Of when the newest row is."), ("received", "received_utc", "When it came."),
    ):  # fmt: skip
        _gauge(
            registry, f"v2g_{name}_timestamp_seconds", what, [(one, _seconds(row[key])) for one, row in of]
        )
    _gauge(
        registry, "v2g_quarantined_rows", "Rows out of the core tables, by rule.",
        [({"dataset": str(row["dataset"]), "rule": str(row["rule"])}, float(row["size"]))
         for row in tables["quarantine"]],
    )  # fmt: skip


def _calibrations(registry: CollectorRegistry, tables: Mapping[str, Rows]) -> None:
    (row,) = tables["calibrated"]
    for name, what in (("cars", "Cars that are declared."), ("calibrated", "Cars with a calibration.")):
        _gauge(registry, f"v2g_{name}", what, [({}, float(row[name]))])
    _gauge(
        registry,
        "v2g_calibration_stale",
        "1 if no car was looked at for two days.",
        [({}, float(row["stale"]))],
    )


def _runs(registry: CollectorRegistry, tables: Mapping[str, Rows]) -> None:
    last = {str(row["stage"]): row for row in tables["last runs"]}
    _gauge(
        registry, "v2g_stage_exit_code", "How the last run of a stage ended; 0 is green.",
        [({"stage": stage}, float(row["exit_code"])) for stage, row in last.items()],
    )  # fmt: skip
    _gauge(
        registry, "v2g_stage_finished_timestamp_seconds", "When it ended.",
        [({"stage": stage}, _seconds(row["finished_utc"])) for stage, row in last.items()],
    )  # fmt: skip
    _gauge(
        registry, "v2g_next_timestamp_seconds", "When `v2g serve` does a thing next.",
        [({"what": str(row["what"])}, _seconds(row["next_utc"])) for row in tables["next"]],
    )  # fmt: skip


def _plans(registry: CollectorRegistry, tables: Mapping[str, Rows]) -> None:
    rows = tables["plans"][-1:]
    _gauge(
        registry, "v2g_plan_gap_ratio", "Proven gap of the newest plan in force.",
        [({"plan_source": str(row["plan_source"])}, row["gap"]) for row in rows],
    )  # fmt: skip
    _gauge(
        registry, "v2g_plan_as_of_timestamp_seconds", "As of when it was made.",
        [({"plan_source": str(row["plan_source"])}, _seconds(row["as_of_utc"])) for row in rows],
    )  # fmt: skip
    for name in ("promised", "realised"):
        _gauge(
            registry, f"v2g_{name}_euros", f"Gain over another way of charging, as {name}.",
            [({"span": str(row["span"]).partition(" ")[0], "over": str(row["over"])},
              float(row[f"{name}_eur"])) for row in tables["promised and realised"]],
        )  # fmt: skip


def _room(registry: CollectorRegistry, tables: Mapping[str, Rows]) -> None:
    (row,) = tables["disk"]
    for name in ("warehouse", "backups", "free"):
        what = "Left on the disk." if name == "free" else f"Taken by the {name}."
        _gauge(registry, f"v2g_disk_{name}_bytes", what, [({}, float(row[f"{name}_mb"]) * _MB)])


def _seconds(text: object) -> float | None:
    """A moment of status, which is in UTC, as seconds since 1970."""
    return None if text is None else datetime.fromisoformat(str(text)).replace(tzinfo=UTC).timestamp()
