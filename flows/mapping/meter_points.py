"""The points that are billed, and what their meters counted in every quarter-hour of a time.

A car's plug is one where its site has no meter of its own; a site behind one meter is one, with its cars and
its load net. What is missing is named: nothing is filled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import numpy as np
import pandas as pd

from flows.errors import NoAccountError
from flows.mapping.chargers import with_chargers
from flows.mapping.retail import spread
from flows.mapping.site_tree import sites_below
from optimize.market.bill import in_decimals, named
from optimize.market.refund import Counted
from warehouse.known import Known

_HOUR = pd.Timedelta(hours=1)
_QUARTER = pd.Timedelta(minutes=15)
_PER_HOUR = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterPoint:
    """kind: whose meter; cars: those behind it; sites: below it, itself included (none at a plug)."""

    kind: Literal["site", "battery"]
    name: str
    cars: tuple[str, ...]
    sites: tuple[str, ...] = ()


def meter_points(known: Known, zone: str) -> list[MeterPoint]:
    """Every point of a zone: the sites with one meter, and the plugs of all cars that are behind none."""
    sites, cars = known.read("core_site", where={"zone": zone}), known.read("core_battery")
    cars = cars[cars["site_id"].isin(sites["site_id"])]
    points, behind = [], set[str]()
    for site in sites.loc[sites["metering"] == "site", "site_id"].astype(str):
        below = sites_below(site, sites)
        own = tuple(sorted(cars.loc[cars["site_id"].isin(below), "battery_id"].astype(str)))
        points.append(MeterPoint(kind="site", name=site, cars=own, sites=tuple(sorted(below))))
        behind |= {*own}
    plugs = sorted({*cars["battery_id"].astype(str)} - behind)
    return [*points, *(MeterPoint(kind="battery", name=car, cars=(car,)) for car in plugs)]


def netted_cars(known: Known, zone: str, start: pd.Timestamp, end: pd.Timestamp) -> dict[str, str]:
    """Cars that share a meter with a load or with other cars, and its site: their plugs tell no bill."""
    found: dict[str, str] = {}
    for point in meter_points(known, zone):
        if point.kind == "battery":
            continue
        where = {"site_id": list(point.sites)}
        load = known.read("core_site_load", where=where, start=start, end=end, columns=["site_id"])
        if len(point.cars) > 1 or len(load):
            found |= dict.fromkeys(point.cars, point.name)
    return found


def meter_counts(known: Known, point: MeterPoint, slots: pd.DatetimeIndex) -> tuple[Counted, str]:
    """What a point's meter and the cars behind it counted, and what is to be reported of it, or "".

    Raises NoAccountError that names car or site and the quarter-hours that nothing tells of.
    """
    plugs = [_plug(known, car, slots) for car in point.cars]
    if point.kind == "battery":
        ((drawn, fed),) = plugs
        return Counted(drawn=drawn, fed=fed, stored=drawn, returned=fed), ""
    _require_at_home(known, point, slots)
    cars = [Decimal(0)] * len(slots)
    for drawn, fed in plugs:
        cars = [net + one - other for net, one, other in zip(cars, drawn, fed, strict=True)]
    load, note = _load(known, point, slots)
    total = [net + kw / _PER_HOUR for net, kw in zip(cars, load, strict=True)]
    return (
        Counted(
            drawn=_positive(total), fed=_negative(total), stored=_positive(cars), returned=_negative(cars)
        ),
        note,
    )


def spot_prices(known: Known, zone: str, slots: pd.DatetimeIndex) -> list[Decimal | None]:
    """The market's price of each quarter-hour, €/kWh; None where there is not one."""
    rows = known.read("core_price", where={"zone": zone}, start=slots[0] - _HOUR, end=slots[-1] + _QUARTER)
    prices = spread(rows, slots)
    return [None if np.isnan(price) else in_decimals([price])[0] for price in prices.tolist()]


def _plug(known: Known, car: str, slots: pd.DatetimeIndex) -> tuple[Sequence[Decimal], Sequence[Decimal]]:
    where = {"battery_id": car}
    rows = known.read("core_metering", where=where, start=slots[0], end=slots[-1] + _QUARTER)
    table = rows.set_index("interval_start_utc")[["import_kwh", "export_kwh"]].reindex(slots)
    missing = table["import_kwh"].isna().to_numpy()
    if missing.all():
        raise NoAccountError(f"nothing that a meter of {car} counted is known of {_span(slots)}")
    if missing.any():
        raise NoAccountError(f"metering of {car} is missing in {named(slots[missing])}")
    return in_decimals(table["import_kwh"]), in_decimals(table["export_kwh"])


def _span(slots: pd.DatetimeIndex) -> str:
    return f"{slots[0]:%Y-%m-%d %H:%M} to {slots[-1] + _QUARTER:%Y-%m-%d %H:%M} UTC"


def _load(known: Known, point: MeterPoint, slots: pd.DatetimeIndex) -> tuple[list[Decimal], str]:
    """kW of all loads below the point; a site of which nothing was ever reported has none."""
    total, silent = [Decimal(0)] * len(slots), []
    for site in point.sites:
        rows = known.read(
            "core_site_load", where={"site_id": site}, start=slots[0] - _HOUR, end=slots[-1] + _QUARTER
        )
        load = spread(rows, slots, "load_kw")
        missing = np.isnan(load)
        if missing.all():
            silent.append(site)
        elif missing.any():
            raise NoAccountError(f"site_load of {site} is missing in {named(slots[missing])}")
        else:
            total = [kw + own for kw, own in zip(total, in_decimals(load), strict=True)]
    return total, f"no load of {', '.join(silent)} is known: cars alone" if silent else ""


def _require_at_home(known: Known, point: MeterPoint, slots: pd.DatetimeIndex) -> None:
    """A meter at a plug tells no place: refuse a car that was plugged in across the point's border."""
    sessions = known.sessions(slots[0], slots[-1] + _QUARTER)
    sessions, _ = with_chargers(sessions, known.read("core_charger"), known.read("core_battery"))
    for car, site in zip(sessions["battery_id"].astype(str), sessions["plug_site_id"], strict=True):
        if pd.notna(site) and (car in point.cars) != (str(site) in point.sites):
            raise NoAccountError(
                f"{car} was plugged in at {site}: its metering does not tell what of it was at {point.name}"
            )


def _positive(kwh: Sequence[Decimal]) -> list[Decimal]:
    return [max(one, Decimal(0)) for one in kwh]


def _negative(kwh: Sequence[Decimal]) -> list[Decimal]:
    return [max(-one, Decimal(0)) for one in kwh]
