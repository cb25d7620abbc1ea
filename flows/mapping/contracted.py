"""What contracts set for the cars of a plan: the least charge, and the most V2G of a day.

What a month's cap leaves is spread evenly over the days of a plan, so that no plan can use it twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

import numpy as np

from flows.mapping.hashing import hash_values
from flows.mapping.horizon import Horizon
from flows.mapping.past import followed_rows, owned
from flows.mapping.plan_spans import plans_within
from flows.plain import records
from optimize.errors import OptimizeError
from optimize.market.contract import Contract, contracts_by_battery, read_contract
from warehouse.errors import nearest
from warehouse.known import Known

_HOURS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Contracted:
    """of: the contract of each car that has one. month_kwh: what a month's cap leaves of each day's V2G.

    twice: why a car that several contracts hold has none of them. unknown: what is to be said of cars that
    contracts name and that there are not.
    """

    of: Mapping[str, Contract]
    month_kwh: Mapping[str, float]
    twice: Mapping[str, str]
    unknown: Sequence[str] = ()

    @classmethod
    def by(
        cls, contracts: Sequence[Contract], known: Known, horizon: Horizon, batteries: Sequence[str]
    ) -> Contracted:
        """The contracts in force on the plan's market day."""
        if not contracts:
            return NO_CONTRACTS
        of, twice = contracts_of(contracts, horizon.market_date, batteries)
        capped = {name: one for name, one in of.items() if one.v2g_kwh_per_month is not None}
        used = _used_kwh(known, horizon, list(capped)) if capped else {}
        days = len(horizon.day_starts)
        left = {
            name: max(0.0, float(one.v2g_kwh_per_month or 0) - used.get(name, 0.0)) / days
            for name, one in capped.items()
        }
        unknown = unknown_cars(contracts, [horizon.market_date], known)
        return cls(of=of, month_kwh=left, twice=twice, unknown=unknown)

    def min_soc(self, battery_id: str, own: float) -> float:
        """The higher of a car's own least charge and its contract's."""
        contract = self.of.get(battery_id)
        return own if contract is None else max(own, float(contract.min_soc))

    def v2g_limit_kwh(self, battery_id: str, own: float) -> float:
        """The lowest of a car's own limit of a day, its contract's, and what its month leaves."""
        contract = self.of.get(battery_id)
        of_day = None if contract is None else contract.v2g_kwh_per_day
        return min(own, np.inf if of_day is None else float(of_day), self.month_kwh.get(battery_id, np.inf))

    @property
    def digest(self) -> str:
        """Hash of all of it."""
        of = sorted((name, one.digest) for name, one in self.of.items())
        unknown = [list(self.unknown)] if self.unknown else []
        return hash_values([of, sorted(self.month_kwh.items()), *unknown])


NO_CONTRACTS = Contracted(of={}, month_kwh={}, twice={})


def contracts_of(
    contracts: Sequence[Contract], day: date, batteries: Sequence[str]
) -> tuple[dict[str, Contract], dict[str, str]]:
    """Each car's contract in force on a local day, and why a car that several of them hold has none."""
    return contracts_by_battery([one for one in contracts if one.holds_on(day)], batteries)


def month_under(
    contracts: Sequence[Contract], day: date, of: Mapping[str, Contract]
) -> dict[str, list[tuple[date, date]]]:
    """Of each car the days of the month before a day on which contracts of the same id as `of` held it, as
    half-open spans in order: a new version goes on with what the month has earned, another contract begins.
    """
    first = day.replace(day=1)
    changes = {one.first_day for one in contracts}
    changes |= {one.last_day + timedelta(days=1) for one in contracts if one.last_day is not None}
    cuts = [first, *sorted(one for one in changes if first < one <= day)]
    found: dict[str, list[tuple[date, date]]] = {car: [] for car in of}
    for begin, end in pairwise([*cuts, day]):
        then = of if len(cuts) == 1 else contracts_of(contracts, begin, list(of))[0]
        for car, contract in then.items():
            if contract.contract_id == of[car].contract_id:
                found[car].append((begin, end))
    return found


def reworded(contracts: Sequence[Contract], known: Known) -> list[str]:
    """What is to be said of contracts whose text is another than days were settled by, and whose version is
    not: both sides go by the version.
    """
    texts: dict[tuple[str, int], set[str]] = {}
    for row in records(known.read("out_contract", columns=["contract_digest", "contract_text"])):
        with suppress(OptimizeError):  # a text that an erasure has left is none that could be read
            stated = read_contract(row["contract_text"], "")
            texts.setdefault((stated.contract_id, stated.version), set()).add(row["contract_digest"])
    return [
        f"{one.file} says other than what days were settled by as version {one.version} of "
        f"{one.contract_id}: count its version up"
        for one in contracts
        if texts.get((one.contract_id, one.version), {one.digest}) != {one.digest}
    ]


def unknown_cars(contracts: Sequence[Contract], days: Sequence[date], known: Known) -> list[str]:
    """What contracts in force on some of the days name and no car is: an id mistyped, or not ingested yet."""
    named = {
        (one.file, car)
        for one in contracts
        if one.batteries is not None and any(one.holds_on(day) for day in days)
        for car in one.batteries
    }
    if not named:
        return []
    cars = set(known.read("core_battery", columns=["battery_id"])["battery_id"].astype(str))
    return [
        f"{file} names {car}, and no such car is known{nearest(car, cars)}"
        for file, car in sorted(named)
        if car not in cars
    ]


def _used_kwh(known: Known, horizon: Horizon, batteries: list[str]) -> dict[str, float]:
    """What cars discharged since the month began, battery side, as the plans tell that were followed."""
    start = horizon.start
    since = horizon.local[0].normalize().replace(day=1).tz_convert("UTC")
    if since >= start:
        return {}
    plans = plans_within(known, horizon.zone, since, start)
    where = {"plan_id": plans["plan_id"].tolist(), "battery_id": batteries}
    rows = owned(known.read("out_plan_slot", where=where, start=since, end=start), plans)
    rows = followed_rows(rows, plans)
    used = rows.groupby("battery_id")["discharge_kw"].sum() * _HOURS
    return {str(name): float(kwh) for name, kwh in used.items()}
