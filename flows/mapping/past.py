"""What the plans that were followed tell of cars up to a moment: what they hold, moved, and left with.

A plan tells of every mode what a car has in store slot by slot. Which plan was followed in a slot is given by
`plan_spans.owners`: the newest whose knowledge and whose slots hold it, whether it tells of the car or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from flows.mapping.horizon import QUARTER, Horizon
from flows.mapping.in_force import followed_mode
from flows.mapping.plan_spans import owners, plans_within
from flows.plain import records
from optimize.types import MODES
from warehouse.known import Known
from warehouse.rows import Scalar

_LOOK_BACK = pd.Timedelta(days=8)
FOLLOWED = "followed"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Past:
    """What the plans before tell of some cars, by battery and mode, "followed" among them.

    left: when a car left last, and by mode the kWh that it left with; promised: the kWh that it was to leave
    with. used_kwh: what cars discharged on the local day of the start before it. moved_kw: by mode and
    battery, what went into store (out of it, < 0) in each slot before the start. now: kWh in store at the
    start, where it is known without reckoning.
    """

    left: Mapping[str, tuple[pd.Timestamp, Mapping[str, float]]]
    promised: Mapping[str, float]
    used_kwh: Mapping[str, float]
    moved_kw: Mapping[str, Mapping[str, Mapping[pd.Timestamp, float]]]
    now: Mapping[str, Mapping[str, float]]

    @classmethod
    def of(cls, known: Known, zone: str, horizon: Horizon, capacity_kwh: Mapping[str, float]) -> Past:
        """What was known of some cars when a plan begins; capacity_kwh: usable energy by battery_id."""
        start, midnight = horizon.start, horizon.local[0].normalize()
        plans = plans_within(known, zone, start - _LOOK_BACK, start)
        if plans.empty:
            return NO_PAST
        follows = {str(row["plan_id"]): followed_mode(row) for row in records(plans)}
        sessions = known.sessions(start - _LOOK_BACK, start)
        sessions = sessions[sessions["battery_id"].isin(list(capacity_kwh))].sort_values("departure_utc")
        there = sessions.loc[sessions["departure_utc"] > start, "arrival_utc"]
        since = max(start - _LOOK_BACK, min([start - QUARTER, midnight, *there.dt.floor(QUARTER)]))
        where: dict[str, Scalar | Sequence[Scalar]] = {
            "plan_id": list(follows), "battery_id": list(capacity_kwh), "plugged": True,
        }  # fmt: skip
        slots = owned(known.read("out_plan_slot", where=where, start=since, end=start), plans)
        last = sessions[sessions["departure_utc"] <= start].drop_duplicates("battery_id", keep="last")
        ends = last["departure_utc"].dt.floor(QUARTER) - QUARTER
        where |= {"interval_start_utc": sorted(set(ends)), "battery_id": sorted(set(last["battery_id"]))}
        ended = owned(known.read("out_plan_slot", where=where), plans) if len(last) else slots.iloc[:0]
        of_last = dict(zip(last["battery_id"].astype(str), ends, strict=True))
        ended = ended[ended["interval_start_utc"] == ended["battery_id"].map(of_last)]
        stated = [ended, _without_a_slot(known, last[~last["battery_id"].isin(ended["battery_id"])], plans)]
        ended = pd.concat([rows for rows in stated if len(rows)] or stated[:1])
        held = _by_mode(ended, "energy_end_kwh", follows)
        left: dict[str, tuple[pd.Timestamp, Mapping[str, float]]] = {}
        for row in records(last):
            battery = str(row["battery_id"])
            modes = {mode: rows[battery][of_last[battery]] for mode, rows in held.items() if battery in rows}
            if modes:
                left[battery] = row["departure_utc"], modes
        followed = slots[slots["mode"] == slots["plan_id"].map(follows)]
        of_day = followed[followed["interval_start_utc"] >= midnight]
        discharged = of_day.groupby("battery_id")["discharge_kw"].sum() * (QUARTER / pd.Timedelta(hours=1))
        return cls(
            left=left,
            promised={
                str(row["battery_id"]): row["departure_soc"] * capacity_kwh[str(row["battery_id"])]
                for row in records(last)
            },
            used_kwh={str(name): float(used) for name, used in discharged.items() if used},
            moved_kw=_by_mode(
                slots.assign(net_kw=slots["charge_kw"] - slots["discharge_kw"]), "net_kw", follows
            ),
            now={},
        )

    @property
    def known(self) -> bool:
        """Whether any plan tells of any of the cars."""
        return bool(self.now or self.left or self.moved_kw.get(FOLLOWED))

    def more_kwh(self, mode: str, row: Mapping[str, Any], *, measured: bool = False) -> float:
        """How much more a mode left a car at its last departure than what the next session's SoC stands on.

        That is the promise where the session was announced before; where it was given later, or is measured,
        what the car really left with.
        """
        if row["battery_id"] not in self.left:
            return 0.0
        departure, modes = self.left[row["battery_id"]]
        announced = row["received_utc"] <= departure and not measured
        stands_on = self.promised[row["battery_id"]] if announced else modes[FOLLOWED]
        return float(modes.get(mode, modes[FOLLOWED])) - stands_on


def _without_a_slot(known: Known, sessions: pd.DataFrame, plans: pd.DataFrame) -> pd.DataFrame:
    """What stays too short to hold a slot left with, as rows of the slot before they ended."""
    if sessions.empty:
        return sessions
    where: dict[str, Scalar | Sequence[Scalar]] = {
        "plan_id": plans["plan_id"].tolist(), "session_id": sessions["session_id"].tolist(),
    }  # fmt: skip
    rows = known.read("out_plan_departure", where=where)
    ends = sessions.set_index("session_id")["departure_utc"].dt.floor(QUARTER) - QUARTER
    rows = rows.assign(interval_start_utc=rows["session_id"].map(ends), energy_end_kwh=rows["reached_kwh"])
    return owned(rows, plans)


NO_PAST = Past(left={}, promised={}, used_kwh={}, moved_kw={}, now={})


def owned(rows: pd.DataFrame, plans: pd.DataFrame) -> pd.DataFrame:
    """Of rows by plan_id and slot those of the plan that was followed in their slot."""
    slots = pd.DatetimeIndex(rows["interval_start_utc"].unique())
    ids = plans["plan_id"].to_numpy()
    whose = {
        slot: ids[number] for slot, number in zip(slots, owners(plans, slots), strict=True) if number >= 0
    }
    return pd.DataFrame(rows[rows["plan_id"] == rows["interval_start_utc"].map(whose)])


def _by_mode(
    rows: pd.DataFrame, column: str, follows: Mapping[str, str]
) -> dict[str, dict[str, dict[pd.Timestamp, float]]]:
    """A column of each mode by battery and slot; what was followed where a mode was not planned."""
    found: dict[str, dict[str, dict[pd.Timestamp, float]]] = {}
    followed = rows[rows["mode"] == rows["plan_id"].map(follows)]
    for mode in (FOLLOWED, *MODES):
        own = followed if mode == FOLLOWED else pd.concat([followed, rows[rows["mode"] == mode]])
        of_mode: dict[str, dict[pd.Timestamp, float]] = {}
        for battery, slot, value in zip(
            own["battery_id"], own["interval_start_utc"], own[column], strict=True
        ):
            of_mode.setdefault(str(battery), {})[slot] = float(value)
        found[mode] = of_mode
    return found


def followed_rows(slots: pd.DataFrame, plans: pd.DataFrame) -> pd.DataFrame:
    """Of rows by plan_id, mode and slot those that were followed; plans: of `plans_within`."""
    follows = {str(row["plan_id"]): followed_mode(row) for row in records(plans)}
    of_plans = owned(slots, plans)
    return pd.DataFrame(of_plans[of_plans["mode"] == of_plans["plan_id"].map(follows)])
