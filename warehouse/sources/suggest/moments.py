"""The columns of times: which they are, how they are spelled, where their clock stands."""

import re
from collections.abc import Mapping, Sequence
from zoneinfo import available_timezones

import numpy as np
import pandas as pd

from warehouse.contracts import Column
from warehouse.sources.labels import taken_apart
from warehouse.sources.suggest.answer import Draft
from warehouse.sources.suggest.pick import Picked, numbers, spellings
from warehouse.sources.suggest.sniff import Layout
from warehouse.sources.suggest.times import Spelling, parsed, spelling_of

_UTC = {"utc", "gmt", "zulu"}
_ZONE = re.compile(r"[A-Z][a-z]+/[A-Z][A-Za-z_]+")
_COUNTS = re.compile(
    r"(?:(?:elapsed|relative|test|run|total)[ _]*)?(?:time[ _]*)?"
    r"[(\[]?(?P<unit>s|sec|secs|seconds?|ms|millis|milliseconds?|min|minutes?)[)\]]?",
    re.IGNORECASE,
)
"""The label of what counts up from a start."""


def write(
    times: Sequence[Column], layout: Layout, found: Mapping[str, Picked], draft: Draft, *, utc: bool
) -> pd.Series:
    """Write the columns of times; return the moments of the first, on its own clock.

    utc: whether a column whose name says UTC is taken at its word.
    """
    rows = max((len(texts) for texts in layout.columns.values()), default=0)
    first = pd.Series(pd.NaT, index=range(rows))
    naive: list[str] = []
    for number, column in enumerate(times):
        stated = _column(column, layout, found.get(column.name), draft)
        if stated is None:
            continue
        headers, spelling = stated
        texts = _joined(layout, headers)
        if not spelling.zoned and not (utc and headers[0].endswith("_utc")):
            naive += headers
        if number == 0:
            first = parsed(texts, spelling)
    if naive:
        words = {word for header in naive for word in taken_apart(header)[0].split()}
        zone = _ZONE.search(naive[0])
        if utc and words & _UTC:
            draft.say("timezone", "UTC", f"{naive[0]!r} says so")
        elif zone is not None and zone[0] in available_timezones():
            draft.say("timezone", zone[0], f"{naive[0]!r} says so")
        else:
            draft.leave(
                "timezone",
                "Europe/Berlin",
                f"{naive[0]!r} has no offset{_twice(first)}: where stands its clock?",
            )
    return first


def _column(
    column: Column, layout: Layout, found: Picked | None, draft: Draft
) -> tuple[tuple[str, ...], Spelling] | None:
    name = column.name
    stated = spellings(layout, found.headers) if found is not None else {}
    whole = {header: one for header, one in stated.items() if not one.part}
    zoned = {header: one for header, one in whole.items() if one.zoned}
    chosen = zoned if len(zoned) == 1 else whole
    if len(chosen) == 1:
        ((header, spelling),) = chosen.items()
        if header == name and spelling.pattern is None:
            return (header,), spelling
        if not _spelled(header, spelling, draft, name):
            return None
        return (header,), spelling
    if not chosen and (joined := _date_and_clock(layout)) is not None:
        headers, spelling = joined
        if len(spelling.others):
            draft.leave(
                "from",
                list(headers),
                f"day or month first? {spelling.pattern}, {', '.join(spelling.others)}",
                name,
            )
            return None
        draft.say("from", list(headers), "a date, and a clock's time next to it", name)
        if spelling.pattern is not None:
            draft.say("format", spelling.pattern, f"as in {_joined(layout, headers)[0]}", name)
        return headers, spelling
    if not column.nullable and not chosen:
        if len(only := _of_moments(layout)) == 1:
            ((header, spelling),) = only.items()
            if not _spelled(header, spelling, draft, name, "no other column's cells are moments"):
                return None
            return (header,), spelling
        if (counting := _counting(layout)) is not None:
            header, unit = counting
            reason = f"it counts {unit} up from a start"
            draft.leave("from", header, reason, name)
            draft.leave("since", "2026-06-10T00:00:00Z", "when was that? The file does not say it", name)
            if unit != "s":
                draft.leave("unit", unit, "its label says so", name)
            return None
    if not column.nullable:
        reason = (
            f"several may be it: {', '.join(chosen)}" if chosen else "no column's label and values mean it"
        )
        draft.leave("from", next(iter(chosen), "…"), reason, name)
    return None


def _of_moments(layout: Layout) -> dict[str, Spelling]:
    """Return the columns whose cells are whole moments, whatever their labels say."""
    return {header: one for header, one in spellings(layout, list(layout.columns)).items() if not one.part}


def _counting(layout: Layout) -> tuple[str, str] | None:
    """Return the one column that counts up a time from a start, and in which unit."""
    found = []
    for header, texts in layout.columns.items():
        match = _COUNTS.fullmatch(header.strip())
        if match is None:
            continue
        values = numbers(texts, layout.decimal, False)
        if np.isfinite(values).all() and float(np.ptp(values)) > 0.0:
            unit = match["unit"].lower()
            found.append(
                (header, "ms" if unit.startswith(("ms", "milli")) else unit[0] if unit[0] == "s" else "min")
            )
    return found[0] if len(found) == 1 else None


def _spelled(
    header: str, spelling: Spelling, draft: Draft, name: str, why: str = "by its label; its cells are moments"
) -> bool:
    if spelling.others:
        shown = ", ".join((str(spelling.pattern), *spelling.others))
        draft.leave("from", header, f"day or month first? Its moments can be read as {shown}", name)
        draft.leave("format", str(spelling.pattern), "one of those", name)
        return False
    draft.say("from", header, why, name)
    if spelling.pattern is not None:
        draft.say("format", spelling.pattern, "so all of its cells can be read, and otherwise none", name)
    return True


def _date_and_clock(layout: Layout) -> tuple[tuple[str, str], Spelling] | None:
    """Return a column of dates and one of a clock's times, if there is one of each, and both as one."""
    stated = {header: spelling_of(texts) for header, texts in layout.columns.items()}
    dates = [(header, one) for header, one in stated.items() if one is not None and one.part == "date"]
    clocks = [(header, one) for header, one in stated.items() if one is not None and one.part == "clock"]
    if len(dates) != 1 or len(clocks) != 1:
        return None
    (date, day), (clock, hour) = dates[0], clocks[0]
    if day.pattern is None:
        return (date, clock), Spelling(pattern=f"%Y-%m-%d {hour.pattern}")
    others = tuple(f"{other} {hour.pattern}" for other in day.others)
    return (date, clock), Spelling(pattern=f"{day.pattern} {hour.pattern}", others=others)


def _joined(layout: Layout, headers: Sequence[str]) -> list[str]:
    return [" ".join(cells) for cells in zip(*(layout.columns[header] for header in headers), strict=True)]


def _twice(moments: pd.Series) -> str:
    """Return what a clock that goes back an hour tells."""
    steps = moments.diff()
    back = steps[steps.dt.total_seconds().between(-3700, -1800)]
    if len(back) != 1:
        return ""
    return f", and an hour of {moments[back.index[0]]:%Y-%m-%d} comes twice, so that it is no UTC"
