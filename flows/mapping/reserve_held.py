"""Who held reserve on a day that is over, by the plans that were followed, and what was won and called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from flows.mapping.awards import award_rows
from flows.mapping.bid_rows import last_bid
from flows.mapping.executed import Executed
from flows.mapping.horizon import QUARTER
from flows.mapping.question import SLOT_HOURS
from flows.plain import records
from optimize.market.bids.products import products
from optimize.market.bids.quantity import KW_PER_MW
from optimize.market.reserve import Called
from warehouse.known import Known

Floats = npt.NDArray[np.float64]
Key = tuple[str, str]
"""A product and the direction that it was won in."""
_KEY = ["product", "direction"]
EITHER = "symmetric"
_TOLERANCE = 1.25
"""Times what was won that may have been called: a market may take some energy beyond it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeldReserve:
    """A product and direction on a day. up_kw, down_kw [n, T]: of each car, metered. Of all, [T]: all_up_kw
    and all_down_kw, of cars that are none of these too, held_kw and promised_eur_per_kw_h as the plans say,
    won_kw and eur_per_kw_h as is known now; NaN where there is no price. untold: plans hold some of it and do
    not tell which cars do.
    """

    name: str
    up_kw: Floats
    down_kw: Floats
    all_up_kw: Floats
    all_down_kw: Floats
    held_kw: Floats
    promised_eur_per_kw_h: Floats
    won_kw: Floats
    eur_per_kw_h: Floats
    untold: bool

    @property
    def part(self) -> Floats:
        """Each car's part of what all hold of it, up and down together, [n, T]."""
        return _parts(self.up_kw + self.down_kw, self.all_up_kw + self.all_down_kw)

    @property
    def paid_kw(self) -> Floats:
        """What of it is paid, [T]: no more than was won."""
        return np.minimum(self.held_kw, self.won_kw)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CalledReserve:
    """called: what counts. beyond: of calls by name that are of more than was won or held, which does not
    count, whether each car has a part in it, [n]. unheld: names of what was called while no car held it."""

    called: Sequence[Called]
    beyond: Mapping[str, npt.NDArray[np.bool_]]
    unheld: Sequence[str]


def held_reserve(
    executed: Executed, rows: pd.DataFrame, by_car: pd.DataFrame, awards: pd.DataFrame, cars: Sequence[str]
) -> dict[Key, HeldReserve]:
    """By product and direction; a slot whose plan knew of no award held nothing of it.

    rows, by_car: of out_plan_reserve and out_plan_reserve_slot of the plans; awards: `awards_of_day`.
    """
    keys = sorted({(str(row["product"]), str(row["direction"])) for row in records(rows[_KEY])})
    return {
        key: _held(executed, key, _of(rows, key), _of(by_car, key), _of(awards, key), cars) for key in keys
    }


def awards_of_day(known: Known, zone: str, slots: pd.DatetimeIndex) -> pd.DataFrame:
    """The rows of core_award of a day, later told last; what is paid as bid has the price that was bid."""
    rows = award_rows(known, zone, slots[0], slots[-1] + QUARTER).sort_values(
        ["received_utc", *_KEY, "interval_start_utc"]
    )
    there = products().reserve
    as_bid = {name for name, one in there.items() if one.pricing == "pay_as_bid"}
    lacks = rows["price_eur_per_mw_h"].isna() & rows["product"].isin(as_bid)
    if lacks.any():
        begins = rows.loc[lacks, "interval_start_utc"]
        bids = known.read(
            "out_bid", where={"zone": zone}, start=begins.min(), end=begins.max() + QUARTER,
            columns=["product", "interval_start_utc", "price_eur_per_mw_h", "as_of_utc", "run_id"],
        )  # fmt: skip
        bid = {
            (str(product), row["interval_start_utc"]): row["price_eur_per_mw_h"]
            for product, own in bids.groupby("product")
            for row in records(last_bid(own))
        }
        keys = zip(rows["product"], rows["interval_start_utc"], strict=True)
        stated = pd.Series([bid.get((str(one), at)) for one, at in keys], index=rows.index, dtype="float64")
        rows = rows.assign(price_eur_per_mw_h=rows["price_eur_per_mw_h"].fillna(stated))
    return rows.reset_index(drop=True)


def called_reserve(
    calls: pd.DataFrame, held: Mapping[Key, HeldReserve], slots: pd.DatetimeIndex, cars: int
) -> CalledReserve:
    """What was called, by product and way; calls: rows of core_activation.

    Without a price a call is paid nothing where products.toml says that calls of its product are not paid.
    """
    there = products().reserve
    found, beyond, unheld = list[Called](), dict[str, npt.NDArray[np.bool_]](), list[str]()
    for (name, direction), own in calls.groupby(_KEY):
        way: Literal["up", "down"] = "up" if direction == "up" else "down"
        product = there.get(str(name))
        unpaid = product is not None and not product.energy_paid
        kw, everyone, most = np.zeros((cars, len(slots))), np.zeros(len(slots)), np.zeros(len(slots))
        for key, one in held.items():
            if key[0] == name and key[1] in (way, EITHER):
                kw += one.up_kw if way == "up" else one.down_kw
                everyone += one.all_up_kw if way == "up" else one.all_down_kw
                most += np.maximum(one.won_kw, one.held_kw)
        t = slots.get_indexer(pd.DatetimeIndex(own["interval_start_utc"]))
        energy, price = np.zeros(len(slots)), np.full(len(slots), np.nan)
        energy[t] = own["energy_kwh"].to_numpy(dtype=np.float64)
        price[t] = own["price_eur_per_kwh"].to_numpy(dtype=np.float64, na_value=0.0 if unpaid else np.nan)
        more = (most > 0.0) & (energy > _TOLERANCE * most * SLOT_HOURS)
        part = _parts(kw, everyone)
        call = Called(
            product=str(name),
            way=way,
            part=part,
            energy_kwh=np.where(more, 0.0, energy),
            price_eur_per_kwh=price,
        )
        found.append(call)
        if more.any():
            beyond[call.name] = np.asarray((part[:, more] > 0.0).any(axis=1), dtype=np.bool_)
        if energy[everyone <= 0.0].any():
            unheld.append(call.name)
    return CalledReserve(called=found, beyond=beyond, unheld=unheld)


def tells_of(calls: pd.DataFrame, key: Key) -> bool:
    """Whether rows of core_activation tell of a product, one way that it can be called."""
    own = calls[calls["product"] == key[0]]
    return bool(len(own) if key[1] == EITHER else (own["direction"] == key[1]).any())


def _held(
    executed: Executed,
    key: Key,
    rows: pd.DataFrame,
    by_car: pd.DataFrame,
    awards: pd.DataFrame,
    cars: Sequence[str],
) -> HeldReserve:
    slots = executed.slots
    up, down = np.zeros((2, len(cars), len(slots)))
    all_up, all_down = np.zeros((2, len(slots)))
    at = slots.get_indexer(pd.DatetimeIndex(by_car["interval_start_utc"]))
    i = pd.Index(cars).get_indexer(pd.Index(by_car["battery_id"]))
    mine = (at >= 0) & (executed.owner[at] == _plan(executed, by_car))
    here = mine & (i >= 0)
    for table, everyone, name in ((up, all_up, "up_kw"), (down, all_down, "down_kw")):
        table[i[here], at[here]] = by_car[name].to_numpy(dtype=np.float64)[here]
        everyone[at[mine]] = by_car[f"all_{name}"].to_numpy(dtype=np.float64)[mine]
    held, won = np.zeros((2, len(slots)))
    promised, price = np.full((2, len(slots)), np.nan)
    for row, plan in zip(records(rows), _plan(executed, rows).tolist(), strict=True):
        inside = _inside(slots, row) & (executed.owner == plan)
        held[inside], promised[inside] = row["held_kw"], _per_kw(row)
    for row in records(awards):
        inside = _inside(slots, row)
        won[inside], price[inside] = row["quantity_mw"] * KW_PER_MW, _per_kw(row)
    return HeldReserve(
        name=_name(key), up_kw=up, down_kw=down, all_up_kw=all_up, all_down_kw=all_down, held_kw=held,
        promised_eur_per_kw_h=promised, won_kw=won, eur_per_kw_h=price,
        untold=bool(((held > 0.0) & (all_up + all_down <= 0.0)).any()),
    )  # fmt: skip


def _parts(kw: Floats, everyone: Floats) -> Floats:
    """Each car's part of what all hold, [n, T]; 0 where none holds any."""
    return np.divide(kw, everyone, out=np.zeros(kw.shape), where=everyone > 0.0)


def _of(frame: pd.DataFrame, key: Key) -> pd.DataFrame:
    return frame[(frame["product"] == key[0]) & (frame["direction"] == key[1])]


def _plan(executed: Executed, frame: pd.DataFrame) -> npt.NDArray[np.int64]:
    """The number of each row's plan."""
    return np.asarray(pd.Index(executed.plan_ids).get_indexer(pd.Index(frame["plan_id"])), dtype=np.int64)


def _inside(slots: pd.DatetimeIndex, row: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
    return np.asarray((slots >= row["interval_start_utc"]) & (slots < row["interval_end_utc"]))


def _per_kw(row: Mapping[str, Any]) -> float:
    price = row["price_eur_per_mw_h"]
    return float("nan") if price is None else float(price) / KW_PER_MW


def _name(key: Key) -> str:
    """The product with the way that it is called, where its name does not say that."""
    return key[0] if key[1] == EITHER or key[0].endswith(key[1]) else " ".join(key)
