"""What a settlement rests on besides a day's money: signed energy, what was fed back at the day-ahead price,
and where the meters counted other than was scheduled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from flows.mapping.executed import Executed
from flows.mapping.horizon import QUARTER
from flows.mapping.past import FOLLOWED
from flows.mapping.question import SLOT_HOURS
from flows.mapping.real_day import RealDay
from flows.mapping.retail import Prices, spread
from optimize.account import efficiencies
from optimize.market.imbalance import imbalance
from optimize.types import DayProblem, ModePlan
from warehouse.known import Known
from warehouse.zones import market_day_slots

_HOUR = pd.Timedelta(hours=1)
_ABOUT_NOTHING_KWH = 1e-7
_UNPRICED = "no imbalance price is known"
_COLUMNS = ("battery_id", "interval_start_utc", "scheduled_kwh", "metered_kwh", "called_kwh")


def spot_eur_per_kwh(known: Known, zone: str, slots: pd.DatetimeIndex) -> Prices:
    """The published day-ahead price of each slot, €/kWh [T]; NaN where there is none."""
    return spread(_rows(known, "core_price", zone, slots), slots)


def imbalance_prices(known: Known, zone: str, slots: pd.DatetimeIndex) -> tuple[Prices, Prices]:
    """What a kWh is settled at of who is long, and of who is short, €/kWh [T]; NaN where it is not known."""
    rows = _rows(known, "core_imbalance_price", zone, slots)
    long_price = spread(rows, slots)
    apart = spread(rows, slots, "short_price_eur_per_kwh")
    return long_price, np.where(np.isnan(apart), long_price, apart)


def _rows(known: Known, table: str, zone: str, slots: pd.DatetimeIndex) -> pd.DataFrame:
    return known.read(table, where={"zone": zone}, start=slots[0] - _HOUR, end=slots[-1] + QUARTER)


def fed_back_price_eur(problem: DayProblem, came: ModePlan, spot: Prices) -> dict[str, float | None]:
    """Of each car Σ of kWh fed back times the day-ahead price, below 0 as 0; None where that is unknown."""
    _, out = efficiencies(problem)
    fed = came.discharge_kw * out * SLOT_HOURS
    lacks = (fed > _ABOUT_NOTHING_KWH) & np.isnan(spot)
    money = (fed * np.maximum(np.nan_to_num(spot), 0.0)).sum(axis=1)
    return {car.battery_id: None if lacks[i].any() else float(money[i]) for i, car in enumerate(problem.cars)}


def signed_energy(real: RealDay) -> dict[str, Mapping[str, Any]]:
    """Of each car that a meter counted: quarter-hours and kWh of them whose signature was verified."""
    rows = real.metering[(real.metering["signature"] == "verified").to_numpy(dtype=bool, na_value=False)]
    by_car = rows.groupby("battery_id")[["import_kwh", "export_kwh"]].agg(["size", "sum"])
    found: dict[str, Mapping[str, Any]] = {
        str(name): {"verified_slots": 0, "verified_import_kwh": 0.0, "verified_export_kwh": 0.0}
        for name in real.metering["battery_id"].unique()
    }
    for name, row in by_car.iterrows():
        found[str(name)] = {
            "verified_slots": int(row["import_kwh", "size"]),
            "verified_import_kwh": float(row["import_kwh", "sum"]),
            "verified_export_kwh": float(row["export_kwh", "sum"]),
        }
    return found


def deviations(
    real: RealDay, executed: Executed, problem: DayProblem, called_kwh: Prices
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Where a meter counted other than was planned and called, and of each car the quarter-hours that tell.

    kWh net drawn; called_kwh [n, T]: of reserve, down less up. Quarter-hours that no meter counted, or no
    plan in force held, tell of no deviation.
    """
    counted = real.metered()
    if counted is None:
        return pd.DataFrame(columns=list(_COLUMNS)), {}
    prices = real.inputs.prices.at_the_plug(real.inputs.tariff)
    schedule = executed.promise(FOLLOWED, real.battery_ids, prices).schedule
    into, out = efficiencies(problem)
    scheduled = (schedule.charge_kw / into - schedule.discharge_kw * out) * SLOT_HOURS
    metered = counted.import_kwh - counted.export_kwh
    held = counted.counted & (executed.owner >= 0)
    at, t = np.nonzero(held & (np.abs(scheduled + called_kwh - metered) > _ABOUT_NOTHING_KWH))
    rows = pd.DataFrame(
        {
            "battery_id": np.array(real.battery_ids, dtype=object)[at],
            "interval_start_utc": real.slots[t],
            "scheduled_kwh": scheduled[at, t],
            "metered_kwh": metered[at, t],
            "called_kwh": called_kwh[at, t],
        }
    )
    return rows, dict(zip(real.battery_ids, held.sum(axis=1).tolist(), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class DayImbalance:
    """What departing from the schedule earned on a day, € by car; why: of the others, by car.

    partly_priced: whether some quarter-hours of the day have an imbalance price. sides: rows of
    out_imbalance_side without settlement and lineage, where there are two prices.
    """

    earned_eur: Mapping[str, Decimal]
    why: Mapping[str, str]
    partly_priced: bool
    sides: pd.DataFrame

    @classmethod
    def of(
        cls,
        known: Known,
        zone: str,
        day: date,
        realised_id: str,
        held: Mapping[str, int | None],
    ) -> DayImbalance:
        """By an account's deviations and the prices that are known; held: `scheduled_slots` of each car."""
        slots = market_day_slots(day, zone)
        long_price, short_price = imbalance_prices(known, zone, slots)
        rows = known.read("out_realised_deviation", where={"realised_id": realised_id})
        t = slots.get_indexer(pd.DatetimeIndex(rows["interval_start_utc"]))
        due = rows["scheduled_kwh"] + rows["called_kwh"].fillna(0.0).astype(float)
        surplus = (due - rows["metered_kwh"]).to_numpy(dtype=np.float64)
        names, sides = rows["battery_id"].astype(str).tolist(), _sides_before(known, zone, day, len(held))
        found = imbalance(
            names,
            t,
            surplus,
            long_price,
            short_price,
            sides={int(slots.get_indexer(pd.DatetimeIndex([at]))[0]): one for at, one in sides.items()},
        )
        partly = bool(np.isfinite(long_price).any())
        earned, why = dict[str, Decimal](), dict[str, str]()
        for car, count in held.items():
            if count is None:
                why[car] = "its account does not tell what was scheduled"
            elif count == 0:
                why[car] = "no meter counted a quarter-hour that a plan held"
            elif (lacks := found.unpriced.get(car)) is None:
                earned[car] = found.earned_eur.get(car, Decimal(0))
            else:
                why[car] = (
                    _UNPRICED if not partly else f"{_UNPRICED} from {slots[lacks[0]]:%Y-%m-%d %H:%M} UTC on"
                )
        apart = np.flatnonzero(np.isfinite(long_price) & (long_price != short_price))
        own = pd.DataFrame(
            {
                "market_date": day,
                "zone": zone,
                "interval_start_utc": slots[apart],
                "side": np.where(np.isin(apart, found.long), "long", "short"),
                "cars": len(held),
            }
        )
        return cls(earned_eur=earned, why=why, partly_priced=partly, sides=own)

    @property
    def unpriced(self) -> list[str]:
        """The cars that prices which are not known leave out."""
        return [car for car, reason in self.why.items() if reason.startswith(_UNPRICED)]


def _sides_before(known: Known, zone: str, day: date, cars: int) -> dict[pd.Timestamp, bool]:
    """Whether all cars were long, by quarter-hour, as settled of more cars than there are since an erasure.

    The side is that of the cars that were there: what is left of them cannot tell it. Empty without one.
    """
    rows = known.read("out_imbalance_side", where={"zone": zone, "market_date": day})
    rows = rows[rows["cars"] > cars]
    # What was erased is gone as of every moment, before it was erased too.
    if rows.empty or known.warehouse.read("out_erasure", columns=["erasure_id"]).empty:
        return {}
    last = rows[rows["as_of_utc"] == rows["as_of_utc"].max()]
    return dict(zip(last["interval_start_utc"], last["side"] == "long", strict=True))
