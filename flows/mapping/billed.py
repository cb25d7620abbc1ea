"""The bills of a month's metering points: lines as rows, and which points have none and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from flows.errors import FlowsError
from flows.mapping.meter_points import MeterPoint, meter_counts, spot_prices
from optimize.errors import BillError
from optimize.market.bill import Bill, bill
from optimize.market.book import TariffBook
from warehouse.known import Known


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """lines: point, part, line, quantity, unit and amount_eur, the total of each point last. notes: what is
    to be said of points that are billed; failed: why others are not.
    """

    lines: Sequence[dict[str, Any]]
    notes: Sequence[str]
    failed: Sequence[str]


def billed(
    known: Known, zone: str, book: TariffBook, points: Sequence[MeterPoint], slots: pd.DatetimeIndex
) -> Billed:
    """The bill of each point for the quarter-hours of a month; one that cannot be billed costs no other."""
    spot = spot_prices(known, zone, slots)
    lines: list[dict[str, Any]] = []
    notes, failed = [], []
    for point in points:
        try:
            series, note = meter_counts(known, point, slots)
            lines += _lines(book, point, bill(book, slots, series, spot))
            notes += [note] if note else []
        except (FlowsError, BillError) as error:
            failed.append(f"no bill of {point.kind} {point.name}: {error}")
    return Billed(lines=lines, notes=notes, failed=failed)


def _lines(book: TariffBook, point: MeterPoint, paid: Bill) -> list[dict[str, Any]]:
    head = {"point": f"{point.kind} {point.name}"}
    rows = [
        {
            **head,
            "part": line.part,
            "line": line.name,
            "quantity": None if line.quantity is None else float(line.quantity),
            "unit": line.unit,
            "amount_eur": float(line.eur),
        }
        for line in paid.lines
    ]
    total = {"part": "total", "line": f"total, {book.name}", "quantity": None, "unit": ""}
    return [*rows, {**head, **total, "amount_eur": float(paid.total_eur)}]
