"""The rungs of the ladder of plans, the best first, and the modes that each allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from optimize.types import Mode

PlanSource = Literal["published", "substituted", "last_plan", "charge_only"]
RUNGS: tuple[PlanSource, ...] = ("published", "substituted", "last_plan", "charge_only")
MODES: Mapping[PlanSource, tuple[Mode, ...]] = {
    "published": ("uncontrolled", "ordered", "v2g"),
    "substituted": ("uncontrolled", "ordered"),
    "last_plan": ("uncontrolled", "ordered"),
    "charge_only": ("uncontrolled",),
}
"""The modes a rung allows, each may do more than the one before; the last one that is known is followed."""
