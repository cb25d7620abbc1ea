"""Why nothing was known at a moment, in words: it came later, ends before, was measured later, or is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from warehouse.known import Known
from warehouse.sources.nulls import MEASURED
from warehouse.sources.received import EVENTS

_NAMES_SHOWN = 5


def why_missing(
    known: Known,
    dataset: str,
    *,
    where: Mapping[str, Sequence[str]] | None = None,
    span: tuple[datetime, datetime] | None = None,
) -> str:
    """The cause, as what follows a colon; arguments: see `warehouse.missed`.

    For messages alone: what a stage writes must not depend on what came later.
    """
    found = known.missed(dataset, where=where, span=span)
    if found.received_later:
        # What a plan needs of sessions is when they were announced, which their event does not tell.
        how = "event" if dataset in EVENTS and dataset != "sessions" else "COLUMN"
        done = " measured by then" if dataset in MEASURED else ""
        return (
            f"{_rows(found.received_later)} of {dataset}{done} {_were(found.received_later)} received later "
            f"(first {found.first_received_utc:%Y-%m-%d %H:%M} UTC): load them with --received {how}"
        )
    if found.received:
        last = found.last_measured_utc
        of = "" if last is None else f", the last of {last:%Y-%m-%d %H:%M} UTC"
        return f"{_rows(found.received)} of {dataset} had been received{of}, and no more until now"
    if found.measured_later:
        return (
            f"{_rows(found.measured_later)} of {dataset} {_were(found.measured_later)} measured later "
            f"(first {found.first_measured_utc:%Y-%m-%d %H:%M} UTC)"
        )
    if span is not None:
        return f"nothing of {dataset} has been received of that time"
    return f"nothing of {dataset} has been received at all"


def unmeasured(known: Known, battery_ids: Sequence[str]) -> str:
    """What is reported of batteries that had no telemetry by then, cause by cause; "" for none of them."""
    by_cause: dict[tuple[bool, ...], list[str]] = {}
    for battery_id in battery_ids:
        missed = known.missed("telemetry", where={"battery_id": [battery_id]})
        counts = (missed.received_later, missed.received, missed.measured_later)
        by_cause.setdefault(tuple(map(bool, counts)), []).append(battery_id)
    noted = []
    for names in by_cause.values():
        more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
        why = why_missing(known, "telemetry", where={"battery_id": names})
        noted.append(f"no recent telemetry of {', '.join(names[:_NAMES_SHOWN])}{more}: {why}")
    return "; ".join(noted)


def _rows(number: int) -> str:
    return f"{number:,} {'row' if number == 1 else 'rows'}"


def _were(number: int) -> str:
    return "was" if number == 1 else "were"
