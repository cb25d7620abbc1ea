"""What has come lately: the lot of each file's rows, samples of what is held back, the last days alone."""

import datetime as dt
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from tests.warehouse.builders import NOW, fleet, prices, source_of
from warehouse.arrivals import arrivals, held_samples
from warehouse.contracts import CONTRACTS, core_contract
from warehouse.errors import ContractError
from warehouse.known import Known
from warehouse.store import Warehouse

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
WEEKS = dt.timedelta(days=14)


@pytest.fixture(name="warehouse")
def empty_warehouse(tmp_path: Path) -> Warehouse:
    (one := Warehouse(tmp_path / "warehouse.duckdb")).create()
    return one


def taken(
    warehouse: Warehouse, dataset: str, frame: pd.DataFrame, received: dt.datetime, held: dict[int, list[str]]
) -> str:
    """Ingest a file and let its rows in, but those (row → rules) that are held back; returns its id."""
    warehouse.ingest(source_of(dataset, frame, name=f"{dataset} {received}.csv"), received)
    rows = warehouse.unchecked(dataset)
    bad = pd.DataFrame(
        [
            {
                "dataset": dataset, "rule": rule, "severity": "warning", "column_name": column, "value": "9",
                "reason": f"{rule} of {column}", "row_key": f"key {number}",
                "source_id": rows["source_id"].iloc[0], "source_row": number, "run_id": "r",
                "found_utc": pd.Timestamp(received),
            }
            for number, rules in held.items()
            for rule in rules
            for column in ("a", "b")
        ],
        columns=CONTRACTS["core_quarantine"].names,
    )  # fmt: skip
    good = rows.loc[~rows["source_row"].isin(held), list(core_contract(dataset).names)]
    ids = [str(one) for one in rows["source_id"].unique()]
    warehouse.promote(
        dataset, good, bad, pd.DataFrame(columns=CONTRACTS["out_check"].names), ids, received + HOUR
    )
    return ids[0]


def lots(found: pd.DataFrame) -> dict[str, tuple[int, ...]]:
    names = ["rows", "promoted", "held", "waiting", "withdrawn"]
    return {
        str(row["source_id"]): tuple(int(row[name]) for name in names) for row in found.to_dict("records")
    }


def decided(warehouse: Warehouse, table: str, action: str, where: str, when: dt.datetime) -> None:
    """A person's decision on rows, noted behind everybody's back."""
    rule = "rule, " if table == "core_release" else ""
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute(
            f"INSERT INTO {table} SELECT DISTINCT 1, '{action}', dataset, {rule}source_id, source_row, "  # noqa: S608
            f"'ada', 'seen', ?::TIMESTAMPTZ FROM core_quarantine WHERE {where}",
            [when],
        )


def test_the_rows_of_a_file_are_promoted_held_withdrawn_or_wait(warehouse: Warehouse) -> None:
    first = taken(
        warehouse, "prices", prices(hours=20), NOW, {3: ["jump", "range"], 4: ["jump"], 7: ["unit"]}
    )
    second = taken(warehouse, "fleet", fleet(3), NOW + DAY, {})
    source = source_of("prices", prices(start="2020-04-02T00:00+02:00", hours=24), name="waits.csv")
    warehouse.ingest(source, NOW + 2 * DAY)
    found = arrivals(warehouse, NOW + 3 * DAY, WEEKS)
    assert lots(found) == {
        source.source_id: (24, 0, 0, 24, 0), second: (3, 3, 0, 0, 0), first: (20, 17, 3, 0, 0),
    }  # fmt: skip
    assert list(found["source_id"]) == [source.source_id, second, first]
    assert dict(zip(found["source_id"], found["rules"], strict=True))[first] == "jump, range, unit"
    assert len(warehouse.read("core_price", where={"source_id": first})) == 17

    # One rule of two is set aside, the only one of another row too; the third row is withdrawn.
    decided(warehouse, "core_release", "release", "rule = 'jump'", NOW + DAY)
    decided(warehouse, "core_withdrawal", "withdraw", "rule = 'unit'", NOW + 2 * DAY)
    assert lots(arrivals(warehouse, NOW + 3 * DAY, WEEKS))[first] == (20, 18, 1, 0, 1)
    then = lots(arrivals(warehouse, NOW + DAY, WEEKS))
    assert then == {second: (3, 3, 0, 0, 0), first: (20, 18, 2, 0, 0)}
    assert lots(Known(warehouse, NOW + HOUR).arrivals(WEEKS)) == {first: (20, 17, 3, 0, 0)}
    with pytest.raises(ContractError):
        Known(warehouse, NOW.replace(tzinfo=None))


def test_the_last_days_before_the_last_file_are_looked_at_whatever_the_hour(warehouse: Warehouse) -> None:
    assert arrivals(warehouse, NOW, WEEKS).empty and held_samples(warehouse, NOW, NOW, 3).empty
    ids = [
        taken(
            warehouse, "prices", prices(start=f"2020-03-{day:02}T00:00+01:00", hours=24), NOW + day * DAY, {}
        )
        for day in range(1, 21)
    ]
    assert list(lots(arrivals(warehouse, NOW + 900 * DAY, WEEKS))) == ids[:4:-1]
    assert list(lots(arrivals(warehouse, NOW + 3 * DAY, dt.timedelta(0)))) == [ids[2]]


def test_samples_are_the_newest_of_each_rule_and_say_of_how_many(warehouse: Warehouse) -> None:
    taken(warehouse, "prices", prices(hours=20), NOW, {row: ["jump"] for row in range(1, 11)})
    newer = taken(
        warehouse,
        "prices",
        prices(start="2020-04-02T00:00+02:00", hours=20),
        NOW + DAY,
        {2: ["jump", "unit"]},
    )
    found = held_samples(warehouse, NOW + 2 * DAY, NOW, 3)
    jumps = found[found["rule"] == "jump"]
    assert list(jumps["held"]) == [22] * 3 and list(jumps["source_row"]) == [2, 2, 1]
    assert list(jumps["column_name"]) == ["a", "b", "a"] and jumps["source_id"].iloc[0] == newer
    assert jumps["file_name"].iloc[0].startswith("prices 2020-04-02")
    assert list(found.loc[found["rule"] == "unit", "held"]) == [2, 2]
    assert set(held_samples(warehouse, NOW + 2 * DAY, NOW + HOUR, 3)["held"]) == {2}
    assert set(held_samples(warehouse, NOW + HOUR, NOW, 3)["rule"]) == {"jump"}
    decided(warehouse, "core_release", "release", "source_row = 2 AND rule = 'unit'", NOW + DAY)
    assert set(held_samples(warehouse, NOW + 2 * DAY, NOW, 3)["rule"]) == {"jump"}
