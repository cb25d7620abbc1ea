"""Put what really happened on a market day beside what its plans had promised.

What the cars did is what a meter counted, else the plan as it would have been followed with the stays and
the prices that came. Uncontrolled and ordered charging are simulated beside it, each from what it would
itself have left in the batteries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from typing import Any

import pandas as pd

from flows.clock import tomorrow
from flows.errors import FlowsError
from flows.stages.carry import FOLLOWED
from flows.stages.context import Context
from flows.stages.executed import Executed
from flows.stages.hashing import hash_frame, hash_values
from flows.stages.real_day import RealDay, state_at_the_end
from flows.stages.record import StageResult, recorded
from flows.version import code_version, source_hash
from optimize.realised import CAUSES, NOTHING, Figures, Realised
from optimize.realised import realise as account_of
from optimize.types import Mode, ModePlan, Tariff
from warehouse.contracts.realised import REALISED_MODES
from warehouse.zones import market_day_slots

_LATE_DAYS = 3


@recorded("realise")
def realise(context: Context, days: Sequence[date]) -> StageResult:
    """Account for market days that are over; a day without an account costs no other.

    The same inputs as the newest account of a day: nothing is written. Degraded, exit code 3, where none of
    the days has an account though plans were followed.
    """
    told: list[dict[str, Any]] = []
    missing: list[str] = []
    for day in days:
        try:
            told += _realise(context, day)
        except FlowsError as error:
            missing.append(str(error))
    done = sorted({str(row["market_date"]) for row in told})
    message = [f"promised and realised: {', '.join(done)}"] if done else []
    failed = bool(missing) and not done
    return StageResult(
        stage="realise",
        status="degraded" if failed else "ok",
        message="; ".join([*message, *missing]) or "no plan was followed",
        exit_code=3 if failed else 0,
        tables={"days": told},
        details={"accounts": done},
    )


def days_to_account(context: Context) -> list[date]:
    """The last market days that are over: an account of each is made again as late data come in."""
    today = tomorrow(context.as_of, context.workspace.zone) - timedelta(days=1)
    return [today - timedelta(days=number) for number in range(_LATE_DAYS, 0, -1)]


def _realise(context: Context, day: date) -> list[dict[str, Any]]:
    """The rows to show of a day; none where no plan was followed on it."""
    known, zone = context.known, context.workspace.zone
    executed = Executed.of(known, zone, market_day_slots(day, zone))
    if not executed.plan_ids:
        return []
    real = RealDay.of(context, day, executed)
    account = _Account.of(real, executed)
    newest = known.newest(
        "out_realised", by=["zone", "market_date"], where={"zone": zone, "market_date": day}
    )
    if account.input_hash not in set(newest["input_hash"]):
        lineage: dict[str, Any] = {
            "realised_id": hash_values([account.input_hash, context.as_of.isoformat()])[:16],
            "market_date": day,
            "zone": zone,
            "run_id": context.run_id,
            "as_of_utc": pd.Timestamp(context.as_of),
            "input_hash": account.input_hash,
            "code_version": code_version(),
        }
        tables = {"out_realised": account.header(), "out_realised_car": account.rows()}
        tables = {name: frame.assign(**lineage) for name, frame in tables.items()}
        context.workspace.warehouse.write(tables, replace=dict.fromkeys(tables, ("realised_id",)))
    return account.shown(day)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Account:
    """A day's account by way of charging and car, and what each car held at its end."""

    real: RealDay
    executed: Executed
    cars: Mapping[str, Mapping[str, Realised]]
    ends: Mapping[str, Mapping[str, Mapping[str, object]]]

    @classmethod
    def of(cls, real: RealDay, executed: Executed) -> _Account:
        prices = real.inputs.prices.at_the_plug(Tariff(**real.inputs.settings.tariff.model_dump()))
        cars: dict[str, dict[str, Realised]] = {}
        ends: dict[str, dict[str, dict[str, object]]] = {}
        followed: ModePlan | None = None
        metered = real.metered()
        for name in REALISED_MODES:  # what the cars did comes first: the others drive as far
            carried, label = _MODE[name]
            problem = real.problem(carried)
            accounts, came = account_of(
                problem,
                executed.promise(name, real.battery_ids, prices),
                label,
                driven_kwh=real.driven_kwh(followed),
                metered=metered if name == FOLLOWED else None,
            )
            followed = came if name == FOLLOWED else followed
            cars[name], ends[name] = accounts, state_at_the_end(problem, came)
        return cls(real=real, executed=executed, cars=cars, ends=ends)

    @property
    def input_hash(self) -> str:
        inputs, executed = self.real.inputs, self.executed
        options = {"tariff": inputs.settings.tariff.model_dump(), "plan": inputs.settings.plan.model_dump()}
        return hash_values(
            [
                str(inputs.market_date), executed.plan_ids, executed.owner.tolist(), inputs.prices.digest,
                hash_frame(inputs.prices.retail_rows), hash_frame(inputs.sessions), inputs.carried.digest,
                hash_frame(inputs.batteries), hash_frame(inputs.sites), hash_frame(self.real.metering),
                options, source_hash("optimize", "flows/stages"),
            ]
        )  # fmt: skip

    def header(self) -> pd.DataFrame:
        """The row of out_realised without its lineage."""
        executed = self.executed
        row = {
            "plan_ids": ", ".join(executed.plan_ids),
            "followed_modes": ", ".join(dict.fromkeys(executed.follows)),
            "slots": len(executed.slots),
            "planned_slots": int((executed.owner >= 0).sum()),
            "metered_slots": len(self.real.metering),
            "batteries": len(self.real.battery_ids),
            **{name: value for mode in self.cars for name, value in self._totals(mode).items()},
            "note": "; ".join(self.notes) or None,
        }
        return pd.DataFrame([row])

    def _totals(self, mode: str) -> dict[str, Any]:
        total = self.total(mode)
        return {
            f"{mode}_promised_eur": total.promised.net_eur,
            f"{mode}_eur": total.realised.net_eur,
            f"{mode}_stored_kwh": total.realised.stored_kwh,
            f"{mode}_departures": total.realised.departures,
            f"{mode}_missed": total.realised.missed,
        }

    def total(self, mode: str) -> Realised:
        """All cars of a way of charging."""
        return sum(self.cars[mode].values(), start=NOTHING)

    @property
    def notes(self) -> list[str]:
        """What is not as it should be."""
        inputs = self.real.inputs
        notes = [f"{name} is left out: {why}" for name, why in inputs.left_out.items()]
        if len(self.executed.prices) < (self.executed.owner >= 0).sum():
            notes.append("a plan of before prices were kept: its promise is told at the prices that came")
        return notes

    def rows(self) -> pd.DataFrame:
        """The rows of out_realised_car without their lineage."""
        rows, metered = [], self.real.metering.groupby("battery_id").size()
        for mode, accounts in self.cars.items():
            for battery, account in accounts.items():
                end = self.ends[mode].get(battery, _AWAY)
                figures = {f"promised_{name}": value for name, value in _columns(account.promised).items()}
                causes = {f"{cause}_eur": account.causes[cause] for cause in CAUSES}
                counted = int(metered.get(battery, 0)) if mode == FOLLOWED else 0
                rows.append(
                    {
                        "mode": mode,
                        "battery_id": battery,
                        **figures,
                        **_columns(account.realised),
                        **causes,
                        **end,
                        "metered_slots": counted,
                    }
                )
        return pd.DataFrame(rows)

    def shown(self, day: date) -> list[dict[str, Any]]:
        """A row a way of charging: what a reader wants first."""
        shown = []
        for mode in self.cars:
            total = self.total(mode)
            shown.append(
                {
                    "market_date": str(day),
                    "mode": mode,
                    "promised_eur": total.promised.net_eur,
                    "realised_eur": total.realised.net_eur,
                    **{f"{cause}_eur": total.causes[cause] for cause in CAUSES},
                    "stored_kwh": total.realised.stored_kwh,
                    "departures": total.realised.departures,
                    "missed": total.realised.missed,
                }
            )
        return shown


_MODE: Mapping[str, tuple[Mode | None, Mode]] = {
    FOLLOWED: (None, "v2g"),
    "uncontrolled": ("uncontrolled", "uncontrolled"),
    "ordered": ("ordered", "ordered"),
}
"""Whose batteries a way of charging begins with, and the name of its plan."""


_AWAY = {"held_kwh": None, "at_plug": False, "left_utc": None, "left_target_kwh": None}


def _columns(figures: Figures) -> dict[str, Any]:
    return {one.name: getattr(figures, one.name) for one in fields(Figures)}
