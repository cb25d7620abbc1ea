"""One number an owner and month, all of their cars together: what private releases add up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

import pandas as pd

from flows.context import Context
from flows.mapping.owner_benefit import Where
from flows.mapping.past import FOLLOWED
from flows.mapping.requests import newest_calibrations
from flows.owners import by_owner, read_owners
from twin.ensemble.stored import year_loss
from twin.errors import RecordError
from warehouse.zones import market_day_bounds

UNITS = {
    "import_kwh": "kWh", "export_kwh": "kWh", "v2g_kwh": "kWh", "plugged_hours": "h", "yearly_loss": "1",
}  # fmt: skip


def owner_figures(context: Context, figure: str, month: date) -> dict[str, float | None]:
    """Owner → figure, of every owner of a car of the fleet; None where a battery's loss is not known.

    Energies are those of the days' accounts, hours those of sessions, the loss of capacity in the next year
    is the twin's median as known when the month ended, the mean over an owner's batteries.
    """
    fleet = context.known.read("core_battery", columns=["battery_id"])["battery_id"].astype(str)
    owners = by_owner(read_owners(context.workspace.root), sorted(fleet))
    if figure == "yearly_loss":
        return _losses(context, month, owners)
    of_car = _hours(context, month) if figure == "plugged_hours" else _energies(context, figure, month)
    found: dict[str, float | None] = {}
    for car, owner in owners.items():
        found[owner] = (found.get(owner) or 0.0) + of_car.get(car, 0.0)
    return found


def days_of(month: date) -> list[date]:
    """The days of a month."""
    return [day for day in (month + timedelta(days=n) for n in range(31)) if day.month == month.month]


def bounds_of(month: date, zone: str) -> tuple[datetime, datetime]:
    """When a month begins and ends, by the zone's market days."""
    days = days_of(month)
    return market_day_bounds(days[0], zone)[0], market_day_bounds(days[-1], zone)[1]


def _energies(context: Context, figure: str, month: date) -> dict[str, float]:
    known, by = context.known, ["zone", "market_date"]
    where: Where = {"zone": [context.workspace.zone], "market_date": days_of(month)}
    accounts = known.newest("out_realised", by=by, where=where, columns=["realised_id", *by])
    ids = accounts.drop_duplicates("market_date", keep="last")["realised_id"].tolist()
    rows = known.read("out_realised_car", where={"realised_id": ids, "mode": FOLLOWED})
    return {str(car): float(sum_) for car, sum_ in rows.groupby("battery_id")[figure].sum().items()}


def _hours(context: Context, month: date) -> dict[str, float]:
    start, end = (pd.Timestamp(one) for one in bounds_of(month, context.workspace.zone))
    rows = context.known.sessions(start.to_pydatetime(), end.to_pydatetime())
    leaves, comes = rows["departure_utc"], rows["arrival_utc"]
    inside = leaves.where(leaves < end, end) - comes.where(comes > start, start)
    hours = (inside.dt.total_seconds() / 3600).clip(lower=0.0)
    return {str(car): float(sum_) for car, sum_ in hours.groupby(rows["battery_id"]).sum().items()}


def _losses(context: Context, month: date, owners: Mapping[str, str]) -> dict[str, float | None]:
    # As known when the month ended: another year's budget must not buy today's figure.
    known = context.known.at(bounds_of(month, context.workspace.zone)[1])
    twins = newest_calibrations(known, sorted(owners))
    told: dict[str, list[float]] = {owner: [] for owner in owners.values()}
    for car, owner in owners.items():
        if car in twins:
            try:
                told[owner].append(year_loss(twins[car])[1])
            except RecordError:
                continue
    return {owner: sum(one) / len(one) if one else None for owner, one in told.items()}
