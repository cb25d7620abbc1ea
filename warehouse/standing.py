"""A core table brought in line with what a person decided on some of its rows, inside one transaction.

The rows are known to the connection as `chosen` (source_id, source_row). What was left out makes the belief
come forward that it had displaced; what was let in is one belief among the others of its key: the later
received one holds.
"""

import duckdb
import pandas as pd

from warehouse.beliefs import RELEASED, WITHDRAWN, as_checked, received
from warehouse.compaction import TABLE as QUARTER_HOURS
from warehouse.contracts import core_contract, dataset_contract, raw_contract
from warehouse.overlaps import SESSIONS, reopen
from warehouse.promotion import merge
from warehouse.quarantine import same_key
from warehouse.rows import arrow_table


def realign(connection: duckdb.DuckDBPyConnection, dataset: str, *, leaving: bool) -> None:
    """Judge the keys of the chosen rows anew; leaving: whether these rows leave the core table.

    Raises ContractError for a row that does not fit the core table.
    """
    core = core_contract(dataset)
    if core.name == SESSIONS:
        _reopen_cars(connection)
    left = _take_out(connection, dataset) if leaving else pd.DataFrame(columns=core.names)
    beliefs = _standing(connection, dataset)
    merge(connection, core, arrow_table(pd.concat([left, beliefs]) if len(left) else beliefs, core))


def _reopen_cars(connection: duckdb.DuckDBPyConnection) -> None:
    """Let the sessions of the chosen rows' cars be judged anew: what one had replaced may hold again."""
    raw = raw_contract("sessions").name
    found = connection.execute(
        f"SELECT DISTINCT battery_id FROM {raw} SEMI JOIN chosen USING (source_id, source_row)"  # noqa: S608
    ).fetchall()
    reopen(connection, [str(row[0]) for row in found])


def _take_out(connection: duckdb.DuckDBPyConnection, dataset: str) -> pd.DataFrame:
    """Delete the chosen rows from the core table; return what is left of a daily table's days."""
    core = core_contract(dataset)
    if not core.daily:
        connection.execute(
            f"DELETE FROM {core.name} USING chosen WHERE {core.name}.source_id = chosen.source_id "  # noqa: S608
            f"AND {core.name}.source_row = chosen.source_row"
        )
        return pd.DataFrame(columns=core.names)
    owner, moment = core.key
    _days(connection, dataset)
    left: pd.DataFrame = connection.sql(
        f"SELECT core.* FROM {core.name} AS core JOIN days ON core.{owner} = days.{owner} "  # noqa: S608
        f"AND CAST(core.{moment} AS DATE) = days.day ANTI JOIN chosen USING (source_id, source_row)"
    ).to_df()
    if core.name == "core_telemetry":
        connection.execute(
            f"DELETE FROM {QUARTER_HOURS} AS old USING ("  # noqa: S608
            f"SELECT {owner}, time_bucket(INTERVAL 15 MINUTE, {moment}) AS start, "
            f"count(DISTINCT {moment}) AS samples FROM {_known_samples(core.name)} GROUP BY ALL) AS known "
            f"WHERE old.{owner} = known.{owner} AND old.interval_start_utc = known.start "
            "AND old.samples <= known.samples"  # more: retention has pruned some, and it is all there is
        )
    connection.execute(
        f"DELETE FROM {core.name} AS core USING days WHERE core.{owner} = days.{owner} "  # noqa: S608
        f"AND CAST(core.{moment} AS DATE) = days.day"
    )
    return left


def _days(connection: duckdb.DuckDBPyConnection, dataset: str) -> None:
    """Note as `days` the owners and UTC days of the chosen rows of a daily table, pruned samples or not."""
    core = core_contract(dataset)
    owner, moment = core.key
    tables = " UNION ".join(
        f"SELECT {owner}, CAST({moment} AS DATE) AS day FROM {table} "  # noqa: S608
        "SEMI JOIN chosen USING (source_id, source_row)"
        for table in (core.name, raw_contract(dataset).name)
    )
    connection.execute(f"CREATE OR REPLACE TEMP TABLE days AS SELECT DISTINCT * FROM ({tables})")  # noqa: S608


def _known_samples(core: str) -> str:
    """Return SQL of battery and time of the samples of `days`: those there are, and ingested ones let in."""
    against = (
        f"FROM core_quarantine ANTI JOIN {RELEASED} AS let_in USING (dataset, rule, source_id, source_row) "
        "WHERE dataset = 'telemetry'"
    )
    return f"""(
        SELECT battery_id, time_utc FROM {core} UNION
        SELECT battery_id, time_utc FROM raw_telemetry ANTI JOIN ({against}) USING (source_id, source_row)
    ) AS sample SEMI JOIN days ON sample.battery_id = days.battery_id
        AND CAST(sample.time_utc AS DATE) = days.day"""  # noqa: S608


def _standing(connection: duckdb.DuckDBPyConnection, dataset: str) -> pd.DataFrame:
    """Return the checked beliefs on the keys of the chosen rows against which no rule stands.

    A row that repeats an earlier one of its file is no belief of its own: the checks never judged it.
    """
    contract, core, raw = dataset_contract(dataset), core_contract(dataset), raw_contract(dataset).name
    names = ", ".join(f"belief.{name}" for name in contract.names)
    asked = (
        f"EXISTS (FROM {raw} AS own SEMI JOIN chosen USING (source_id, source_row) "
        f"WHERE {same_key(contract, 'own', 'belief')})"
    )
    if core.daily:  # of whole days: retention may have pruned the samples next to the chosen ones
        owner, moment = core.key
        _days(connection, dataset)
        asked = (
            f"EXISTS (FROM days WHERE days.{owner} = belief.{owner} "
            f"AND days.day = CAST(belief.{moment} AS DATE))"
        )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE beliefs AS SELECT {names}, belief.source_id, "  # noqa: S608
        "belief.received_utc, belief.source_row "
        f"FROM {received(dataset, 'checked_utc IS NOT NULL')} AS belief "
        f"WHERE {asked}"
    )
    found: pd.DataFrame = connection.sql(
        f"SELECT {', '.join(core.names)} FROM {as_checked(dataset, 'beliefs')} ANTI JOIN ("  # noqa: S608
        f"FROM core_quarantine ANTI JOIN {RELEASED} AS let_in USING (dataset, rule, source_id, source_row) "
        "WHERE dataset = $dataset) AS against USING (source_id, source_row) "
        f"ANTI JOIN (FROM {WITHDRAWN} WHERE dataset = $dataset) AS gone USING (source_id, source_row)",
        params={"dataset": dataset},
    ).to_df()
    connection.execute("DROP TABLE beliefs")
    return found
