"""Ask the configured providers for a market day before it is planned: in turn, until one gives all of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import httpx
import numpy as np
import pandas as pd

from data_checks import check_frame
from flows.context import Context
from flows.errors import FlowsError
from flows.fetch_settings import Asked, FetchSettings
from flows.mapping.retail import spread
from flows.secret import without_secrets
from flows.stages.check import check_context
from flows.stages.fetch import ingest_answer
from flows.stages.record import StageResult, recorded
from flows.stages.trouble import DEGRADED
from warehouse.contracts.registry import core_contract
from warehouse.errors import StoreError, WarehouseError, printable
from warehouse.sources.tariffs import PROVIDERS
from warehouse.sources.tariffs.exchange import Limits
from warehouse.zones import market_day_slots, market_timezone

_ATTEMPTS = 3
_LEAST_S = 0.5
"""With less time than that left, a provider is not asked at all."""
_GAP_DAYS = 7
_LONGEST = pd.Timedelta(hours=1)
"""An interval that began so long before the day may still price its first slot."""


@recorded("fetch")
def fetch_day(
    context: Context,
    day: date,
    *,
    transport: httpx.BaseTransport | None = None,
    patient: bool = False,
) -> StageResult:
    """Ingest what `[fetch]` wants to know of `day` and nobody announced yet; received_utc is `as_of`.

    Known is what the core tables hold, and what has been ingested and will pass its check. What one provider
    cannot give the next is asked for; together they have `deadline_s`. Exit code 3 when the day is not whole
    after that, and a plan will miss it; patient: it need not be out yet, and is asked for again. transport:
    of the requests. Raises StoreError.
    """
    settings = context.workspace.settings.fetch
    wants = _wants(settings)
    if not wants:
        return _answer("nobody is asked for prices: fetch in v2g.toml names no provider")
    asking = _Asking(context, day, transport, left_s=settings.deadline_s)
    tries: list[_Try] = []
    noted: list[str] = []
    missing = False
    for number, want in enumerate(wants):
        own = asking.until_known(want, more=sum(len(later.asked) for later in wants[number + 1 :]))
        tries += own
        if not own:
            noted.append(f"{want.name} of {day} are known")
        elif own[-1].outcome == "landed":
            noted.append(f"{want.name} of {day} by {own[-1].source}")
        elif want.name == "prices" and all(asking.knows(one) for one in _BOTH_WAYS):
            noted.append(f"no prices of {day}, which its tariffs make up for")
        else:
            missing = True
            noted.append(f"{want.name} of {day} are not to be had{' yet' if patient else ''}")
    failed = [f"{one.source}: {one.reason}" for one in tries if one.reason]
    message = "; ".join([", ".join(noted), *failed])
    return _answer(message, tries, degraded=missing and not patient)


def lacking(context: Context, day: date) -> bool:
    """Whether anything of a market day that `[fetch]` wants is not known; asks nobody. Raises StoreError."""
    asking = _Asking(context, day, None, left_s=0.0)
    wants = [want for want in _wants(context.workspace.settings.fetch) if not asking.knows(want)]
    made_up = all(want.name == "prices" for want in wants) and all(asking.knows(one) for one in _BOTH_WAYS)
    return bool(wants) and not made_up


@dataclass(frozen=True, slots=True, kw_only=True)
class _Want:
    """A dataset of the day, of tariffs one direction, and who is asked for it in turn."""

    dataset: str
    direction: str | None
    asked: tuple[Asked, ...] = ()

    @property
    def name(self) -> str:
        return self.dataset if self.direction is None else f"{self.direction} {self.dataset}"


_BOTH_WAYS = tuple(_Want(dataset="tariffs", direction=direction) for direction in ("import", "export"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Try:
    """What asking a provider came to; outcome: ingested, incomplete, failed or not asked."""

    want: _Want
    source: str
    day: date
    outcome: str
    rows: int = 0
    reason: str = ""


def _wants(settings: FetchSettings) -> list[_Want]:
    """What is to be known: tariffs before prices, which may be missed where those are there."""
    wants = [
        _Want(
            dataset="tariffs",
            direction=one.direction,
            asked=tuple(
                asked for asked in settings.tariffs if PROVIDERS[asked.source].direction == one.direction
            ),
        )
        for one in _BOTH_WAYS
    ]
    wants.append(_Want(dataset="prices", direction=None, asked=tuple(settings.prices)))
    return [want for want in wants if want.asked]


@dataclass(slots=True)
class _Asking:
    """The run that asks; left_s: how long providers may still take, in seconds."""

    context: Context
    day: date
    transport: httpx.BaseTransport | None
    left_s: float

    def until_known(self, want: _Want, *, more: int) -> list[_Try]:
        """Ask in turn until the day is known; [] if it is. more: how many may still be asked after these."""
        if self.knows(want):
            return []
        tries: list[_Try] = []
        for number, asked in enumerate(want.asked):
            tries.append(self._try(want, asked, self.day, share=len(want.asked) - number + more))
            if tries[-1].outcome == "landed":
                gaps = self._gaps(want)
                return [*self._between(want, asked, gaps, more), *tries] if gaps else tries
        return tries

    def knows(self, want: _Want) -> bool:
        """Whether every quarter-hour of the day has one price that counts, or will once it is checked."""
        slots = market_day_slots(self.day, self.context.workspace.zone)
        return not np.isnan(spread(self._rows(want, slots), slots)).any()

    def _rows(self, want: _Want, slots: pd.DatetimeIndex) -> pd.DataFrame:
        warehouse, zone = self.context.workspace.warehouse, self.context.workspace.zone
        where = {"zone": zone} | ({"direction": want.direction} if want.direction else {})
        end = slots[-1] + pd.Timedelta(minutes=15)
        rows = warehouse.read(
            core_contract(want.dataset).name, where=where, start=slots[0] - _LONGEST, end=end
        )
        for good in self._waiting(want.dataset):
            own = good[(good[list(where)] == pd.Series(where)).all(axis=1)]
            rows = pd.concat([rows, own[rows.columns]]) if len(own) else rows
        lasts = pd.to_timedelta(rows["resolution_minutes"], unit="min")
        return rows[(rows["interval_start_utc"] + lasts > slots[0]) & (rows["interval_start_utc"] < end)]

    def _waiting(self, dataset: str) -> Iterator[pd.DataFrame]:
        """Ingested rows that will pass their check."""
        warehouse = self.context.workspace.warehouse
        frame = warehouse.unchecked(dataset)
        if frame.empty:
            return
        try:
            yield check_frame(dataset, frame, check_context(self.context, dataset, frame)).good
        except StoreError:
            raise
        except Exception:  # the check itself will tell; what it cannot judge is not known
            return

    def _try(self, want: _Want, asked: Asked, day: date, *, share: int) -> _Try:
        """Ask one provider, within its share of the time that is left."""

        def came(outcome: str, rows: int = 0, reason: str = "") -> _Try:
            return _Try(want=want, source=asked.source, day=day, outcome=outcome, rows=rows, reason=reason)

        seconds = self.left_s / share
        if seconds < _LEAST_S:
            return came("not asked", reason="no time is left for it")
        began = time.monotonic()
        try:
            got = ingest_answer(
                self.context, want.dataset, asked.source, day,
                tariff=asked.tariff, options=asked.options, transport=self.transport,
                limits=Limits(
                    connect_s=min(5.0, seconds), read_s=seconds, deadline_s=seconds, attempts=_ATTEMPTS
                ),
            )  # fmt: skip
        except StoreError:
            raise
        except Exception as error:
            return came("failed", reason=_reason(error))
        finally:
            self.left_s -= time.monotonic() - began
        if day == self.day and not self.knows(want):
            return came("incomplete", got.rows, "not every quarter-hour of its answer passes the check")
        return came("landed", got.rows)

    def _gaps(self, want: _Want) -> list[date]:
        """The days between the last one with prices and the one asked for, if those are few."""
        zone, first = self.context.workspace.zone, market_day_slots(self.day, self.context.workspace.zone)[0]
        ingested = self.context.workspace.warehouse.read(
            core_contract(want.dataset).name,
            where={"zone": zone},
            start=first - pd.Timedelta(days=_GAP_DAYS + 1),
            end=first,
            columns=["interval_start_utc"],
        )
        if ingested.empty or want.dataset != "prices":
            return []
        last = ingested["interval_start_utc"].max().tz_convert(market_timezone(zone)).date()
        return [last + timedelta(days=back) for back in range(1, (self.day - last).days)]

    def _between(self, want: _Want, asked: Asked, days: Sequence[date], more: int) -> list[_Try]:
        """Ask who has answered for the days left out, the newest first, until one is not to be had."""
        tries: list[_Try] = []
        for number, day in enumerate(reversed(days)):
            tries.append(self._try(want, asked, day, share=len(days) - number + more))
            if tries[-1].outcome != "landed":
                break
        return tries


def _reason(error: Exception) -> str:
    """Why a provider gave nothing, without the token that it was asked with."""
    expected = isinstance(error, WarehouseError | FlowsError)
    text = str(error) if expected else f"{type(error).__name__}: {error}"
    return printable(without_secrets(text))


def _answer(message: str, tries: Sequence[_Try] = (), *, degraded: bool = False) -> StageResult:
    rows = [
        {
            "dataset": one.want.name,
            "day": str(one.day),
            "source": one.source,
            "outcome": one.outcome,
            "rows": one.rows,
            "reason": one.reason,
        }
        for one in tries
    ]
    return StageResult(
        stage="fetch",
        status="degraded" if degraded else "ok",
        message=message,
        exit_code=DEGRADED if degraded else 0,
        tables={"asked": rows},
        details={"asked": len(rows)},
    )
