"""A course: market days planned in turn by the stage that `v2g plan` runs, each accounted for when over."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd

from flows.backtest.foresight import ForeseeingContext
from flows.backtest.strategies import NOON_GATE, Course
from flows.context import Context, new_run_id
from flows.errors import NoPlanError
from flows.mapping.plannable import IMPOSSIBLE, in_words
from flows.mapping.prices import day_to_plan_now
from flows.stages.plan import plan
from flows.stages.realise import realise
from flows.workspace import Workspace
from warehouse.zones import market_day_bounds, market_timezone, publication

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The market days of a back-test, first to last.

    every_minutes: from plan to plan, 0 for one a market day. known_until: what was received after it is not
    known to anybody. twin: ask it what each realised day wears.
    """

    zone: str
    first: date
    last: date
    every_minutes: int
    known_until: datetime
    twin: bool = False

    @property
    def days(self) -> list[date]:
        """All of them."""
        return _days(self.first, self.last)

    @property
    def begins(self) -> date:
        """The market day before the first: planned as well, so that the first begins as every other does."""
        return self.first - timedelta(days=1)

    def judged(self, day: date) -> datetime:
        """The moment that a day's account is made as of: it is over, and all is known that ever was."""
        return max(self.known_until, market_day_bounds(day, self.zone)[1])


def decisions(course: Course, span: Span) -> list[tuple[datetime, date | None]]:
    """When a course plans, and which market day; None: from then on, as `v2g plan --now` does."""
    if course.unknown_prices is not None:
        timezone = ZoneInfo(market_timezone(span.zone))
        days = _days(span.begins, span.last)
        gates = [datetime.combine(day - timedelta(days=1), NOON_GATE, timezone) for day in days]
        return [(gate.astimezone(UTC), day) for gate, day in zip(gates, days, strict=True)]
    # The plan of the day after the last holds the last evening.
    days = _days(span.begins, span.last + timedelta(days=1))
    planned: dict[datetime, date | None] = {publication(day, span.zone): day for day in days}
    if span.every_minutes:
        end = market_day_bounds(span.last, span.zone)[1]
        again = pd.date_range(min(planned), end, freq=pd.Timedelta(minutes=span.every_minutes))
        planned = dict.fromkeys(again.to_pydatetime().tolist(), None) | planned
    return sorted(planned.items(), key=lambda one: one[0])


def first_moment(span: Span) -> datetime:
    """The moment before which no course decides anything."""
    day = datetime.combine(span.begins - timedelta(days=1), NOON_GATE, ZoneInfo(market_timezone(span.zone)))
    return min(day.astimezone(UTC), publication(span.begins, span.zone))


def lived(own: Workspace, course: Course, span: Span) -> Iterator[tuple[date, str]]:
    """Each day when it is accounted for, and what was not as it should be; goes on where it was left.

    own: the workspace that the course is planned in. A moment without a plan, and a day without an account,
    cost no other.
    """
    left, notes = decisions(course, span), list[str]()
    known_rows = own.warehouse.read("out_plan", columns=["as_of_utc"])["as_of_utc"]
    left = [one for one in left if known_rows.empty or pd.Timestamp(one[0]) > known_rows.max()]
    done = set(own.warehouse.read("out_realised", columns=["market_date"])["market_date"])
    for day in span.days:
        end = market_day_bounds(day, span.zone)[1]
        while left and left[0][0] < end:
            notes += _planned(own, course, span, *left.pop(0))
        if day not in done:
            result = realise(context_of(own, span.judged(day)), [day])
            notes += [result.message] if result.exit_code or not result.details["accounts"] else []
        yield day, "; ".join(notes)
        notes = []


def _planned(own: Workspace, course: Course, span: Span, moment: datetime, day: date | None) -> list[str]:
    """Plan at a moment; what was not as it should be."""
    context = context_of(own, moment)
    if course.foreseen:
        later = max(span.known_until, moment)
        context = ForeseeingContext(
            workspace=own,
            as_of=moment,
            run_id=context.run_id,
            shown=False,
            foreseen=course.foreseen,
            later=later,
        )
    try:
        day = day or day_to_plan_now(context)
        plan(context, day)
    except (NoPlanError, *IMPOSSIBLE) as error:
        _log.info("%s: %s", course.name, error)
        return [in_words(error) if not isinstance(error, NoPlanError) else str(error)]
    return []


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def context_of(own: Workspace, moment: datetime) -> Context:
    """A moment in the workspace of a course: nobody reads of its plans."""
    return Context(workspace=own, as_of=moment, run_id=new_run_id(moment), shown=False)
