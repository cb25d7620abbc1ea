"""What a car does slot by slot to reach the most that `Values` tell of, and whether it keeps every rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimize.arrays import FloatArray
from optimize.why.concave import best
from optimize.why.stages import Alone, Stay
from optimize.why.values import Change, Values
from optimize.windows import taper_line

CLOSE_KW = 1e-6
CLOSE_KWH = 1e-6
DUST_KWH = 1e-10


@dataclass(frozen=True, slots=True)
class Course:
    """Energies charged and discharged in every slot of every stay, battery-side kWh, by stay."""

    charged: tuple[FloatArray, ...]
    discharged: tuple[FloatArray, ...]

    @property
    def discharged_kwh(self) -> float:
        """In all the day."""
        return float(sum(one.sum() for one in self.discharged))

    def mixed(self, other: Course, share: float) -> Course:
        """So much of this one, the rest of another."""

        def both(mine: Sequence[FloatArray], theirs: Sequence[FloatArray]) -> tuple[FloatArray, ...]:
            return tuple(share * a + (1.0 - share) * b for a, b in zip(mine, theirs, strict=True))

        return Course(both(self.charged, other.charged), both(self.discharged, other.discharged))

    def energies(self, car: Alone) -> list[FloatArray]:
        """What the battery holds at the begin of each stay and at the end of each of its slots."""
        found: list[FloatArray] = []
        for stay, charged, discharged in zip(car.stays, self.charged, self.discharged, strict=True):
            begin = stay.window.arrival_kwh
            if stay.behind >= 0:
                target = car.stays[stay.behind].window.target_kwh
                begin += max(0.0, float(found[stay.behind][-1]) - target)
            found.append(begin + np.concatenate([[0.0], np.cumsum(charged - discharged)]))
        return found

    def missing_kwh(self, car: Alone) -> float:
        """What is short at the ends of all stays together."""
        ends = zip(car.stays, self.energies(car), strict=True)
        return sum(max(0.0, stay.window.target_kwh - float(held[-1])) for stay, held in ends)

    def benefit_eur(self, car: Alone) -> float:
        """What it brings, wear counted as it is; what never changes of a day is left out."""
        total = -car.wear.eur(self.discharged_kwh)
        for stay, held, charged, discharged in zip(
            car.stays, self.energies(car), self.charged, self.discharged, strict=True
        ):
            total += stay.end.at(float(held[-1])) - stay.window.value_eur_per_kwh * float(held[0])
            total -= car.rest_eur_per_kwh * float((held[1:] + held[:-1]).sum())
            each = zip(stay.stages, charged.tolist(), discharged.tolist(), strict=True)
            total += sum(stage.worth(into, out) for stage, into, out in each)
        return total

    def keeps_rules(self, car: Alone) -> bool:
        """Whether it keeps the rules that values leave out: see `values`."""
        fall = car.car.drawdown_limit * car.car.capacity_kwh
        at_empty, by_kwh = taper_line(car.car, car.hours)
        for stay, held, charged, discharged in zip(
            car.stays, self.energies(car), self.charged, self.discharged, strict=True
        ):
            into, out = charged / car.hours, discharged / car.hours
            charging, discharging = into > CLOSE_KW, out > CLOSE_KW
            broken = charging & discharging
            broken |= discharging & (held[1:] < stay.window.lowest_kwh - CLOSE_KWH)
            broken |= charging & (held[1:] > stay.window.highest_kwh + CLOSE_KWH)
            broken |= charging & (into < car.car.min_charge_kw - CLOSE_KW)
            broken |= discharging & (out < car.car.min_discharge_kw - CLOSE_KW)
            if by_kwh > 0.0:
                broken |= charging & (into > at_empty - by_kwh * held[:-1] + CLOSE_KW)
            if car.car.drawdown_limit < 1.0 and discharging.any():
                broken |= np.maximum.accumulate(held)[1:] - held[1:] > fall + CLOSE_KWH
            if broken.any():
                return False
        return True


def course_of(values: Values, change: Change | None) -> Course | None:
    """One of the best courses at the values' price, with a change if one is given; None where none is."""
    car = values.car
    held: list[list[float]] = [[] for _ in car.stays]
    for s, stay in enumerate(car.stays):
        if stay.behind < 0 and not _trace(values, s, change, held):
            return None
    moved = [np.diff(np.array(one)) for one in held]
    for one in moved:
        one[np.abs(one) < DUST_KWH] = 0.0
    return Course(tuple(np.maximum(one, 0.0) for one in moved), tuple(np.maximum(-one, 0.0) for one in moved))


def _trace(values: Values, s: int, change: Change | None, held: list[list[float]]) -> bool:
    """Fill in the energies of the chain that begins with stay s; False where there is no way."""
    chain = [s]
    while (ahead := values.ahead(chain[-1])) is not None:
        chain.append(ahead)
    inside = change is not None and change.stay in chain
    if inside and change is not None:
        at, slot = change.stay, change.first
        found = values.chain(change)
        end, added = change.end, change.added_kwh
    else:
        at, slot, end, added = s, 0, 0, 0.0
        found = best(values.before[s][0], values.after[s][0])
    if found is None:
        return False
    energy = found[1]
    before = [energy]
    for number in range(slot - 1, -1, -1):
        before.append(_earlier(values, at, number, before[-1]))
    count = end - slot
    held[at] = before[::-1] + [energy + added * (n + 1) / count for n in range(count)]
    _onwards(values, at, end, held)
    place = chain.index(at)
    for number in range(place - 1, -1, -1):  # what those behind it left
        mine, following = chain[number], chain[number + 1]
        _backwards(values, mine, held, held[following][0], values.car.stays[following])
    for number in range(place + 1, len(chain)):
        mine, behind = chain[number], chain[number - 1]
        window = values.car.stays[mine].window
        above = held[behind][-1] - values.car.stays[behind].window.target_kwh
        held[mine] = [window.arrival_kwh + max(0.0, above)]
        _onwards(values, mine, 0, held)
    return True


def _onwards(values: Values, s: int, number: int, held: list[list[float]]) -> None:
    """Go on from slot `number` of a stay to its end."""
    for at in range(number, len(values.car.stays[s].stages)):
        held[s].append(_later(values, s, at, held[s][-1]))


def _backwards(values: Values, s: int, held: list[list[float]], left_kwh: float, following: Stay) -> None:
    """Find a stay's energies from what the one that follows it began with."""
    stay, last = values.car.stays[s], values.before[s][-1]
    target, surplus = stay.window.target_kwh, left_kwh - following.window.arrival_kwh
    if surplus > CLOSE_KWH:
        end = target + surplus
    else:  # anything up to the target begins the next one alike
        below = last.within(last.low, max(last.low, min(last.high, target)))
        found = best(below, stay.end)
        end = found[1] if found else target
    energies = [end]
    for number in range(len(stay.stages) - 1, -1, -1):
        energies.append(_earlier(values, s, number, energies[-1]))
    held[s] = energies[::-1]


def _later(values: Values, s: int, number: int, energy: float) -> float:
    """The energy behind a slot that is begun with so much."""
    if (known := values.later.get((s, number, energy))) is not None:
        return known
    at, rest = values.after[s][number + 1].tilted(-values.car.rest_eur_per_kwh), energy
    stage = values.car.stays[s].stages[number]
    for width, price in stage.charge:
        rest += min(max(at.reach(-price) - rest, 0.0), width)
    if rest == energy:
        for width, price in stage.discharge:
            rest -= min(max(rest - at.reach_last(values.mu - price), 0.0), width)
    found = values.later[s, number, energy] = min(max(rest, at.low), at.high)
    return found


def _earlier(values: Values, s: int, number: int, energy: float) -> float:
    """The energy before a slot that ends with so much."""
    if (known := values.earlier.get((s, number, energy))) is not None:
        return known
    at, rest = values.before[s][number].tilted(-values.car.rest_eur_per_kwh), energy
    stage = values.car.stays[s].stages[number]
    for width, price in stage.charge:
        rest -= min(max(rest - at.reach_last(price), 0.0), width)
    if rest == energy:
        for width, price in stage.discharge:
            rest += min(max(at.reach(price - values.mu) - rest, 0.0), width)
    found = values.earlier[s, number, energy] = min(max(rest, at.low), at.high)
    return found


def free(car: Alone) -> bool:
    """Whether a car has none of the rules that values leave out."""
    own, (_, by_kwh) = car.car, taper_line(car.car, car.hours)
    if own.min_charge_kw or own.min_discharge_kw or by_kwh > 0.0 or own.drawdown_limit < 1.0:
        return False
    return all(
        stay.window.floor_kwh >= stay.window.lowest_kwh and stay.window.ceiling_kwh <= stay.window.highest_kwh
        for stay in car.stays
    )


def burns(car: Alone, mu: float) -> bool:
    """Whether charging and feeding back at once would pay in some slot, which no course does."""
    return any(
        stage.charge and stage.discharge and stage.discharge[0][1] - mu > stage.charge[0][1]
        for stay in car.stays
        for stage in stay.stages
    )


def least_benefit(one: Course | None, car: Alone) -> float:
    """What a course brings that keeps all rules; −inf of one that does not."""
    return one.benefit_eur(car) if one is not None and one.keeps_rules(car) else -math.inf
