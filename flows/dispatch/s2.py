"""The plan in force as messages of S2 (EN 50491-12-2), for an energy manager and the one who keeps to it.

A car's session: what it can (PEBC.PowerConstraints), what its promise needs (PEBC.EnergyConstraint), what is
expected (PowerForecast) and the plan as a power envelope (PEBC.Instruction, both limits alike). A site: its
limits, what is expected of it with its other load, and its envelope. Powers are W, + = consumption, at the
plug; of one phase L1, else the total of three. Ids follow from the plan: the same plan, the same messages.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import numpy as np
from s2python.common import (
    CommodityQuantity,
    Duration,
    NumberRange,
    PowerForecast,
    PowerForecastElement,
    PowerForecastValue,
)
from s2python.generated.gen_s2 import ID
from s2python.pebc import (
    PEBCAllowedLimitRange,
    PEBCEnergyConstraint,
    PEBCInstruction,
    PEBCPowerConstraints,
    PEBCPowerEnvelope,
    PEBCPowerEnvelopeConsequenceType,
    PEBCPowerEnvelopeElement,
    PEBCPowerEnvelopeLimitType,
)

from flows.dispatch.merge import Floats
from flows.dispatch.plan_file import QUARTER, PlanSession

MOST_ELEMENTS = 288
_NAMES = uuid.UUID("6f0e3b1c-6a0e-5d0f-9a39-2f5b6f6f3c11")
_PHASES: Mapping[int, CommodityQuantity] = {
    1: CommodityQuantity.ELECTRIC_POWER_L1, 3: CommodityQuantity.ELECTRIC_POWER_3_PHASE_SYMMETRIC,
}  # fmt: skip
Message = Mapping[str, Any]


class NoMessageError(ValueError):
    """What cannot be said in S2; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resource:
    """What messages are about: powers [T], kW, from `begin` on by quarter-hour, between least and most.

    name: within the plan of plan_id. need_kw: the least and the most mean power to the end, where known.
    """

    plan_id: str
    name: str
    begin: datetime
    end: datetime
    power_kw: Floats
    least_kw: float
    most_kw: float
    quantity: CommodityQuantity
    need_kw: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Socket:
    """What a charger gives and takes, kW at the plug."""

    phases: int
    most_kw: float
    feeds_kw: float


def of_session(plan_id: str, session: PlanSession, at: Socket | None, now: datetime) -> Resource:
    """A car's session from the quarter-hour of `now` on; raises NoMessageError.

    What its promise needs: at least what is missing of it at the plug, at most what the plan takes if more.
    It may be asked to feed back where its plan does.
    """
    if at is None:
        raise NoMessageError("no charger is known of it, which would tell its phases and powers")
    if at.phases not in _PHASES:
        raise NoMessageError(f"its charger has {at.phases} phases, S2 knows one or three")
    first, powers = _from(now, session.first_slot, session.slots.power_kw)
    begin = session.first_slot + first * QUARTER
    slots = session.slots
    held = session.energy_before_kwh if first == 0 else float(slots.energy_kwh[first - 1])
    missing = session.target_kwh - held
    due = missing / slots.efficiency_charge if missing > 0 else missing * slots.efficiency_discharge
    hours = (session.end - begin) / timedelta(hours=1)
    feeds = at.feeds_kw if slots.power_kw.min() < 0 else 0.0
    least = max(due / hours, -feeds)
    return Resource(
        plan_id=plan_id, name=session.name, begin=begin, end=session.end, power_kw=powers, least_kw=-feeds,
        most_kw=at.most_kw, quantity=_PHASES[at.phases],
        need_kw=(min(least, at.most_kw), max(min(least, at.most_kw), float(powers.mean()))),
    )  # fmt: skip


def of_site(
    plan_id: str, site_id: str, limits_kw: tuple[float, float], first_slot: datetime, net_kw: Floats,
    now: datetime,
) -> Resource:  # fmt: skip
    """A site from the quarter-hour of `now` on. limits_kw: of drawing and feeding back, ≥ 0; net_kw [T]."""
    first, powers = _from(now, first_slot, net_kw)
    begin = first_slot + first * QUARTER
    return Resource(
        plan_id=plan_id, name=f"site {site_id}", begin=begin, end=begin + len(powers) * QUARTER,
        power_kw=powers, least_kw=-limits_kw[1], most_kw=limits_kw[0],
        quantity=CommodityQuantity.ELECTRIC_POWER_3_PHASE_SYMMETRIC,
    )  # fmt: skip


def messages(one: Resource) -> list[Message]:
    """Return the messages of a resource, each as JSON has it; raises NoMessageError."""
    runs = [(watts, len(list(own))) for watts, own in groupby(_watts(kw) for kw in one.power_kw)]
    if len(runs) > MOST_ELEMENTS:
        raise NoMessageError(f"{len(runs)} different powers, S2 takes {MOST_ELEMENTS}")
    low, high = (_watts(kw) for kw in (one.least_kw, one.most_kw))
    low, high = min([low, *(watts for watts, _ in runs)]), max([high, *(watts for watts, _ in runs)])
    found = [_constraints(one, low, high), _forecast(one, runs), _instruction(one, runs)]
    if one.need_kw is not None:
        found.insert(1, _energy(one, *one.need_kw))
    return [message.model_dump(mode="json", exclude_none=True) for message in found]


def _from(now: datetime, first_slot: datetime, powers: Floats) -> tuple[int, Floats]:
    """The powers from the quarter-hour of a moment on, and how many are over."""
    first = max(0, (now - first_slot) // QUARTER)
    if first >= len(powers):
        raise NoMessageError("it is over")
    return first, powers[first:]


def _constraints(one: Resource, low: float, high: float) -> PEBCPowerConstraints:
    kinds = (PEBCPowerEnvelopeLimitType.UPPER_LIMIT, PEBCPowerEnvelopeLimitType.LOWER_LIMIT)
    return PEBCPowerConstraints(
        message_id=_id(one, "constraints message"), id=_id(one, "constraints"), valid_from=one.begin,
        valid_until=one.end, consequence_type=PEBCPowerEnvelopeConsequenceType.DEFER,
        allowed_limit_ranges=[
            PEBCAllowedLimitRange(
                commodity_quantity=one.quantity, limit_type=kind, abnormal_condition_only=False,
                range_boundary=NumberRange(start_of_range=low, end_of_range=high),
            )
            for kind in kinds
        ],
    )  # fmt: skip


def _energy(one: Resource, least_kw: float, most_kw: float) -> PEBCEnergyConstraint:
    return PEBCEnergyConstraint(
        message_id=_id(one, "energy message"), id=_id(one, "energy"), valid_from=one.begin,
        valid_until=one.end, lower_average_power=_watts(least_kw), upper_average_power=_watts(most_kw),
        commodity_quantity=one.quantity,
    )  # fmt: skip


def _forecast(one: Resource, runs: Sequence[tuple[float, int]]) -> PowerForecast:
    elements = [
        PowerForecastElement(
            duration=_duration(count),
            power_values=[
                PowerForecastValue.model_validate(
                    {"value_expected": watts, "commodity_quantity": one.quantity}
                )
            ],
        )
        for watts, count in runs
    ]
    return PowerForecast(message_id=_id(one, "forecast"), start_time=one.begin, elements=elements)


def _instruction(one: Resource, runs: Sequence[tuple[float, int]]) -> PEBCInstruction:
    elements = [
        PEBCPowerEnvelopeElement(duration=_duration(count), upper_limit=watts, lower_limit=watts)
        for watts, count in runs
    ]
    envelope = PEBCPowerEnvelope(
        id=ID(root=str(_id(one, "envelope"))),
        commodity_quantity=one.quantity,
        power_envelope_elements=elements,
    )
    return PEBCInstruction(
        message_id=_id(one, "instruction message"), id=_id(one, "instruction"), execution_time=one.begin,
        abnormal_condition=False, power_constraints_id=_id(one, "constraints"), power_envelopes=[envelope],
    )  # fmt: skip


def _duration(quarters: int) -> Duration:
    return Duration(root=round(quarters * QUARTER / timedelta(milliseconds=1)))


def _id(one: Resource, what: str) -> uuid.UUID:
    return uuid.uuid5(_NAMES, f"{one.plan_id}\n{one.name}\n{one.begin.isoformat()}\n{what}")


def _watts(kw: float) -> float:
    """Whole watts, no negative zero."""
    return float(np.round(1000.0 * kw)) + 0.0
