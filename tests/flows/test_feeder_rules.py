"""Who is held back first and how far; what is reported of it; margins and sites that cannot be right."""

from __future__ import annotations

import itertools
import json
import math
import random
from datetime import timedelta
from pathlib import Path

import pytest

from flows.dispatch.current import Found
from flows.dispatch.gateway.book import Transaction
from flows.dispatch.gateway.catch_up import Raised
from flows.dispatch.gateway.config import load_config
from flows.dispatch.gateway.feeder import Load, allotted, asked_less, slack_h
from flows.dispatch.gateway.wanted import Curb, of_session
from flows.dispatch.gateway.way import Way
from flows.dispatch.plan_file import PlanFileError, plan_of, text_of
from flows.dispatch.station import Station
from flows.errors import UsageError
from tests.flows.depots import START, at_site, made_plan, station
from warehouse.files import write_whole


def test_what_is_made_up_is_reported_for_its_quarter_hour_alone() -> None:
    plan = made_plan({1: [4.0, 4.0, 2.0, -3.0]})
    one = Transaction(station=station(1), evse=1, tx="t", number=1, start=START.timestamp())
    sessions = of_session(one, Found(plan=plan, session=plan.stays[0]), plan.plugs[0], Station())
    slot = START.timestamp() + 900
    stated = sessions.told(Station(), Curb(raised=Raised(kw=9.0, slot=slot)))
    asked = [stated.asks(START + timedelta(minutes=m)) for m in (1, 14, 16, 29, 31, 46)]
    assert asked == [4.0, 4.0, 9.0, 9.0, 2.0, -3.0]
    few = Station(most_periods=3)
    assert (
        sessions.told(few, Curb(raised=Raised(kw=9.0, slot=slot))).asks(START + timedelta(minutes=16)) == 4.0
    )
    held = sessions.told(Station(), Curb(most_kw=3.0, least_kw=-1.0))
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


def test_who_does_not_obey_is_asked_for_less_where_nobody_else_can_help() -> None:
    loads = [
        Load(number=1, chain=("yard", "top"), asked_kw=5.0, slack_h=1.0),
        Load(number=2, chain=("yard", "top"), asked_kw=9.0, fixed_kw=11.0, slack_h=1.0),
        Load(number=3, chain=("top",), asked_kw=9.0, fixed_kw=9.0, slack_h=6.0, least_kw=4.0),
        Load(number=4, chain=("top",), asked_kw=-3.0, fixed_kw=2.0),
    ]

    def asked(**room: float) -> dict[int, float]:
        return asked_less(loads, room, allotted(loads, room), {2, 3, 4})

    assert asked(top=22.0) == {}, "what the others leave is enough"
    assert asked(top=20.0) == {3: 7.0}, "who has most slack first"
    assert asked(top=14.0) == {3: 0.0}, "below its least there is only 0"
    assert asked(top=4.0) == {3: 0.0, 2: 2.0}, "who is not to draw is not asked to draw less"
    assert asked(top=50.0, yard=6.0) == {2: 6.0}
    assert asked() == {}
    assert asked_less(loads, {"top": 4.0}, {1: 0.0}, {3}) == {3: 0.0}, "a station that takes no profile"


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
