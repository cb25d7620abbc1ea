"""What was foreseen: one row a moment, target, interval and quantile; never written over."""

from warehouse.contracts.outputs import LINEAGE
from warehouse.contracts.types import Column, Kind, TableContract, choice, integer, moment, number, text

TARGETS = ("price", "pool_cars", "pool_kw", "pool_kwh")
"""price: €/kWh, wholesale. pool_…: the least plugged in at once over the interval, as cars, as what they can
draw (battery side) and as energy of their packs when new."""

SCORED = (*TARGETS, "plug_in", "arrival", "departure", "need")
METRICS = ("mae", "rmae", "kendall_tau", "crps", "coverage", "sharpness", "below", "above", "told", "came")

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
    TableContract(
        name="out_forecast_score",
        description="One row a report, target, part of the days and figure: how good what was foreseen was. "
        "coverage: the share of what came that its quantiles held; below, above: the share not above the "
        "90 %, and not below the 10 % quantile; told, came: mean probability or minimum foreseen, and come.",
        columns=(
            Column(name="first_date", kind=Kind.DATE, description="First market day, local to the zone"),
            Column(name="last_date", kind=Kind.DATE, description="Last one"),
            text("zone", "Bidding zone"),
            choice("target", "What was foreseen", SCORED),
            text(
                "part",
                "all; hour 07: by the local clock; week 2026-03-02: from that Monday; told 0.2-0.4",
            ),
            choice("metric", "Figure", METRICS),
            number(
                "value", "", "In the unit of the target (hours for arrival and departure), or a share 0–1"
            ),
            integer("days", "Days, or days of cars, that it rests on", 1),
            *LINEAGE,
        ),
        key=("run_id", "target", "part", "metric"),
    ),
)
