"""What the project computes and keeps: calibrations, plans, runs, checks.

Every row says which run made it, as of when, from which inputs and with which code; calibrations tell
`quality` and plans `plan_source`, so that a degraded answer is never mistaken for a good one.
"""

from functools import partial

from warehouse.contracts.inputs import DATASETS
from warehouse.contracts.types import (
    Column,
    Kind,
    TableContract,
    choice,
    flag,
    identifier,
    integer,
    moment,
    number,
    text,
)

QUALITIES = ("calibrated", "energy", "checkups", "prior", "stale", "disputed")
PLAN_SOURCES = ("published", "substituted", "last_plan", "charge_only")
MODES = ("uncontrolled", "ordered", "v2g")
WEAR_FORMS = ("law", "rate")
SEVERITIES = ("critical", "warning", "info")
RUN_STATES = ("ok", "degraded", "failed")

_AS_OF = moment("as_of_utc", "The instant whose knowledge the row rests on")
LINEAGE = (
    text("run_id", "Run that wrote the row"),
    _AS_OF,
    text("input_hash", "Hash of everything the row was computed from"),
    text("code_version", "Version of this software that computed it"),
)
_QUALITY = choice(
    "quality",
    "What the calibration rests on; disputed: on check-ups or the prior, against telemetry",
    QUALITIES,
)
PLAN_SOURCE = choice("plan_source", "Which rung of the ladder the plan stands on, best first", PLAN_SOURCES)
PLAN = text("plan_id", "Plan")
MODE = choice("mode", "Way of charging", MODES)
_BATTERY = identifier("battery_id", "Battery")
_CALIBRATION = text("calibration_id", "Calibration")

_Columns = tuple[Column, ...]


def _euro(name: str, description: str, *, nullable: bool = False) -> Column:
    return number(name, "€", description, nullable=nullable)


def _kwh(name: str, description: str, *, nullable: bool = False) -> Column:
    return number(name, "kWh", description, nullable=nullable)


def _kw(name: str, description: str) -> Column:
    return number(name, "kW", description)


def _interval(name: str, unit: str, description: str) -> tuple[Column, Column, Column]:
    stem, _, suffix = name.partition("_")
    return (
        number(name, unit, description),
        number(f"{stem}_low_{suffix}", unit, f"{description}: lower end of its interval"),
        number(f"{stem}_high_{suffix}", unit, f"{description}: upper end of its interval"),
    )


def _table(
    standing: Column,
    name: str,
    description: str,
    columns: _Columns,
    key: tuple[str, ...] = (),
    sort: tuple[str, ...] = (),
) -> TableContract:
    text = () if standing in columns else (standing,)
    return TableContract(
        name=f"out_{name}", description=description, columns=columns + text + LINEAGE, key=key, sort=sort
    )


_calibration = partial(_table, _QUALITY)
_plan = partial(_table, PLAN_SOURCE)

_USED = (
    choice("dataset", "What was used", tuple(DATASETS)),
    text("source_id", "File or response the rows came from: raw_source tells which"),
    integer("rows", "Rows of it that were used", 1),
    Column(
        name="first_row",
        kind=Kind.INT,
        nullable=True,
        description="First of these rows in the file, from 1; null for rows kept since before it was noted",
    ),
    Column(name="last_row", kind=Kind.INT, description="Last of these rows in the file", nullable=True),
)

_MONEY = (
    _kwh("import_kwh", "Energy bought, metered at the plug"),
    _kwh("export_kwh", "Energy sold, metered at the plug"),
    _kwh("v2g_kwh", "Energy discharged, battery side"),
    _euro("energy_cost_eur", "Metered purchases less metered sales"),
    _euro("stored_value_eur", "Value of the energy gained over the sessions"),
    _euro("wear_price_eur", "Wear of V2G as the optimiser priced it"),
    _euro("rest_price_eur", "Wear of resting charged as the optimiser priced it", nullable=True),
    _euro("wear_twin_eur", "Wear as the twin answers for the whole day's profile", nullable=True),
    number("l0_over_l", "1", "Life at standard duty over life at the planned duty", nullable=True),
)

OUTPUTS = (
    TableContract(
        name="out_check",
        description="One row a rule, run and scope: what was checked and how it went.",
        columns=(
            text("run_id", "Run that checked"),
            text("dataset", "Dataset"),
            text("scope", 'Battery, zone or market day the rule was applied to; "*" = everything'),
            text("rule", "Rule"),
            choice("severity", "critical stops the scope, warning and info show", SEVERITIES),
            flag("passed", "No violation"),
            integer("rows_checked", "Rows the rule looked at", 0),
            integer("rows_failed", "Rows that violated it", 0),
            text("message", "What was found"),
            _AS_OF,
        ),
        key=("run_id", "dataset", "scope", "rule"),
    ),
    _calibration(
        "calibration", "One row a calibrated battery: its state today and what wear costs its life.",
        (
            _CALIBRATION, _BATTERY, _QUALITY,
            text("reason", "Why this quality"),
            text("chemistry", "Cell chemistry"),
            number("usable_capacity_ah", "Ah", "Usable pack capacity today"),
            number("usable_capacity_sd_ah", "Ah", "Its standard deviation"),
            _kwh("usable_energy_kwh", "Usable pack energy today"),
            number("soh", "1", "Usable over nominal capacity"),
            number("resistance_ohm", "Ω", "Effective pack resistance"),
            number("resistance_sd_ohm", "Ω", "Its standard deviation"),
            number("current_bias_a", "A", "Estimated offset of the current sensor", nullable=True),
            number("chi2_per_n", "1", "Misfit per sample; of a disputed fit what shows it", nullable=True),
            integer("samples_used", "Telemetry samples in the fit", 0),
            integer("samples_excluded", "Telemetry samples left out of the fit", 0),
            _euro("residual_value_eur", "Value of the battery today"),
            *_interval("l0_days", "day", "Remaining life at standard duty"),
            *_interval("alpha_day_per_efc", "day/EFC", "α of L = L0·exp(−α·x)"),
            *_interval("beta_day_per_efc", "day/EFC", "β of L = L0/(1+β·x)"),
            number("law_r2", "1", "R² of the exponential law"),
            number("law_max_residual", "1", "Largest |residual| of ln(L/L0) by the law"),
            number("rate_r2", "1", "R² of the rate form"),
            number("rate_max_residual", "1", "Largest |residual| of ln(L/L0) by the rate form"),
            number("window_efc_per_day", "EFC/day", "Largest duty simulated"),
            number("duty_efc_per_day", "EFC/day", "Standard duty"),
            number("duty_temperature_degc", "°C", "Temperature of the standard duty"),
            text("identifiability", "Which parameters the data determine"),
            number("cell_spread_v", "V", "Highest less lowest cell voltage at rest", nullable=True),
            text("sensor_fault", "What is wrong with the sensors; null where nothing is", nullable=True),
            text("sensor_evidence", "How it shows", nullable=True),
            number(
                "rest_price_eur_per_kwh_h", "€/(kWh·h)", "Wear of one kWh more held for one hour",
                nullable=True,
            ),
            text("dispute", "What a fit to telemetry was refused by; null where none was", nullable=True),
            text("model_hash", "Hash of the model's code that fitted ageing, life and α", nullable=True),
            text("parameters_json", "Parameters of the twin, JSON"),
            text("previous_calibration_id", "Calibration it started from; null for a first", nullable=True),
        ), ("calibration_id",),
    ),
    _calibration(
        "calibration_source", "One row a calibration and file that its inputs came from.",
        (_CALIBRATION, _BATTERY, *_USED), sort=("calibration_id", "dataset", "source_id"),
    ),
    _calibration(
        "life_point", "The twin's simulated lives, one row a (depth, cycles): where the law bends.",
        (
            _CALIBRATION, _BATTERY,
            number("dod", "1", "Depth of a V2G cycle"),
            number("cycles_per_day", "1/day", "V2G cycles a day"),
            number("efc_per_day", "EFC/day", "V2G duty, dod·cycles_per_day"),
            number("life_days", "day", "Simulated remaining life"),
            number("law_life_days", "day", "Remaining life by the law"),
            number("rate_life_days", "day", "Remaining life by the rate form"),
        ), ("calibration_id", "dod", "cycles_per_day"),
    ),
    _calibration(
        "wear_map", "What each habit of a day costs a battery, one row a kind of day.",
        (
            _CALIBRATION, _BATTERY,
            number("v2g_efc_per_day", "EFC/day", "V2G duty"),
            number("c_rate", "1/h", "C-rate of V2G, or of ordinary charging without V2G"),
            number("rest_soc", "1", "State of charge at which the day is begun and ended"),
            number("temperature_degc", "°C", "Cell temperature"),
            number("depth", "1", "Depth of one V2G cycle"),
            number("life_days", "day", "Remaining life if every day is such a day"),
            _euro("wear_eur_per_day", "Wear of such a day"),
        ),
        (
            "calibration_id", "v2g_efc_per_day", "c_rate", "rest_soc", "temperature_degc", "depth",
        ),
    ),
    _calibration(
        "twin_residual", "Measured and simulated voltage of the calibration window.",
        (
            _CALIBRATION, _BATTERY,
            moment("time_utc", "Time of the sample"),
            number("voltage_v", "V", "Measured pack voltage"),
            number("model_voltage_v", "V", "Simulated pack voltage"),
            flag("used", "In the fit"),
        ), sort=("calibration_id", "time_utc"),
    ),
    _plan(
        "plan", "One row a plan of a zone's market day.",
        (
            PLAN,
            Column(name="market_date", kind=Kind.DATE, description="Market day, local to the zone"),
            text("zone", "Bidding zone"), PLAN_SOURCE,
            integer("sequence", "1, 2, … within (market_date, zone), of those known at its moment", 1),
            text("replaces_plan_id", "Plan that this one replaces", nullable=True),
            text("changed_inputs", "Inputs that differ from the replaced plan's", nullable=True),
            text("input_parts_json", "Hash of each input, JSON"),
            integer("slots", "Quarter-hours that the plan spans", 0),
            moment("first_slot_utc", "Start of its first quarter-hour", nullable=True),
            moment("priced_until_utc", "Where the market day and the prices after it end", nullable=True),
            moment("end_utc", "End of its last quarter-hour", nullable=True),
            moment("made_utc", "When it was written: later than its slots for a replay", nullable=True),
            flag(
                "has_past", "An earlier plan tells what each mode left in store; without one all modes begin "
                "alike", nullable=True,
            ),
            integer(
                "own_misses", "Departures short of their promise that ordered charging keeps", 0,
                nullable=True,
            ),
            integer("batteries", "Cars planned", 0),
            choice(
                "followed_mode", "The mode that the cars follow; null in rows of before it was noted: the "
                "last one that plan_source allows", MODES, nullable=True,
            ),
            text(
                "failed_modes", "Modes that should have been planned and were not, comma-separated; null for "
                "none", nullable=True,
            ),
            text("note", "What is not as it should be with the plan; null for nothing", nullable=True),
        ), ("plan_id",),
    ),
    _plan(
        "left_out", "One row a car with a session on the market day that is not planned, or not whole.",
        (
            PLAN, text("battery_id", "Battery, as its rows name it"),
            text("reason", "What stands against it, with the session, field and value"),
        ), ("plan_id", "battery_id"),
    ),
    _plan(
        "expected_stay", "One row a plan and session that nobody had announced: what was expected of it.",
        (
            PLAN, text("session_id", "The session planned for it"), _BATTERY,
            number("probability", "1", "That the car plugs in on that local day", 0.0, 1.0),
            *(
                moment(f"{what}_utc_q{share}", f"{said}, {share} % quantile")
                for what, said in (("arrival", "Plug-in"), ("departure", "Plug-out"))
                for share in (10, 50, 90)
            ),
            *(
                number(f"need_soc_q{share}", "1", f"Charge needed, {share} % quantile", 0.0, 1.0)
                for share in (10, 50, 90)
            ),
            integer("days", "Days of sessions of the car that it rests on", 1),
        ), ("plan_id", "session_id"),
    ),
    _plan(
        "plan_source", "One row a plan and file that its inputs came from, calibrations apart.",
        (PLAN, *_USED), sort=("plan_id", "dataset", "source_id"),
    ),
    _plan(
        "plan_mode", "One row a plan and way of charging: energy, money, wear, departures.",
        (
            PLAN, MODE, *_MONEY,
            Column(
                name="wear_twin_cars", kind=Kind.INT, nullable=True, minimum=0,
                description="Cars with an answer in every mode, which wear_twin_eur and l0_over_l are of",
            ),
            _euro("peak_charge_eur", "Price of the sites' largest imports", nullable=True),
            _euro("change_price_eur", "Price of departing from the plan replaced", nullable=True),
            _euro(
                "net_benefit_eur", "What the owners gain: revenue and stored value less energy, peaks and "
                "wear as priced; unmet charge and changes of plan are no cost to them",
            ),
            _euro("unmet_price_eur", "Price of the energy short at departure", nullable=True),
            integer("departures", "Departures within the day", 0),
            integer("unmet_departures", "Departures short of their promised charge", 0),
            _kwh("unmet_kwh", "Energy short at departure"),
            _euro(
                "objective_eur", "What the plan maximises: net benefit less unmet price and change price"
            ),
            number(
                "gap", "1", "Distance of the objective to its proven bound, relative to the larger of 1 € "
                "and the objective; null where nothing was optimised", nullable=True,
            ),
            text("solver_status", "optimal, time_limit (a plan with an open gap) or simulated"),
            number("solve_seconds", "s", "Time in the solver"),
            text("engine", "Who solved it: highs, fleet; null where nothing was optimised", nullable=True),
            integer("binaries", "Binary variables that the rules needed", 0, nullable=True),
            integer("wear_cuts", "Tangents that made the wear price exact", 0, nullable=True),
            number(
                "primary_value", "kWh or kW", "What the objective before net benefit reached: energy fed in "
                "over the peak hours in kWh (grid_support), largest imports or deviations from the mean in "
                "kW (peak_shaving, load_levelling); null where net benefit is all", nullable=True,
            ),
        ), ("plan_id", "mode"),
    ),
    _plan(
        "plan_price", "One row a plan and quarter-hour: the prices at the plug that it was made with.",
        (
            PLAN, moment("interval_start_utc", "Start of the half-open slot"),
            number("import_eur_per_kwh", "€/kWh", "What a kWh drawn costs"),
            number("export_eur_per_kwh", "€/kWh", "What a kWh fed back earns"),
            choice("price_source", "Where the price is from", ("published", "substituted", "forecast")),
        ), ("plan_id", "interval_start_utc"),
    ),
    _plan(
        "plan_car", "One row a plan, way of charging and car.",
        (
            PLAN, MODE, _BATTERY, _CALIBRATION,
            choice("wear_form", "Form of the wear price", WEAR_FORMS), *_MONEY,
            number("duty_efc_per_day", "EFC/day", "V2G duty planned"),
            _kwh("unmet_kwh", "Energy short at departure"),
            _euro("wear_standard_eur", "Wear of a standard day as the twin answers", nullable=True),
            _euro(
                "wear_error_eur", "Wear forecast error: the twin's answer less standard day and price",
                nullable=True,
            ),
        ), ("plan_id", "mode", "battery_id"),
    ),
    _plan(
        "plan_slot", "One row a plan, way of charging, car and quarter-hour: the schedule.",
        (
            PLAN, MODE, _BATTERY,
            moment("interval_start_utc", "Start of the half-open slot"),
            flag("plugged", "The car is connected"),
            _kw("charge_kw", "Charging power, battery side"),
            _kw("discharge_kw", "Discharging power, battery side"),
            _kw("power_kw", "Metered power at the plug, + = import"),
            _kwh("energy_start_kwh", "Stored energy at the slot's start; null when unplugged", nullable=True),
            _kwh("energy_end_kwh", "Stored energy at the slot's end; null when unplugged", nullable=True),
            number("energy_value_eur_per_kwh", "€/kWh", "Worth of one more kWh in store", nullable=True),
            text("held_by", "What holds the power where it is", nullable=True),
        ), ("plan_id", "mode", "battery_id", "interval_start_utc"),
    ),
    _plan(
        "plan_site_slot", "One row a plan, way of charging, site and quarter-hour: the feeder.",
        (
            PLAN, MODE, identifier("site_id", "Site"),
            moment("interval_start_utc", "Start of the half-open slot"),
            _kw("power_kw", "Metered power of the site's cars, + = import"),
            _kw("import_limit_kw", "Import limit"),
            _kw("export_limit_kw", "Export limit"),
            number("base_load_kw", "kW", "What it draws besides cars, less generation", nullable=True),
            number("shadow_price_eur_per_kwh", "€/kWh", "Worth of one more kWh of feeder", nullable=True),
            number("peak_shadow_price_eur_per_kw", "€/kW", "Worth of one kW less of import", nullable=True),
        ), ("plan_id", "mode", "site_id", "interval_start_utc"),
    ),
    _plan(
        "plan_departure", "One row a plan, way of charging and departure: kept or by how much not.",
        (
            PLAN, MODE, text("session_id", "Session"), _BATTERY,
            moment("departure_utc", "Plug-out"),
            _kwh("target_kwh", "Stored energy promised"),
            _kwh("reached_kwh", "Stored energy reached"),
            _kwh("missing_kwh", "Shortfall"),
            text("reason", "Why it fell short; empty when kept"),
        ), ("plan_id", "mode", "session_id"),
    ),
    TableContract(
        name="out_run",
        description="One row a run and stage: when, how it ended.",
        columns=(
            text("run_id", "Run"),
            text("stage", "Stage"),
            moment("started_utc", "Start"),
            moment("finished_utc", "End"),
            choice("status", "How it ended", RUN_STATES),
            integer("exit_code", "Exit code"),
            text("message", "What happened"),
            Column(
                name="market_date", kind=Kind.DATE, nullable=True,
                description="Market day that the stage was for; null where it was for none",
            ),
        ),
        key=("run_id", "stage"),
    ),
)  # fmt: skip
