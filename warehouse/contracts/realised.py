"""What became of the plans that were followed: a day's account, promised next to realised."""

from warehouse.contracts.outputs import LINEAGE
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

REALISED_MODES = ("followed", "uncontrolled", "ordered")
"""followed: what the cars did, by meter or simulated; the others: what would have come of these."""

_ID = text("realised_id", "Account")
_DAY = (
    Column(name="market_date", kind=Kind.DATE, description="Market day, local to the zone"),
    text("zone", "Bidding zone"),
)


def _figures(prefix: str, whose: str) -> tuple[Column, ...]:
    return (
        number(f"{prefix}import_kwh", "kWh", f"Energy bought at the plug, {whose}"),
        number(f"{prefix}export_kwh", "kWh", f"Energy sold at the plug, {whose}"),
        number(f"{prefix}v2g_kwh", "kWh", f"Energy discharged, battery side, {whose}"),
        number(f"{prefix}stored_kwh", "kWh", f"Energy charged less discharged, battery side, {whose}"),
        number(f"{prefix}energy_cost_eur", "€", f"Metered purchases less metered sales, {whose}"),
        number(f"{prefix}wear_eur", "€", f"Wear of V2G and of resting charged, {whose}"),
        integer(f"{prefix}departures", f"Departures within the day, {whose}", 0),
        integer(f"{prefix}missed", f"Departures with less than was due, {whose}", 0),
    )


def _cause(name: str, description: str) -> Column:
    return number(f"{name}_eur", "€", f"Realised less promised, net of wear: {description}")


def _totals(mode: str) -> tuple[Column, ...]:
    return (
        number(
            f"{mode}_promised_eur", "€", f"All cars were promised to earn, with reserve, less wear: {mode}"
        ),
        number(f"{mode}_eur", "€", f"What they earned, with reserve, less wear: {mode}"),
        number(f"{mode}_stored_kwh", "kWh", f"Energy charged less discharged, battery side: {mode}"),
        integer(f"{mode}_departures", f"Departures within the day: {mode}", 0),
        integer(f"{mode}_missed", f"Departures with less than was due: {mode}", 0),
    )


REALISED = (
    TableContract(
        name="out_realised",
        description="One row a market day accounted for: which plans were followed, what is known.",
        columns=(
            _ID, *_DAY,
            text("plan_ids", "Plans that were followed, in their order"),
            text("followed_modes", "What they followed"),
            integer("slots", "Quarter-hours of the day", 1),
            integer("planned_slots", "Those that a plan held", 0),
            integer("metered_slots", "Quarter-hours of cars that a meter counted", 0),
            integer("batteries", "Cars", 0),
            *(column for mode in REALISED_MODES for column in _totals(mode)),
            text("note", "What is not as it should be", nullable=True),
            *LINEAGE,
        ),
        key=("realised_id",),
    ),
    TableContract(
        name="out_realised_car",
        description="One row an account, way of charging and car: promised, realised, and why they differ.",
        columns=(
            _ID, *_DAY,
            choice("mode", "What the cars did, or another way of charging", REALISED_MODES),
            identifier("battery_id", "Battery"),
            *_figures("promised_", "promised"), *_figures("", "realised"),
            _cause("price", "prices came other than known"),
            _cause("car", "it came, left or held other than announced"),
            _cause("horizon", "no plan covered the car or the quarter-hour"),
            _cause("limits", "the site's limits"),
            _cause("charger", "the meter counted other than planned"),
            number(
                "wear_twin_eur", "€", "Wear of the day by the twin, where the car's contract asks for it",
                nullable=True,
            ),
            integer("metered_slots", "Quarter-hours that a meter counted; 0: simulated", 0),
            integer(
                "scheduled_slots", "Those of them that a plan in force held; of what the cars did", 0,
                nullable=True,
            ),
            integer(
                "verified_slots", "Quarter-hours whose signed value was verified; null: none was counted", 0,
                nullable=True,
            ),
            number("verified_import_kwh", "kWh", "Drawn in these", nullable=True),
            number("verified_export_kwh", "kWh", "Fed back in these", nullable=True),
            number(
                "fed_back_price_eur", "€",
                "Fed back at the day-ahead price of its quarter-hour, below 0 as 0; null without that price",
                nullable=True,
            ),
            number(
                "promised_reserve_income_eur", "€",
                "Of holding reserve that was won, by the plans and the prices they knew; null: no price",
                nullable=True,
            ),
            number(
                "reserve_income_eur", "€",
                "Of holding reserve and of calls, as they are known; null where they are not",
                nullable=True,
            ),
            text("reserve_note", "What of that is not known, or not counted", nullable=True),
            number("held_kwh", "kWh", "In store when the day ended, or when it left last", nullable=True),
            flag("at_plug", "It was plugged in when the day ended"),
            moment("left_utc", "When it left last", nullable=True),
            number("left_target_kwh", "kWh", "What it was promised then", nullable=True),
            *LINEAGE,
        ),
        key=("realised_id", "mode", "battery_id"),
    ),
    TableContract(
        name="out_realised_deviation",
        description="One row a quarter-hour in which a car's meter counted other than planned and called.",
        columns=(
            _ID, *_DAY,
            identifier("battery_id", "Battery"),
            moment("interval_start_utc", "Start of the half-open quarter-hour"),
            number("scheduled_kwh", "kWh", "Drawn at the plug less fed back, as planned"),
            number("metered_kwh", "kWh", "Drawn at the plug less fed back, as counted"),
            number(
                "called_kwh", "kWh", "Its part of reserve called, down less up; null: not counted yet",
                nullable=True,
            ),
            *LINEAGE,
        ),
        key=("realised_id", "battery_id", "interval_start_utc"),
    ),
)  # fmt: skip
