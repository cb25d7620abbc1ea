"""A depot that has planned every day for a while, as its daily flow would have left it: made by SQL.

Every car is plugged in from 17:00 to 07:00 UTC. Each day at noon, for the day after: prices and sessions are
ingested, every car is calibrated (whole once a month), a plan of three modes is made, eight runs are noted.
Samples of telemetry and fitted voltages are there for the last 30 days, quarter-hours of all; a twentieth of
the sessions was refused, a third of these let in again, ten samples a car and day were refused. Where nothing
depends on a figure it is the same in every row, so that a year is made in minutes; keys and texts are of real
size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from flows.workspace import Workspace
from warehouse.contracts import CONTRACTS, TableContract
from warehouse.contracts.types import Column, Kind

LAST = date(2026, 3, 10)
"""The last day that has been planned."""
ZONE = "DE-LU"
RUNS, STAGES, RESIDUALS = 8, 6, 324
_SAMPLE_DAYS, _FULL_EVERY = 30, 30
_NEXT = 3660
"""The number of the day after `LAST`, however old the depot is: the same days are alike in each."""
_STATE = '{"trace": [' + ", ".join(f"0.{number:017d}" for number in range(230)) + '], "id": "'
"""With the id and an end, what a twin notes of a battery: 5 kB."""

_CONSTANT: Mapping[Kind, str] = {Kind.TEXT: "'-'", Kind.FLOAT: "1.0", Kind.INT: "1", Kind.BOOL: "true"}
_CAR = "printf('car-%05d', c)"
_PLAN = "substr(md5('plan ' || d), 1, 16)"
_CALIBRATION = "substr(md5('calibration ' || d || ' ' || c), 1, 16)"
_MODE = "['uncontrolled', 'ordered', 'v2g'][m + 1]"
_REFUSED = "(c + d) % 20 = 0"
_LET_IN = "(c + d) % 60 = 0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Age:
    """How many cars for how many days; slots: quarter-hours of each plan that is kept."""

    cars: int
    days: int
    slots: int = 120


def noon_before(day: date) -> datetime:
    """When the prices of a market day have come and it is planned."""
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC) - timedelta(days=1)


def make_old(root: Path, age: Age) -> Workspace:
    """A workspace in `root` that is so old at the noon before the day after `LAST`, which is not planned."""
    workspace = Workspace.create(root, zone=ZONE)
    with duckdb.connect(str(workspace.root / "warehouse.duckdb")) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        filler = _Filler(connection, age)
        filler.sources()
        filler.inputs()
        filler.telemetry()
        filler.calibrations()
        filler.plans()
        filler.runs()
    return workspace


class _Filler:
    """The statements of `make_old`: d counts days, the last has no plan yet; c cars, m modes, s slots."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, age: Age) -> None:
        self.connection, self.age = connection, age
        self.first = _NEXT - age.days
        zero = noon_before(LAST) - timedelta(days=_NEXT - 1)
        self.noon = f"(TIMESTAMPTZ '{zero.isoformat()}' + to_days(d::INT))"
        """When day d is planned."""

    def put(self, table: str, over: Mapping[str, int | tuple[int, int]], **named: str) -> None:
        """Rows of a table, one for each combination of the counters, in their order; named: SQL by column."""
        contract = CONTRACTS[table]
        if table.startswith("out_"):
            named = {"as_of_utc": self.noon, "run_id": "'run ' || d", **named}
        condition = named.pop("where", "true")
        values = ", ".join(named.get(column.name) or _default(column) for column in contract)
        spans = {name: span if isinstance(span, tuple) else (0, span) for name, span in over.items()}
        spans["d"] = tuple(self.first + day for day in spans["d"])
        counters = ", ".join(f"range({a}, {b}) AS t{name}({name})" for name, (a, b) in spans.items())
        self.connection.execute(
            f"INSERT INTO {table} ({_names(contract)}) SELECT {values} FROM {counters} "  # noqa: S608
            f"WHERE {condition} ORDER BY {', '.join(over)}"
        )

    def sources(self) -> None:
        days = self.age.days + 1
        daily = dict.fromkeys(("prices", "sessions", "telemetry"), days)
        for dataset, count in {"fleet": 1, "sites": 1, **daily}.items():
            self.put(
                "raw_source", {"d": count},
                source_id=_file(dataset), dataset=f"'{dataset}'", file_name=f"{_file(dataset)} || '.csv'",
                received_utc=self.noon, checked_utc=self.noon,
            )  # fmt: skip

    def inputs(self) -> None:
        noon, cars, days = self.noon, self.age.cars, self.age.days + 1
        limit = f"{4.0 * cars}"
        once = {"d": 1}
        self.put(
            "core_site", once, site_id="'yard'", zone=f"'{ZONE}'", import_limit_kw=limit,
            export_limit_kw=limit, source_id=_file("sites"), received_utc=noon,
        )  # fmt: skip
        self.put(
            "core_battery", {**once, "c": cars}, battery_id=_CAR, site_id="'yard'", chemistry="'nmc811'",
            nominal_capacity_ah="160.0", nominal_energy_kwh="60.0", cells_series="96", cells_parallel="32",
            commissioned_utc="TIMESTAMPTZ '2024-01-01T00:00Z'", charge_limit_kw="11.0",
            discharge_limit_kw="11.0", efficiency_charge="0.93", efficiency_discharge="0.93", soc_min="0.1",
            soc_max="0.95", replacement_value_eur="7200.0", scrap_value_eur="900.0",
            source_id=_file("fleet"), received_utc=noon, source_row="c + 1",
        )  # fmt: skip
        self.put(
            "core_price", {"d": days, "s": 96}, zone=f"'{ZONE}'", resolution_minutes="15",
            interval_start_utc=f"{noon} + to_minutes(660 + 15 * s::INT)",
            price_eur_per_kwh="round(0.08 + 0.05 * sin((s - 30) / 96 * 12.566) + 0.0001 * (d % 7), 5)",
            source_id=_file("prices"), received_utc=noon, source_row="s + 1",
        )  # fmt: skip
        self.put(
            "core_checkup", {"d": days, "c": cars}, where=f"d % {_FULL_EVERY} = 0", battery_id=_CAR,
            time_utc=noon, capacity_ah="150.0", source_id=_file("telemetry"), received_utc=noon,
        )  # fmt: skip
        session = {
            "session_id": "printf('stay %d %d', d, c)", "battery_id": _CAR,
            "arrival_utc": f"{noon} + to_hours(29)", "departure_utc": f"{noon} + to_hours(43)",
            "arrival_soc": "0.4 + 0.01 * (c % 20)", "departure_soc": "0.8",
            "source_id": _file("sessions"), "source_row": "c + 1",
        }  # fmt: skip
        each = {"d": days, "c": cars}
        self.put("raw_session", each, **session)
        self.put("core_session", each, where=f"NOT {_REFUSED} OR {_LET_IN}", received_utc=noon, **session)
        self.put(
            "core_quarantine", each, where=_REFUSED, dataset="'sessions'", rule="'departure_soc'",
            severity="'critical'", source_id=_file("sessions"), source_row="c + 1", found_utc=noon,
            reason="'departure_soc is more than the charger can give'", row_key="printf('stay %d %d', d, c)",
        )  # fmt: skip
        self.put(
            "core_release", each, where=_LET_IN, sequence=f"d * {cars} + c + 1", action="'release'",
            dataset="'sessions'", rule="'departure_soc'", source_id=_file("sessions"), source_row="c + 1",
            decided_utc=noon,
        )  # fmt: skip

    def telemetry(self) -> None:
        noon, cars, days = self.noon, self.age.cars, self.age.days
        self.put(
            "core_quarantine", {"d": days, "c": cars, "s": 10}, dataset="'telemetry'", rule="'frozen'",
            severity="'warning'", source_id=_file("telemetry"), source_row=f"{1440 * cars} + c * 10 + s",
            found_utc=noon, reason="'voltage_v stands still while current flows'",
            row_key=f"{_CAR} || ' ' || {noon}",
        )  # fmt: skip
        self.put(
            "core_telemetry", {"d": (max(0, days - _SAMPLE_DAYS), days), "c": cars, "s": 288},
            battery_id=_CAR, time_utc=f"{noon} + to_minutes(5 * s::INT)", voltage_v="355.0 + s % 7",
            current_a="10.0", temperature_degc="15.0", source_id=_file("telemetry"), received_utc=noon,
        )  # fmt: skip
        self.put(
            "core_telemetry_15min", {"d": days, "c": cars, "s": 96}, battery_id=_CAR, samples="15",
            interval_start_utc=f"{noon} + to_minutes(15 * s::INT)", covered_minutes="15.0",
            voltage_mean_v="355.0 + s % 7", temperature_mean_degc="15.0",
        )  # fmt: skip

    def calibrations(self) -> None:
        cars, days = self.age.cars, self.age.days
        before = _CALIBRATION.replace("|| d", "|| (d - 1)")
        whole = f"d % {_FULL_EVERY} = {(_NEXT - 1) % _FULL_EVERY}"
        own = {"calibration_id": _CALIBRATION, "battery_id": _CAR, "quality": "'calibrated'"}
        self.put(
            "out_calibration", {"d": days, "c": cars}, **own, chemistry="'nmc811'",
            usable_capacity_ah="150.0", usable_energy_kwh="56.0", soh="0.94", residual_value_eur="6000.0",
            l0_days="2500.0", alpha_day_per_efc="0.9", beta_day_per_efc="1.0", rest_price_eur_per_kwh_h="0.0",
            input_hash=f"md5({_CALIBRATION})", parameters_json=f"'{_STATE}' || {_CALIBRATION} || '\"}}'",
            previous_calibration_id=f"CASE WHEN d > {self.first} THEN {before} END",
        )  # fmt: skip
        self.put(
            "out_calibration_source", {"d": days, "c": cars, "s": 4}, **own, dataset="'telemetry'",
            source_id=_file("telemetry"),
        )  # fmt: skip
        self.put(
            "out_life_point", {"d": days, "c": cars, "s": 6}, **own, dod="0.1 * (s + 1)",
            efc_per_day="0.2 * s", life_days="2500.0 / (1 + 0.2 * s)", cycles_per_day="1.0",
        )  # fmt: skip
        self.put(
            "out_wear_map", {"d": days, "c": cars, "s": 14}, **own, where=whole, v2g_efc_per_day="0.1 * s"
        )
        self.put(
            "out_twin_residual", {"d": (max(0, days - _SAMPLE_DAYS), days), "c": cars, "s": RESIDUALS}, **own,
            time_utc=f"{self.noon} - to_minutes(15 * s::INT)",
        )  # fmt: skip

    def plans(self) -> None:
        noon, cars, days, slots = self.noon, self.age.cars, self.age.days, self.age.slots
        own, of_mode = {"plan_id": _PLAN}, {"plan_id": _PLAN, "mode": _MODE}
        slot = f"{noon} + to_minutes(15 * s::INT)"
        hashes = (
            '{"calibrations": "' + "0" * 64 + '", "prices": "' + "1" * 64 + '", "rest": "' + "2" * 480 + '"}'
        )
        self.put(
            "out_plan", {"d": days}, **own, market_date=f"CAST({noon} + to_days(1) AS DATE)",
            zone=f"'{ZONE}'", slots=f"{slots}", first_slot_utc=noon,
            priced_until_utc=f"{noon} + to_hours(35)",
            end_utc=f"{noon} + to_minutes({15 * slots})", batteries=f"{cars}", followed_mode="'v2g'",
            input_hash="md5('inputs ' || d)", input_parts_json=f"'{hashes}'", has_past=f"d > {self.first}",
            own_misses="0",
        )  # fmt: skip
        self.put("out_plan_source", {"d": days, "s": 6}, **own, dataset="'prices'", source_id=_file("prices"))
        self.put("out_plan_price", {"d": days, "s": slots}, **own, interval_start_utc=slot)
        self.put(
            "out_left_out", {"d": days, "c": cars}, **own, where=f"{_REFUSED} AND NOT {_LET_IN}",
            battery_id=_CAR,
        )  # fmt: skip
        self.put("out_plan_mode", {"d": days, "m": 3}, **of_mode)
        self.put(
            "out_plan_car", {"d": days, "m": 3, "c": cars}, **of_mode, battery_id=_CAR,
            calibration_id=_CALIBRATION, wear_twin_eur="1.0", wear_standard_eur="0.5", wear_error_eur="0.1",
        )  # fmt: skip
        self.put(
            "out_plan_site_slot", {"d": days, "m": 3, "s": slots}, **of_mode, site_id="'yard'",
            interval_start_utc=slot,
        )  # fmt: skip
        self.put(
            "out_plan_departure", {"d": (1, days), "m": 3, "c": cars}, **of_mode, battery_id=_CAR,
            session_id="printf('stay %d %d', d - 1, c)", departure_utc=f"{noon} + to_hours(19)",
            target_kwh="45.0", reached_kwh="45.0 + m", missing_kwh="0.0", reason="''",
        )  # fmt: skip
        for d in range(days):
            self.put(
                "out_plan_slot", {"d": (d, d + 1), "m": 3, "c": cars, "s": slots}, **of_mode, battery_id=_CAR,
                interval_start_utc=slot, plugged="s BETWEEN 20 AND 75 OR s >= 116", charge_kw="0.0",
                discharge_kw="0.0", power_kw="0.0", energy_start_kwh="40.0", energy_end_kwh="40.0 + m",
            )  # fmt: skip

    def runs(self) -> None:
        each = {"d": self.age.days, "r": RUNS, "s": STAGES}
        begun = f"{self.noon} + to_minutes(10 * r::INT + s::INT)"
        run = "printf('run %d %d', d, r)"
        self.put(
            "out_run", each, run_id=run, stage="'stage ' || s", started_utc=begun, finished_utc=begun,
            status="'ok'", exit_code="0", message="'200 cars, as on every day: ' || d",
        )  # fmt: skip
        self.put(
            "out_check", {**each, "c": 10}, run_id=run, dataset="'prices'", scope="'scope ' || s",
            rule="'rule ' || c", severity="'critical'",
        )  # fmt: skip


def _names(contract: TableContract) -> str:
    return ", ".join(contract.names)


def _default(column: Column) -> str:
    """A value that a column may hold where nothing depends on it."""
    if column.nullable:
        return "NULL"
    return f"'{column.allowed[0]}'" if column.allowed else _CONSTANT[column.kind]


def _file(dataset: str) -> str:
    """SQL of a source_id, as long as a hash, of a dataset's file of day d."""
    return f"md5('{dataset} ' || d) || md5('{dataset}')"
