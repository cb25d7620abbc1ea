"""What was foreseen: one row a moment, target, interval and quantile; never written over."""

from warehouse.contracts.outputs import LINEAGE
from warehouse.contracts.types import Column, Kind, TableContract, choice, integer, moment, number, text

TARGETS = ("price", "pool_cars", "pool_kw", "pool_kwh")
"""price: €/kWh, wholesale. pool_…: the least plugged in at once over the interval, as cars, as what they can
draw (battery side) and as energy of their packs when new."""

FORECAST = (
    TableContract(
        name="out_forecast",
        description="One row a forecast, interval and quantile, issued at as_of_utc by what was known then.",
        columns=(
            Column(name="market_date", kind=Kind.DATE, description="Market day foreseen, local to the zone"),
            text("zone", "Bidding zone"),
            choice("target", "What is foreseen", TARGETS),
            moment("interval_start_utc", "Start of the half-open interval"),
            moment("interval_end_utc", "Its end"),
            number("quantile", "1", "Share of what comes that is not above the value", 0.0, 1.0),
            number("value", "", "€/kWh, cars, kW or kWh, as the target says"),
            text("model", "What foresaw it"),
            integer("days", "Days of the past that it rests on", 1),
            *LINEAGE,
        ),
        key=("zone", "target", "interval_start_utc", "interval_end_utc", "quantile", "model", "as_of_utc"),
    ),
)
