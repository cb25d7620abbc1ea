"""Why the cars of a plan do what they do: what it would cost each to do otherwise."""

from warehouse.contracts.outputs import LINEAGE, MODE, PLAN, PLAN_SOURCE
from warehouse.contracts.types import Column, TableContract, choice, flag, identifier, moment, number

REASON_ACTIONS = ("charges", "feeds back", "waits", "holds", "rests")
REASON_INSTEAD = (
    "leaves short",
    "charges elsewhere",
    "charges less",
    "feeds back elsewhere",
    "feeds back less",
    "leaves with less",
    "leaves with more",
)
REASON_UNKNOWN = (
    "plug-in",
    "objective",
    "own constraint",
    "reserve",
    "meter",
    "prices",
    "contracts",
    "apart",
)


def _otherwise(way: str, does: str) -> tuple[Column, ...]:
    where = f"{does} a kWh in its quarter-hour of the best price"
    return (
        number(f"{way}_eur_per_kwh", "€/kWh", f"What it loses by {where}", nullable=True),
        flag(f"{way}_exact", "Just that; else at least that", nullable=True),
        moment(f"{way}_utc", "Start of that quarter-hour", nullable=True),
    )


REASONS = (
    TableContract(
        name="out_plan_reason",
        description="One row a plan, car and stretch of one action, in the mode that is followed: why.",
        columns=(
            PLAN,
            MODE,
            identifier("battery_id", "Battery"),
            moment("interval_start_utc", "Start of the half-open stretch"),
            moment("interval_end_utc", "Its end"),
            choice(
                "action",
                "waits: it charges next; holds: it feeds back next, or could; rests: neither",
                REASON_ACTIONS,
            ),
            number("lowest_kwh", "kWh", "Stored energy that nothing may be fed back below then"),
            number("highest_kwh", "kWh", "Stored energy that it may not be charged above then"),
            number("wear_eur_per_kwh", "€/kWh", "What the next kWh fed back that day wears, metered"),
            number(
                "worth_eur",
                "€",
                "What its day loses if it may do nothing in the stretch, at the plan's shadow prices",
                nullable=True,
            ),
            flag("worth_exact", "Just that; else at least that", nullable=True),
            choice("instead", "What it would do then", REASON_INSTEAD, nullable=True),
            number("instead_kwh", "kWh", "So much of it, battery side", nullable=True),
            moment("instead_utc", "Start of the quarter-hour with most of it", nullable=True),
            *_otherwise("charge", "charging"),
            *_otherwise("feed", "feeding back"),
            choice("unknown", "Why none of this is known; null: it is", REASON_UNKNOWN, nullable=True),
            PLAN_SOURCE,
            *LINEAGE,
        ),
        key=("plan_id", "mode", "battery_id", "interval_start_utc"),
    ),
)
