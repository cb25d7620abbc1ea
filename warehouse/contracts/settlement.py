"""What owners and the operator owe each other for a day: rows are added, never changed."""

from warehouse.contracts.outputs import LINEAGE
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


def _euros(name: str, description: str) -> Column:
    return number(f"{name}_eur", "€", f"To the cent: {description}")


def _private(name: str, unit: str, description: str) -> Column:
    return number(name, unit, f"{description}; null where the contract keeps totals alone", nullable=True)


SETTLEMENT = (
    TableContract(
        name="out_settlement",
        description="One row a settlement and car; of a day the rows of the highest sequence hold.",
        columns=(
            text("settlement_id", "Settlement of a market day: hash of what it was made from"),
            Column(name="market_date", kind=Kind.DATE, description="Market day, local to the zone"),
            text("zone", "Bidding zone"),
            integer("sequence", "1 for the day's first settlement, then its corrections in order", 1),
            text("corrects", "Settlement that it stands in place of; null for the first", nullable=True),
            identifier("battery_id", "Battery, for its owner"),
            text("contract_id", "Contract by its own name"),
            integer("contract_version", "Its version", 1),
            text("contract_digest", "SHA-256 of its text"),
            text("realised_id", "Account that was settled"),
            choice("counted_against", "What total and wear are counted against", ("uncontrolled", "ordered")),
            integer("metered_slots", "Quarter-hours that a meter counted; the others are simulated", 0),
            integer(
                "verified_slots",
                "Those of them whose signed value fits the meter's registered key",
                0,
                nullable=True,
            ),
            _private("verified_import_kwh", "kWh", "Drawn in these: what rests on verified values"),
            _private("verified_export_kwh", "kWh", "Fed back in these"),
            integer(
                "scheduled_slots",
                "Metered quarter-hours that a plan in force held: those imbalance is of",
                0,
                nullable=True,
            ),
            _private("plugged_hours", "h", "Plugged in on the day"),
            _private("import_kwh", "kWh", "Drawn at the plug"),
            _private("export_kwh", "kWh", "Fed back at the plug"),
            _private("stored_more_kwh", "kWh", "In store more than what it is counted against"),
            number(
                "theta",
                "1",
                "Owner's part of the total, by contract or as its rule finds it",
                nullable=True,
            ),
            _euros("total", "Π, what energy cost less: owner's and operator's share"),
            _euros("owner_share", "the owner's of it"),
            _euros("grid_share", "the operator's of it"),
            _euros("fed_back", "paid to the owner for energy fed back"),
            _euros("bonus", "paid for being plugged in"),
            _euros("free", "paid back for charging"),
            _euros("compensation", "paid for departures with less than promised"),
            _euros("floor", "paid up to what the battery wore"),
            _euros("wear", "C_deg, what the battery wore more; below 0 where it was spared"),
            number(
                "imbalance_eur",
                "€",
                "To the cent: earned by departing from the schedule, below 0 what it "
                "cost; null where it is not known, and then on neither side",
                nullable=True,
            ),
            number(
                "owner_imbalance_eur",
                "€",
                "To the cent: the owner's of it, 0 where it is null",
                nullable=True,
            ),
            number("grid_imbalance_eur", "€", "To the cent: the operator's of it, likewise", nullable=True),
            number(
                "reserve_eur",
                "€",
                "To the cent: of reserve held and called; null where it is not known, then on neither side",
                nullable=True,
            ),
            number("owner_reserve_eur", "€", "To the cent: the owner's of it, likewise", nullable=True),
            number("grid_reserve_eur", "€", "To the cent: the operator's of it, likewise", nullable=True),
            _euros("owner", "Π_owner = share + payments + owner's imbalance and reserve − C_deg"),
            _euros("grid", "Π_grid = share − payments + operator's imbalance and reserve"),
            _euros("owner_correction", "Π_owner less that of the settlement before; the first: all of it"),
            _euros("grid_correction", "Π_grid likewise"),
            *LINEAGE,
        ),
        key=("settlement_id", "battery_id"),
    ),
    TableContract(
        name="out_imbalance_side",
        description="One row a settlement and quarter-hour with two imbalance prices: which was settled at.",
        columns=(
            text("settlement_id", "Settlement of a market day"),
            Column(name="market_date", kind=Kind.DATE, description="Market day, local to the zone"),
            text("zone", "Bidding zone"),
            moment("interval_start_utc", "Start of the half-open quarter-hour"),
            choice(
                "side",
                "What all cars together were, long where they departed from nothing",
                ("long", "short"),
            ),
            integer("cars", "Cars of the account that was settled", 0),
            *LINEAGE,
        ),
        key=("settlement_id", "interval_start_utc"),
    ),
    TableContract(
        name="out_contract",
        description="One row a contract that a day was settled by: its text, for the ledger's readers.",
        columns=(
            text("contract_digest", "SHA-256 of its text"),
            text("contract_text", "TOML, as it was read"),
            *LINEAGE,
        ),
        key=("contract_digest",),
    ),
    TableContract(
        name="out_ledger",
        description="One row an entry of the ledger, a settled row each; only ever added to.",
        columns=(
            integer("entry_index", "Place in the log, from 0 without a gap", 0),
            text("settlement_id", "Settlement of a market day"),
            identifier("battery_id", "Battery, for its owner"),
            Column(name="market_date", kind=Kind.DATE, description="Market day, local to the zone"),
            text("commitment", "SHA-256 of salt and opening: what the entry itself tells"),
            text("salt", "32 bytes as hexadecimal digits: for those alone whom the row concerns"),
            text("opening", "The row and what it was counted from, as JSON"),
            *LINEAGE,
        ),
        key=("entry_index",),
    ),
)
