"""What the twin says that a realised day wears, next to what the plans were priced with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from flows.context import Context
from flows.mapping.executed import Executed
from flows.mapping.real_day import RealDay
from flows.mapping.twin_wear import twin_wear
from flows.stages.realise import Way, ways_of_charging
from warehouse.zones import market_day_slots


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinsWord:
    """error_eur: by way of charging, the wear beyond that of charging on plug-in, the twin's answer less the
    price's, of the cars that it answers for in every way; batteries: how many these are.
    """

    error_eur: Mapping[str, float]
    batteries: int


def twins_word(context: Context, day: date) -> TwinsWord:
    """Ask the twin for a day that has an account; context: as of the moment of that account."""
    zone = context.workspace.zone
    executed = Executed.of(context.known, zone, market_day_slots(day, zone))
    real = RealDay.of(context, day, executed)
    ways = list(ways_of_charging(real, executed))
    stated = twin_wear(
        context.workspace.settings.calibrate.twins,
        real.inputs,
        {way.came.mode: way.problem for way in ways},
        {way.came.mode: way.came for way in ways},
    )
    cars = [car for car in real.battery_ids if all((way.came.mode, car) in stated for way in ways)]
    error = {way.name: sum(stated[way.came.mode, car][0] - _priced(way, car) for car in cars) for way in ways}
    plug_in = error["uncontrolled"]
    return TwinsWord(error_eur={name: eur - plug_in for name, eur in error.items()}, batteries=len(cars))


def _priced(way: Way, car: str) -> float:
    return way.accounts[car].realised.wear_eur
