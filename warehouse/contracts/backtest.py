"""What each way of planning would have earned on past days: one row a back-test, strategy and day."""

from warehouse.contracts.outputs import LINEAGE, PLAN_SOURCES
from warehouse.contracts.types import Column, Kind, TableContract, choice, integer, number, text


def _totals(mode: str, whose: str) -> tuple[Column, ...]:
    return (
        number(f"{mode}eur", "€", f"Earned, net of wear: {whose}"),
        number(f"{mode}stored_kwh", "kWh", f"Energy charged less discharged, battery side: {whose}"),
        integer(f"{mode}missed", f"Departures with less than was due: {whose}", 0),
    )


BACKTEST = (
    TableContract(
        name="out_backtest",
        description="One row a strategy and market day of a back-test: promised and realised over all cars. "
        "Of one run_id is what was begun, settled and judged alike, however far it went.",
        columns=(
            Column(name="market_date", kind=Kind.DATE, description="Market day, local to the zone"),
            text("zone", "Bidding zone"),
            text("strategy", "How it was planned"),
            Column(
                name="first_date", kind=Kind.DATE, description="Market day that the back-test begins with"
            ),
            integer("every_minutes", "Minutes from plan to plan; 0: one a market day", 0),
            integer("batteries", "Cars", 0),
            integer("slots", "Quarter-hours of the day", 1),
            integer("planned_slots", "Those that a plan held", 0),
            choice(
                "plan_source", "The worst rung of the ladder that a plan of the day stands on", PLAN_SOURCES
            ),
            number("promised_eur", "€", "What the plans promised to earn, net of wear"),
            *_totals("", "by the strategy"),
            number("energy_cost_eur", "€", "Metered purchases less metered sales"),
            number("wear_eur", "€", "Wear of V2G and of resting charged"),
            number("import_kwh", "kWh", "Energy bought at the plug"),
            number("export_kwh", "kWh", "Energy sold at the plug"),
            number("v2g_kwh", "kWh", "Energy discharged, battery side"),
            integer("departures", "Departures within the day", 0),
            *_totals("uncontrolled_", "charging on plug-in"),
            *_totals("ordered_", "ordered charging, known and planned as the strategy's"),
            number(
                "wear_error_eur",
                "€",
                "Wear beyond that of charging on plug-in, by twin less by price; null: not asked",
                nullable=True,
            ),
            integer("twin_batteries", "Cars that the twin answered for; 0: not asked", 0),
            text("note", "What is not as it should be", nullable=True),
            *LINEAGE,
        ),
        key=("run_id", "strategy", "market_date"),
    ),
)
