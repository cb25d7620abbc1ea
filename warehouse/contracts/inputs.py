"""The datasets that are brought in from outside.

Each is declared once; `registry` derives from it the `raw_…` table (as it arrived, immutable) and the
`core_…` table (checked, latest belief). Battery-side powers are ≥ 0; telemetry is pack level, + = charge;
metering is plug-side, both ways ≥ 0.
"""

from dataclasses import replace
from datetime import timedelta

from warehouse.contracts.types import (
    LABEL_PATTERN,
    Column,
    Kind,
    TableContract,
    choice,
    identifier,
    integer,
    moment,
    number,
    text,
)

CHEMISTRIES = ("nmc811", "nmc532", "nca", "lfp", "nmc111", "lmo", "lco")

_BATTERY_ID = identifier("battery_id", "Battery (one traction pack, one car)", "CAR1")
_SOC_TYPICAL = (0.0, 1.5)


def _cell_voltage(name: str, description: str, example: float) -> Column:
    return number(name, "V", description, 0.0, 6.0, typical=(1.0, 6.0), nullable=True, example=example,
                  default="cells are not looked at singly")  # fmt: skip


def _hours(number_of: float) -> timedelta:
    return timedelta(hours=number_of)


_RESOLUTION = Column(
    name="resolution_minutes", kind=Kind.INT, unit="min", allowed=(15, 30, 60),
    description="Length of the interval", example=60,
)  # fmt: skip

PRICE = TableContract(
    name="price",
    description="Day-ahead price per bidding zone and interval; what the market published.",
    columns=(
        text("zone", "Bidding zone, e.g. DE-LU", example="DE-LU"),
        moment("interval_start_utc", "Start of the half-open delivery interval", example=_hours(12)),
        _RESOLUTION,
        number("price_eur_per_kwh", "€/kWh", "Price before taxes", -5.0, 30.0, typical=(0.001, 2.0),
               example=0.0874),
    ),
    key=("zone", "interval_start_utc"),
)  # fmt: skip

TARIFF = TableContract(
    name="tariff",
    description="Retail tariff: what a kWh costs or earns at the plug, where a contract says so itself.",
    columns=(
        text("zone", "Bidding zone, e.g. GB", example="DE-LU"),
        choice("direction", "import: bought from the grid; export: fed back", ("import", "export"),
               example="import"),
        moment("interval_start_utc", "Start of the half-open interval", example=_hours(12)),
        _RESOLUTION,
        number("price_eur_per_kwh", "€/kWh", "Fees and taxes included", -5.0, 30.0, typical=(0.001, 2.0),
               example=0.2931),
        number("demand_charge_eur_per_kw", "€/kW", "On a month's highest import", 0.0, 1e3, nullable=True,
               default="none"),
    ),
    key=("zone", "direction", "interval_start_utc"),
)  # fmt: skip

TELEMETRY = TableContract(
    name="telemetry",
    description="Battery samples, pack level, Battery Data Format meaning (current + = charge).",
    columns=(
        _BATTERY_ID,
        moment("time_utc", "Time of the sample", example=_hours(-1)),
        number("voltage_v", "V", "Pack voltage", 0.0, 2000.0, typical=(1.5, 1500.0), example=355.2),
        number("current_a", "A", "Pack current, + = charge", -5000.0, 5000.0, typical=(0.0, 1500.0),
               example=21.4),
        number("temperature_degc", "°C", "Mean cell surface temperature", -50.0, 100.0, typical=(0.0, 120.0),
               example=22.5),
        number("soc_reported", "1", "Charge as the car says", 0.0, 1.0, typical=_SOC_TYPICAL, nullable=True,
               example=0.57, default="charge is counted from current alone"),
        _cell_voltage("cell_voltage_min_v", "Lowest cell voltage, per cell", 3.69),
        _cell_voltage("cell_voltage_max_v", "Highest cell voltage, per cell", 3.71),
    ),
    key=("battery_id", "time_utc"),
    daily=True,
)  # fmt: skip

SOC_POWER = TableContract(
    name="soc_power",
    description="What most clouds give of a car: charge as displayed and the battery's power, no voltage.",
    columns=(
        _BATTERY_ID,
        moment("time_utc", "Time of the sample", example=_hours(-1)),
        number("soc_reported", "1", "Charge as the car says", 0.0, 1.0, typical=_SOC_TYPICAL, example=0.57),
        # No typical range: a parked car draws nothing, and the checks hold its power against its charge.
        number("power_kw", "kW", "Power of the battery, + = charge", -5000.0, 5000.0, example=7.2),
        number("temperature_degc", "°C", "Of the battery", -50.0, 100.0, typical=(0.0, 120.0), nullable=True,
               example=22.5, default="not known"),
    ),
    key=("battery_id", "time_utc"),
    daily=True,
)  # fmt: skip

SIGNATURES = ("verified", "unverified", "refused")
"""Of a signed value: it fits the meter's registered key; none is registered; it does not, or is no value."""

METERING = TableContract(
    name="metering",
    description="What the meter at a car's plug counted in a quarter-hour; one that is not reported is "
    "unknown.",
    columns=(
        _BATTERY_ID,
        moment("interval_start_utc", "Start of the half-open quarter-hour", example=_hours(-1)),
        # No typical range: an idle car counts nothing, and the checks know what its own plug can pass.
        number("import_kwh", "kWh", "Drawn at the plug, counted there", 0.0, 1e7, example=1.8),
        number("export_kwh", "kWh", "Fed back at the plug, likewise ≥ 0", 0.0, 1e7, example=0.0),
        replace(text("meter_id", "Meter that signed it, by its serial", nullable=True), derived=True),
        replace(
            choice("signature", "What its signature was found to be; null: nobody signed it", SIGNATURES,
                   nullable=True),
            derived=True,
        ),
        replace(text("signature_note", "Why it is not verified, or what else is to be known", nullable=True),
                derived=True),
    ),
    key=("battery_id", "interval_start_utc"),
    daily=True,
)  # fmt: skip

SESSION = TableContract(
    name="session",
    description="Plug-in sessions: when a car is connected, with what charge, and what its driver needs.",
    columns=(
        text("session_id", "Session", pattern=LABEL_PATTERN, example="S1"),
        _BATTERY_ID,
        moment("arrival_utc", "Plug-in", example=_hours(-14)),
        moment("departure_utc", "Plug-out", example=_hours(-1)),
        number("arrival_soc", "1", "State of charge at plug-in", 0.0, 1.0, typical=_SOC_TYPICAL,
               example=0.45),
        number("departure_soc", "1", "State of charge promised at plug-out", 0.0, 1.0, typical=_SOC_TYPICAL,
               example=0.8),
        number("energy_kwh", "kWh", "Drawn at the plug less fed back, as metered", -5e3, 5e3, nullable=True,
               example=21.5, default="not metered"),
        number("register_kwh", "kWh", "The charger's energy register, as read last during the session", -1e9,
               1e9, nullable=True, example=18250.4, default="not reported"),
        number("last_soc", "1", "State of charge as reported last, since plug-in", 0.0, 1.0, nullable=True,
               typical=_SOC_TYPICAL, example=0.78, default="not reported"),
        text("charger_id", "Charger or plug, as its operator calls it; a row of chargers", nullable=True,
             example="depot-1", default="the car's own limits alone hold"),
        number("odometer_km", "km", "What the car had driven at plug-in", 0.0, 5e6, nullable=True,
               example=30412.0, default="not known"),
        moment("requested_departure_utc", "When the driver said to leave", nullable=True,
               example=_hours(-2), default="not known"),
        number("requested_kwh", "kWh", "Energy that the driver asked for", 0.0, 5e3, nullable=True,
               example=20.0, default="not known"),
        number("v2x_min_soc", "1", "Least charge of V2X: none is fed back below it", 0.0, 1.0, nullable=True,
               default="as the car says"),
        number("v2x_max_soc", "1", "Most charge of V2X: none is fed back above it", 0.0, 1.0, nullable=True,
               default="as the car says"),
    ),
    key=("session_id",),
    less_than=(("arrival_utc", "departure_utc"),),
)  # fmt: skip

BATTERY = TableContract(
    name="battery",
    description="The fleet: one row a battery, with its charger's limits.",
    columns=(
        _BATTERY_ID,
        identifier("site_id", "Site (grid connection) where the car plugs in", "depot"),
        choice("chemistry", "Cell chemistry", CHEMISTRIES, example="nmc811"),
        number("nominal_capacity_ah", "Ah", "Pack capacity when new", 0.1, 5000.0, typical=(1.0, 3000.0),
               example=171.0),
        number("nominal_energy_kwh", "kWh", "Pack energy when new", 0.001, 5000.0, typical=(1.0, 2000.0),
               example=60.0),
        integer("cells_series", "Cells in series", 1, 2000, example=96),
        integer("cells_parallel", "Cells in parallel", 1, 2000, example=3),
        moment("commissioned_utc", "First use", example=timedelta(days=-700)),
        number("charge_limit_kw", "kW", "Charging limit, battery side", 0.0, 5000.0, typical=(0.5, 1500.0),
               example=11.0),
        number("discharge_limit_kw", "kW", "Discharging limit, likewise", 0.0, 5000.0, typical=(0.0, 1500.0),
               example=10.0),
        number("efficiency_charge", "1", "Plug to battery", 0.3, 1.0, typical=(0.3, 1.5), example=0.92),
        number("efficiency_discharge", "1", "Battery to plug", 0.3, 1.0, typical=(0.3, 1.5), example=0.92),
        number("soc_min", "1", "Lowest state of charge the plan may use", 0.0, 1.0, typical=_SOC_TYPICAL,
               example=0.1),
        number("soc_max", "1", "Highest state of charge the plan may use", 0.0, 1.0, typical=_SOC_TYPICAL,
               example=0.95),
        number("replacement_value_eur", "€", "Price of a new pack", 0.0, 2e6, typical=(50.0, 5e5),
               example=7200.0),
        number("scrap_value_eur", "€", "Value at end of life", 0.0, 1e6, example=900.0),
    ),
    key=("battery_id",),
    less_than=(("soc_min", "soc_max"), ("scrap_value_eur", "replacement_value_eur")),
)  # fmt: skip

SITE = TableContract(
    name="site",
    description="Sites: a grid connection with its limits, shared by the cars that plug in there.",
    columns=(
        identifier("site_id", "Site", "depot"),
        text("zone", "Bidding zone, e.g. DE-LU", example="DE-LU"),
        number("import_limit_kw", "kW", "Largest power drawn from the grid", 0.0, 1e6, typical=(1.0, 2e4),
               example=43.0),
        number("export_limit_kw", "kW", "Largest power fed to the grid", 0.0, 1e6, typical=(0.0, 2e4),
               example=30.0),
        text("parent_id", "Site that it hangs on, whose limits hold for it too", nullable=True,
             pattern=LABEL_PATTERN, default="none"),
        choice("metering", "car: every plug is billed alone; site: cars and load net behind one meter",
               ("car", "site"), nullable=True, default="car"),
    ),
    key=("site_id",),
)  # fmt: skip

CHARGER = TableContract(
    name="charger",
    description="Chargers: what a plug gives and takes, next to the car's own limits; AC currents, a phase.",
    columns=(
        text("charger_id", "Charger (one connector), as sessions name it", example="depot-1"),
        identifier("site_id", "Site where it stands", "depot"),
        integer("phases", "Phases that it is connected to", 1, 3, example=3),
        number("max_current_a", "A", "Largest charging current", 0.1, 5000.0, typical=(5.0, 1000.0),
               example=16.0),
        number("min_current_a", "A", "Least current when on, either way", 0.0, 5000.0, nullable=True,
               example=6.0, default="0"),
        number("max_discharge_current_a", "A", "Largest current fed back; none without", 0.0, 5000.0,
               nullable=True, example=16.0, default="0: it feeds nothing back"),
        number("voltage_v", "V", "Phase to neutral; 230 without", 50.0, 1000.0, nullable=True,
               example=230.0, default="230"),
        number("efficiency_charge", "1", "Plug to battery, in place of the car's", 0.3, 1.0,
               typical=(0.3, 1.5), nullable=True, default="the car's"),
        number("efficiency_discharge", "1", "Battery to plug, likewise", 0.3, 1.0, typical=(0.3, 1.5),
               nullable=True, default="the car's"),
        text("station_id", "Charging station by its own name", nullable=True, default="not known"),
        integer("connector_id", "Number of the connector there", 0, 1000, nullable=True, default="not known"),
    ),
    key=("charger_id",),
)  # fmt: skip

SITE_LOAD = TableContract(
    name="site_load",
    description="What a site draws besides cars, less what it generates: expected or measured.",
    columns=(
        identifier("site_id", "Site", "depot"),
        moment("interval_start_utc", "Start of the half-open interval", example=_hours(-1)),
        _RESOLUTION,
        number("load_kw", "kW", "Mean of the interval, + = import", -1e6, 1e6, example=4.2),
    ),
    key=("site_id", "interval_start_utc"),
)  # fmt: skip

SITE_LIMIT = TableContract(
    name="site_limit",
    description="What the grid lets a site draw and feed back for a while, below its own limits, or orders.",
    columns=(
        identifier("site_id", "Site", "depot"),
        moment("interval_start_utc", "Start of the half-open interval", example=_hours(-1)),
        _RESOLUTION,
        number("import_limit_kw", "kW", "Largest power drawn then; none without", 0.0, 1e6, nullable=True,
               example=4.2, default="its own limit"),
        number("export_limit_kw", "kW", "Largest power fed back then; none without", 0.0, 1e6, nullable=True,
               example=0.0, default="its own limit"),
        number("setpoint_kw", "kW", "What it is to draw then, as near as cars can; none without", 0.0, 1e6,
               nullable=True, default="what pays"),
    ),
    key=("site_id", "interval_start_utc"),
)  # fmt: skip

CO2 = TableContract(
    name="co2",
    description="Emissions of the grid's electricity per bidding zone and interval: expected or measured.",
    columns=(
        text("zone", "Bidding zone, e.g. DE-LU", example="DE-LU"),
        moment("interval_start_utc", "Start of the half-open interval", example=_hours(12)),
        _RESOLUTION,
        number("co2_kg_per_kwh", "kg/kWh", "Of a kWh drawn", -1.0, 3.0, typical=(0.001, 2.0), example=0.31),
    ),
    key=("zone", "interval_start_utc"),
)  # fmt: skip

AWARD = TableContract(
    name="award",
    description="Reserve that a market took of what was bid: plans hold it in all of its block.",
    columns=(
        text("zone", "Bidding zone, e.g. DE-LU", example="DE-LU"),
        text("product", "Product by its market's name, as `v2g bid` has it", example="FCR"),
        choice("direction", "Which way it is called", ("symmetric", "up", "down"), example="symmetric"),
        moment("interval_start_utc", "Start of the half-open block", example=_hours(12)),
        moment("interval_end_utc", "Its end", example=_hours(16)),
        number("quantity_mw", "MW", "What was won, metered; 0: nothing was", 0.0, 1e4, example=1.0),
        number("price_eur_per_mw_h", "€/MW/h", "What holding it pays", -1e5, 1e5, nullable=True, example=9.5,
               default="not known"),
        number("reservoir_minutes", "min", "How long all of it can be called one way", 1.0, 240.0,
               nullable=True, default="the product's, as products.toml has it"),
    ),
    key=("zone", "product", "direction", "interval_start_utc"),
    less_than=(("interval_start_utc", "interval_end_utc"),),
)  # fmt: skip

ACTIVATION = TableContract(
    name="activation",
    description="Reserve that was called, as the grid's operator counts it: energy a quarter-hour.",
    columns=(
        text("zone", "Bidding zone, e.g. DE-LU", example="DE-LU"),
        text("product", "Product by its market's name, as `awards` has it", example="aFRR up"),
        choice("direction", "Which way it was called: up, fed back or drawn less; down, drawn more",
               ("up", "down"), example="up"),
        moment("interval_start_utc", "Start of the half-open quarter-hour", example=_hours(-12)),
        number("energy_kwh", "kWh", "Called in it, metered, of all cars together; 0: nothing was", 0.0, 1e7,
               typical=(0.01, 1e6), example=120.0),
        number("price_eur_per_kwh", "€/kWh", "Of a kWh up what it is paid, of one down what it costs",
               -50.0, 50.0, typical=(0.001, 5.0), nullable=True, example=0.092,
               default="not known; nothing where products.toml says that calls are not paid"),
    ),
    key=("zone", "product", "direction", "interval_start_utc"),
)  # fmt: skip

IMBALANCE_PRICE = TableContract(
    name="imbalance_price",
    description="What departing from the schedule is settled at, per bidding zone and interval.",
    columns=(
        text("zone", "Bidding zone, e.g. DE-LU", example="DE-LU"),
        moment("interval_start_utc", "Start of the half-open interval", example=_hours(-12)),
        replace(_RESOLUTION, example=15),
        number("price_eur_per_kwh", "€/kWh", "Paid to who is long; without another, by who is short, too",
               -50.0, 50.0, typical=(0.001, 5.0), example=0.1034),
        number("short_price_eur_per_kwh", "€/kWh", "Paid by who is short, where two prices are settled",
               -50.0, 50.0, typical=(0.001, 5.0), nullable=True, example=0.1171,
               default="one price is settled"),
    ),
    key=("zone", "interval_start_utc"),
)  # fmt: skip

CHECKUP = TableContract(
    name="checkup",
    description="Capacity and resistance measured at a check-up, pack level.",
    columns=(
        _BATTERY_ID,
        moment("time_utc", "Time of the check-up", example=timedelta(days=-3)),
        number("capacity_ah", "Ah", "Usable pack capacity", 0.01, 10_000.0, typical=(0.5, 3000.0),
               example=164.0),
        number("resistance_ohm", "Ω", "Pack resistance", 0.0, 10.0, typical=(0.0001, 5.0), nullable=True,
               example=0.09, default="not measured"),
        number("temperature_degc", "°C", "Temperature of the check-up", -50.0, 100.0, typical=(0.0, 120.0),
               example=24.0),
    ),
    key=("battery_id", "time_utc"),
)  # fmt: skip

DATASETS = {
    "prices": PRICE,
    "tariffs": TARIFF,
    "telemetry": TELEMETRY,
    "soc_power": SOC_POWER,
    "metering": METERING,
    "sessions": SESSION,
    "fleet": BATTERY,
    "sites": SITE,
    "chargers": CHARGER,
    "site_load": SITE_LOAD,
    "site_limits": SITE_LIMIT,
    "co2": CO2,
    "imbalance_prices": IMBALANCE_PRICE,
    "checkups": CHECKUP,
    "awards": AWARD,
    "activations": ACTIVATION,
}
"""Dataset name (what a user ingests) → its declaration (what a table is called after)."""
