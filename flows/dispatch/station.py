"""What a charging station takes, as far as it is known; what is not known is not held against a profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Version = Literal["1.6", "2.0.1", "2.1"]
VERSIONS: tuple[Version, ...] = ("1.6", "2.0.1", "2.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """A station by what it says of itself (its device model); None: not known.

    evses: numbers of its EVSEs (1.6: connectors). units: rate units, W or A. most_periods:
    PeriodsPerSchedule. most_stack_level: ChargeProfileMaxStackLevel. phases: of its supply. direct_current:
    whether its EVSEs are DC. transactions: EVSE → the transaction that runs there; what is not in
    it has none. The others: whether it supports what they are named after. modes: operation modes of V2X;
    purposes: the optional ones.
    """

    version: Version = "2.1"
    evses: frozenset[int] | None = None
    units: frozenset[str] | None = None
    most_periods: int | None = None
    most_stack_level: int | None = None
    phases: int | None = None
    direct_current: bool | None = None
    transactions: Mapping[int, str] | None = None
    max_external_constraints_id: int | None = None
    phase_switching: bool | None = None
    dc_input_phase_control: bool | None = None
    dynamic_profiles: bool | None = None
    local_time: bool | None = None
    randomized_delay: bool | None = None
    limit_at_soc: bool | None = None
    evse_sleep: bool | None = None
    modes: frozenset[str] | None = None
    purposes: frozenset[str] | None = None
