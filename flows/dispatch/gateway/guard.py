"""Every site's limit, kept while cars do not follow: looked at whenever a meter, a plan or a car changes.

Each look reckons what every car below a site will draw until the next one: what its profile asks for, or
what it was last metered at where it has not done what it was asked for. Where that, with the site's other
load as the plan expects it and its margin, is more than the limit, cars that obey are held back at once
(`feeder` says who first), and let go again when there is room. Whoever is held back, and since when, is in
the journal. Where a car that has not shown yet what it does could bring a site above its limit, its meter is
asked for (`unread`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flows.dispatch.gateway.alerts import Alerts, Kind
from flows.dispatch.gateway.book import Transaction
from flows.dispatch.gateway.catch_up import CatchUp
from flows.dispatch.gateway.feeder import Binding, Load, allotted, asked_less, over_kw
from flows.dispatch.gateway.plans import PlanFolder
from flows.dispatch.gateway.seen import Car, Cars
from flows.dispatch.gateway.unread import Doing, Unread
from flows.dispatch.gateway.wanted import Curb, Wanted
from flows.dispatch.gateway.way import ENOUGH_KW, Held, Way
from flows.dispatch.plan_file import PlanPlug

LOOK_AHEAD_S = 60.0
"""A power that begins within it counts already: a profile is out before its quarter-hour begins."""
_NOISE_KW = 0.1
_CHANGE_H = 0.5
"""Who has so much less slack than another takes his place among those who are held back."""
_TOLD_KWH = 0.1


@dataclass(slots=True, kw_only=True)
class Guard:
    """margins: kW that are left free below a site's limit. keep: writes a record into the journal.

    signalled: what the grid lets a site draw and feed back at a moment, kW.

    has: the profile that each session's station accepted last, by number. deaf: sessions whose station does
    not take a profile; bare: places without a fallback. due: places whose meters are to be asked for, by the
    last look.
    """

    plans: PlanFolder
    alerts: Alerts
    running: Callable[[], Iterable[Transaction]]
    ask: Callable[[str], None]
    keep: Callable[[Mapping[str, Any]], None]
    clock: Callable[[], datetime]
    signalled: Callable[[str, float], tuple[float, float]]
    margins: Mapping[str, float] = field(default_factory=dict)
    has: dict[int, Wanted] = field(default_factory=dict)
    deaf: set[int] = field(default_factory=set)
    bare: set[tuple[str, int]] = field(default_factory=set)
    up: Way = field(default_factory=lambda: Way(sign=1.0))
    down: Way = field(default_factory=lambda: Way(sign=-1.0))
    catch_up: CatchUp = field(default_factory=CatchUp)
    unread: Unread = field(default_factory=Unread)
    due: list[tuple[str, int]] = field(default_factory=list)
    cars: Cars = field(init=False)
    _drift: dict[int, float] = field(default_factory=dict)
    _above: dict[str, float] = field(default_factory=dict)
    _looked: float | None = None

    def __post_init__(self) -> None:
        """The cars are those that run."""
        self.cars = Cars(plans=self.plans, running=self.running, clock=self.clock)

    def curb(self, number: int) -> Curb | None:
        """The bounds of a session; None where it is not held back."""
        up, down = self.up.held.get(number), self.down.held.get(number)
        raised = self.catch_up.raised.get(number)
        if up is None and down is None and raised is None:
            return None
        most = math.inf if up is None else up.kw
        return Curb(least_kw=-math.inf if down is None else -down.kw, most_kw=most, raised=raised)

    def own_kw(self, one: Transaction, at: PlanPlug) -> float:
        """What a connector does without a profile for the session."""
        return at.plug.most_kw if (one.station, one.evse) in self.bare else at.fallback_kw

    def read(self, number: int, asked_kw: float, power_kw: float, *, settled: bool = True) -> None:
        """Take what a car did a while after it was asked for something.

        settled: whether it has had all the time that it may take.
        """
        changed = [way.read(number, asked_kw, power_kw) for way in (self.up, self.down)]
        follows = number not in self.up.off and number not in self.down.off
        if settled or follows:
            self.unread.shown(number)
        else:
            self.unread.slow(number)
        if settled or not follows:
            self._drift[number] = power_kw - asked_kw if follows else 0.0
        if any(changed):
            self._write()

    def look(self) -> set[str]:
        """Hold back, let go, and find whose meters are due; the stations that this changes something for."""
        now = self.clock().timestamp()
        cars = self.cars.all(now)
        by_number = {car.one.number: car for car in cars}
        self._count(by_number, now)
        gone = self._drop(by_number)
        changed, known = set[int](), dict[float, tuple[dict[int, Load], dict[str, float]]]()
        for way in (self.down, self.up):
            asked, bound, binds = dict[int, float](), dict[int, float](), dict[int, Binding]()
            for at in (now + LOOK_AHEAD_S, now):
                loads = {car.one.number: self._load(car, way, at) for car in cars}
                room = self._room(cars, way, at)
                given = allotted(list(loads.values()), room, most_slack_first=way is self.down)
                most = given | asked_less(list(loads.values()), room, given, way.off.keys() - self.deaf)
                over = over_kw(loads.values(), room)
                for number, load in loads.items():
                    asked[number] = max(asked.get(number, -math.inf), load.asked_kw)
                    less = most.get(number, math.inf)
                    if less < min(load.asked_kw - ENOUGH_KW, bound.get(number, math.inf)):
                        bound[number] = less
                        binds[number] = Binding.of(load, over)
            wanted = {
                number: (kw, bound.get(number, kw))
                for number, kw in asked.items()
                if loads[number].fixed_kw is None or number in {*bound, *way.held}
            }  # fmt: skip
            changed |= self._decided(way, by_number, wanted, binds, now)
            known[way.sign] = loads, dict(room)
        for load in loads.values():
            for site in load.chain:
                room[site] -= given.get(load.number, load.held_kw)
        changed |= self._make_up(by_number, loads, room, now)
        self._look_for_meters(by_number, known, now)
        self._tell_above(cars, now)
        self._looked = now
        if changed or gone:
            self._write()
        return {by_number[number].one.station for number in changed}

    def _look_for_meters(
        self, cars: Mapping[int, Car], known: Mapping[float, tuple[Mapping[int, Load], Mapping[str, float]]],
        now: float,
    ) -> None:  # fmt: skip
        """Find whose meters are due. known: loads and room by the sign of their direction."""
        doing = []
        for number, car in cars.items():
            asked = (self.curb(number) or Curb()).at(now, car.intended.kw(now))
            flows = {sign: loads[number].fixed_kw for sign, (loads, _) in known.items()}
            drawn, fed = (
                sign * asked if (flow := flows[sign]) is None else flow
                for sign in (self.up.sign, self.down.sign)
            )
            doing.append(Doing(
                number=number, chain=car.chain, asked_kw=asked, drawn_kw=drawn, fed_kw=fed,
                most_drawn_kw=_most_kw(car), most_fed_kw=car.at.feeds_kw if car.intended.may_feed else 0.0,
            ))  # fmt: skip
        (_, up), (_, down) = (known[way.sign] for way in (self.up, self.down))
        numbers = self.unread.due(doing, {site: (up[site], down[site]) for site in up}, now)
        self.due = [(cars[number].one.station, cars[number].one.evse) for number in numbers]

    def left(self, one: Transaction) -> None:
        """Forget a car that has left; how it was held back is reported."""
        for way in (self.up, self.down):
            if (held := way.forget(one.number)) is not None:
                self._let_go(one, held, self.clock().timestamp())
        self.catch_up.forget(one.number)
        self.unread.forget(one.number)

    def sites(self) -> list[dict[str, Any]]:
        """Sites where cars are plugged in, for the status: limits, other load as expected, metered, held."""
        now, found = self.clock().timestamp(), dict[str, dict[str, Any]]()
        for car in self.cars.all(now):
            one = car.one
            for site in car.chain:
                drawn, fed = self._limits(site, now)
                row = found.setdefault(site, {
                    "site_id": site, "import_limit_kw": drawn, "export_limit_kw": fed,
                    "other_load_kw": self.plans.base_kw(site, _moment(now)), "cars_metered_kw": 0.0,
                    "held_back": 0,
                })  # fmt: skip
                row["cars_metered_kw"] += one.power_kw or 0.0
                row["held_back"] += one.number in self.up.held or one.number in self.down.held
        return [found[site] for site in sorted(found)]

    def stated_of(self, number: int) -> dict[str, float | None]:
        """How a session is held back, and what it is behind its plan, for the status."""
        up, down = self.up.held.get(number), self.down.held.get(number)
        _, behind = self.catch_up.behind.get(number, (None, 0.0))
        return {
            "most_kw": None if up is None else up.kw, "least_kw": None if down is None else -down.kw,
            "behind_kwh": round(behind, 3),
        }  # fmt: skip

    def to_record(self) -> dict[str, Any]:
        """What is to outlive a kill, as the journal has it."""
        return {
            "t": self._looked, "up": self.up.to_record(), "down": self.down.to_record(),
            "catch_up": self.catch_up.to_record(),
        }  # fmt: skip

    def take_record(self, stated: Mapping[str, Any]) -> None:
        """Be what `to_record` gave."""
        self._looked = stated["t"]
        self.up.take_record(stated["up"])
        self.down.take_record(stated["down"])
        self.catch_up.take_record(stated["catch_up"])

    def _write(self) -> None:
        self.keep({"k": "guard", **self.to_record()})

    def _load(self, car: Car, way: Way, at: float) -> Load:
        number, one = car.one.number, car.one
        asked = way.sign * car.intended.kw(at)
        if asked < 0.0 and (other := (self.down if way is self.up else self.up).held.get(number)):
            asked = max(asked, -other.kw)  # what it may not do helps nobody
        fixed = way.fixed(number, asked)
        has = self.has.get(number)
        if number in self.deaf or (has is None and (one.station, one.evse) in self.bare):
            does = None if has is None else has.asks(_moment(at))
            does = self.own_kw(one, car.at) if does is None else does
            fixed = max(way.sign * does, way.off.get(number, -math.inf))
        # Who is held back is so first, and longer: two cars of nearly the same slack do not take turns.
        held = way.held.get(number)
        sessions = 0.0 if held is None or asked <= 0.0 else _CHANGE_H * max(0.0, 1.0 - held.kw / asked)
        return Load(
            number=number, chain=car.chain, asked_kw=asked, fixed_kw=fixed,
            least_kw=car.at.least_kw if way is self.up else 0.0, slack_h=car.slack_h + way.sign * sessions,
        )  # fmt: skip

    def _room(self, cars: Iterable[Car], way: Way, at: float) -> dict[str, float]:
        """What the limit of each site leaves in a direction at a moment, kW."""
        drift: dict[str, float] = {}
        for car in cars:
            for site in car.chain:
                drift[site] = drift.get(site, 0.0) + way.sign * self._drift.get(car.one.number, 0.0)
        return {
            site: self._limits(site, at)[0 if way is self.up else 1] - self.margins.get(site, 0.0)
            - way.sign * self.plans.base_kw(site, _moment(at)) - max(off, 0.0)
            for site, off in drift.items()
        }  # fmt: skip

    def _limits(self, site: str, at: float) -> tuple[float, float]:
        """What a site may draw and feed back: its own limits, and what the grid says."""
        stated, (drawn, fed) = self.plans.site(site), self.signalled(site, at)
        own = (math.inf, math.inf) if stated is None else (stated.import_limit_kw, stated.export_limit_kw)
        return min(own[0], drawn), min(own[1], fed)

    def _decided(
        self, way: Way, cars: Mapping[int, Car], wanted: Mapping[int, tuple[float, float]],
        binds: Mapping[int, Binding], now: float,
    ) -> set[int]:  # fmt: skip
        """Whose bounds have changed; nobody's are loosened before those of others are tight.

        wanted: what each is asked for, and what it may have, by number; binds: what keeps it from more.
        """
        tight = {number for number, pair in wanted.items() if way.tightens(number, *pair)}
        return {
            number
            for number, pair in wanted.items()
            if (number in tight or not tight)
            and self._decide(way, cars[number], *pair, binds.get(number), now)
        }

    def _decide(
        self, way: Way, car: Car, asked: float, given: float, binding: Binding | None, now: float
    ) -> bool:
        number, one = car.one.number, car.one
        before = way.held.get(number)
        if not way.decide(number, asked, given, now):
            return False
        held = way.held.get(number)
        if held is None and before is not None:
            self._let_go(one, before, now)
        elif before is None and held is not None and binding is not None:
            does = "draw" if way is self.up else "feed back"
            why = (
                f"may {does} {held.kw:.1f} of {binding.asked_kw:.1f} kW planned: site {binding.site} would "
                f"{does} {binding.told} kW too much{self._blamed(way)}"
            )
            self._report(Kind.CURTAILED, one, why)
        return True

    def _let_go(self, one: Transaction, held: Held, now: float) -> None:
        why = f"after {(now - held.since) / 60:.0f} min, {held.kwh:.2f} kWh behind its plan"
        self._report(Kind.LET_GO, one, why)
        if held.kwh >= _TOLD_KWH:
            self.ask(f"{_named(one)} was held back {why}")

    def _report(self, kind: Kind, one: Transaction, why: str) -> None:
        battery = one.car.get("battery_id")
        self.alerts.report(kind, one.station, why, evse=one.evse, battery_id=battery, each=True)

    def _blamed(self, way: Way) -> str:
        numbers = way.off.keys() | self.deaf
        names = sorted({one.station for one in self.running() if one.number in numbers})
        return f" ({', '.join(names[:5])} {'do' if len(names) > 1 else 'does'} not follow)" if names else ""

    def _count(self, cars: Mapping[int, Car], now: float) -> None:
        """Add up what those who are held back, and obey, are behind their plans, and what others make up."""
        hours = 0.0 if self._looked is None else max(0.0, now - self._looked) / 3600.0
        held = {*self.up.held, *self.down.held, *self.catch_up.raised}
        for number in (held & cars.keys()) - {*self.up.off, *self.down.off}:
            one, intended = cars[number].one, cars[number].intended
            planned = intended.kw(now)
            bound = (self.curb(number) or Curb()).at(now, planned)
            for way in (self.up, self.down):
                if number in way.held:
                    way.held[number].kwh += max(0.0, way.sign * (planned - bound)) * hours
            if intended.plan_id is None:
                continue  # nothing was promised to a guest
            before = self.catch_up.count(number, intended.plan_id, 0.0)
            behind = self.catch_up.count(number, intended.plan_id, (planned - bound) * hours)
            if math.floor(behind) > math.floor(before):
                self.ask(f"{_named(one)} is {behind:.1f} kWh behind its plan: it is held back")

    def _make_up(
        self, cars: Mapping[int, Car], loads: Mapping[int, Load], left: Mapping[str, float], now: float
    ) -> set[int]:
        """Let those who are behind their plans catch up, where there is room."""
        plans: dict[int, tuple[float, float]] = {}
        for number, car in cars.items():
            plans[number] = (car.intended.kw(now), _most_kw(car))
        for number in self.catch_up.behind.keys() & cars.keys():  # a newer plan knows what there is
            self.catch_up.count(number, cars[number].intended.plan_id, 0.0)
        held = {*self.up.held, *self.down.held}
        return self.catch_up.decide(list(loads.values()), plans, left, now, held)

    def _drop(self, cars: Mapping[int, Car]) -> bool:
        """Forget those that have left; whether there were any."""
        known = [*self.up.off, *self.up.held, *self.down.off, *self.down.held, *self.catch_up.behind]
        gone = {number for number in known if number not in cars}
        for number in gone:
            for kind in (self.up, self.down, self.catch_up):
                kind.forget(number)
        self.cars.forget(cars)
        self.unread.keep(cars)
        for kept in (self.has, self._drift):
            for number in [one for one in kept if one not in cars]:
                del kept[number]
        self.deaf &= cars.keys()
        return bool(gone)

    def _tell_above(self, cars: Iterable[Car], now: float) -> None:
        """Tell of a site that is above a limit by its meters, all of them read since it first was."""
        metered: dict[str, list[Transaction]] = {}
        for car in cars:
            for site in car.chain:
                metered.setdefault(site, []).append(car.one)
        for site, own in metered.items():
            power = sum(one.power_kw or 0.0 for one in own) + self.plans.base_kw(site, _moment(now))
            draws = power > 0
            limit = self._limits(site, now)[0 if draws else 1]
            if abs(power) <= limit + _NOISE_KW:
                self._above.pop(site, None)
                continue
            since = self._above.setdefault(site, now)
            if all(one.power_at >= since for one in own):
                does, way = ("draws", self.up) if draws else ("feeds back", self.down)
                why = f"{does} {abs(power):.1f} kW where {limit:.1f} kW are its limit{self._blamed(way)}"
                if self.alerts.report(Kind.SITE_ABOVE, "", why, site_id=site):
                    self.ask(f"site {site} {why}")


def _most_kw(car: Car) -> float:
    """The most that a car can draw, as far as plug and car say."""
    return min(car.at.plug.most_kw, float(car.one.needs.get("charge_kw", math.inf)))


def _named(one: Transaction) -> str:
    return f"{one.car.get('battery_id') or 'a car'} at {one.station}"


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
