"""The page of money that is really paid: settlements with owners, contract terms, bills and the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd

from flows.context import Context
from flows.filenames import file_stem
from flows.mapping.billed import billed
from flows.mapping.contracted import contracts_of
from flows.mapping.meter_points import meter_points
from flows.plain import records
from flows.publish.owner_page import LINES, OWNERS, statements_of
from optimize.errors import TermsError
from optimize.market.bill import month_slots
from optimize.market.contract import Bonus, Contract, Free
from warehouse.known import Known
from warehouse.zones import market_timezone

MONTHS = 6
"""Of so many months, the last that were settled, the sums are told."""
MOST_BILLS = 50
"""Of so many metering points a month's bills are recomputed for the page."""
_RECEIVED = list(LINES)
_SUMS = ("total_eur", "received_eur", "wear_eur", "owner_eur", "grid_eur", "export_kwh")
_SETTLED = ("market_date", "sequence", "battery_id", "contract_id", "contract_version", "corrects")


def money_page(context: Context) -> Mapping[str, Any]:
    """What the page tells as of a context's moment; sums are of the settlements that hold, to the cent."""
    known, zone, contracts = context.known, context.workspace.zone, context.workspace.contracts
    timezone = market_timezone(zone)
    today = pd.Timestamp(context.as_of).tz_convert(timezone).date()
    cars = _cars(known, zone)
    rows = _settled(known, zone)
    month = None if rows.empty else str(rows["month"].max())
    newest = rows[rows["month"] == month]
    held, twice = contracts_of(contracts, today, cars)
    owners = _owners(context, newest, cars, held)
    return {
        "as_of": f"{pd.Timestamp(context.as_of).tz_convert(timezone):%Y-%m-%d %H:%M}",
        "timezone": str(timezone),
        "month": month,
        "months": _sums(rows, "month")[::-1],
        "days": _sums(newest, "market_date"),
        "owners": owners,
        "stated": any(one["statement"] for one in owners),
        "lines": [
            (words, round(float(newest[name].sum()), 2))
            for name, words in LINES.items()
            if newest[name].any()
        ],
        "contracts": [
            {
                "name": one.contract_id,
                "version": one.version,
                "in_force": one.holds_on(today),
                "cars": sum(other is one for other in held.values()),
                "terms": terms(one),
            }
            for one in contracts
        ],
        "twice": sorted(twice.items()),
        "bills": _bills(context, today),
        "ledger": _ledger(known),
    }


def _cars(known: Known, zone: str) -> list[str]:
    sites = known.read("core_site", where={"zone": zone}, columns=["site_id"])
    where = {"site_id": sites["site_id"].astype(str).tolist()}
    return sorted(known.read("core_battery", where=where, columns=["battery_id"])["battery_id"].astype(str))


def _settled(known: Known, zone: str) -> pd.DataFrame:
    """The rows that hold of the last months, with their month and what the owner received."""
    days = known.read("out_settlement", where={"zone": zone}, columns=["market_date"])["market_date"]
    first = date.min
    if len(days):
        first = (days.max().replace(day=1) - timedelta(days=31 * (MONTHS - 1))).replace(day=1)
    columns = [*_SETTLED, *_RECEIVED, "total_eur", "wear_eur", "owner_eur", "grid_eur", "export_kwh"]
    rows = known.read(
        "out_settlement", where={"zone": zone}, within={"market_date": (first, None)}, columns=columns
    )
    rows = rows[rows["sequence"] == rows.groupby("market_date")["sequence"].transform("max")]
    rows[_RECEIVED] = rows[_RECEIVED].astype("float64").fillna(0.0)
    return rows.assign(
        month=[f"{day:%Y-%m}" for day in rows["market_date"]],
        received_eur=rows[_RECEIVED].sum(axis=1).round(2),
    )


def _sums(rows: pd.DataFrame, by: str) -> list[dict[str, Any]]:
    """A row a month, a day or a car: how many owner-days, corrected ones among them, and sums to the cent."""
    found = []
    for name, own in rows.groupby(by, sort=True):
        sums = {one: float(own[one].sum(min_count=1)) for one in _SUMS}
        found.append(
            {
                by: str(name),
                "owner_days": len(own),
                "corrected": int((own["sequence"] > 1).sum()),
                **{one: round(value, 2) if one.endswith("_eur") else value for one, value in sums.items()},
            }
        )
    return found


def _owners(
    context: Context, newest: pd.DataFrame, cars: Sequence[str], held: Mapping[str, Contract]
) -> list[dict[str, Any]]:
    """A row a car that is known or was settled: its month, its contract, and where its owner reads more."""
    workspace = context.workspace
    settled = {row["battery_id"]: row for row in _sums(newest, "battery_id")}
    pages = _owner_pages(context)
    found = []
    for name in sorted({*cars, *settled}):
        statements = statements_of(workspace, name)
        found.append(
            {
                "battery_id": name,
                "contract": held[name].contract_id if name in held else "",
                "page": pages.get(file_stem(name), ""),
                "statement": statements[-1] if statements else None,
                **dict.fromkeys(_SUMS),
                "owner_days": 0,
                **settled.get(name, {}),
            }
        )
    return found


def _owner_pages(context: Context) -> dict[str, str]:
    """The newest owner's page of each car that has one, by the name of its file: addresses from here."""
    reports = context.workspace.reports
    found = sorted(reports.glob(f"20*/{OWNERS}/*.html"))
    return {page.stem: str(page.relative_to(reports)) for page in found}


def terms(contract: Contract) -> list[tuple[str, str]]:
    """What a contract says, in words; what it does not speak of is left out."""
    of = (
        "what is saved on energy"
        if contract.rule == "fixed"
        else "what is saved on energy beyond wear, and the wear"
    )
    against = "charged when it is plugged in" if contract.against == "uncontrolled" else "charged smartly"
    said = [
        ("In force", f"from {contract.first_day}" + _unless(" to {}", contract.last_day)),
        ("The owner's share", f"{_percent(contract.theta)} of {of}"),
        ("Counted against", f"the same car {against}"),
        ("Wear is counted", "by the battery's twin" if contract.wear == "twin" else "at the plan's price"),
    ]
    if contract.wear_floor:
        said.append(("At least", "what the battery wore is paid"))
    limits = [
        f"at least {_percent(contract.min_soc)} in store" if contract.min_soc else "",
        _unless("at most {} kWh of V2G a day", contract.v2g_kwh_per_day),
        _unless("at most {} kWh of V2G a month", contract.v2g_kwh_per_month),
    ]
    of_price = contract.share_of_price_fed_back
    fed_back = [
        f"{contract.eur_per_kwh_fed_back} € a kWh" if contract.eur_per_kwh_fed_back else "",
        f"{_percent(of_price)} of the day-ahead price" if of_price else "",
    ]
    said += [("The plan keeps", _listed(limits)), ("Fed back is paid", _listed(fed_back))]
    said.append(("Plugged in is paid", _bonus(contract.bonus)))
    said.append(("Charging paid back", _free(contract.free)))
    if contract.compensation_eur:
        said.append(("Less charge than promised", f"{contract.compensation_eur} € a departure"))
    if contract.imbalance_share is not None:
        said.append(("Departing from the schedule", f"{_percent(contract.imbalance_share)} is the owner's"))
    if contract.privacy == "totals":
        said.append(("Kept with a settlement", "totals alone: neither energies nor hours"))
    return [(what, words) for what, words in said if words]


def _percent(share: Decimal) -> str:
    return f"{float(100 * share):g} %"


def _unless(text: str, value: object) -> str:
    return "" if value is None else text.format(value)


def _listed(words: Sequence[str]) -> str:
    return "; ".join(one for one in words if one)


def _bonus(bonus: Bonus | None) -> str:
    if bonus is None:
        return ""
    return _listed(
        [
            f"{bonus.eur_per_hour} € an hour" + _unless(", to {} € a month", bonus.cap_eur)
            if bonus.eur_per_hour
            else "",
            f"{bonus.eur_per_month} € a month" if bonus.eur_per_month else "",
            f"from {bonus.min_hours} hours a month on" if bonus.min_hours else "",
        ]
    )


def _free(free: Free | None) -> str:
    if free is None:
        return ""
    hours = f", on days of {free.min_hours} hours plugged in" if free.min_hours else ""
    return f"{free.kwh_per_day} kWh a day at {free.eur_per_kwh} €{hours}"


def _bills(context: Context, today: date) -> dict[str, Any] | None:
    """The bills of the last month that is over, by the book of the settings; None without a book."""
    book, zone = context.workspace.book, context.workspace.zone
    if book is None:
        return None
    month = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    told: dict[str, Any] = {
        "book": book.name,
        "month": f"{month:%Y-%m}",
        "lines": [],
        "failed": [],
        "left": 0,
    }
    try:
        slots = month_slots(book, month)
    except TermsError as error:
        return told | {"failed": [str(error)], "notes": []}
    points = meter_points(context.known, zone)
    found = billed(context.known, zone, book, points[:MOST_BILLS], slots)
    left = max(0, len(points) - MOST_BILLS)
    return told | {"lines": found.lines, "notes": found.notes, "failed": found.failed, "left": left}


def _ledger(known: Known) -> dict[str, Any]:
    rows = records(known.read("out_ledger", columns=["entry_index", "market_date", "as_of_utc"]))
    if not rows:
        return {"entries": 0}
    days = sorted(str(row["market_date"]) for row in rows)
    return {"entries": len(rows), "first": days[0], "last": days[-1]}
