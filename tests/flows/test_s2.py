"""The plan in force as messages of S2: read back by the package's own models, signs and units right."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from s2python.s2_parser import S2Parser
from typer.testing import CliRunner

from flows.cli import app
from flows.dispatch.s2 import NoMessageError, Resource, Socket, messages, of_session, of_site
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, put, session_rows
from tests.flows.depots import EFFICIENCY, START, made_plan
from tests.flows.test_grid import at_charger, charger_rows, followed, planned

PLUG = Socket(phases=3, most_kw=11.04, feeds_kw=11.04)
POWERS = [4.0, 4.0, -2.0, 0.0, 3.5005]


def session(powers: list[float]) -> Any:
    return made_plan({1: powers}).stays[0]


def by_type(found: list[Any]) -> dict[str, Any]:
    for one in found:  # as the package itself reads what comes over the wire
        assert S2Parser.parse_as_any_message(json.dumps(one)).message_type == one["message_type"]
    return {one["message_type"]: one for one in found}


def test_a_session_says_what_it_can_needs_and_is_to_do() -> None:
    found = messages(of_session("p", session(POWERS), PLUG, START))
    stated = by_type(found)
    assert list(stated) == [
        "PEBC.PowerConstraints",
        "PEBC.EnergyConstraint",
        "PowerForecast",
        "PEBC.Instruction",
    ]
    can = stated["PEBC.PowerConstraints"]
    ranges = {one["limit_type"]: one["range_boundary"] for one in can["allowed_limit_ranges"]}
    both = {"start_of_range": -11040.0, "end_of_range": 11040.0}
    assert ranges == {"UPPER_LIMIT": both, "LOWER_LIMIT": both}
    assert datetime.fromisoformat(can["valid_from"]) == START
    assert datetime.fromisoformat(can["valid_until"]) == START + timedelta(minutes=75)
    (envelope,) = stated["PEBC.Instruction"]["power_envelopes"]
    elements = envelope["power_envelope_elements"]
    assert [(one["duration"], one["lower_limit"], one["upper_limit"]) for one in elements] == [
        (1_800_000, 4000.0, 4000.0), (900_000, -2000.0, -2000.0), (900_000, 0.0, 0.0),
        (900_000, 3500.0, 3500.0),
    ]  # fmt: skip
    assert envelope["commodity_quantity"] == "ELECTRIC.POWER.3_PHASE_SYMMETRIC"
    assert stated["PEBC.Instruction"]["power_constraints_id"] == can["id"]
    expected = stated["PowerForecast"]["elements"]
    assert [one["power_values"][0]["value_expected"] for one in expected] == [4000.0, -2000.0, 0.0, 3500.0]
    energy = stated["PEBC.EnergyConstraint"]
    one = session(POWERS)
    due = (one.target_kwh - one.energy_before_kwh) / EFFICIENCY / 1.25
    assert energy["lower_average_power"] == pytest.approx(1000 * due, abs=0.6)
    assert energy["upper_average_power"] == pytest.approx(max(due, np.mean(POWERS)) * 1000, abs=0.6)
    assert messages(of_session("p", session(POWERS), PLUG, START)) == found, "the same plan, the same ids"


def test_what_is_over_is_left_out_and_what_goes_on_is_asked_for_from_now_on() -> None:
    later = of_session("p", session(POWERS), PLUG, START + timedelta(minutes=40))
    assert (later.begin, list(later.power_kw)) == (START + timedelta(minutes=30), POWERS[2:])
    assert later.begin.tzinfo is not None
    with pytest.raises(NoMessageError, match="over"):
        of_session("p", session(POWERS), PLUG, START + timedelta(hours=2))


def test_a_full_car_need_take_nothing_and_may_give() -> None:
    one = replace(session([-4.0] * 4), target_kwh=20.0)
    energy = by_type(messages(of_session("p", one, PLUG, START)))["PEBC.EnergyConstraint"]
    assert energy["lower_average_power"] == pytest.approx(-10_000 * EFFICIENCY, abs=1)
    assert energy["upper_average_power"] == -4000.0
    only = by_type(messages(of_session("p", replace(one, slots=session([0.0] * 4).slots), PLUG, START)))
    assert only["PEBC.EnergyConstraint"]["lower_average_power"] == 0.0, "it is not to feed back"


def test_what_cannot_be_said_is_refused_by_name() -> None:
    with pytest.raises(NoMessageError, match="no charger"):
        of_session("p", session(POWERS), None, START)
    with pytest.raises(NoMessageError, match="2 phases"):
        of_session("p", session(POWERS), replace(PLUG, phases=2), START)
    jagged = of_session("p", session([float(n % 7) for n in range(300)]), PLUG, START)
    with pytest.raises(NoMessageError, match="300 different powers"):
        messages(jagged)
    single = of_session("p", session(POWERS), replace(PLUG, phases=1), START)
    assert by_type(messages(single))["PEBC.EnergyConstraint"]["commodity_quantity"] == "ELECTRIC.POWER.L1"


def test_a_site_says_its_limits_and_all_that_it_draws() -> None:
    one: Resource = of_site("p", "yard", (50.0, 20.0), START, np.array([10.0, -5.0]), START)
    stated = by_type(messages(one))
    assert list(stated) == ["PEBC.PowerConstraints", "PowerForecast", "PEBC.Instruction"]
    (bounds, _) = stated["PEBC.PowerConstraints"]["allowed_limit_ranges"]
    assert bounds["range_boundary"] == {"start_of_range": -20000.0, "end_of_range": 50000.0}


def test_the_command_writes_a_real_plan(depot: Workspace) -> None:
    put(depot, "chargers", charger_rows(max_discharge_current_a=16.0))
    at_charger(depot, "yard-1", session="s2")
    planned(depot)

    def run(*words: str, as_json: bool = True) -> Any:
        shared = ["-w", str(depot.root), "--as-of", AS_OF.isoformat(), *(["--json"] if as_json else [])]
        return CliRunner().invoke(app, [*shared, "s2", "messages", "--date", str(DAY), *words])

    answer = run("--car", "car-1")
    assert answer.exit_code == 3, "the other session of it names no charger"
    payload = json.loads(answer.stdout)
    assert list(payload["left_out"]) == ["car-1 · s1"]
    stated = by_type(payload["messages"])
    slots = followed(depot, "out_plan_slot")
    mine = slots[(slots["battery_id"] == "car-1") & slots["plugged"]]
    mine = mine[mine["interval_start_utc"] >= pd.Timestamp(session_rows()["arrival_utc"][1])]
    total = mine["power_kw"].sum() / 4
    elements = stated["PEBC.Instruction"]["power_envelopes"][0]["power_envelope_elements"]
    kwh = sum(one["upper_limit"] * one["duration"] for one in elements) / 3.6e9
    assert kwh == pytest.approx(total, abs=0.02)
    assert min(one["lower_limit"] for one in elements) < 0 < max(one["upper_limit"] for one in elements)
    assert datetime.fromisoformat(stated["PEBC.Instruction"]["execution_time"]).astimezone(UTC) == (
        mine["interval_start_utc"].min().to_pydatetime()
    )
    site = run("--site", "yard", as_json=False)
    assert site.exit_code == 0, site.output
    assert list(by_type([json.loads(line) for line in site.stdout.splitlines()])) == [
        "PEBC.PowerConstraints", "PowerForecast", "PEBC.Instruction",
    ]  # fmt: skip
    assert run("--car", "nobody").exit_code != 0
    assert run("--site", "nowhere").exit_code != 0
