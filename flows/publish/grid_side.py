"""The grid's side of a plan's first page: limits over time, reserve that is held, and what was bid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from flows.mapping.bid_rows import last_bid
from flows.mapping.surroundings import GridLimits
from flows.plain import records
from flows.publish.local_time import local_text
from warehouse.known import Known

_OF_CURVE = (
    "product", "gate_utc", "interval_start_utc", "price_eur_per_mwh", "quantity_mw", "as_of_utc", "run_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class GridSide:
    """Of one plan, as known at its moment.

    reserve: its rows of out_plan_reserve in the order of time. bids, curves: those of out_bid and
    out_bid_curve of its market day that each product was last bid with.
    """

    reserve: pd.DataFrame
    bids: pd.DataFrame
    curves: pd.DataFrame

    @classmethod
    def of(cls, known: Known, header: Mapping[str, Any]) -> GridSide:
        """Read it. header: the plan's row of out_plan."""
        reserve = known.read("out_plan_reserve", where={"plan_id": header["plan_id"]})
        day = {"zone": header["zone"], "market_date": header["market_date"]}
        return cls(
            reserve=reserve.sort_values(["interval_start_utc", "product", "direction"]),
            bids=_last(known.read("out_bid", where=day)),
            curves=_last(known.read("out_bid_curve", where=day, columns=_OF_CURVE)),
        )

    def shown(self, followed: str, timezone: str) -> dict[str, list[dict[str, Any]]]:
        """held: blocks of reserve of the mode that is followed; bids: blocks that were bid, or why not;
        curves: a line a product of energy. Times by the clock of ``timezone``.
        """
        mine = self.reserve[self.reserve["mode"] == followed]
        return {
            "held": _local(mine, timezone),
            "bids": _local(self.bids, timezone),
            "curves": [_curve(str(name), own, timezone) for name, own in self.curves.groupby("product")],
        }


def room_for_cars(sites: pd.DataFrame, limits: GridLimits, slots: pd.DatetimeIndex) -> pd.DataFrame:
    """Rows of out_plan_site_slot with the most that its cars may draw, most_kw, and feed back, least_kw ≤ 0.

    By the site's own limits and those that the grid sets for a while over ``slots``, with what else the
    site draws or generates.
    """
    drawn, fed = (sites[f"{way}_limit_kw"].to_numpy(dtype=np.float64).copy() for way in ("import", "export"))
    at, names = slots.get_indexer(pd.DatetimeIndex(sites["interval_start_utc"])), sites["site_id"].to_numpy()
    for site, (most, back) in limits.bounds_kw.items():
        own = (names == site) & (at >= 0)
        drawn[own], fed[own] = np.fmin(drawn[own], most[at[own]]), np.fmin(fed[own], back[at[own]])
    base = sites["base_load_kw"].astype("float64").fillna(0.0).to_numpy()
    return sites.assign(most_kw=np.maximum(drawn - base, 0.0), least_kw=-np.maximum(fed + base, 0.0))


def _last(rows: pd.DataFrame) -> pd.DataFrame:
    """Of each product what was bid last, in the order of products and time."""
    found = [last_bid(own) for _, own in rows.groupby("product")]
    return pd.concat(found).sort_values(["product", "interval_start_utc"]) if found else rows


def _local(rows: pd.DataFrame, timezone: str) -> list[dict[str, Any]]:
    """Records with their moments as the clock shows them, under names without `_utc`."""
    return [
        {
            name.removesuffix("_utc"): local_text(value, timezone) if name.endswith("_utc") else value
            for name, value in row.items()
        }
        for row in records(rows)
    ]


def _curve(product: str, rows: pd.DataFrame, timezone: str) -> dict[str, Any]:
    """Of a product of energy: how many quarter-hours are bid, at which prices, how much (− to sell)."""
    return {
        "product": product,
        "gate": local_text(rows["gate_utc"].iloc[0], timezone),
        "quarter_hours": int(rows.loc[rows["quantity_mw"] != 0.0, "interval_start_utc"].nunique()),
        **{f"price_{name}": float(getattr(rows["price_eur_per_mwh"], name)()) for name in ("min", "max")},
        **{f"mw_{name}": float(getattr(rows["quantity_mw"], name)()) for name in ("min", "max")},
    }
