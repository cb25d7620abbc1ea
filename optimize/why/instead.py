"""What a car would do instead, by two courses of its day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from optimize.arrays import FloatArray
from optimize.why.course import Course
from optimize.why.stages import Alone
from optimize.why.values import Change

Does = Literal[
    "leaves short",
    "charges elsewhere",
    "charges less",
    "feeds back elsewhere",
    "feeds back less",
    "leaves with less",
    "leaves with more",
]
DOES: tuple[Does, ...] = (
    "leaves short",
    "charges elsewhere",
    "charges less",
    "feeds back elsewhere",
    "feeds back less",
    "leaves with less",
    "leaves with more",
)
_SHORT_KWH = 0.05
"""Less is no word about a departure."""


@dataclass(frozen=True, slots=True)
class Instead:
    """What makes most of the difference: so much of it, battery-side kWh, most of that in a slot; −1: none
    of the day."""

    does: Does
    kwh: float
    slot: int


def instead_of(car: Alone, planned: Course, other: Course | None, change: Change) -> Instead | None:
    """What a car that cannot do what it does in some slots does for it; None where nothing is found."""
    if other is None:
        return None
    short = other.missing_kwh(car) - planned.missing_kwh(car)
    if short > _SHORT_KWH:
        return Instead("leaves short", short, -1)
    outside = [np.ones(len(stay.stages), dtype=np.bool_) for stay in car.stays]
    outside[change.stay][change.first : change.end] = False
    keep = np.concatenate(outside)
    charged, discharged = (
        np.where(keep, np.concatenate(new) - np.concatenate(old), 0.0)
        for new, old in (
            (other.charged, planned.charged),
            (other.discharged, planned.discharged),
        )
    )
    left = sum(float(one[-1]) for one in other.energies(car)) - sum(
        float(one[-1]) for one in planned.energies(car)
    )
    if planned.charged[change.stay][change.first] > 0.0:
        ways: list[tuple[Does, FloatArray | float]] = [
            ("charges elsewhere", charged),
            ("feeds back less", -discharged),
            ("leaves with less", -left),
        ]
    else:
        ways = [("feeds back elsewhere", discharged), ("charges less", -charged), ("leaves with more", left)]
    slots = np.concatenate([np.array(stay.window.slots) for stay in car.stays])
    found = [_instead(does, moved, slots) for does, moved in ways]
    most = max(found, key=lambda one: one.kwh)
    return most if most.kwh > _SHORT_KWH else None


def _instead(does: Does, moved: FloatArray | float, slots: FloatArray) -> Instead:
    if isinstance(moved, float):
        return Instead(does, moved, -1)
    more = np.maximum(moved, 0.0)
    return Instead(does, float(more.sum()), int(slots[int(more.argmax())]))
