"""What was bid for a market day, as of each gate: one row a product and block, or slot and price; and what a
plan holds of what was won."""

from warehouse.contracts.outputs import LINEAGE, MODE, PLAN, PLAN_SOURCE
from warehouse.contracts.types import (
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

_DAY = (
    Column(name="market_date", kind=Kind.DATE, description="Market day, local to the zone"),
    text("zone", "Bidding zone"),
    text("product", "Product by its market's name"),
    moment("gate_utc", "When bids have to be in; nothing received later was looked at"),
    moment("interval_start_utc", "Start of the half-open interval"),
    moment("interval_end_utc", "Its end"),
)
_KEY = ("zone", "market_date", "product", "interval_start_utc", "as_of_utc", "run_id")
_DIRECTION = choice("direction", "Which way it is called", ("symmetric", "up", "down"))
_SOURCE = text("price_source", "Rung of the ladder that prices stand on; null: no plan", nullable=True)

BIDS = (
    TableContract(
        name="out_bid",
        description="One row a reserve product and block: what was bid, or why nothing was.",
        columns=(
            *_DAY,
            _DIRECTION,
            number("quantity_mw", "MW", "What was bid, metered; 0 for nothing", 0.0),
            number("price_eur_per_mw_h", "€/MW/h", "From which it pays; null: no bid", nullable=True),
            number(
                "energy_eur_per_mwh",
                "€/MWh",
                "From which a call up pays, or up to which one down does; null where calls are not paid",
                nullable=True,
            ),
            number("guaranteed_kw", "kW", "There in all of the block, with the quantile", 0.0, nullable=True),
            number("usual_kw", "kW", "There in all of it as often as not", 0.0, nullable=True),
            number("quantile", "1", "How sure what is bid has to be there", 0.0, 1.0),
            integer("days", "Days of the past that this rests on", 0),
            text("reason", "Why nothing was bid, or less than is there; null: neither", nullable=True),
            _SOURCE,
            *LINEAGE,
        ),
        key=_KEY,
    ),
    TableContract(
        name="out_bid_curve",
        description="One row a quarter-hour and price of the day-ahead market: what is drawn net at it.",
        columns=(
            *_DAY,
            number("price_eur_per_mwh", "€/MWh", "Price of the market in this quarter-hour"),
            number("net_kw", "kW", "Drawn net at that price, mean, metered; − fed back"),
            number("quantity_mw", "MW", "What was bid of it, in whole steps; − to sell"),
            integer("days", "Days of prices that how far apart they lie rests on", 1),
            _SOURCE,
            *LINEAGE,
        ),
        key=(*_KEY[:4], "price_eur_per_mwh", *_KEY[4:]),
    ),
    TableContract(
        name="out_plan_reserve",
        description="One row a plan and block of reserve that was won: what is held.",
        columns=(
            PLAN,
            MODE,
            text("product", "Product by its market's name"),
            _DIRECTION,
            moment("interval_start_utc", "Start of the half-open block; it may have begun before"),
            moment("interval_end_utc", "Its end"),
            number("won_kw", "kW", "What was won, metered", 0.0),
            number("held_kw", "kW", "What the plan holds of it in each of its quarter-hours", 0.0),
            number("price_eur_per_mw_h", "€/MW/h", "What holding it pays, as told", nullable=True),
            number(
                "income_eur",
                "€",
                "Of what is held, in the plan's slots; null: no price",
                nullable=True,
            ),
            text("reason", "Why less is held; empty where all is"),
            PLAN_SOURCE,
            *LINEAGE,
        ),
        key=("plan_id", "mode", "product", "direction", "interval_start_utc"),
    ),
    TableContract(
        name="out_plan_reserve_slot",
        description="One row a plan, product, car and quarter-hour in which the car holds part of it.",
        columns=(
            PLAN,
            MODE,
            text("product", "Product by its market's name"),
            _DIRECTION,
            identifier("battery_id", "Battery"),
            moment("interval_start_utc", "Start of the half-open quarter-hour"),
            number("up_kw", "kW", "Held of it to be called up, metered", 0.0),
            number("down_kw", "kW", "Held of it to be called down, metered", 0.0),
            number("all_up_kw", "kW", "Held up by all cars together", 0.0),
            number("all_down_kw", "kW", "Held down by all cars together", 0.0),
            PLAN_SOURCE,
            *LINEAGE,
        ),
        key=("plan_id", "mode", "product", "direction", "battery_id", "interval_start_utc"),
    ),
)
