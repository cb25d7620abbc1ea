"""What was planned for the quarter-hours of a day by the plan that was followed in each of them.

A plan is followed from its first slot, and from the moment of its knowledge, until a plan of newer knowledge
begins: what it says of later slots was promised by that one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from flows.mapping.horizon import QUARTER
from flows.mapping.in_force import followed_mode
from flows.mapping.plan_spans import owners, plans_within
from flows.plain import records
from optimize.follow import Schedule
from optimize.realised import Promise
from optimize.types import DepartureOutcome
from warehouse.known import Known


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Executed:
    """The plans that were followed in the slots of a day, oldest knowledge first, and whose each slot is.

    owner: the number of the plan of each slot, [T]; -1 where none was followed. slot_rows, departures and
    prices: their rows of out_plan_slot, out_plan_departure and out_plan_price, no others than these slots'.
    """

    slots: pd.DatetimeIndex
    plan_ids: tuple[str, ...]
    follows: tuple[str, ...]
    as_of: tuple[pd.Timestamp, ...]
    owner: npt.NDArray[np.int64]
    slot_rows: pd.DataFrame
    departures: pd.DataFrame
    prices: pd.DataFrame

    @classmethod
    def of(cls, known: Known, zone: str, slots: pd.DatetimeIndex) -> Executed:
        """What was followed, by the plans that were known."""
        start, end = slots[0], slots[-1] + QUARTER
        found = plans_within(known, zone, start, end)
        plans, owner = records(found), owners(found, slots)
        used = sorted({*owner.tolist()} - {-1})
        owner = np.where(owner < 0, -1, np.searchsorted(used, owner)) if used else owner
        rows = [plans[number] for number in used]
        plan_ids = tuple(str(row["plan_id"]) for row in rows)
        where = {"plan_id": list(plan_ids)}
        whose = pd.Series([plan_ids[number] if number >= 0 else "" for number in owner], index=slots)

        def own(frame: pd.DataFrame, at: pd.Series) -> pd.DataFrame:
            mine = whose.reindex(pd.DatetimeIndex(at)).to_numpy()
            return pd.DataFrame(frame[frame["plan_id"].to_numpy() == mine])

        slot_rows = known.read("out_plan_slot", where=where, start=start, end=end)
        departures = known.read("out_plan_departure", where=where)
        due = departures["departure_utc"].dt.floor(QUARTER)
        last = due - QUARTER  # the slot before it: whose it is has seen the car off
        within = (last >= start) & (due <= end)
        prices = known.read("out_plan_price", where=where, start=start, end=end)
        return cls(
            slots=slots,
            plan_ids=plan_ids,
            follows=tuple(followed_mode(row) for row in rows),
            as_of=tuple(row["as_of_utc"] for row in rows),
            owner=owner,
            slot_rows=own(slot_rows, slot_rows["interval_start_utc"]),
            departures=own(departures[within], last[within]),
            prices=own(prices, prices["interval_start_utc"]),
        )

    @property
    def batteries(self) -> frozenset[str]:
        """The cars that the plans tell of."""
        return frozenset(self.slot_rows["battery_id"].astype(str))

    def promise(
        self, mode: str, battery_ids: Sequence[str], real: tuple[npt.NDArray[np.float64], ...]
    ) -> Promise:
        """What was promised in a mode, "followed" or another, of some cars in their order.

        A plan without that mode promises what is followed. real: import and export prices that came, €/kWh;
        they stand where no plan says any.
        """
        wanted = self._wanted(mode)
        rows = self.slot_rows
        rows = rows[(rows["mode"] == rows["plan_id"].map(wanted)) & rows["battery_id"].isin(battery_ids)]
        at = pd.Index(battery_ids).get_indexer(pd.Index(rows["battery_id"]))
        t = self.slots.get_indexer(pd.DatetimeIndex(rows["interval_start_utc"]))

        def laid(name: str, empty: float) -> npt.NDArray[np.float64]:
            table = np.full((len(battery_ids), len(self.slots)), empty)
            table[at, t] = rows[name].to_numpy(dtype=np.float64)
            return table

        scheduled = laid("plugged", 0.0) > 0.0
        prices = self.prices.set_index("interval_start_utc")
        buy, sell = (
            np.where(
                np.isnan(said := prices[name].reindex(self.slots).to_numpy(dtype=np.float64)), came, said
            )
            for name, came in zip(("import_eur_per_kwh", "export_eur_per_kwh"), real, strict=True)
        )
        due = self.departures
        due = due[(due["mode"] == due["plan_id"].map(wanted)) & due["battery_id"].isin(battery_ids)]
        return Promise(
            import_price_eur_per_kwh=buy,
            export_price_eur_per_kwh=sell,
            schedule=Schedule(
                charge_kw=laid("charge_kw", 0.0), discharge_kw=laid("discharge_kw", 0.0), scheduled=scheduled
            ),
            energy_start_kwh=laid("energy_start_kwh", np.nan),
            energy_end_kwh=laid("energy_end_kwh", np.nan),
            departures=tuple(
                DepartureOutcome(
                    session_id=row["session_id"],
                    battery_id=row["battery_id"],
                    departure_utc=row["departure_utc"],
                    due="departure",
                    target_kwh=row["target_kwh"],
                    reached_kwh=row["reached_kwh"],
                    missing_kwh=row["missing_kwh"],
                    reason=row["reason"],
                )
                for row in records(due)
            ),
        )

    def _wanted(self, mode: str) -> Mapping[str, str]:
        """The mode of each plan by plan_id."""
        there = {(str(plan), str(mode)) for plan, mode in zip(*self._modes(), strict=True)}
        return {
            plan: mode if (plan, mode) in there else follows
            for plan, follows in zip(self.plan_ids, self.follows, strict=True)
        }

    def _modes(self) -> tuple[pd.Series, pd.Series]:
        modes = self.slot_rows[["plan_id", "mode"]].drop_duplicates()
        return modes["plan_id"], modes["mode"]
