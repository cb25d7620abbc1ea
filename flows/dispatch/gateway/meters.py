"""What a station is to meter, set at each of its connections: how often a car at it, and what; and a reading
that it is asked for at once.

Sampled every so many seconds in a transaction, and on the clock every quarter-hour, so that registers are
read where quarter-hours end: powers and registers both ways, and the car's charge. A station that does not
take all of that is asked for less, and one that takes not all variables at once for one at a time; what it
refuses, or answers with an error, is named and costs nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flows.dispatch.gateway.link import Link, RefusedError
from flows.dispatch.station import Version

_IMPORT = ("Power.Active.Import", "Energy.Active.Import.Register")
_BOTH = (*_IMPORT, "Power.Active.Export", "Energy.Active.Export.Register")
_LISTS = tuple(",".join(one) for one in ((*_BOTH, "SoC"), _BOTH, _IMPORT))
_LACKS = ("", " without the car's charge", " without the car's charge and what is fed back")
_QUARTER_S = "900"
_DONE = ("Accepted", "RebootRequired")


@dataclass(slots=True, kw_only=True)
class _Wish:
    """A variable (of 1.6 a key, without a component) and the values to try for it, best first."""

    component: str
    name: str
    values: Sequence[str]
    tried: int = 0
    status: str = ""

    @property
    def open(self) -> bool:
        """Whether there is a value left to try."""
        return self.status not in _DONE and self.tried < len(self.values)

    @property
    def problem(self) -> str | None:
        """What of it is not as wished; None where it is."""
        where = f"{self.component}.{self.name}" if self.component else self.name
        if self.status not in _DONE:
            return f"{where} = {self.values[0]}: {self.status}"
        lacks = _LACKS[self.tried - 1] if len(self.values) > 1 else ""
        later = " after its next start" if self.status == "RebootRequired" else ""
        return f"{where} is set{lacks}{later}" if lacks or later else None


async def set_meters(link: Link, version: Version, interval_s: int) -> list[str]:
    """Set what a station meters; what it did not take, in words. Raises TimeoutError."""
    wishes = _wishes(version, str(interval_s))
    while asked := [one for one in wishes if one.open]:
        statuses = await (_by_key(link, asked) if version == "1.6" else _by_variable(link, asked))
        for one, status in zip(asked, statuses, strict=True):
            one.status, one.tried = status, one.tried + 1
    return [one.problem for one in wishes if one.problem is not None]


ASKED_FOR: Mapping[Version, tuple[str, ...]] = {
    "1.6": ("MeterValues",), "2.0.1": ("MeterValues", "TransactionEvent"),
    "2.1": ("MeterValues", "TransactionEvent"),
}  # fmt: skip
"""Messages that a reading may come in where it is asked for, the best first."""


async def ask_reading(link: Link, version: Version, evse: int, message: str) -> str | None:
    """Have a station send what an EVSE (of 1.6 a connector) meters now; why it does not, None where it does.

    Raises TimeoutError.
    """
    place = {"connectorId": evse} if version == "1.6" else {"evse": {"id": evse}}
    try:
        answer = await link.call("TriggerMessage", {"requestedMessage": message, **place})
    except RefusedError as error:
        return str(error)
    status = str(answer.get("status"))[:40]
    return None if status == "Accepted" else status


def _wishes(version: Version, interval: str) -> list[_Wish]:
    if version == "1.6":
        return [
            _Wish(component="", name="MeterValueSampleInterval", values=(interval,)),
            _Wish(component="", name="ClockAlignedDataInterval", values=(_QUARTER_S,)),
            _Wish(component="", name="MeterValuesSampledData", values=_LISTS),
            _Wish(component="", name="MeterValuesAlignedData", values=_LISTS),
        ]
    sampled, aligned = "SampledDataCtrlr", "AlignedDataCtrlr"
    return [
        _Wish(component=sampled, name="TxUpdatedInterval", values=(interval,)),
        _Wish(component=aligned, name="Interval", values=(_QUARTER_S,)),
        *(_Wish(component=sampled, name=f"Tx{when}Measurands", values=_LISTS)
          for when in ("Started", "Updated", "Ended")),
        _Wish(component=aligned, name="Measurands", values=_LISTS),
    ]  # fmt: skip


async def _by_key(link: Link, asked: Sequence[_Wish]) -> list[str]:
    statuses = []
    for one in asked:
        try:
            answer = await link.call("ChangeConfiguration", {"key": one.name, "value": one.values[one.tried]})
            statuses.append(str(answer.get("status")))
        except RefusedError as error:
            statuses.append(str(error))
    return statuses


async def _by_variable(link: Link, asked: Sequence[_Wish]) -> list[str]:
    data = [
        {
            "attributeValue": one.values[one.tried], "component": {"name": one.component},
            "variable": {"name": one.name},
        }
        for one in asked
    ]  # fmt: skip
    try:
        answer = await link.call("SetVariables", {"setVariableData": data})
    except RefusedError as error:
        if len(asked) == 1:
            return [str(error)]
        return [status for one in asked for status in await _by_variable(link, [one])]
    results = answer.get("setVariableResult")
    found = {}
    for one in results if isinstance(results, list) else ():
        if isinstance(one, dict):
            parts = [one.get(part) for part in ("component", "variable")]
            key = tuple(part.get("name") if isinstance(part, dict) else None for part in parts)
            found[key] = str(one.get("attributeStatus"))[:40]
    return [found.get((one.component, one.name), "no answer") for one in asked]
