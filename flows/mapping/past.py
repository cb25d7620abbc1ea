"""What the plans that were followed tell of cars up to a moment: what they hold, moved, and left with.

A plan tells of every mode what a car has in store slot by slot; the plan that was followed in a slot is the
newest of those whose knowledge and whose slots hold it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from flows.mapping.horizon import QUARTER, Horizon
from flows.mapping.in_force import followed_mode
from flows.mapping.plan_spans import plans_within
from flows.plain import records
from warehouse.known import Known

_LOOK_BACK = pd.Timedelta(days=8)
FOLLOWED = "followed"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Planned:
    """What a plan says of a car at the plug; slots: rows of out_plan_slot by interval_start_utc, in order."""

    begins: pd.Timestamp
    slots: pd.DataFrame

    def kwh(self, at: pd.Timestamp) -> float:
        """What it holds at a moment of one of the slots."""
        row = self.slots.index.get_loc(at.floor(QUARTER))
        begin, end = (float(self.slots[f"energy_{which}_kwh"].to_numpy()[row]) for which in ("start", "end"))
        return begin + (end - begin) * float((at - at.floor(QUARTER)) / QUARTER)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Past:
    """What the plans of the days before tell of some cars, by battery and mode, "followed" among them.

    now: kWh in store at the end of the last slot before the start, by the newest plan that tells of it;
    planned: what that plan says of the slots before. left: when a car left last, and by mode the kWh that it
    left with; promised: the kWh that it was to leave with. used_kwh: what cars discharged on the local day of
    the start before it. moved_kw: what went into store (out of it, < 0) in each slot before the start.
    """

    now: Mapping[str, Mapping[str, float]]
    left: Mapping[str, tuple[pd.Timestamp, Mapping[str, float]]]
    promised: Mapping[str, float]
    used_kwh: Mapping[str, float]
    moved_kw: Mapping[str, Mapping[pd.Timestamp, float]]
    planned: Mapping[str, Planned]

    @classmethod
    def of(
        cls,
        known: Known,
        zone: str,
        horizon: Horizon,
        battery_ids: list[str],
        since: pd.Timestamp | None = None,
    ) -> Past:
        """What was known of these cars when a plan begins; since: how far back their slots are wanted."""
        start, midnight = horizon.start, horizon.local[0].normalize()
        plans = plans_within(known, zone, start - _LOOK_BACK, start)
        if plans.empty:
            return NO_PAST
        follows = {str(row["plan_id"]): followed_mode(row) for row in records(plans)}
        begun = plans.set_index("plan_id")["first_slot_utc"]
        where = {"plan_id": list(follows), "battery_id": battery_ids}
        earliest = min(start - QUARTER, midnight, *([since.floor(QUARTER)] if since is not None else []))
        slots = known.read("out_plan_slot", where=where | {"plugged": True}, start=earliest, end=start)
        ended = known.read("out_plan_departure", where=where, start=start - _LOOK_BACK, end=start + QUARTER)
        seen_off = ended["departure_utc"].to_numpy() > begun.reindex(ended["plan_id"]).to_numpy()
        ended = ended[(ended["departure_utc"] <= start) & seen_off]
        ended = ended.sort_values("departure_utc", kind="stable")
        last = ended.drop_duplicates("battery_id", keep="last")
        departed = dict(zip(last["battery_id"].astype(str), last["departure_utc"], strict=True))
        ended = ended[ended["session_id"].isin(last["session_id"])]
        moved = followed_rows(slots, follows)
        return cls(
            now=_by_newest(slots[slots["interval_start_utc"] == start - QUARTER], "energy_end_kwh", follows),
            left={
                battery: (departed[battery], modes)
                for battery, modes in _by_newest(ended, "reached_kwh", follows).items()
            },
            promised={
                battery: modes[FOLLOWED]
                for battery, modes in _by_newest(ended, "target_kwh", follows).items()
            },
            used_kwh=_discharged(moved[moved["interval_start_utc"] >= midnight]),
            moved_kw=_moved(moved),
            planned=_planned(slots, follows, start, begun),
        )

    @property
    def known(self) -> bool:
        """Whether any plan tells of any of the cars."""
        return bool(self.now or self.left)

    def now_kwh(self, mode: str, battery_id: str) -> float | None:
        """What a car that is plugged in holds as a mode has left it; None where no plan tells."""
        modes = self.now.get(battery_id, {})
        return modes.get(mode, modes.get(FOLLOWED))

    def more_kwh(self, mode: str, row: Mapping[str, Any]) -> float:
        """How much more a mode left a car at its last departure than what the next stay's SoC stands on."""
        if row["battery_id"] not in self.left:
            return 0.0
        departure, modes = self.left[row["battery_id"]]
        announced = row["received_utc"] <= departure
        stands_on = self.promised[row["battery_id"]] if announced else modes[FOLLOWED]
        return float(modes.get(mode, modes[FOLLOWED])) - stands_on


NO_PAST = Past(now={}, left={}, promised={}, used_kwh={}, moved_kw={}, planned={})


def newest_of_each(rows: pd.DataFrame, owner: str, plan_ids: Sequence[str]) -> pd.DataFrame:
    """Of each owner (a column) and slot the row of the newest plan, by time; plan_ids: oldest first."""
    order = rows["plan_id"].map({plan_id: number for number, plan_id in enumerate(plan_ids)})
    newest = rows.assign(order=order).sort_values(["interval_start_utc", "order"])
    return newest.drop_duplicates([owner, "interval_start_utc"], keep="last")


def followed_rows(slots: pd.DataFrame, follows: Mapping[str, str]) -> pd.DataFrame:
    """Of rows of out_plan_slot those that were followed; follows: the mode by plan_id, oldest plan first."""
    return newest_of_each(slots[slots["mode"] == slots["plan_id"].map(follows)], "battery_id", list(follows))


def _moved(followed: pd.DataFrame) -> dict[str, dict[pd.Timestamp, float]]:
    kw = followed["charge_kw"] - followed["discharge_kw"]
    found: dict[str, dict[pd.Timestamp, float]] = {}
    for battery, slot, one in zip(followed["battery_id"], followed["interval_start_utc"], kw, strict=True):
        found.setdefault(str(battery), {})[slot] = float(one)
    return found


def _discharged(followed: pd.DataFrame) -> dict[str, float]:
    """kWh that each battery discharged."""
    kwh = followed["discharge_kw"] * (QUARTER / pd.Timedelta(hours=1))
    return {
        str(name): float(used) for name, used in kwh.groupby(followed["battery_id"]).sum().items() if used
    }


def _planned(
    slots: pd.DataFrame, follows: Mapping[str, str], start: pd.Timestamp, begun: pd.Series
) -> dict[str, Planned]:
    """What the plan that tells of the last slot before the start says of each car in the slots before."""
    last = followed_rows(slots[slots["interval_start_utc"] == start - QUARTER], follows)
    own = slots.merge(last[["battery_id", "plan_id", "mode"]], on=["battery_id", "plan_id", "mode"])
    return {
        str(battery): Planned(
            begins=begun[str(rows["plan_id"].iloc[0])],
            slots=rows.set_index("interval_start_utc").sort_index(),
        )
        for battery, rows in own.groupby("battery_id")
    }


def _by_newest(rows: pd.DataFrame, column: str, follows: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """A column by battery and mode, each battery's of the newest plan that has it; follows: oldest first."""
    order = {plan_id: number for number, plan_id in enumerate(follows)}
    found: dict[str, dict[str, float]] = {}
    for battery, own in rows.groupby("battery_id"):
        newest = max(own["plan_id"], key=order.__getitem__)
        own = own[own["plan_id"] == newest]
        modes = dict(zip(own["mode"].astype(str), own[column].astype(float), strict=True))
        if follows[newest] in modes:
            found[str(battery)] = modes | {FOLLOWED: modes[follows[newest]]}
    return found
