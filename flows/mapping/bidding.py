"""What the pool could have given of a reserve product on each of its days, and can be counted on to give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from flows.context import Context
from flows.mapping.awards import award_rows
from flows.mapping.bid_rows import last_bid
from flows.mapping.calendar import holidays_for
from flows.mapping.chargers import with_chargers
from flows.mapping.contracted import contracts_of
from flows.mapping.horizon import QUARTER
from flows.mapping.pack_losses import known_losses
from flows.mapping.pool import clock_edges
from flows.mapping.requests import newest_calibrations
from flows.mapping.site_tree import misplaced
from flows.plain import records
from optimize.arrays import FloatArray
from optimize.forecast.day_kind import number_of
from optimize.forecast.pool import MEMORY_DAYS, PoolMinimum, pool_minimum, recorded_days
from optimize.market.bids.capability import PoolSites, PoolStays, block_least, capability
from optimize.market.bids.products import Product, Products, Reserve
from optimize.market.bids.quantity import Pool
from optimize.market.bids.reserve import Bid, Wanted
from twin.types import Calibration
from warehouse.known import Known
from warehouse.zones import market_day_bounds, market_timezone

_HISTORY_DAYS = 2 * MEMORY_DAYS
_HOUR = pd.Timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PoolHistory:
    """Stays of today's fleet on days that are over, with what car, charger and contract say of each.

    first, last: local days; empty where last is before first. cars: in the fleet. rows: stays, in the
    columns that `PoolStays` has, with their times. sites: what they hang on.
    """

    zone: str
    day: date
    first: date
    last: date
    cars: int
    rows: pd.DataFrame
    sites: PoolSites
    holidays: frozenset[int]

    @classmethod
    def of(cls, context: Context, day: date) -> PoolHistory:
        """As known; cars whose calibration is unknown or that feed nothing back only charge."""
        known, zone = context.known, context.workspace.zone
        timezone, now = market_timezone(zone), pd.Timestamp(context.as_of)
        sites = known.read("core_site", where={"zone": zone})
        cars = known.read("core_battery", where={"site_id": sites["site_id"].astype(str).tolist()})
        last = min(now.tz_convert(timezone).date(), day) - timedelta(days=1)
        known_rows = known.sessions(now - timedelta(days=_HISTORY_DAYS), now)
        known_rows = known_rows[
            known_rows["battery_id"].isin(cars["battery_id"])
            & (known_rows["departure_utc"] > known_rows["arrival_utc"])
        ]
        calibrations = newest_calibrations(known, [str(name) for name in cars["battery_id"]])
        losses = known_losses(calibrations)
        sessions, _ = with_chargers(known_rows, known.read("core_charger"), cars, losses)
        lost = misplaced(cars, sessions, sites)
        sessions, cars = (rows[~rows["battery_id"].isin(list(lost))] for rows in (sessions, cars))
        came = sessions["arrival_utc"].min()
        first = last if pd.isna(came) else came.tz_convert(timezone).date()
        rows = _rows(context, day, cars, sessions, sites, calibrations)
        return cls(
            zone=zone,
            day=day,
            first=first + timedelta(days=1),
            last=last,
            cars=len(cars),
            rows=rows,
            sites=_sites(known, sites, now),
            holidays=frozenset(
                holidays_for(zone, context.workspace.settings.plan.holidays, range(first.year, day.year + 2))
            ),
        )

    def counted_on(self, product: Reserve) -> PoolMinimum | None:
        """By block of the day the metered kW of a product that are there in all of it; None: too few days."""
        days = (self.last - self.first).days + 1
        if days < 1 or self.rows.empty:
            return None
        edges = clock_edges(product.clock, self.first, days, product.block_hours, product.first_hour)
        at = np.asarray((edges - edges[0]) / QUARTER, dtype=np.int64)
        able = capability(
            _sessions(self.rows, edges[0]),
            self.sites,
            int(at[-1]),
            QUARTER / _HOUR,
            reservoir_hours=product.reservoir_hours,
            power_per_bid=product.power_per_bid,
        )
        ways = [kw for kw, asked in ((able.up_kw, product.up), (able.down_kw, product.down)) if asked]
        least = block_least(np.asarray(np.min(ways, axis=0)), at).reshape(days, -1)
        kept = recorded_days(self._came(edges[:: least.shape[1]]))
        numbers = (number_of(self.first) + np.arange(days))[kept]
        return pool_minimum(least[kept], numbers, number_of(self.day), self.holidays, product.quantile)

    def _came(self, begins: pd.DatetimeIndex) -> npt.NDArray[np.bool_]:
        """Whether any session touched each day."""
        arrived = np.searchsorted(np.sort(self.rows["arrival_utc"].to_numpy()), begins[1:].to_numpy())
        left = np.searchsorted(
            np.sort(self.rows["departure_utc"].to_numpy()), begins[:-1].to_numpy(), side="right"
        )
        return np.asarray(arrived > left, dtype=np.bool_)


def _rows(
    context: Context,
    day: date,
    cars: pd.DataFrame,
    sessions: pd.DataFrame,
    sites: pd.DataFrame,
    calibrations: Mapping[str, Calibration],
) -> pd.DataFrame:
    """The sessions with their cars' limits."""
    names = [str(name) for name in cars["battery_id"]]
    held, _ = contracts_of(context.workspace.contracts, day, names)
    number = {str(site): place for place, site in enumerate(sites["site_id"])}
    drawdown = context.workspace.settings.plan.drawdown_limit
    of: dict[str, dict[str, float]] = {}
    for car in records(cars):
        name = str(car["battery_id"])
        calibration, contract = calibrations.get(name), held.get(name)
        kwh = float(car["nominal_energy_kwh"]) if calibration is None else calibration.usable_energy_kwh
        floor = float(car["soc_min"])
        of[name] = {
            "capacity_kwh": kwh,
            "least": floor if contract is None else max(floor, float(contract.min_soc)),
            "most": float(car["soc_max"]),
            "charge": float(car["charge_limit_kw"]),
            "discharge": 0.0 if calibration is None else float(car["discharge_limit_kw"]),
            "into": float(car["efficiency_charge"]),
            "out": float(car["efficiency_discharge"]),
            "site": number[str(car["site_id"])],
        }
    own = pd.DataFrame([of[str(name)] for name in sessions["battery_id"]], index=sessions.index)
    if own.empty:
        return pd.DataFrame({"arrival_utc": [], "departure_utc": []})
    held_kwh = own["capacity_kwh"]
    at = sessions["plug_site_id"].astype(object).map(number)
    return pd.DataFrame(
        {
            "arrival_utc": sessions["arrival_utc"],
            "departure_utc": sessions["departure_utc"],
            "energy_kwh": held_kwh * sessions["arrival_soc"].to_numpy(dtype=np.float64),
            "target_kwh": held_kwh * sessions["departure_soc"].to_numpy(dtype=np.float64),
            "least_kwh": held_kwh * own["least"],
            "most_kwh": held_kwh * own["most"],
            "charge_kw": np.fmin(own["charge"], sessions["plug_charge_kw"]),
            "discharge_kw": np.fmin(own["discharge"], sessions["plug_discharge_kw"]),
            "drawdown_kwh": held_kwh * drawdown,
            "efficiency_charge": sessions["plug_efficiency_charge"].fillna(own["into"]),
            "efficiency_discharge": sessions["plug_efficiency_discharge"].fillna(own["out"]),
            "site": at.fillna(own["site"]).astype("int64"),
        }
    )


def _sessions(rows: pd.DataFrame, begin: pd.Timestamp) -> PoolStays:
    arrays = {name: rows[name].to_numpy() for name in rows.columns if not name.endswith("_utc")}
    hours = {name: np.asarray((rows[f"{stated}_utc"] - begin) / _HOUR) for name, stated in _TIMES.items()}
    return PoolStays(**hours, **arrays)


_TIMES: Mapping[str, str] = {"arrive_h": "arrival", "depart_h": "departure"}


def _sites(known: Known, sites: pd.DataFrame, now: pd.Timestamp) -> PoolSites:
    """What sites leave to cars next to the most, and the least, that they drew in the days before."""
    names = [str(name) for name in sites["site_id"]]
    since = now - timedelta(days=_HISTORY_DAYS)
    loads = known.read("core_site_load", where={"site_id": names}, start=since, end=now)
    each = loads.groupby("site_id")["load_kw"]
    drawn, fed = (
        found.reindex(names).fillna(0.0).to_numpy(dtype=np.float64) for found in (each.max(), each.min())
    )
    parents = sites["parent_id"].astype(object).map({name: at for at, name in enumerate(names)})
    limits: list[FloatArray] = [
        sites[f"{way}_limit_kw"].to_numpy(dtype=np.float64) for way in ("export", "import")
    ]
    return PoolSites(
        export_kw=np.maximum(limits[0] + np.minimum(fed, 0.0), 0.0),
        import_kw=np.maximum(limits[1] - np.maximum(drawn, 0.0), 0.0),
        parent=np.asarray(parents.fillna(-1).tolist(), dtype=np.int64),
    )


def wanted_blocks(product: Reserve, day: date, history: PoolHistory) -> tuple[list[Wanted], int]:
    """The blocks of a product on a market day with what the pool can be counted on for; on how many days."""
    found = history.counted_on(product)
    edges = clock_edges(product.clock, day, 1, product.block_hours, product.first_hour)
    blocks = [
        Wanted(
            product=product,
            begin=begin,
            end=end,
            pool=Pool(
                guaranteed_kw=None if found is None else float(found.least[number]),
                usual_kw=None if found is None else float(found.median[number]),
                cars=history.cars,
            ),
        )
        for number, (begin, end) in enumerate(pairwise(edges))
    ]
    return blocks, 0 if found is None else found.days


def taken_before(
    known: Known,
    history: PoolHistory,
    products: Sequence[Reserve],
    now: Sequence[Product],
    bids: Sequence[Bid],
) -> list[Bid]:
    """What the pool has to hold of products whose gate closes no later than that of those bid for now.

    Of each block what was won, as known; else what was bid in this call (bids); else what was last bid, as
    known. A product of the same gate that is bid for now is not held: it is made anew.
    """
    day, zone = history.day, history.zone
    gate = now[0].gate_utc(day)
    earlier = [
        one for one in products
        if zone in one.zones and one.gate_utc(day) <= gate and one.name not in {own.name for own in now}
    ]  # fmt: skip
    mine = {(bid.wanted.product.name, bid.wanted.begin): bid for bid in bids}
    where: dict[str, Any] = {"zone": zone, "market_date": day}
    last = {
        (str(product), row["interval_start_utc"]): float(row["quantity_mw"])
        for product, own in known.read("out_bid", where=where).groupby("product")
        for row in records(last_bid(own))
    }
    taken: list[Bid] = []
    for product in earlier:
        blocks, _ = wanted_blocks(product, day, history)
        rows = award_rows(known, zone, blocks[0].begin, blocks[-1].end)
        rows = rows[(rows["product"] == product.name) & (rows["direction"] == product.direction)]
        won = {row["interval_start_utc"]: float(row["quantity_mw"]) for row in records(rows)}
        for block in blocks:
            own = mine.get((product.name, block.begin))
            mw = last.get((product.name, block.begin), 0.0) if own is None else own.mw
            mw = won.get(block.begin, mw)
            if mw > 0.0:
                taken.append(Bid(wanted=block, mw=mw, reason=""))
    return taken


def held_of_none(known: Known, history: PoolHistory, products: Products) -> list[str]:
    """A note of what was won in the day of products that there are none like: bids do not hold it."""
    begin, end = (pd.Timestamp(at) for at in market_day_bounds(history.day, history.zone))
    rows = award_rows(known, history.zone, begin, end)
    there = {(name, one.direction) for name, one in products.reserve.items()}
    won = rows.loc[rows["quantity_mw"] > 0.0, ["product", "direction"]].drop_duplicates()
    unknown = [f"{row['product']} ({row['direction']})" for row in records(won)
               if (row["product"], row["direction"]) not in there]  # fmt: skip
    return (
        [f"won, of no product that is known, and not held next to bids: {', '.join(unknown)}"]
        if unknown
        else []
    )
