"""When `v2g serve` does what: the times that a workspace sets, and the alarm that Prefect rings.

Prefect rings every quarter-hour in UTC, which no clock change moves; what is due then, by the times in the
zone of the market, is decided in `flows.due`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from flows.section import Section

ALARM = "*/15 * * * *"
"""Cron line, UTC."""
# The hours in which a local clock is moved: a run planned there is skipped or fires at the wrong hour.
LocalTime = Annotated[str, Field(pattern=r"^(00|0[4-9]|1\d|2[0-3]):[0-5]\d$")]


class ScheduleSettings(Section):
    """What `v2g serve` does and when: HH:MM is local to the fleet's zone; hours 01–03 are refused.

    Local clocks are moved in those hours: a run planned there comes twice, an hour early, or never. All of it
    is looked at every quarter-hour; what was missed is made up for as soon as the machine is back.
    The inbox is looked into every full hour (UTC) and at `ingest`. Providers are asked for tomorrow from
    `fetch` on, every quarter-hour until they have it; from `alert` on that they have not is a fault.
    Tomorrow is planned as soon as its prices are out, at `plan` on what there is. It is planned anew from now
    on when what `replan_on` names has come since: "arrival" of any car, "unplanned", the arrival of one that
    the plan does not hold, "departure", "price"; and every `replan_minutes` (0: not by the clock; each plan
    is kept). `calibrate`, `realise` and `maintain` (a backup, and what retention lets go of) come once a day.
    """

    ingest: LocalTime = "12:45"
    fetch: LocalTime = "12:45"
    alert: LocalTime = "14:00"
    plan: LocalTime = "14:30"
    replan_on: list[Literal["arrival", "unplanned", "departure", "price"]] = Field(
        default=["unplanned", "price"]
    )
    replan_minutes: int = Field(default=0, ge=0, le=1440, multiple_of=15)
    calibrate: LocalTime = "22:30"
    realise: LocalTime = "06:30"
    maintain: LocalTime = "05:00"
