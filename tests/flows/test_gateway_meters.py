"""What stations meter is set by the gateway over the wire; what one refuses is told by its name."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ocpp.messages import get_validator

from flows.dispatch.gateway.config import load_config
from flows.dispatch.gateway.link import RefusedError
from flows.dispatch.gateway.meters import set_meters
from flows.dispatch.gateway.stations import Connected
from flows.dispatch.simulator.fleet import stations_of
from flows.dispatch.simulator.station import Fault, Setup, SimulatedStation
from flows.dispatch.station import Version
from flows.errors import UsageError
from tests.flows.depots import (
    PASSWORD,
    START,
    folders,
    made_desk,
    made_plan,
    serving,
    station,
    until,
    write_config,
)

VERSIONS: tuple[Version, ...] = ("1.6", "2.0.1", "2.1")
FULL = (
    "Power.Active.Import,Energy.Active.Import.Register,Power.Active.Export,Energy.Active.Export.Register,SoC"
)


def asked_of(
    root: Path, version: Version, answer: Any = None, **setup: Any
) -> tuple[SimulatedStation, list[Any]]:
    """A simulated station once the gateway has set what it will, and the alerts of it."""

    async def connected() -> tuple[SimulatedStation, list[Any]]:
        plan = made_plan({1: [4.0] * 96})
        folders(root, plan)
        async with serving(root, [1], meter_interval_s=17) as (gateway, url):
            setups = {station(1): Setup(url=url, password=PASSWORD, version=version, meter_s=60.0, **setup)}
            (one,) = stations_of(plan, setups, START)
            if answer is not None:
                one.set_value = answer  # type: ignore[method-assign]
            running = asyncio.create_task(one.run())
            mine = lambda: gateway.stations.get(station(1))  # noqa: E731
            await until(lambda: bool(mine() and mine().meters_set), 20)
            running.cancel()
            told = [alert for alert in gateway.desk.alerts.newest if alert["kind"] == "meter not set"]
            return one, told

    return asyncio.run(connected())


@pytest.mark.parametrize("version", VERSIONS)
def test_a_station_meters_as_often_as_the_gateway_says(tmp_path: Path, version: Version) -> None:
    one, told = asked_of(tmp_path, version)
    assert told == []
    assert one.meter_s == 17.0
    if version == "1.6":
        assert one.set_values == {
            "MeterValueSampleInterval": "17", "ClockAlignedDataInterval": "900",
            "MeterValuesSampledData": FULL, "MeterValuesAlignedData": FULL,
        }  # fmt: skip
    else:
        assert one.set_values == {
            "TxUpdatedInterval": "17", "Interval": "900", "TxStartedMeasurands": FULL,
            "TxUpdatedMeasurands": FULL, "TxEndedMeasurands": FULL, "Measurands": FULL,
        }  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_station_refuses_is_named(tmp_path: Path, version: Version) -> None:
    one, (told,) = asked_of(tmp_path, version, faults=frozenset({Fault.REFUSING}))
    assert one.meter_s == 60.0
    name = "MeterValueSampleInterval" if version == "1.6" else "SampledDataCtrlr.TxUpdatedInterval"
    assert f"{name} = 17: Rejected" in told["problem"]
    assert told["station"] == station(1)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_station_that_knows_no_charge_is_asked_for_the_rest(tmp_path: Path, version: Version) -> None:
    known: dict[str, str] = {}

    def answer(name: str, value: str) -> str:
        if "SoC" in value:
            return "Rejected"
        known[name] = value
        return "RebootRequired" if value == "900" else "Accepted"

    _, (told,) = asked_of(tmp_path, version, answer)
    sampled = "MeterValuesSampledData" if version == "1.6" else "TxUpdatedMeasurands"
    assert known[sampled] == FULL.removesuffix(",SoC")
    assert f"{sampled} is set without the car's charge" in told["problem"]
    assert "Interval is set after its next start" in told["problem"]
    assert "Rejected" not in told["problem"]


class AnsweringLink:
    """A link that answers as it is told to; what it was called with."""

    def __init__(self, answers: Iterator[Mapping[str, Any]]) -> None:
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        self._answers = answers

    async def call(self, action: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        self.calls.append((action, payload))
        return next(self._answers)


@pytest.mark.parametrize(
    "answer", [{}, {"setVariableResult": 7}, {"setVariableResult": [7, {"component": 1}]}]
)
def test_an_answer_that_says_nothing_ends_and_is_named(answer: Mapping[str, Any]) -> None:
    link = AnsweringLink(iter([answer] * 9))
    problems = asyncio.run(set_meters(link, "2.1", 60))  # type: ignore[arg-type]
    assert len(link.calls) == 3
    assert problems[0] == "SampledDataCtrlr.TxUpdatedInterval = 60: no answer"
    for version in ("2.0.1", "2.1"):
        validator = get_validator(2, "SetVariables", version)
        assert all(validator.is_valid(json.loads(json.dumps(payload))) for _, payload in link.calls)


class RefusingLink:
    """A link whose station answers with an error where a call names, or asks for more than, what it takes."""

    def __init__(self, names: frozenset[str], most: int) -> None:
        self.set = dict[str, str]()
        self._names, self._most = names, most

    async def call(self, _: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        asked = payload.get("setVariableData")
        if asked is None:
            asked = [
                {"component": {}, "variable": {"name": payload["key"]}, "attributeValue": payload["value"]}
            ]
        if len(asked) > self._most or any(one["variable"]["name"] in self._names for one in asked):
            raise RefusedError("OccurrenceConstraintViolation: too much")
        for one in asked:
            self.set[one["variable"]["name"]] = one["attributeValue"]
        results = [{k: one[k] for k in ("component", "variable")} for one in asked]
        return {
            "status": "Accepted",
            "setVariableResult": [{**one, "attributeStatus": "Accepted"} for one in results],
        }


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_answered_with_an_error_costs_nothing_else(version: Version) -> None:
    bad = "ClockAlignedDataInterval" if version == "1.6" else "Interval"
    link = RefusingLink(frozenset({bad}), 99)
    problems = asyncio.run(set_meters(link, version, 60))  # type: ignore[arg-type]
    assert len(link.set) == (3 if version == "1.6" else 5)
    (problem,) = problems
    assert f"{bad} = 900: OccurrenceConstraintViolation" in problem


def test_a_station_that_takes_one_variable_at_a_time_meters_all_the_same() -> None:
    link = RefusingLink(frozenset(), 1)
    assert asyncio.run(set_meters(link, "2.1", 60)) == []  # type: ignore[arg-type]
    assert len(link.set) == 6


def test_the_interval_is_read_from_the_file_or_refused(tmp_path: Path) -> None:
    write_config(tmp_path, [1], meter_s=30)
    file = tmp_path / "gateway.toml"
    assert load_config(file).meter_interval_s == 30
    text = file.read_text()
    file.write_text(text.partition("[meters]")[0])
    assert load_config(file).meter_interval_s == 60
    for wrong in (
        "interval_s = 0",
        "interval_s = 901",
        'interval_s = "60"',
        "interval_s = true",
        "every = 3",
    ):
        file.write_text(text.replace("interval_s = 30", wrong))
        with pytest.raises(UsageError, match="meters"):
            load_config(file)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("answers", "why", "periods"),
    [
        (None, "NotImplemented", None), ("Rejected", "PeriodsPerSchedule: Rejected", None),
        ("UnknownVariable", None, None), ("odd", "an answer that cannot be read", 12),
    ],
)  # fmt: skip
def test_what_a_station_does_not_say_of_itself_is_told_and_costs_nothing_else(
    tmp_path: Path, version: Version, answers: str | None, why: str | None, periods: int | None
) -> None:
    """answers: to what it takes; None: with an error; odd: one that cannot be read next to one that can."""
    if version == "1.6" and answers in ("Rejected", "UnknownVariable"):
        answers, why = "unknown", None

    class Link:
        async def call(self, _: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
            if answers is None:
                raise RefusedError("NotImplemented: no")
            if version == "1.6":
                good = [{"key": "ChargingScheduleMaxPeriods", "readonly": True, "value": "12"}]
                return {"configurationKey": [7, *good] if answers == "odd" else [], "unknownKey": ["x"]}
            asked = payload["getVariableData"]
            if answers == "odd":
                return {
                    "getVariableResult": [
                        {},
                        {**asked[0], "attributeStatus": "Accepted", "attributeValue": "12"},
                    ]
                }
            return {"getVariableResult": [{**one, "attributeStatus": answers} for one in asked]}

    folders(tmp_path)
    desk = made_desk(tmp_path, [1], lambda: START)
    one = Connected(desk, station(1), version, Link())  # type: ignore[arg-type]
    asyncio.run(one._learn())
    told = [alert["problem"] for alert in desk.alerts.newest if alert["kind"] == "limits not told"]
    assert [why in problem for problem in told if why] == [True] * (why is not None)
    assert one.station.most_periods == periods
