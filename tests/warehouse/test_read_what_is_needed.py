"""Reading a little of a lot: bounds, the last rows, the newest rows, the quarantine counted or by span."""

import datetime as dt
import json
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from tests.warehouse.builders import NOW, source_of
from warehouse.contracts import CONTRACTS
from warehouse.contracts.types import Kind
from warehouse.errors import ContractError, UnknownTableError
from warehouse.quarantine import Wanted, counted, quarantined
from warehouse.rows import delete_matching
from warehouse.schema import create_tables
from warehouse.store import Warehouse


@pytest.fixture(name="warehouse")
def empty_warehouse(tmp_path: Path) -> Warehouse:
    (one := Warehouse(tmp_path / "warehouse.duckdb")).create()
    return one


HOUR = dt.timedelta(hours=1)


def run_row(number: int, hours: int) -> dict[str, object]:
    ended = pd.Timestamp(NOW + hours * HOUR)
    return {
        "run_id": f"r{number}", "stage": "plan", "started_utc": ended, "finished_utc": ended, "status": "ok",
        "exit_code": 0, "message": "",
    }  # fmt: skip


def test_the_last_rows_are_those_with_the_most_and_of_equals_those_read_last(warehouse: Warehouse) -> None:
    hours = [5, 1, 4, 4, 4, 2, 0, 3]
    rows = pd.DataFrame([run_row(number, hour) for number, hour in enumerate(hours)])
    warehouse.write({"out_run": rows})

    def last(count: int, until: int | None = None) -> list[str]:
        most = None if until is None else NOW + until * HOUR
        found = warehouse.read(
            "out_run", within={"finished_utc": (None, most)}, last=("finished_utc", count), columns=["run_id"]
        )
        return list(found["run_id"])

    assert last(1) == ["r0"]
    assert last(3) == ["r0", "r3", "r4"]
    assert last(3, until=4) == ["r2", "r3", "r4"]
    assert last(99) == [f"r{number}" for number in range(8)]
    both = warehouse.read("out_run", within={"finished_utc": (NOW + 2 * HOUR, NOW + 3 * HOUR)})
    assert set(both["run_id"]) == {"r5", "r7"}
    with pytest.raises(ContractError, match="naive"):
        warehouse.read("out_run", within={"finished_utc": (NOW.replace(tzinfo=None), None)})
    for wrong in ({"within": {"finish": (1, 2)}}, {"last": ("finish", 2)}):
        with pytest.raises(UnknownTableError, match="finish"):
            warehouse.read("out_run", **wrong)


def test_the_newest_rows_are_read_as_whole_rows_and_no_other(warehouse: Warehouse) -> None:
    rows = pd.DataFrame(
        [
            {
                "run_id": f"r{number}", "dataset": "prices", "scope": f"zone {number % 3}", "rule": "a",
                "severity": "info", "passed": True, "rows_checked": number, "rows_failed": 0,
                "message": f"reported {number}", "as_of_utc": pd.Timestamp(NOW + (number // 3) * HOUR),
            }
            for number in range(30)
        ]
    )  # fmt: skip
    warehouse.write({"out_check": rows})
    found = warehouse.newest("out_check", by=["scope"], where={"scope": ["zone 0", "zone 2"]})
    assert dict(zip(found["scope"], found["message"], strict=True)) == {
        "zone 0": "reported 27", "zone 2": "reported 29",
    }  # fmt: skip
    everything = warehouse.read("out_check")
    newest = everything[everything["as_of_utc"] == everything["as_of_utc"].max()].reset_index(drop=True)
    pd.testing.assert_frame_equal(warehouse.newest("out_check", by=["scope"]), newest)


def refuse(
    warehouse: Warehouse, received: dt.datetime, spans: dict[str, tuple[int | None, int | None]]
) -> None:
    """Ingest stays (hours after NOW) in a file of their own and refuse them all, by two rules each."""

    def at(hours: int | None) -> pd.Timestamp | None:
        return None if hours is None else pd.Timestamp(NOW + hours * HOUR)

    rows = pd.DataFrame(
        [
            {
                "session_id": name, "battery_id": "CAR1", "arrival_utc": at(first), "departure_utc": at(last),
                "arrival_soc": 0.4, "departure_soc": 0.8,
            }
            for name, (first, last) in spans.items()
        ]
    )  # fmt: skip
    warehouse.ingest(source_of("sessions", rows, name=f"{received}.csv"), received)
    frame = warehouse.unchecked("sessions")
    bad = pd.DataFrame(
        [
            {
                "dataset": "sessions", "rule": rule, "severity": severity, "column_name": None, "value": None,
                "reason": "no", "row_key": "k", "source_id": row.source_id, "source_row": row.source_row,
                "run_id": "r", "found_utc": pd.Timestamp(NOW),
            }
            for row in frame.itertuples()
            for rule, severity in (("order", "critical"), ("level", "warning"))
        ]
    )  # fmt: skip
    ids = list(frame["source_id"].unique())
    good = frame.iloc[:0][list(CONTRACTS["core_session"].names)]
    checks = pd.DataFrame(columns=CONTRACTS["out_check"].names)
    warehouse.promote("sessions", good, bad, checks, ids, received)


def test_the_quarantine_is_counted_as_it_lists_and_asked_for_a_span(warehouse: Warehouse) -> None:
    spans = {
        "before": (-9, -1), "until": (-9, 0), "over": (-2, 9), "in": (1, 2), "turned": (9, -2),
        "no end": (1, None), "no start": (None, 1), "moment": (0, 0), "from": (4, 6), "neither": (None, None),
    }  # fmt: skip
    refuse(warehouse, NOW, spans)
    refuse(warehouse, NOW + HOUR, {"late": (1, 3)})
    stated = counted(warehouse)
    every = quarantined(warehouse, Wanted(dataset="sessions"))
    listed = every.groupby(["dataset", "rule", "severity"], as_index=False).size()
    assert stated.to_numpy().tolist() == listed.to_numpy().tolist()
    assert set(stated["rows"]) == {len(spans) + 1}
    assert set(counted(warehouse, known_by=NOW)["rows"]) == {len(spans)}
    assert counted(warehouse, known_by=NOW - HOUR).empty
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute(
            "INSERT INTO core_release SELECT row_number() OVER (), 'release', dataset, rule, source_id, "
            "source_row, 'ada', 'seen', found_utc FROM core_quarantine WHERE rule = 'level' "
            "AND source_row < 4"
        )
    standing = quarantined(warehouse, Wanted(dataset="sessions"))["rule"].value_counts()
    left = counted(warehouse)
    assert dict(zip(left["rule"], left["rows"], strict=True)) == dict(standing) == {"order": 11, "level": 7}

    def touching(known_by: dt.datetime | None) -> set[str]:
        wanted = Wanted(dataset="sessions", rule="order", touching=(NOW, NOW + 4 * HOUR))
        rows = quarantined(warehouse, wanted, known_by=known_by)
        raw = warehouse.read("raw_session").merge(rows, on=["source_id", "source_row"])
        return set(raw["session_id"])

    assert touching(NOW) == {"over", "in", "turned", "no end", "no start", "moment"}
    assert touching(None) == touching(NOW) | {"late"}
    with pytest.raises(UnknownTableError, match="no sessions"):
        quarantined(warehouse, Wanted(dataset="fleet", touching=(NOW, NOW)))


def test_what_is_replaced_is_found_without_reading_what_cannot_hold_it(tmp_path: Path) -> None:
    contract, group, profile = CONTRACTS["out_plan_source"], 122_880, tmp_path / "profile.json"
    with duckdb.connect() as connection:
        create_tables(connection)
        fields = {"plan_id": f"'plan ' || (i // {group})", "as_of_utc": "now()"}
        values = ", ".join(fields.get(one.name, "'-'" if one.kind is Kind.TEXT else "1") for one in contract)
        names = ", ".join(contract.names)
        made = f"INSERT INTO {contract.name} ({names}) SELECT {values} FROM range({4 * group}) r(i)"  # noqa: S608
        connection.execute(made)
        connection.execute("PRAGMA enable_profiling = 'json'")
        connection.execute(f"PRAGMA profiling_output = '{profile}'")
        delete_matching(connection, contract, pa.table({"plan_id": ["plan 2", "plan 2"]}), ["plan_id"])
        scanned = json.loads(profile.read_text(encoding="utf-8"))
        connection.execute("PRAGMA disable_profiling")
        left = f"SELECT plan_id, count(*) FROM {contract.name} GROUP BY ALL ORDER BY ALL"  # noqa: S608
        assert connection.execute(left).fetchall() == [(f"plan {number}", group) for number in (0, 1, 3)]
    assert "total_rows_scanned" in json.dumps(scanned)
    assert _scanned(scanned) == group


def _scanned(profile: object) -> int:
    """Rows that were read of tables, in a profile of DuckDB."""
    if isinstance(profile, list):
        return sum(map(_scanned, profile))
    if not isinstance(profile, dict):
        return 0
    own = profile.get("rows_scanned", 0) if profile.get("type") == "TABLE_SCAN" else 0
    return int(own) + sum(map(_scanned, profile.values()))


def test_what_is_replaced_by_a_column_that_may_be_null_is_replaced_where_it_is(warehouse: Warehouse) -> None:
    def rows(message: str) -> pd.DataFrame:
        stated = [
            run_row(1, 1) | {"market_date": day, "message": message} for day in (None, dt.date(2020, 7, 4))
        ]
        return pd.DataFrame(stated).assign(stage=["check", "plan"])

    warehouse.write({"out_run": rows("before")})
    warehouse.write({"out_run": rows("after").head(1)}, replace={"out_run": ("market_date",)})
    assert dict(warehouse.read("out_run")[["stage", "message"]].itertuples(index=False)) == {
        "check": "after", "plan": "before",
    }  # fmt: skip
