"""The bills of a month, recomputed from what meters counted and the tariff book. Writes nothing."""

from __future__ import annotations

import re
from datetime import date

import pandas as pd

from flows.context import Context
from flows.errors import NoAccountError, UsageError
from flows.mapping.billed import billed
from flows.mapping.meter_points import MeterPoint, meter_points
from flows.stages.record import StageResult
from optimize.errors import TermsError
from optimize.market.bill import month_slots


def month_of(text: str) -> date:
    """The first day of YYYY-MM; raises UsageError."""
    if not re.fullmatch(r"20[0-9]{2}-(0[1-9]|1[0-2])", text):
        raise UsageError(f"--month {text!r}: a month like 2026-01 is needed")
    return date.fromisoformat(f"{text}-01")


def bills(
    context: Context, month: date, *, site: str | None = None, battery: str | None = None
) -> StageResult:
    """The lines of every point's bill, or of one; a point that cannot be billed is named and costs no other.

    Exit code 3 where some point has no bill. Raises UsageError without a book or such a point, NoAccountError
    where no point has a bill or the month is not over.
    """
    book, known, zone = context.workspace.book, context.known, context.workspace.zone
    if book is None:
        raise UsageError("[tariff] book in v2g.toml names no tariff book: there is nothing to bill by")
    try:
        slots = month_slots(book, month)
    except TermsError as error:
        raise UsageError(str(error)) from error
    if pd.Timestamp(context.as_of) <= slots[-1]:
        raise NoAccountError(f"{month:%Y-%m} is not over as of {context.as_of:%Y-%m-%d %H:%M} UTC")
    points = _chosen(meter_points(known, zone), site, battery)
    found = billed(known, zone, book, points, slots)
    if found.failed and not found.lines:
        raise NoAccountError("; ".join(found.failed))
    message = f"{month:%Y-%m} by {book.name} ({book.digest[:12]})"
    return StageResult(
        stage="bill",
        status="degraded" if found.failed else "ok",
        message="; ".join([message, *found.notes, *found.failed]),
        exit_code=3 if found.failed else 0,
        tables={"bill": context.workspace.money.rows(found.lines)},
        details={"month": f"{month:%Y-%m}", "book": book.name, "book_digest": book.digest},
    )


def _chosen(points: list[MeterPoint], site: str | None, battery: str | None) -> list[MeterPoint]:
    if site is not None and battery is not None:
        raise UsageError("--site and --battery: either one")
    if site is None and battery is None:
        if not points:
            raise NoAccountError("no site with a meter and no car is known")
        return points
    wanted = ("site", site) if site is not None else ("battery", battery)
    found = [point for point in points if (point.kind, point.name) == wanted]
    if not found:
        behind = [point.name for point in points if battery in point.cars and point.kind == "site"]
        why = f"it is behind the meter of site {behind[0]}" if behind else "no such meter"
        names = ", ".join(f"{point.kind} {point.name}" for point in points[:10])
        raise UsageError(f"--{wanted[0]} {wanted[1]}: {why}", hint=f"There are: {names}.")
    return found
