"""Running sessions as a look of the guard sees them: where they hang, what they are to do, what slack they
have."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from flows.dispatch.gateway.book import Transaction
from flows.dispatch.gateway.feeder import chain_of, slack_h
from flows.dispatch.gateway.plans import PlanFolder
from flows.dispatch.gateway.wanted import Intended, as_planned, by_fallback
from flows.dispatch.plan_file import PlanPlug


@dataclass(slots=True, kw_only=True)
class Car:
    """A running session, and the sites that it draws through."""

    one: Transaction
    at: PlanPlug
    chain: tuple[str, ...]
    slack_h: float
    intended: Intended


@dataclass(slots=True, kw_only=True)
class Cars:
    """intended: what sessions are to do, by number, as their stations were reported of it."""

    plans: PlanFolder
    running: Callable[[], Iterable[Transaction]]
    clock: Callable[[], datetime]
    intended: dict[int, Intended] = field(default_factory=dict)
    _guessed: dict[int, tuple[object, Intended]] = field(default_factory=dict)

    def all(self, now: float) -> list[Car]:
        """Those at a site whose limit is known."""
        return [car for one in self.running() if (car := self._car(one, now)) is not None]

    def forget(self, present: Mapping[int, Car]) -> None:
        """Drop what is known of others."""
        for kept in (self.intended, self._guessed):
            for number in [one for one in kept if one not in present]:
                del kept[number]

    def _car(self, one: Transaction, now: float) -> Car | None:
        at = self.plans.plug(one.station, one.evse)
        chain = () if at is None else chain_of(at.site_id, self.plans.site)
        if at is None or not chain:
            return None
        intended = self.intended.get(one.number) or self._guess(one, at)
        return Car(one=one, at=at, chain=chain, slack_h=self._slack_h(one, at, now), intended=intended)

    def _guess(self, one: Transaction, at: PlanPlug) -> Intended:
        """What a session is to do whose station has not been there since the start."""
        known = self._guessed.get(one.number)
        if known is None or known[0] is not self.plans.edition:
            battery = one.car.get("battery_id")
            guest = battery is None and one.token is not None
            found = None if guest else self.plans.session(battery, at.charger_id, self.clock())
            made = by_fallback(one, at) if found is None else as_planned(one, found, at)
            known = self._guessed[one.number] = (self.plans.edition, made)
        return known[1]

    def _slack_h(self, one: Transaction, at: PlanPlug, now: float) -> float:
        due, promised = one.car.get("departure"), one.car.get("departure_soc")
        due, promised = one.needs.get("departure") or due, one.needs.get("target_soc") or promised
        car = self.plans.car(one.car["battery_id"]) if one.car.get("battery_id") else None
        if due is None or car is None:
            return math.inf
        soc = one.soc_last if one.soc_last is not None else one.car.get("arrival_soc") or 0.0
        missing = ((promised or 0.0) - soc) * car.capacity_kwh / car.efficiency_charge
        return slack_h(hours=(due - now) / 3600.0, missing_kwh=missing, most_kw=at.plug.most_kw)
