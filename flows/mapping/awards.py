"""Reserve that was won, as known, and what of it plans hold: dataset `awards` next to what was bid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from flows.mapping.hashing import hash_frame
from flows.mapping.horizon import Horizon
from flows.plain import records
from optimize.market.bids.held import Won, held_kw, within
from optimize.market.bids.products import Products, Reserve, products
from optimize.market.bids.quantity import KW_PER_MW
from optimize.types import DayProblem, Mode, ModePlan
from warehouse.known import Known

_LONGEST = pd.Timedelta(hours=25)
_KEY = ["product", "direction", "interval_start_utc"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Awards:
    """won: blocks that a plan holds; notes: what of the rows is not held, and why. rows: of core_award.

    prices: €/MW/h by product, direction and begin, None where nobody says.
    """

    won: tuple[Won, ...]
    notes: tuple[str, ...]
    rows: pd.DataFrame
    prices: Mapping[tuple[str, str, pd.Timestamp], float | None]

    @classmethod
    def of(cls, known: Known, horizon: Horizon, cars: pd.DataFrame) -> Awards:
        """What is known of the blocks that a horizon touches; one that it begins in is held from then on.

        cars: rows of core_battery of all that may hold it.
        """
        rows = award_rows(known, horizon.zone, horizon.start, horizon.end)
        if rows.empty:
            return NO_AWARDS
        offered, there = _offered_mw(known, horizon), products()
        most_kw = float(
            (
                cars["charge_limit_kw"] / cars["efficiency_charge"]
                + cars["discharge_limit_kw"] * cars["efficiency_discharge"]
            ).sum()
        )
        won: list[Won] = []
        notes: list[str] = []
        for row in records(rows.sort_values(["received_utc", *_KEY], ascending=False)):
            found = _won(row, there, offered, won)
            name = f"{row['product']} {row['direction']}" if isinstance(found, str) else found.name
            name = f"{name} of {row['interval_start_utc']:%Y-%m-%d %H:%M} UTC"
            if isinstance(found, str):
                notes.append(f"won and not held: {name}: {found}")
                continue
            if found.kw > most_kw:
                notes.append(
                    f"won and not held: {name}: {row['quantity_mw']:g} MW, and all cars together take and "
                    f"give {most_kw:.4g} kW"
                )
                continue
            won.append(found)
            if found.kw < row["quantity_mw"] * KW_PER_MW:
                notes.append(
                    f"more won than bid: {name}: {row['quantity_mw']:g} MW, {found.kw / KW_PER_MW:g} were "
                    "bid, and are held"
                )
        prices = {
            (str(row["product"]), str(row["direction"]), row["interval_start_utc"]): row["price_eur_per_mw_h"]
            for row in records(rows)
        }
        return cls(
            won=tuple(sorted(won, key=lambda one: (one.begin, one.product, one.direction))),
            notes=tuple(sorted(notes)),
            rows=rows,
            prices=prices,
        )

    @property
    def digest(self) -> str:
        """Hash of all of it."""
        return hash_frame(pd.DataFrame([{**_stated(one)} for one in self.won])) + "; ".join(self.notes)


def award_rows(known: Known, zone: str, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """The rows of core_award whose block touches [start, end), as known, by their begin."""
    rows = known.read("core_award", where={"zone": zone}, start=start - _LONGEST, end=end)
    return rows[rows["interval_end_utc"] > start].sort_values(_KEY[::-1]).reset_index(drop=True)


NO_AWARDS = Awards(won=(), notes=(), rows=pd.DataFrame(), prices={})


def _offered_mw(known: Known, horizon: Horizon) -> Mapping[tuple[str, pd.Timestamp], float]:
    """The most that was ever bid of each product and block; of others nothing is known."""
    rows = known.read(
        "out_bid", where={"zone": horizon.zone}, start=horizon.start - _LONGEST, end=horizon.end,
        columns=["product", "interval_start_utc", "quantity_mw"],
    )  # fmt: skip
    most: dict[tuple[str, pd.Timestamp], float] = {}
    for row in records(rows):
        of = str(row["product"]), row["interval_start_utc"]
        most[of] = max(most.get(of, 0.0), float(row["quantity_mw"]))
    return most


def _won(
    row: Mapping[str, Any],
    there: Products,
    offered: Mapping[tuple[str, pd.Timestamp], float],
    so_far: Sequence[Won],
) -> Won | str:
    """A row as a block to hold, no more than was bid, or why it cannot be held."""
    product: Reserve | None = there.reserve.get(str(row["product"]))
    if product is not None and product.direction != row["direction"]:
        return f"{product.name} is {product.direction}"
    minutes = row["reservoir_minutes"] or (product.reservoir_minutes if product else None)
    if minutes is None:
        return "products.toml has no such product: reservoir_minutes tells how long it can be called"
    begin, end = row["interval_start_utc"], row["interval_end_utc"]
    for one in so_far:
        same = (one.product, one.direction) == (row["product"], row["direction"])
        if same and one.begin < end and begin < one.end:
            return f"overlaps the block of {one.begin:%Y-%m-%d %H:%M} UTC, which is held"
    bid = offered.get((str(row["product"]), begin))
    mw = float(row["quantity_mw"]) if bid is None else min(float(row["quantity_mw"]), bid)
    return Won(
        product=str(row["product"]),
        direction=row["direction"],
        begin=begin,
        end=end,
        kw=mw * KW_PER_MW,
        sustain_hours=float(minutes) / 60.0,
        called_share=product.called_share if product is not None and product.up else 0.0,
        price_eur_per_kw_h=(row["price_eur_per_mw_h"] or 0.0) / KW_PER_MW,
    )


def _stated(one: Won) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Won.__slots__}


def reserve_rows(
    awards: Awards, problem: DayProblem, plan: ModePlan, mode: Mode
) -> tuple[pd.DataFrame, list[str]]:
    """The rows of out_plan_reserve, without plan_id and lineage, and a note of each block not held whole."""
    rows, notes = [], []
    for number, one in enumerate(within(problem, awards.won)):
        first, end = one.span(problem)
        price = awards.prices.get((one.product, one.direction, one.begin))
        kw = held_kw(plan, number, one) if plan.reserves else 0.0
        reason = "" if kw >= one.kw else _short(mode, plan, kw, one)
        hours = (end - first) * problem.slot_hours
        rows.append(
            {
                "mode": mode,
                "product": one.product,
                "direction": one.direction,
                "interval_start_utc": one.begin,
                "interval_end_utc": one.end,
                "won_kw": one.kw,
                "held_kw": kw,
                "price_eur_per_mw_h": price,
                "income_eur": None if price is None else price / KW_PER_MW * kw * hours,
                "reason": reason,
            }
        )
        if reason:
            notes.append(f"{one.name} of {one.begin:%Y-%m-%d %H:%M} UTC: {reason}")
    return pd.DataFrame(rows), notes


def reserve_slot_rows(awards: Awards, problem: DayProblem, plan: ModePlan, mode: Mode) -> pd.DataFrame:
    """The rows of out_plan_reserve_slot, without plan_id and lineage: what each car holds, where it does."""
    cars = np.array([car.battery_id for car in problem.cars], dtype=object)
    frames = []
    for one, bid in zip(within(problem, awards.won), plan.reserves, strict=False):
        i, t = np.nonzero((bid.up_kw > 0.0) | (bid.down_kw > 0.0))
        said = {
            "mode": mode,
            "product": one.product,
            "direction": one.direction,
            "battery_id": cars[i],
            "interval_start_utc": problem.slots[one.span(problem)[0] + t],
            "up_kw": bid.up_kw[i, t],
            "down_kw": bid.down_kw[i, t],
            "all_up_kw": bid.up_kw.sum(axis=0)[t],
            "all_down_kw": bid.down_kw.sum(axis=0)[t],
        }
        frames.append(pd.DataFrame(said))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _short(mode: Mode, plan: ModePlan, kw: float, one: Won) -> str:
    if mode != "v2g" or not plan.reserves:
        why = f"the cars follow {mode}" if mode != "v2g" else "no plan could be found that holds it"
        return f"won {one.kw:.4g} kW, and nothing is held: {why}"
    return f"won {one.kw:.4g} kW, held {kw:.4g} kW next to what drivers were promised"
