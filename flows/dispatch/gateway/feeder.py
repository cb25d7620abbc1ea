"""What cars at plugs may draw so that every site above them keeps its limit: who is held back, and how far.

What a car draws against its profile is taken as it is, and a planned feeding back goes on: nobody is made to
feed back more than was planned, since neither its contract nor its battery's bounds are known here. Where all
that the others leave is not enough, it is asked for less as well. What is left of a limit goes first to the
car with the least slack: the hours that it could stand still and still leave with what was promised. So the
car with the most slack is held back first; what it misses can be made up later. A guest, whom nothing is
promised, is held back before all. Where sites feed too much back the order is turned round: who has the least
slack stops feeding first, which it is none the worse for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from flows.dispatch.plan_file import PlanSite

_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A car at a plug, in the direction that is limited (drawing, or feeding back: + either way).

    asked_kw: by its plan, the most until the next look. fixed_kw: what it does whatever it is reported; None
    for one that obeys. least_kw: below it there is only 0. slack_h: inf for a guest.
    """

    number: int
    chain: tuple[str, ...]
    asked_kw: float
    fixed_kw: float | None = None
    least_kw: float = 0.0
    slack_h: float = math.inf

    @property
    def held_kw(self) -> float:
        """What it takes, or gives, with all held back that can be."""
        return min(self.asked_kw, 0.0) if self.fixed_kw is None else self.fixed_kw


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What keeps a car from what it is asked for: the site that would be above its limit, and by how much."""

    asked_kw: float
    site: str
    over_kw: float

    @classmethod
    def of(cls, load: Load, over: Mapping[str, float]) -> Binding:
        """The site of a load that would be furthest above its limit at the same moment."""
        site = max(load.chain, key=lambda name: over[name])
        return cls(asked_kw=load.asked_kw, site=site, over_kw=over[site])

    @property
    def told(self) -> str:
        """By how many kW, rounded up: what a car may have is rounded down."""
        return f"{math.ceil(10.0 * self.over_kw - _ROUNDING) / 10.0:.1f}"


def over_kw(loads: Iterable[Load], room_kw: Mapping[str, float]) -> dict[str, float]:
    """By how much a site would be above its limit if everybody did what is planned, or what he does, kW."""
    over = {site: -kw for site, kw in room_kw.items()}
    for load in loads:
        for site in load.chain:
            if site in over:
                over[site] += load.asked_kw if load.fixed_kw is None else load.fixed_kw
    return over


def allotted(
    loads: Sequence[Load], room_kw: Mapping[str, float], *, most_slack_first: bool = False
) -> dict[int, float]:
    """Return what each load that obeys and is asked for something may have, kW by its number.

    room_kw: what each site's limit leaves for all cars below it; a site that is not in it has no limit.
    """
    left = dict(room_kw)

    def take(chain: Iterable[str], kw: float) -> None:
        for site in chain:
            if site in left:
                left[site] -= kw

    for load in loads:
        take(load.chain, load.held_kw)
    found: dict[int, float] = {}
    way = -1.0 if most_slack_first else 1.0
    for load in sorted(loads, key=lambda one: (way * one.slack_h, one.number)):
        if load.fixed_kw is not None or load.asked_kw <= 0.0:
            continue
        most = min((left[site] for site in load.chain if site in left), default=math.inf)
        given = max(0.0, min(load.asked_kw, most))
        if given < min(load.least_kw, load.asked_kw):
            given = 0.0
        take(load.chain, given)
        found[load.number] = given
    return found


def asked_less(
    loads: Sequence[Load], room_kw: Mapping[str, float], given_kw: Mapping[int, float], among: Container[int]
) -> dict[int, float]:
    """Return what loads that do not do as they are asked are asked for where nobody else can help, kW.

    given_kw: of those that obey; among: who can be asked. They are reckoned with as they are until one is
    seen to do it.
    """
    left = dict(room_kw)
    for load in loads:
        for site in load.chain:
            if site in left:
                left[site] -= given_kw.get(load.number, load.held_kw)
    found: dict[int, float] = {}
    for load in sorted(loads, key=lambda one: (-one.slack_h, one.number)):
        most = min((left[site] for site in load.chain if site in left), default=0.0)
        if load.fixed_kw is None or load.number not in among or load.asked_kw <= 0.0 or most >= 0.0:
            continue
        less = max(0.0, load.fixed_kw + most)
        found[load.number] = less = less if less >= load.least_kw else 0.0
        for site in load.chain:
            if site in left:
                left[site] += load.fixed_kw - less
    return found


def chain_of(site_id: str | None, site: Callable[[str], PlanSite | None]) -> tuple[str, ...]:
    """A site and those that it hangs on, as far as they are known, each once."""
    found: list[str] = []
    while site_id is not None and site_id not in found and (own := site(site_id)) is not None:
        found.append(site_id)
        site_id = own.parent_id
    return tuple(found)


def slack_h(*, hours: float, missing_kwh: float, most_kw: float) -> float:
    """Hours that a car could stand still and yet have what it lacks at its departure; negative: too late."""
    return hours - max(0.0, missing_kwh) / most_kw if most_kw > 0.0 else -math.inf
