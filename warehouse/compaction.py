"""Telemetry in quarter-hours: core_telemetry_15min follows core_telemetry, battery and UTC day at a time.

A sample stands for the time until the next sample of its battery and day, at most 10 minutes: the last before
a gap or midnight for as long as the one before it. It counts whole in the quarter-hour in which it begins.
Charge and energy are sums of current (times voltage) over that time.
"""

import duckdb

from warehouse.contracts import CONTRACTS

TABLE = "core_telemetry_15min"
_LONGEST_MINUTES = 10
_QUARTER_US = 15 * 60 * 1_000_000


def _sum(expression: str) -> str:
    """Return SQL of a sum that does not depend on the order of the rows, as one of floats would; to 1e-9."""
    return f"CAST(sum(CAST({expression} AS DECIMAL(18, 9))) AS DOUBLE)"


_COMPACTED = f"""
    WITH stepped AS (
        SELECT *, epoch_us(time_utc) AS us,
            epoch_us(lead(time_utc) OVER samples) - epoch_us(time_utc) AS after,
            epoch_us(time_utc) - epoch_us(lag(time_utc) OVER samples) AS before,
        FROM {{samples}}
        WINDOW samples AS (PARTITION BY battery_id, CAST(time_utc AS DATE) ORDER BY time_utc)
    ), held AS (
        SELECT *, least(
            CASE WHEN after <= longest THEN after WHEN before <= longest THEN before ELSE 0 END,
            86_400_000_000 - us % 86_400_000_000
        ) AS held_us, held_us / 3.6e9 AS hours
        FROM stepped, (SELECT {_LONGEST_MINUTES} * 60_000_000 AS longest)
    )
    SELECT battery_id,
        make_timestamptz(us - us % {_QUARTER_US}) AS interval_start_utc,
        count(*) AS samples,
        sum(held_us) / 60e6 AS covered_minutes,
        {_sum("voltage_v")} / count(*) AS voltage_mean_v,
        min(voltage_v) AS voltage_min_v,
        max(voltage_v) AS voltage_max_v,
        {_sum("current_a")} / count(*) AS current_mean_a,
        {_sum("greatest(current_a, 0) * hours")} AS charge_ah,
        {_sum("greatest(-current_a, 0) * hours")} AS discharge_ah,
        {_sum("greatest(current_a, 0) * voltage_v * hours")} / 1000 AS charge_kwh,
        {_sum("greatest(-current_a, 0) * voltage_v * hours")} / 1000 AS discharge_kwh,
        {_sum("temperature_degc")} / count(*) AS temperature_mean_degc,
        arg_max(soc_reported, time_utc) AS soc_last,
        min(cell_voltage_min_v) AS cell_voltage_min_v,
        max(cell_voltage_max_v) AS cell_voltage_max_v,
    FROM held GROUP BY battery_id, interval_start_utc ORDER BY battery_id, interval_start_utc
"""  # noqa: S608


def quarter_hours(samples: str) -> str:
    """Return SQL of the quarter-hours of some samples; samples: SQL of a table, shape of core_telemetry."""
    return f"({_COMPACTED.format(samples=samples)})"


def compact(connection: duckdb.DuckDBPyConnection, samples: str) -> None:
    """Renew the quarter-hours of some batteries and days, inside the caller's transaction.

    samples: table of all samples that are known of those days, shape of core_telemetry. A quarter-hour that
    rests on more samples than are still there (see `warehouse.retention`) stays as it is.
    """
    names = ", ".join(CONTRACTS[TABLE].names)
    same = "old.battery_id = new.battery_id AND old.interval_start_utc = new.interval_start_utc"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE quarters AS {_COMPACTED.format(samples=samples)}")
    connection.execute(
        f"DELETE FROM {TABLE} AS old USING quarters AS new WHERE {same} AND old.samples <= new.samples"  # noqa: S608
    )
    connection.execute(
        f"INSERT INTO {TABLE} ({names}) SELECT {names} FROM quarters AS new "  # noqa: S608
        f"ANTI JOIN {TABLE} AS old ON {same} ORDER BY battery_id, interval_start_utc"
    )
    connection.execute("DROP TABLE quarters")


def compact_all(connection: duckdb.DuckDBPyConnection) -> None:
    """Compute every quarter-hour anew, a day at a time, inside the caller's transaction."""
    connection.execute(f"DELETE FROM {TABLE}")  # noqa: S608
    days = connection.execute(
        "SELECT DISTINCT CAST(time_utc AS DATE) AS day FROM core_telemetry ORDER BY day"
    ).fetchall()
    for (day,) in days:
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE samples_of_day AS SELECT * FROM core_telemetry "
            "WHERE time_utc >= CAST(? AS DATE) AND time_utc < CAST(? AS DATE) + 1",
            [day, day],
        )
        compact(connection, "samples_of_day")
    connection.execute("DROP TABLE IF EXISTS samples_of_day")
