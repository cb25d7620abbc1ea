"""A site's limit while cars do not follow: who is held back, how far, in what order, and until when."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.flows.depots import START, at_site, made_plan, station, write_plan
from tests.flows.metered_depot import Depot


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
    stated = {one["battery_id"]: one["problem"] for one in depot.stated("curtailed")}
    assert stated.keys() == {"CAR2", "CAR3"}
    assert "site depot would draw 6.0 kW too much (DEPOT-1 does not follow)" in stated["CAR3"]
    del depot.draws[1]
    depot.minutes(1)
    assert depot.desk.guard.up.held == {}, "there is room again"
    behind = sum(float(one["problem"].split(", ")[1].split()[0]) for one in depot.stated("let go"))
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
    assert [one["kind"] for one in lines if one["kind"] == "curtailed"] == ["curtailed"], "reported once"


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
    depot.minutes(18)  # it charges as it is reported
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


def test_a_guest_is_held_back_and_a_site_that_nobody_can_help_is_reported(tmp_path: Path) -> None:
    depot = Depot(tmp_path, at_site(made_plan({1: [4.0] * 24, 2: [4.0] * 24}), 8.0))
    depot.draws = {1: 9.0, 2: 9.0}
    depot.begin()
    depot.minutes(3)
    (one,) = depot.stated("site above its limit")
    assert one["site_id"] == "depot"
    assert "18.0 kW where 8.0 kW" in one["problem"]
    assert "DEPOT-1, DEPOT-2 do not follow" in one["problem"]


def test_a_car_that_did_not_follow_once_is_asked_to_keep_a_limit_and_believed_when_it_does(
    tmp_path: Path,
) -> None:
    depot = Depot(tmp_path, at_site(made_plan({1: [-6.0] + [10.0] * 23, 2: [3.0] * 24}), 6.0))
    depot.begin()
    depot.draws[1] = 11.0  # asked to feed back, it draws
    depot.minutes(16)
    number = depot.transaction(1)
    assert depot.desk.guard.up.off == {number: 11.0}
    assert depot.desk.guard.up.held[number].kwh == 0.0, "who does not follow is behind by nobody's doing"
    del depot.draws[1]  # from now on it does what it is asked for
    for _ in range(20):
        assert sum(depot.powers().values()) <= 6.0 + 1e-9
        depot.minutes(1)
    assert depot.desk.guard.up.off == {}
    assert sum(depot.powers().values()) == pytest.approx(6.0, abs=0.11), "and it is used"
    assert depot.stated("curtailed")


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


def test_who_is_held_back_is_told_what_binds_at_the_moment_that_binds(tmp_path: Path) -> None:
    """The second car is held back a minute before its next quarter-hour; until then there is room."""
    depot = Depot(tmp_path, at_site(made_plan({1: [2.0] * 4, 2: [2.0, 9.0, 9.0, 9.0]}), 16.0))
    depot.begin()
    depot.draws[1] = 11.0
    depot.minutes(14)
    assert depot.stated("curtailed") == []
    depot.minutes(1)
    (one,) = depot.stated("curtailed")
    assert one["battery_id"] == "CAR2"
    assert one["problem"].startswith(
        "may draw 5.0 of 9.0 kW planned: site depot would draw 4.0 kW too much (DEPOT-1 does not follow)"
    )


def test_an_excess_that_is_less_than_a_tenth_of_a_kilowatt_is_not_told_as_none(tmp_path: Path) -> None:
    depot = Depot(tmp_path, at_site(made_plan({1: [4.0] * 4, 2: [6.0] * 4}), 9.97))
    depot.begin()
    (one,) = depot.stated("curtailed")
    assert "would draw 0.1 kW too much" in one["problem"]
