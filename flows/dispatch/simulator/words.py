"""A charge point's messages, in the words of each version."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flows.dispatch.station import Version

_PACKAGE: Mapping[Version, str] = {"1.6": "ocpp.v16", "2.0.1": "ocpp.v201", "2.1": "ocpp.v21"}
SUBPROTOCOL: Mapping[Version, str] = {"1.6": "ocpp1.6", "2.0.1": "ocpp2.0.1", "2.1": "ocpp2.1"}


class Words:
    """The calls and results of a version."""

    def __init__(self, version: Version) -> None:
        self.version, self.old = version, version == "1.6"
        package = _PACKAGE[version]
        self._call = importlib.import_module(f"{package}.call")
        self.result = importlib.import_module(f"{package}.call_result")

    def boot(self) -> Any:
        """BootNotification."""
        if self.old:
            return self._call.BootNotification(charge_point_model="Simulated", charge_point_vendor="v2g")
        station = {"model": "Simulated", "vendorName": "v2g"}
        return self._call.BootNotification(charging_station=station, reason="PowerUp")

    def heartbeat(self) -> Any:
        """Heartbeat."""
        return self._call.Heartbeat()

    def status(self, evse: int, what: str, at: str) -> Any:
        """StatusNotification: Available, Occupied or Faulted."""
        if self.old:
            word = "Charging" if what == "Occupied" else what
            code = "InternalError" if what == "Faulted" else "NoError"
            return self._call.StatusNotification(
                connector_id=evse, error_code=code, status=word, timestamp=at
            )
        return self._call.StatusNotification(
            timestamp=at, connector_status=what, evse_id=evse, connector_id=1
        )

    def started(self, evse: int, token: str, at: str, metered: list[Any], transaction: str) -> Any:
        """The start of a transaction, whose id the station tells in 2.x and is reported in 1.6."""
        if self.old:
            drawn = _register(metered, "Energy.Active.Import.Register")
            return self._call.StartTransaction(
                connector_id=evse, id_tag=token, meter_start=drawn, timestamp=at
            )
        return self._event("Started", 0, at, metered, transaction, evse, token, "Authorized")

    def updated(self, evse: int, number: int, at: str, metered: list[Any], transaction: str) -> Any:
        """What is metered now."""
        if self.old:
            return self._call.MeterValues(
                connector_id=evse, transaction_id=int(transaction), meter_value=metered
            )
        return self._event("Updated", number, at, metered, transaction, evse, None, "MeterValuePeriodic")

    def asked_for(
        self, message: str, evse: int, number: int, at: str, metered: list[Any], transaction: str
    ) -> Any:
        """A reading that was asked for: MeterValues, or (2.x) TransactionEvent."""
        if message == "TransactionEvent":
            return self._event("Updated", number, at, metered, transaction, evse, None, "Trigger")
        if self.old:
            return self.updated(evse, number, at, metered, transaction)
        return self._call.MeterValues(evse_id=evse, meter_value=metered)

    def ended(
        self, evse: int, number: int, at: str, metered: list[Any], transaction: str, offline: bool
    ) -> Any:
        """The end of a transaction; offline: whether it is reported late."""
        if self.old:
            return self._call.StopTransaction(
                meter_stop=_register(metered, "Energy.Active.Import.Register"), timestamp=at,
                transaction_id=int(transaction), reason="EVDisconnected", transaction_data=metered,
            )  # fmt: skip
        return self._event("Ended", number, at, metered, transaction, evse, None, "EVDeparted", offline)

    def needs(self, evse: int, departure: str, car: Mapping[str, float]) -> Any:
        """NotifyEVChargingNeeds of 2.1, of a car that can feed back: its kW, kWh and target in percent."""
        return self._call.NotifyEVChargingNeeds(
            evse_id=evse,
            charging_needs={
                "requestedEnergyTransfer": "AC_BPT", "controlMode": "ScheduledControl",
                "departureTime": departure,
                "v2xChargingParameters": {
                    "maxChargePower": car["charge_kw"] * 1e3, "maxDischargePower": car["discharge_kw"] * 1e3,
                    "evTargetEnergyRequest": car["wanted_kwh"] * 1e3,
                    "evMinV2XEnergyRequest": -car["energy_kwh"] * 1e3,
                    "evMaxV2XEnergyRequest": car["room_kwh"] * 1e3, "targetSoC": round(car["target_percent"]),
                },
            },
        )  # fmt: skip

    def metered(
        self, at: str, *, power_kw: float, drawn_kwh: float, fed_kwh: float, soc: float, why: str
    ) -> list[Any]:
        """A meter's values at a moment, and why they were read."""
        fields = {
            "Power.Active.Import": (max(power_kw, 0.0) * 1e3, "W"),
            "Power.Active.Export": (max(-power_kw, 0.0) * 1e3, "W"),
            "Energy.Active.Import.Register": (drawn_kwh * 1e3, "Wh"),
            "Energy.Active.Export.Register": (fed_kwh * 1e3, "Wh"), "SoC": (soc * 100.0, "Percent"),
        }  # fmt: skip
        samples = [self._sample(name, round(value, 3), unit, why) for name, (value, unit) in fields.items()]
        return [{"timestamp": at, "sampledValue": samples}]

    def _sample(self, measurand: str, value: float, unit: str, why: str) -> dict[str, Any]:
        fields = {"measurand": measurand, "context": why}
        if self.old:
            return {"value": str(value), **fields, "unit": unit}
        return {"value": value, **fields, "unitOfMeasure": {"unit": unit}}

    def _event(
        self, kind: str, number: int, at: str, metered: list[Any], transaction: str, evse: int,
        token: str | None, why: str, offline: bool = False,
    ) -> Any:  # fmt: skip
        more = {} if token is None else {"id_token": {"idToken": token, "type": "ISO14443"}}
        return self._call.TransactionEvent(
            event_type=kind, seq_no=number, timestamp=at, trigger_reason=why, offline=offline,
            transaction_info={"transactionId": transaction, "chargingState": "Charging"},
            evse={"id": evse, "connectorId": 1}, meter_value=metered, **more,
        )  # fmt: skip


def text(moment: datetime) -> str:
    """A moment as OCPP has it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _register(metered: list[Any], name: str) -> int:
    return next(
        round(float(one["value"]))
        for group in metered
        for one in group["sampledValue"]
        if one["measurand"] == name
    )
