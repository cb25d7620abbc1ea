"""A site's limit while cars do not follow: who is held back, how far, in what order, and until when."""

from __future__ import annotations

import itertools
import json
import math
import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.dispatch.gateway.book import Transaction
from flows.dispatch.gateway.catch_up import Raised
from flows.dispatch.gateway.config import load_config
from flows.dispatch.gateway.desk import Desk
from flows.dispatch.gateway.feeder import Load, allotted, slack_h
from flows.dispatch.gateway.plans import Found
from flows.dispatch.gateway.wanted import Curb, of_stay
from flows.dispatch.gateway.way import Way
from flows.dispatch.plan_file import PlanFile, PlanFileError, plan_of, text_of
from flows.dispatch.station import Station
from flows.errors import UsageError
from tests.flows.depots import START, at_site, folders, made_desk, made_plan, station, write_plan
from warehouse.files import write_whole


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

    def tell(self, number: int, power: float, kind: str = "Updated") -> None:
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
        stay = next(one for one in self.plan.stays if one.battery_id == f"CAR{number}")
        place = int((self.now - stay.first_slot) / timedelta(minutes=15))
        power = float(stay.slots.power_kw[place])
        return (self.desk.guard.curb(self.transaction(number)) or Curb()).at(self.now.timestamp(), power)

    def transaction(self, number: int) -> int:
        return next(one.number for one in self.desk.book.running if one.station == station(number))

    def powers(self) -> dict[int, float]:
        return {number: self.draws.get(number, self.asked(number)) for number in self.numbers}

    def minutes(self, count: int) -> None:
        for _ in range(count):
            for number, power in self.powers().items():
                self.tell(number, power)
            self.desk.guard.look()
            self.now += timedelta(minutes=1)

    def begin(self) -> None:
        for number in self.numbers:
            self.tell(number, 0.0, "Started")
        self.desk.guard.look()

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self.desk.alerts.newest if one["kind"] == kind]


def test_a_car_that_draws_what_it_likes_has_the_others_held_back_at_once(tmp_path: Path) -> None:
    depot = Depot(tmp_path, at_site(made_plan({1: [4.0] * 24, 2: [6.0] * 24, 3: [5.0] * 24}), 16.0))
    depot.begin()
    depot.minutes(2)
    assert depot.powers() == {1: 4.0, 2: 6.0, 3: 5.0}, "it is within its limit, nobody is held back"
    depot.draws[1] = 11.0
    depot.minutes(1)  # the one meter interval in which nobody can know
    assert sum(depot.powers().values()) <= 16.0
    assert 11.0 + sum(depot.asked(n) for n in (2, 3)) == pytest.approx(16.0, abs=0.11), "no more than it must"
    depot.minutes(30)
    assert sum(depot.powers().values()) <= 16.0
    assert depot.powers() == {1: 11.0, 2: 5.0, 3: 0.0}, "who is to leave with less has more slack"
    told = {one["battery_id"]: one["problem"] for one in depot.told("curtailed")}
    assert told.keys() == {"CAR2", "CAR3"}
    assert "site depot would draw 6.0 kW too much (DEPOT-1 does not follow)" in told["CAR3"]
    del depot.draws[1]
    depot.minutes(1)
    assert depot.desk.guard.up.held == {}, "there is room again"
    behind = sum(float(one["problem"].split(", ")[1].split()[0]) for one in depot.told("let go"))
    assert behind == pytest.approx(6.0 * 31 / 60, abs=0.3)
    assert "behind its plan" in json.loads((tmp_path / "gateway" / "replan.json").read_text())["why"]


def test_it_holds_over_a_kill_and_while_the_planner_is_away(tmp_path: Path) -> None:
    depot = Depot(tmp_path, at_site(made_plan({1: [4.0] * 24, 2: [6.0] * 24}), 12.0))
    depot.begin()
    depot.draws[1] = 11.0
    depot.minutes(2)
    before = depot.asked(2)
    assert before == pytest.approx(1.0)
    (tmp_path / "exports").rename(tmp_path / "away")
    for _ in range(3):
        depot.desk = depot.opened()  # nothing was closed: as after kill -9
        assert depot.asked(2) == before, "before the first look"
        depot.desk.guard.look()
        assert depot.asked(2) == before, "nobody was metered yet: what was known still is"
        depot.minutes(5)
        assert depot.asked(2) == before
    held = depot.desk.guard.up.held[depot.transaction(2)]
    assert held.kwh == pytest.approx(5.0 * (held.changed - held.since + 16 * 60) / 3600, abs=0.2)
    lines = [json.loads(line) for line in (tmp_path / "gateway" / "alerts.jsonl").read_text().splitlines()]
    assert [one["kind"] for one in lines if one["kind"] == "curtailed"] == ["curtailed"], "told once"


def test_what_a_car_is_behind_is_made_up_where_there_is_room_without_any_planner(tmp_path: Path) -> None:
    depot = Depot(tmp_path, at_site(made_plan({1: [2.0] * 24, 2: [6.0] * 24, 3: [5.0] * 24}), 16.0))
    depot.begin()
    depot.draws[1] = 11.0
    used = dict.fromkeys((2, 3), 0.0)

    def on(minutes: int) -> None:
        for _ in range(minutes):
            for number in used:
                used[number] += depot.asked(number) / 60
            depot.minutes(1)
            assert sum(depot.powers().values()) <= 16.0 or depot.now == START + timedelta(minutes=1)

    on(40)
    assert used[2] + used[3] == pytest.approx(5.0 * 40 / 60, abs=0.3)
    del depot.draws[1]
    on(20)
    depot.desk = depot.opened()  # killed: what is behind is not forgotten
    depot.desk.plans.look(depot.now)
    on(150)
    assert used[2] == pytest.approx(6.0 * 3.5, abs=0.15)
    assert used[3] == pytest.approx(5.0 * 3.5, abs=0.15)
    assert depot.powers() == {1: 2.0, 2: 6.0, 3: 5.0}
    assert depot.desk.guard.catch_up.raised == {}


def test_a_newer_plan_knows_what_is_behind(tmp_path: Path) -> None:
    plan = at_site(made_plan({1: [2.0] * 24, 2: [6.0] * 24}), 9.0)
    depot = Depot(tmp_path, plan)
    depot.begin()
    depot.draws[1] = 8.5
    depot.minutes(10)
    assert depot.desk.guard.catch_up.behind[depot.transaction(2)][1] > 0.5
    write_plan(tmp_path / "exports", replace(plan, plan_id="p2", as_of=depot.now))
    depot.desk.plans.look(depot.now)
    del depot.draws[1]
    depot.desk.guard.look()
    plan_id, behind = depot.desk.guard.catch_up.behind[depot.transaction(2)]
    assert (plan_id, behind < 0.1) == ("p2", True), "since the last look"
    depot.minutes(20)
    assert depot.desk.guard.catch_up.raised == {}


def test_what_is_made_up_is_told_for_its_quarter_hour_alone() -> None:
    plan = made_plan({1: [4.0, 4.0, 2.0, -3.0]})
    one = Transaction(station=station(1), evse=1, tx="t", number=1, start=START.timestamp())
    stays = of_stay(one, Found(plan=plan, stay=plan.stays[0]), plan.plugs[0], Station())
    slot = START.timestamp() + 900
    told = stays.told(Station(), Curb(raised=Raised(kw=9.0, slot=slot)))
    asked = [told.asks(START + timedelta(minutes=m)) for m in (1, 14, 16, 29, 31, 46)]
    assert asked == [4.0, 4.0, 9.0, 9.0, 2.0, -3.0]
    few = Station(most_periods=3)
    assert stays.told(few, Curb(raised=Raised(kw=9.0, slot=slot))).asks(START + timedelta(minutes=16)) == 4.0
    held = stays.told(Station(), Curb(most_kw=3.0, least_kw=-1.0))
    assert [held.asks(START + timedelta(minutes=m)) for m in (1, 31, 46)] == [3.0, 2.0, -1.0]


def test_who_has_most_slack_is_held_back_first_and_a_guest_before_all() -> None:
    chain = ("yard",)
    loads = [
        Load(number=1, chain=chain, asked_kw=5.0, slack_h=1.0),
        Load(number=2, chain=chain, asked_kw=5.0, slack_h=6.0),
        Load(number=3, chain=chain, asked_kw=5.0),
        Load(number=4, chain=chain, asked_kw=-3.0, slack_h=0.0),
        Load(number=5, chain=chain, asked_kw=2.0, fixed_kw=7.0, slack_h=0.0),
    ]
    assert allotted(loads, {"yard": 19.0}) == {1: 5.0, 2: 5.0, 3: 5.0}
    assert allotted(loads, {"yard": 12.0}) == {1: 5.0, 2: 3.0, 3: 0.0}
    assert allotted(loads, {"yard": 5.0}) == {1: 1.0, 2: 0.0, 3: 0.0}
    assert allotted(loads, {"yard": -9.0}) == {1: 0.0, 2: 0.0, 3: 0.0}
    assert allotted(loads, {}) == {1: 5.0, 2: 5.0, 3: 5.0}, "a site without a limit"
    least = [Load(number=1, chain=chain, asked_kw=5.0, least_kw=4.1)]
    assert allotted(least, {"yard": 4.0}) == {1: 0.0}, "it cannot charge with less than 4.1 kW"
    assert allotted(least, {"yard": 4.2}) == {1: 4.2}
    assert slack_h(hours=8.0, missing_kwh=22.0, most_kw=11.0) == 6.0


def test_no_site_is_above_its_limit_if_that_can_be_had_and_nobody_is_held_back_without_need() -> None:
    """Against all that a search over steps of 1 kW finds, in trees of three sites."""
    chance = random.Random(5)  # noqa: S311
    chains = {"a": ("a", "top"), "b": ("b", "top"), "top": ("top",)}
    for _ in range(150):
        room = {site: float(chance.randrange(-2, 9)) for site in chains}
        loads = [
            Load(
                number=n, chain=chains[chance.choice("ab") if chance.random() < 0.8 else "top"],
                asked_kw=float(chance.randrange(-2, 5)), slack_h=chance.choice([0.0, 2.0, 5.0, math.inf]),
                fixed_kw=float(chance.randrange(5)) if chance.random() < 0.2 else None,
            )
            for n in range(4)
        ]  # fmt: skip
        given = allotted(loads, room)

        def above(powers: dict[int, float], loads: list[Load] = loads) -> dict[str, float]:
            return {
                site: sum(powers.get(one.number, one.held_kw) for one in loads if site in one.chain)
                for site in chains
            }

        idle = above(dict.fromkeys(given, 0.0))
        for site, power in above(given).items():
            assert power <= max(room[site], idle[site]) + 1e-9
        free = [one for one in loads if one.number in given]
        best = max(
            (
                sum(powers) for powers in itertools.product(*(range(int(one.asked_kw) + 1) for one in free))
                if all(kw <= max(room[site], idle[site]) + 1e-9 for site, kw in above(
                    dict(zip([one.number for one in free], map(float, powers), strict=True))).items())
            ),
            default=0.0,
        )  # fmt: skip
        assert sum(given.values()) >= best / 2, "what is left goes to somebody"
        for one in free:  # and nobody could have had a kW more without another having less
            more = {**given, one.number: given[one.number] + 0.5}
            full = any(above(more)[site] > max(room[site], idle[site]) + 1e-9 for site in one.chain)
            assert full or given[one.number] > one.asked_kw - 0.5


def test_a_yard_and_the_site_above_it_are_kept_and_other_load_and_margin_left_free(tmp_path: Path) -> None:
    plan = at_site(
        made_plan({1: [4.0] * 24, 2: [4.0] * 24, 3: [4.0] * 24}), 30.0, base_kw=[10.0] * 4 + [20.0] * 20,
        yards={"east": (10.0, [1, 2]), "west": (10.0, [3])},
    )  # fmt: skip
    depot = Depot(tmp_path, plan, margins={"east": 1.0})
    depot.begin()
    depot.draws[1] = 7.0
    depot.minutes(2)
    assert depot.powers() == {1: 7.0, 2: 2.0, 3: 4.0}, "east: 10 less 1 less what car 1 draws"
    depot.minutes(60)
    assert sum(depot.powers().values()) <= 10.0, "30 less 20 that are drawn besides"
    assert depot.powers()[2] <= 2.0


def test_a_car_that_does_not_feed_back_is_reckoned_with_when_it_should(tmp_path: Path) -> None:
    powers = {1: [-6.0] * 2 + [3.0] * 2 + [-6.0] * 2, 2: [9.0, 9.0, 2.0, 2.0, 9.0, 9.0]}
    depot = Depot(tmp_path, at_site(made_plan(powers), 5.0))
    depot.begin()
    depot.draws[1] = 0.0
    depot.minutes(2)
    assert depot.asked(2) == pytest.approx(5.0)
    depot.minutes(28)
    del depot.draws[1]
    depot.minutes(18)  # it charges as it is told
    assert (depot.asked(1), depot.asked(2)) == (3.0, 2.0)
    depot.minutes(12)
    assert depot.now == START + timedelta(minutes=60)
    depot.draws[1] = 0.0
    assert depot.asked(2) == pytest.approx(5.0), "it is known by now, before it is metered"


def test_where_too_much_is_fed_back_who_has_least_slack_stops_first(tmp_path: Path) -> None:
    powers = {1: [6.0] * 24, 2: [-4.0] * 20, 3: [-4.0] * 24}
    depot = Depot(tmp_path, at_site(made_plan(powers), 50.0, 5.0))
    depot.begin()
    depot.minutes(2)
    assert depot.powers() == {1: 6.0, 2: -4.0, 3: -4.0}
    depot.draws[1] = 0.0
    depot.soc[1] = 0.99
    depot.minutes(2)
    assert sum(depot.powers().values()) >= -5.0
    assert (depot.asked(2), depot.asked(3)) == (-1.0, -4.0)


def test_a_guest_is_held_back_and_a_site_that_nobody_can_help_is_told(tmp_path: Path) -> None:
    depot = Depot(tmp_path, at_site(made_plan({1: [4.0] * 24, 2: [4.0] * 24}), 8.0))
    depot.draws = {1: 9.0, 2: 9.0}
    depot.begin()
    depot.minutes(3)
    (one,) = depot.told("site above its limit")
    assert one["site_id"] == "depot"
    assert "18.0 kW where 8.0 kW" in one["problem"]
    assert "DEPOT-1, DEPOT-2 do not follow" in one["problem"]


def test_where_one_stops_as_another_begins_nobody_is_held_back(tmp_path: Path) -> None:
    powers = {1: [9.0, 0.0] * 4, 2: [0.0, 9.0] * 4}
    depot = Depot(tmp_path, at_site(made_plan(powers), 9.5))
    depot.begin()
    for _ in range(60):
        depot.minutes(1)
        assert depot.desk.guard.up.held == {}


def test_a_station_that_takes_no_profile_is_reckoned_with_from_its_plug_in_on(tmp_path: Path) -> None:
    depot = Depot(tmp_path, at_site(made_plan({1: [0.0] * 24, 2: [9.0] * 24}), 12.0))
    depot.desk.guard.bare.add((station(1), 1))
    depot.begin()
    assert depot.asked(2) == pytest.approx(12.0 - 11.04, abs=0.1), "before anything was metered"


def test_a_meter_that_flickers_sends_nobody_a_profile_a_minute(tmp_path: Path) -> None:
    depot = Depot(tmp_path, at_site(made_plan({1: [4.0] * 24, 2: [6.0] * 24, 3: [6.0] * 24}), 16.0))
    depot.begin()
    chance, curbs = random.Random(1), set()  # noqa: S311
    for _ in range(60):
        depot.draws[1] = 11.0 + chance.uniform(-0.2, 0.2)
        depot.minutes(1)
        curbs.add(tuple(depot.asked(n) for n in (2, 3)))
    assert len(curbs) <= 6


def test_margins_and_sites_that_cannot_be_right_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    stations = '[stations]\n"A" = "sixteen characters or more"\n'
    for line in ('"yard" = "2"', '"yard" = -1', '"yard" = true', '"yard" = nan', '"yard" = inf'):
        write_whole(file, f"{stations}[margins]\n{line}\n")
        with pytest.raises(UsageError, match="yard"):
            load_config(file)
    write_whole(file, f'{stations}[margins]\n"yard" = 2\n')
    assert load_config(file).margins == {"yard": 2.0}
    good = json.loads(text_of(at_site(made_plan({1: [1.0]}), 5.0)))
    assert plan_of(json.dumps(good).encode(), "x").sites[0].import_limit_kw == 5.0
    older = {k: v for k, v in good.items() if k != "sites"}
    for one in older["plugs"]:
        del one["site_id"], one["least_kw"]
    assert plan_of(json.dumps(older).encode(), "x").sites == (), "a file of before is still a plan"
    for spoilt in ({"import_limit_kw": -1.0}, {"export_limit_kw": None}, {"base_kw": [None]}, {"odd": 1}):
        bad = {**good, "sites": [{**good["sites"][0], **spoilt}]}
        with pytest.raises(PlanFileError, match="odd"):
            plan_of(json.dumps(bad).encode(), "odd")


def test_sites_that_hang_on_each_other_in_a_ring_do_not_hang_the_gateway(tmp_path: Path) -> None:
    plan = at_site(made_plan({1: [4.0] * 4}), 3.0)
    (site,) = plan.sites
    ring = tuple(
        replace(site, site_id=name, parent_id=other)
        for name, other in (("depot", "other"), ("other", "depot"))
    )
    depot = Depot(
        tmp_path, type(plan)(**{f: getattr(plan, f) for f in plan.__dataclass_fields__} | {"sites": ring})
    )
    depot.begin()
    depot.minutes(1)
    assert depot.asked(1) == 3.0


def test_a_bound_is_loosened_only_after_a_while() -> None:
    way = Way(sign=1.0)
    assert way.decide(1, 6.0, 2.04, 0.0)
    assert way.held[1].kw == 2.0, "in steps, never above what it may have"
    assert not way.decide(1, 6.0, 6.0, 20.0)
    assert not way.decide(1, 6.0, 4.0, 20.0)
    assert way.decide(1, 6.0, 1.0, 20.0), "tighter at once"
    assert not way.decide(1, 6.0, 1.3, 60.0), "not for so little"
    assert way.decide(1, 6.0, 3.0, 60.0)
    assert way.decide(1, 6.0, 6.0, 91.0)
    assert way.held == {}


def test_cars_of_nearly_the_same_slack_do_not_take_turns_and_nobody_goes_before_another_stops(
    tmp_path: Path,
) -> None:
    """Charges move as they are charged, so that slack does; car 3 has to leave much sooner in the end."""
    depot = Depot(tmp_path, at_site(made_plan({1: [4.0] * 24, 2: [6.0] * 24, 3: [5.8] * 24}), 16.0))
    depot.begin()
    depot.draws[1] = 11.0
    orders = list[tuple[float, float]]()
    for minute in range(120):
        for number in depot.numbers:
            depot.soc[number] += depot.powers()[number] * 0.92 / 60 / 60
        if minute == 60:
            swapped = depot.transaction(3 if depot.asked(3) < depot.asked(2) else 2)
            depot.desk.book.transactions[swapped].needs["departure"] = (
                depot.now + timedelta(hours=1)
            ).timestamp()
        before = (depot.asked(2), depot.asked(3))
        depot.minutes(1)
        after = (depot.asked(2), depot.asked(3))
        tighter = [b > a for b, a in zip(before, after, strict=True)]
        looser = [b < a for b, a in zip(before, after, strict=True)]
        assert not (any(tighter) and any(looser)), "both in one look"
        orders += [after] if not orders or orders[-1] != after else []
    first = [order for order in orders[:-2] if sum(order) > 4.5]
    assert len(set(first)) == 1, "for the first hour one of them was held back, and no other"
    assert orders[-1] == first[0][::-1] or (orders[-1][0] > orders[-1][1]) != (first[0][0] > first[0][1])
