"""The strategies of a back-test: what each knows, when it decides, and which way of charging counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time
from typing import Any, Literal

from flows.settings import Settings, UnknownPrices

NOON_GATE = time(11, 30)
"""Market-local time on the day before at which a bidder has decided: the auction closes at noon."""
Counted = Literal["followed", "ordered", "uncontrolled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Days planned one after the other by one rule; several strategies may be read from one course.

    unknown_prices: what stands in for prices of the day, decided at NOON_GATE and never again; None: planned
    when they are published, and every so many minutes if so given. foreseen: tables of which the plan knows
    what is to come.
    """

    name: str
    unknown_prices: UnknownPrices | None = None
    foreseen: tuple[str, ...] = ()

    def settings(self, settings: Settings) -> Settings:
        """The workspace's settings as this course needs them."""
        changed: dict[str, Any] = {}
        if self.unknown_prices is not None:
            changed |= {"horizon": "market_day", "feed_in_on_forecast": True}
            changed |= {"unknown_prices": self.unknown_prices}
        if "core_session" in self.foreseen:  # who is not announced does not come
            changed |= {"expected_stays": "never"}
        return settings.model_copy(update={"plan": settings.plan.model_copy(update=changed)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """counted: the way of charging of its course whose money is the strategy's. naive: a simple forecast."""

    name: str
    course: Course
    counted: Counted = "followed"
    naive: bool = False
    description: str


_PRICES, _SESSIONS = ("core_price", "core_tariff"), ("core_session",)
_DEFAULT = Course(name="v2g")
FORESIGHT = "foresight"

STRATEGIES = (
    Strategy(name="uncontrolled", course=_DEFAULT, counted="uncontrolled", description="charges on plug-in"),
    Strategy(
        name="ordered", course=_DEFAULT, counted="ordered", description="shifts charging, as v2g knows prices"
    ),
    Strategy(name="v2g", course=_DEFAULT, description="as `v2g run` plans: when prices are published"),
    Strategy(
        name="like-days",
        course=Course(name="like-days", unknown_prices="like_days"),
        naive=True,
        description="v2g decided at 11:30 the day before on the mean of seven like days",
    ),
    Strategy(
        name="last-week",
        course=Course(name="last-week", unknown_prices="week_ago"),
        naive=True,
        description="v2g decided at 11:30 the day before on the prices of a week before",
    ),
    Strategy(
        name="yesterday",
        course=Course(name="yesterday", unknown_prices="day_before"),
        naive=True,
        description="v2g decided at 11:30 the day before on the prices of the day before",
    ),
    Strategy(
        name="combined",
        course=Course(name="combined", unknown_prices="combined"),
        description="v2g decided at 11:30 the day before on several forecasts, each by how well it did",
    ),
    Strategy(
        name="foresight-sessions",
        course=Course(name="foresight-sessions", foreseen=_SESSIONS),
        description="v2g that knows every session to come",
    ),
    Strategy(
        name="foresight-prices",
        course=Course(name="foresight-prices", foreseen=_PRICES),
        description="v2g that knows every price of two days more",
    ),
    Strategy(
        name=FORESIGHT,
        course=Course(name=FORESIGHT, foreseen=(*_PRICES, *_SESSIONS)),
        description="v2g that knows prices and sessions to come",
    ),
)
BY_NAME = {one.name: one for one in STRATEGIES}


def courses_of(strategies: Sequence[Strategy]) -> dict[Course, list[Strategy]]:
    """The courses that some strategies take, each with those that are read from it."""
    found: dict[Course, list[Strategy]] = {}
    for one in strategies:
        found.setdefault(one.course, []).append(one)
    return found
