"""A car's V2X band at the gateway: kept in its profile at once, told to the planner, asked for anew."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flows.dispatch.gateway.needs import band_of
from flows.dispatch.gateway.wanted import cannot_feed, of_session
from flows.dispatch.plan_file import PlanFile, plan_of, text_of
from flows.dispatch.rules import check_message
from flows.dispatch.station import Station
from tests.flows.depots import EFFICIENCY, START, folders, made_desk, made_plan, station
from tests.flows.test_gateway_asks import started

STATION = Station(version="2.1")
POWERS = [-4.0] * 8 + [4.0] * 12


def told(root: Path, plan: PlanFile, soc: float | None = 50.0, **v2x: float) -> Any:
    """A desk where CAR1 has come and said its needs."""
    folders(root, plan)
    desk = made_desk(root, [1], lambda: START)
    desk.plans.look(START)
    desk.take(station(1), "2.1", "TransactionEvent", started("t", START, "CAR1", soc))
    needs = {"requestedEnergyTransfer": "DC_BPT", "v2xChargingParameters": v2x}
    desk.take(station(1), "2.1", "NotifyEVChargingNeeds", {"evseId": 1, "chargingNeeds": needs})
    return desk


def profile(desk: Any) -> Any:
    one = desk.book.at(station(1), 1)
    at = desk.plans.plug(station(1), 1)
    found = desk.plans.session("CAR1", at.charger_id, START)
    return of_session(one, found, at, STATION)


def energies(intended: Any, first: float) -> list[tuple[float, float, float]]:
    """Power, and energy before and after, of each quarter-hour."""
    held, found = first, []
    for n in range(20):
        power = intended.kw(START.timestamp() + 900 * n + 1)
        after = held + 0.25 * (power * EFFICIENCY if power > 0 else power / EFFICIENCY)
        found.append((power, held, after))
        held = after
    return found


def test_a_profile_feeds_back_within_the_band_before_there_is_a_new_plan(tmp_path: Path) -> None:
    desk = told(
        tmp_path, made_plan({1: POWERS}), evMinV2XEnergyRequest=-3000.0, evMaxV2XEnergyRequest=12_000.0
    )
    assert desk.book.at(station(1), 1).needs["v2x_soc"] == pytest.approx([0.45, 0.7])
    intended = profile(desk)
    fed = [(before, after) for power, before, after in energies(intended, 30.0) if power < 0]
    assert len(fed) == 2, "of eight"
    assert min(after for _, after in fed) >= 27.0 - 1e-6
    assert "band" in json.loads((tmp_path / "gateway" / "replan.json").read_text())["why"]
    assert check_message(intended.told(STATION, None).request, STATION) == []
    desk.close()
    (file,) = (tmp_path / "inbox").glob("sessions__csv__*.csv")
    (row,) = csv.DictReader(file.open())
    assert (row["v2x_min_soc"], row["v2x_max_soc"]) == ("0.45", "0.7")
    again = made_desk(tmp_path, [1], lambda: START)
    assert again.book.at(station(1), 1).needs["v2x_soc"] == pytest.approx([0.45, 0.7]), "from the journal"


def test_below_and_above_the_band_nothing_is_fed_back(tmp_path: Path) -> None:
    below = told(tmp_path / "a", made_plan({1: POWERS}), evMinV2XEnergyRequest=6000.0)
    assert all(power >= 0 for power, _, _ in energies(profile(below), 30.0))
    up = [4.0] * 8 + [-4.0] * 12
    above = told(tmp_path / "b", made_plan({1: up}), evMaxV2XEnergyRequest=-3000.0)
    assert all(power >= 0 for power, _, _ in energies(profile(above), 30.0))
    inside = told(tmp_path / "c", made_plan({1: up}), evMaxV2XEnergyRequest=12_000.0)
    assert min(power for power, _, _ in energies(profile(inside), 30.0)) == -4.0


def test_a_plan_that_knew_the_band_is_carried_out_as_it_is(tmp_path: Path) -> None:
    plan = made_plan({1: POWERS})
    known = replace(plan, stays=(replace(plan.stays[0], v2x_soc=(0.45, 0.7)),))
    assert plan_of(text_of(known).encode(), "p").stays[0].v2x_soc == (0.45, 0.7)
    desk = told(tmp_path, known, evMinV2XEnergyRequest=-3000.0, evMaxV2XEnergyRequest=12_000.0)
    assert [power for power, _, _ in energies(profile(desk), 30.0)][:8] == [-4.0] * 8
    assert not (tmp_path / "gateway" / "replan.json").exists()


def test_a_band_that_nothing_places_lets_the_car_rest_and_says_so(tmp_path: Path) -> None:
    plan = made_plan({1: POWERS})
    unknown = replace(plan, stays=(replace(plan.stays[0], arrival_soc=None),))
    desk = told(tmp_path, unknown, soc=None, evMinV2XEnergyRequest=-3000.0)
    reason = cannot_feed(desk.book.at(station(1), 1), STATION)
    assert reason is not None
    assert "nothing tells its charge" in reason
    assert all(power >= 0 for power, _, _ in energies(profile(desk), 30.0))


@pytest.mark.parametrize(
    ("needs", "soc", "capacity", "band"),
    [
        ({"v2x_least_kwh": -10.0, "v2x_most_kwh": 20.0}, 0.5, 60.0, [1 / 3, 5 / 6]),
        ({"v2x_least_kwh": -10.0, "v2x_most_kwh": 20.0, "capacity_kwh": 100.0}, 0.5, 60.0, [0.4, 0.7]),
        ({"v2x_least_kwh": -99.0}, 0.5, 60.0, [0.0, 1.0]),
        ({"v2x_least_kwh": -29.8, "v2x_most_kwh": 29.8}, 0.5, 60.0, [0.0, 1.0]),
        ({"v2x_most_kwh": -9.0}, 0.5, 60.0, [0.0, 0.35]),
        ({"v2x_least_kwh": 1.0}, None, 60.0, None), ({"v2x_least_kwh": 1.0}, 0.5, None, None),
        ({"feeds": True}, 0.5, 60.0, None),
    ],
)  # fmt: skip
def test_a_band_is_placed_from_what_the_car_holds(
    needs: dict[str, float], soc: float | None, capacity: float | None, band: list[float] | None
) -> None:
    found = band_of(needs, soc, capacity)
    assert found == (None if band is None else pytest.approx(band))
