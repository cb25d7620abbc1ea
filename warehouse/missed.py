"""What a core table holds next to what was known at a moment: for the reason given where that is too little.

Nothing that judges or computes reads this: it is reported, and no more.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from warehouse.beliefs import known_before
from warehouse.connection import connect
from warehouse.contracts import Kind, core_contract, dataset_contract
from warehouse.overlaps import SESSIONS
from warehouse.rows import checked_columns
from warehouse.schema import check_version_once
from warehouse.store import Warehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """Rows of a dataset by what was known at a moment; the fleet and sites are measured at no time.

    received, last_measured_utc: those that had come, and the time of the newest of them. received_later,
    first_received_utc: those measured (begun) by then that came after it, and when the first of them did.
    measured_later, first_measured_utc: those of after it, and when the first of them was.
    """

    dataset: str
    received: int
    last_measured_utc: dt.datetime | None
    received_later: int
    first_received_utc: dt.datetime | None
    measured_later: int
    first_measured_utc: dt.datetime | None


def missed(
    warehouse: Warehouse,
    dataset: str,
    moment: dt.datetime,
    *,
    where: Mapping[str, Sequence[str]] | None = None,
    span: tuple[dt.datetime, dt.datetime] | None = None,
) -> Missed:
    """Count what was and what was not received by `moment`, tz-aware, of the rows that match.

    where: column → values. span: tz-aware [start, end); of sessions those that touch it, else those that
    begin in it. With a span, all of it counts as measured by then: it is what was asked for.
    """
    contract = core_contract(dataset)
    declared = dataset_contract(dataset)
    checked_columns(contract, tuple(where or {}))
    # Of a battery its first use is no measurement.
    times = [name for name in declared.names if declared.column(name).kind is Kind.TIME]
    event = times[0] if times and dataset not in ("fleet", "sites") else None
    conditions, values = ["TRUE"], dict[str, object]({"later": known_before(moment)})
    for number, (name, wanted) in enumerate((where or {}).items()):
        conditions.append(f"list_contains($wanted_{number}, {name})")
        values[f"wanted_{number}"] = list(wanted)
    if span is not None and event is not None:
        last = "departure_utc" if contract.name == SESSIONS else event
        beyond = ">" if contract.name == SESSIONS else ">="
        conditions.append(f"{event} < $until AND {last} {beyond} $since")
        values |= {"since": span[0], "until": span[1]}
    by_then, came = "TRUE", "received_utc < $later"
    if event is not None and span is None:
        by_then, values["moment"] = f"{event} <= $moment", moment
    sql = (
        f"SELECT count(*) FILTER ({came}), max({event or 'NULL'}) FILTER ({came}), "  # noqa: S608
        f"count(*) FILTER (NOT {came} AND {by_then}), min(received_utc) FILTER (NOT {came} AND {by_then}), "
        f"count(*) FILTER (NOT {came} AND NOT ({by_then})), "
        f"min({event or 'NULL'}) FILTER (NOT {came} AND NOT ({by_then})) "
        f"FROM {contract.name} WHERE {' AND '.join(conditions)}"
    )
    with connect(warehouse.path, write=False, timeout_s=warehouse.lock_timeout_s) as connection:
        check_version_once(warehouse.path, connection)
        counted = connection.execute(sql, values).fetchall()[0]
    return Missed(
        dataset=dataset,
        received=int(counted[0]),
        last_measured_utc=counted[1],
        received_later=int(counted[2]),
        first_received_utc=counted[3],
        measured_later=int(counted[4]),
        first_measured_utc=counted[5],
    )
