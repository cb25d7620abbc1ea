"""A gateway's desk and stations that follow it, minute by minute, without a wire."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from flows.dispatch.gateway.desk import Desk
from flows.dispatch.gateway.wanted import Curb
from flows.dispatch.plan_file import PlanFile
from tests.flows.depots import START, folders, made_desk, station


class Depot:
    """A desk whose stations follow their curbed plans, but for those in `draws`; a meter each minute."""

    def __init__(self, root: Path, plan: PlanFile, **config: Any) -> None:
        folders(root, plan)
        self.root, self.now, self.config = root, START, config
        self.numbers = [int(one.battery_id[3:]) for one in plan.cars]
        self.draws: dict[int, float] = {}
        self.soc = dict.fromkeys(self.numbers, 0.5)
        self.sent = dict.fromkeys(self.numbers, 0)
        self.plan = plan
        self.desk = self.opened()

    def opened(self) -> Desk:
        desk = made_desk(self.root, self.numbers, lambda: self.now, **self.config)
        desk.plans.look(self.now)
        return desk

    def report(self, number: int, power: float, kind: str = "Updated") -> None:
        way = "Import" if power >= 0 else "Export"
        sample = [{"value": abs(power) * 1e3, "measurand": f"Power.Active.{way}"},
                  {"value": self.soc[number] * 100, "measurand": "SoC"}]  # fmt: skip
        payload = {
            "eventType": kind, "timestamp": self.now.isoformat(), "seqNo": self.sent[number],
            "triggerReason": "MeterValuePeriodic", "transactionInfo": {"transactionId": f"t{number}"},
            "evse": {"id": 1}, "idToken": {"idToken": f"CAR{number}", "type": "Local"},
            "meterValue": [{"timestamp": self.now.isoformat(), "sampledValue": sample}],
        }  # fmt: skip
        self.sent[number] += 1
        came, _ = self.desk.take(station(number), "2.1", "TransactionEvent", payload)
        if came is not None and kind == "Updated":
            self.desk.guard.read(came.transaction.number, self.asked(number), power)
        if came is not None and kind == "Ended":
            self.desk.guard.left(came.transaction)

    def asked(self, number: int) -> float:
        session = next(one for one in self.plan.stays if one.battery_id == f"CAR{number}")
        place = int((self.now - session.first_slot) / timedelta(minutes=15))
        power = float(session.slots.power_kw[place])
        return (self.desk.guard.curb(self.transaction(number)) or Curb()).at(self.now.timestamp(), power)

    def transaction(self, number: int) -> int:
        return next(one.number for one in self.desk.book.running if one.station == station(number))

    def powers(self) -> dict[int, float]:
        return {number: self.draws.get(number, self.asked(number)) for number in self.numbers}

    def minutes(self, count: int) -> None:
        for _ in range(count):
            for number, power in self.powers().items():
                self.report(number, power)
            self.desk.guard.look()
            self.now += timedelta(minutes=1)

    def begin(self) -> None:
        for number in self.numbers:
            self.report(number, 0.0, "Started")
        self.desk.guard.look()

    def stated(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self.desk.alerts.newest if one["kind"] == kind]
