"""The `ocpp` package's charge point of a version, with what a central system may ask of it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from ocpp.routing import on

from flows.dispatch.station import Version

_MODULES: Mapping[Version, str] = {"1.6": "ocpp.v16", "2.0.1": "ocpp.v201", "2.1": "ocpp.v21"}
_PERIODS = 24


def point_class(version: Version) -> Any:
    """The class: it is made of a simulated station and its socket, and hands on what it is asked."""
    package = importlib.import_module(_MODULES[version])
    result = package.call_result
    fields = {"PeriodsPerSchedule": str(_PERIODS), "ProfileStackLevel": "9", "RateUnit": "W,A"}

    class Point(package.ChargePoint):  # type: ignore[misc, name-defined]
        def __init__(self, owner: Any, socket: Any) -> None:
            super().__init__(owner.at.plug.station_id, socket, response_timeout=10)
            self._owner = owner

        async def route_message(self, raw_msg: str) -> None:
            if self._owner.hears(raw_msg):
                await super().route_message(raw_msg)

        @on("SetChargingProfile")  # type: ignore[untyped-decorator]
        async def on_set_charging_profile(self, **payload: Any) -> Any:
            evse = int(payload["connector_id" if "connector_id" in payload else "evse_id"])
            profile = payload.get("charging_profile") or payload["cs_charging_profiles"]
            return result.SetChargingProfile(status=await self._owner.take_profile(evse, profile))

        @on("GetVariables")  # type: ignore[untyped-decorator]
        def on_get_variables(self, get_variable_data: list[Any], **_: Any) -> Any:
            return result.GetVariables(
                get_variable_result=[_variable(one, fields) for one in get_variable_data]
            )

        @on("GetConfiguration")  # type: ignore[untyped-decorator]
        def on_get_configuration(self, **_: Any) -> Any:
            values = {"ChargingScheduleMaxPeriods": str(_PERIODS), "ChargeProfileMaxStackLevel": "9"}
            keys = [{"key": key, "readonly": True, "value": value} for key, value in values.items()]
            return result.GetConfiguration(configuration_key=keys, unknown_key=[])

        @on("SetVariables")  # type: ignore[untyped-decorator]
        def on_set_variables(self, set_variable_data: list[Any], **_: Any) -> Any:
            owner = self._owner
            return result.SetVariables(
                set_variable_result=[
                    {
                        "component": one["component"], "variable": one["variable"],
                        "attributeStatus": owner.set_value(one["variable"]["name"], one["attribute_value"]),
                    }
                    for one in set_variable_data
                ]
            )  # fmt: skip

        @on("ChangeConfiguration")  # type: ignore[untyped-decorator]
        def on_change_configuration(self, key: str, value: str) -> Any:
            return result.ChangeConfiguration(status=self._owner.set_value(key, value))

        @on("TriggerMessage")  # type: ignore[untyped-decorator]
        def on_trigger_message(
            self,
            requested_message: str,
            connector_id: int | None = None,
            evse: Mapping[str, Any] | None = None,
            **_: Any,
        ) -> Any:
            place = connector_id if evse is None else int(evse["id"])
            return result.TriggerMessage(status=self._owner.take_trigger(requested_message, place))

    return Point


def _variable(asked: Mapping[str, Any], stated: Mapping[str, str]) -> dict[str, Any]:
    value = stated.get(asked["variable"]["name"])
    known = {} if value is None else {"attributeValue": value}
    return {
        "component": asked["component"], "variable": asked["variable"], **known,
        "attributeStatus": "UnknownVariable" if value is None else "Accepted",
    }  # fmt: skip
