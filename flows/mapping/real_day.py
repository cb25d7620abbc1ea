"""A market day as it was: cars, sessions and prices as known now, and what each way of charging had left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from flows.context import Context
from flows.errors import NoAccountError
from flows.mapping.carry import carried
from flows.mapping.contracted import Contracted
from flows.mapping.executed import Executed
from flows.mapping.horizon import QUARTER
from flows.mapping.inputs import PlanInputs
from flows.mapping.lived import lived
from flows.mapping.plannable import plan_inputs
from flows.mapping.prices import plan_prices
from flows.mapping.question import SLOT_HOURS, day_problem
from flows.plain import records
from optimize.realised import Metered, stored_away_kwh
from optimize.types import DayProblem, Mode, ModePlan
from warehouse.zones import market_day_bounds


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RealDay:
    """inputs: cars, sessions and prices of the day, their states carried. metering: rows of core_metering."""

    inputs: PlanInputs
    metering: pd.DataFrame

    @classmethod
    def of(cls, context: Context, day: date, executed: Executed) -> RealDay:
        """A day that is over, as it is known; raises NoAccountError without its prices or cars."""
        known, zone = context.known, context.workspace.zone
        start, end = (pd.Timestamp(bound) for bound in market_day_bounds(day, zone))
        sites, batteries = known.read("core_site", where={"zone": zone}), known.read("core_battery")
        batteries = batteries[batteries["site_id"].isin(sites["site_id"])]
        sessions = known.sessions(start, end)
        sessions = sessions[sessions["battery_id"].isin(batteries["battery_id"])]
        there = {*sessions["battery_id"].astype(str), *executed.batteries}
        batteries = batteries[batteries["battery_id"].isin(there)]
        prices = plan_prices(context, day, lambda _: sessions["departure_utc"].iloc[:0], "market_day")
        if not prices.published.all():
            raise NoAccountError(
                f"no account of {day}: {prices.note}", hint="`v2g ingest prices`, then `v2g check`."
            )
        inputs = plan_inputs(
            known,
            context.workspace.settings,
            prices,
            batteries,
            sessions,
            sites,
            calibrated=known.at(max(executed.as_of)),
            left_out={},
            contracts=Contracted.by(
                context.workspace.contracts,
                known,
                prices.horizon,
                sorted(batteries["battery_id"].astype(str)),
            ),
        )
        if inputs.batteries.empty:
            raise NoAccountError(f"no account of {day}: no car is known that can be counted")
        names = [str(name) for name in inputs.batteries["battery_id"]]
        past = lived(known, prices.horizon, inputs.capacity_kwh)
        state = carried(past, start, inputs.sessions, inputs.batteries, inputs.capacity_kwh)
        metering = known.read("core_metering", where={"battery_id": names}, start=start, end=end)
        return cls(
            inputs=replace(inputs, carried=state),
            metering=metering[metering["interval_start_utc"].isin(prices.slots)],
        )

    @property
    def battery_ids(self) -> list[str]:
        """The cars, in the order of the problem."""
        return [str(name) for name in self.inputs.batteries["battery_id"]]

    @property
    def slots(self) -> pd.DatetimeIndex:
        """The quarter-hours of the day."""
        return self.inputs.prices.slots

    def problem(self, mode: Mode | None) -> DayProblem:
        """The day as a question, from what a mode had left; None: from what the cars held.

        What a car comes back with is given by what it drove.
        """
        asked = day_problem(self.inputs, mode, as_announced=True)
        return replace(asked, objective="net_benefit", peak_slots=())

    def metered(self) -> Metered | None:
        """What the meters counted; None where none did."""
        if self.metering.empty:
            return None
        shape = (len(self.battery_ids), len(self.slots))
        at = pd.Index(self.battery_ids).get_indexer(pd.Index(self.metering["battery_id"]))
        t = self.slots.get_indexer(pd.DatetimeIndex(self.metering["interval_start_utc"]))
        drawn, fed, counted = np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=np.bool_)
        drawn[at, t] = self.metering["import_kwh"].to_numpy(dtype=np.float64)
        fed[at, t] = self.metering["export_kwh"].to_numpy(dtype=np.float64)
        counted[at, t] = True
        sessions = self.inputs.sessions
        heard = dict(zip(sessions["session_id"].astype(str), sessions["received_utc"], strict=True))
        return Metered(import_kwh=drawn, export_kwh=fed, counted=counted, heard=heard)

    @property
    def counted_outside_kwh(self) -> dict[str, float]:
        """What meters counted in quarter-hours without a session, drawn and fed back, by battery; none for 0.

        It is in the money of a day, and in the battery from its next session on, or when the day ends; a car
        without any session on the day is not reported to hold it.
        """
        sessions = self.inputs.sessions[["battery_id", "arrival_utc", "departure_utc"]]
        rows = self.metering.reset_index(names="row").merge(sessions, on="battery_id")
        slots = rows["interval_start_utc"]
        inside = rows[(rows["arrival_utc"] < slots + QUARTER) & (rows["departure_utc"] > slots)]
        outside = self.metering[~self.metering.index.isin(inside["row"])]
        kwh = (outside["import_kwh"] + outside["export_kwh"]).groupby(outside["battery_id"]).sum()
        return {str(name): float(counted) for name, counted in kwh.items() if counted > 0.0}

    def driven_kwh(self, followed: ModePlan | None) -> dict[str, float]:
        """What cars drove between two sessions of the day, by the session_id of the later one.

        A session that was announced before the car left says it by the promise that it stands on; one that
        was reported later by what the car had really left with (followed), and that the car itself comes with
        what it says (None).
        """
        capacity = self.inputs.capacity_kwh
        left, away = {}, pd.DataFrame()
        if followed is not None:
            left = {one.session_id: one.reached_kwh for one in followed.departures}
            stored = stored_away_kwh(self.problem(None), followed)
            away = pd.DataFrame(stored, index=self.battery_ids, columns=self.slots)
        driven: dict[str, float] = {}
        for before, after in self._pairs():
            kwh = capacity[str(after["battery_id"])]
            came_with = float(after["arrival_soc"]) * kwh
            if after["received_utc"] <= before["departure_utc"]:
                driven[after["session_id"]] = float(before["departure_soc"]) * kwh - came_with
            elif before["session_id"] in left:
                own = away.loc[str(after["battery_id"])]
                stated = min(after["received_utc"], after["arrival_utc"])
                known = own[
                    (own.index >= before["departure_utc"].floor(QUARTER)) & (own.index < stated)
                ].sum()
                driven[after["session_id"]] = left[before["session_id"]] + float(known) - came_with
        return driven

    def _pairs(self) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        rows = records(self.inputs.sessions.sort_values(["battery_id", "arrival_utc"]))
        return [
            (before, after) for before, after in pairwise(rows) if before["battery_id"] == after["battery_id"]
        ]


def state_at_the_end(problem: DayProblem, came: ModePlan) -> dict[str, Mapping[str, Any]]:
    """What each car held when the day ended, left with and what a meter counted since: of out_realised_car.

    A car without a session has none of them.
    """
    capacity = {car.battery_id: car.capacity_kwh for car in problem.cars}
    away = dict(zip(capacity, stored_away_kwh(problem, came), strict=True))
    sessions = {session.session_id: session for session in problem.sessions}
    found: dict[str, Mapping[str, Any]] = {}
    for one in sorted(came.departures, key=lambda one: one.departure_utc):
        after = np.asarray(problem.slots >= one.departure_utc.floor(QUARTER))
        at_plug = one.departure_utc > problem.slots[-1] + pd.Timedelta(hours=SLOT_HOURS)
        found[one.battery_id] = {
            "held_kwh": one.reached_kwh + float(away[one.battery_id][after].sum()),
            "at_plug": at_plug,
            "left_utc": None if at_plug else one.departure_utc,
            "left_target_kwh": None
            if at_plug
            else sessions[one.session_id].departure_soc * capacity[one.battery_id],
        }
    return found
