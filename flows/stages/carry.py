"""What the batteries hold when a plan begins, for each mode as it would have left them.

A plan tells of every mode what a car has in store slot by slot; the plan that was followed in a slot is the
newest of those whose knowledge and whose slots hold it. A mode that was not planned then has what the cars
followed. Without any plan, a car that is plugged in is taken to have charged since arrival as an unplanned
one does. A stay that is announced arrives with what it says, more or less by as much as the mode left the
car above or below its promise; one that is told after the car had left says what it really came with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from flows.plain import records
from flows.stages.hashing import hash_values
from flows.stages.horizon import QUARTER, Horizon
from flows.stages.in_force import followed_mode
from flows.stages.plan_spans import plans_within
from optimize.types import MODES, Mode
from warehouse.known import Known

_LOOK_BACK = pd.Timedelta(days=8)
FOLLOWED = "followed"
Socs = Mapping[str, float]
"""SoC (0–1) at the start of the plan, or at arrival, by session_id; other stays hold what they say."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Carried:
    """SoCs of the cars that follow the plan in force, and of each mode that has a past of its own.

    past: whether a plan tells of any of the cars.
    """

    followed: Socs
    modes: Mapping[Mode, Socs]
    past: bool

    @property
    def digest(self) -> str:
        """Hash of all of it."""
        return hash_values(
            [sorted(self.followed.items()), [sorted(self.modes.get(m, {}).items()) for m in MODES]]
        )

    def of(self, mode: Mode | None) -> Socs:
        """What a mode carries; None and a mode without a past of its own: what the cars do that follow."""
        return self.followed if mode is None else self.modes.get(mode, self.followed)


NOTHING_CARRIED = Carried(followed={}, modes={}, past=False)


def carried(
    past: Past,
    start: pd.Timestamp,
    sessions: pd.DataFrame,
    batteries: pd.DataFrame,
    capacity_kwh: Mapping[str, float],
) -> Carried:
    """What a plan that begins at `start` finds; capacity_kwh: usable energy by battery_id, > 0."""
    limit_kw = {str(row["battery_id"]): float(row["charge_limit_kw"]) for row in records(batteries)}
    rows = records(sessions.sort_values("arrival_utc"))
    first = {str(row["battery_id"]): row["session_id"] for row in reversed(rows)}
    socs: dict[str, dict[str, float]] = {mode: {} for mode in (FOLLOWED, *MODES)}
    for row in rows:
        battery, session = str(row["battery_id"]), str(row["session_id"])
        if first[battery] != row["session_id"]:
            continue
        for mode, of_mode in socs.items():
            kwh = capacity_kwh[battery]
            if row["arrival_utc"] < start:
                held = past.now_kwh(mode, battery)
                soc = _charged_since(row, start, limit_kw[battery] / kwh) if held is None else held / kwh
            else:
                soc = float(row["arrival_soc"]) + past.more_kwh(mode, row) / kwh
            of_mode[session] = float(np.clip(soc, 0.0, 1.0))
    followed = socs.pop(FOLLOWED)
    return Carried(
        followed=followed,
        modes={mode: socs[mode] for mode in MODES} if past.known else {},
        past=past.known,
    )


def _charged_since(row: Mapping[str, Any], start: pd.Timestamp, soc_per_hour: float) -> float:
    arrival, hours = float(row["arrival_soc"]), (start - row["arrival_utc"]) / pd.Timedelta(hours=1)
    charged: float = arrival + hours * soc_per_hour
    return min(charged, max(arrival, float(row["departure_soc"])))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Past:
    """What the plans of the days before tell of some cars, by battery and mode, "followed" among them.

    now: kWh in store at the end of the last slot before the start. left: when a car left last, and by mode
    the kWh that it left with; promised: the kWh that it was to leave with. used_kwh: what cars
    discharged on the local day of the start before it.
    """

    now: Mapping[str, Mapping[str, float]]
    left: Mapping[str, tuple[pd.Timestamp, Mapping[str, float]]]
    promised: Mapping[str, float]
    used_kwh: Mapping[str, float]

    @property
    def known(self) -> bool:
        """Whether any plan tells of any of the cars."""
        return bool(self.now or self.left)

    @classmethod
    def of(cls, known: Known, zone: str, horizon: Horizon, battery_ids: list[str]) -> Past:
        """What was known of these cars when a plan begins."""
        start, midnight = horizon.start, horizon.local[0].normalize()
        plans = plans_within(known, zone, start - _LOOK_BACK, start)
        if plans.empty:
            return cls(now={}, left={}, promised={}, used_kwh={})
        follows = {str(row["plan_id"]): followed_mode(row) for row in records(plans)}
        where = {"plan_id": list(follows), "battery_id": battery_ids}
        since = min(start - QUARTER, midnight)
        slots = known.read("out_plan_slot", where=where | {"plugged": True}, start=since, end=start)
        ended = known.read("out_plan_departure", where=where, start=start - _LOOK_BACK, end=start + QUARTER)
        begun = plans.set_index("plan_id")["first_slot_utc"].reindex(ended["plan_id"])
        held = (ended["departure_utc"] <= start) & (ended["departure_utc"].to_numpy() > begun.to_numpy())
        ended = ended[held].sort_values("departure_utc", kind="stable")
        last = ended.drop_duplicates("battery_id", keep="last")
        departed = dict(zip(last["battery_id"].astype(str), last["departure_utc"], strict=True))
        ended = ended[ended["session_id"].isin(last["session_id"])]
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
            used_kwh=_discharged(slots[slots["interval_start_utc"] >= midnight], follows),
        )

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


def _discharged(slots: pd.DataFrame, follows: Mapping[str, str]) -> dict[str, float]:
    """kWh that each battery discharged, by the plan that was followed in each slot."""
    order = slots["plan_id"].map({plan_id: number for number, plan_id in enumerate(follows)})
    followed = slots.assign(order=order)[slots["mode"] == slots["plan_id"].map(follows)]
    followed = followed.sort_values("order").drop_duplicates(
        ["battery_id", "interval_start_utc"], keep="last"
    )
    kwh = followed["discharge_kw"] * (QUARTER / pd.Timedelta(hours=1))
    return {
        str(name): float(used) for name, used in kwh.groupby(followed["battery_id"]).sum().items() if used
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
