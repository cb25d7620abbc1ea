"""Which column of a file is which of ours: by our own names, by labels that others use, and by values."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from warehouse.contracts import Kind, file_contract
from warehouse.sources.canonical import other_spellings
from warehouse.sources.labels import likely, meanings, taken_apart
from warehouse.sources.numbers import NO_VALUE
from warehouse.sources.suggest.sniff import Layout
from warehouse.sources.suggest.times import Spelling, spelling_of

KINDS = ("telemetry", "soc_power", "sessions", "metering", "prices")
"""Kinds of data for which a mapping is suggested."""
_TELLING: Mapping[str, tuple[str, ...]] = {
    "telemetry": ("voltage_v", "current_a"),
    "soc_power": ("soc_reported", "power_kw"),
    "sessions": ("arrival_utc", "departure_utc"),
    "metering": ("import_kwh",),
    "prices": ("price_eur_per_kwh",),
}
"""Columns of which one at least has to be there for a file to be of that kind; all, and it is."""
_NUMBERED = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """The headers that may be a column of ours.

    own: whether it is our own name for it. pattern: one that finds all of several numbered ones.
    """

    headers: tuple[str, ...]
    own: bool = False
    pattern: str | None = None


def numbers(texts: Sequence[str], decimal: str, thousands: bool) -> NDArray[np.float64]:
    """Return a column's numbers, NaN for what is none."""
    values = pd.Series(texts, dtype="str")
    other = "." if decimal == "," else ","
    if thousands:
        values = values.str.replace(other, "", regex=False)
    if decimal == ",":
        values = values.str.replace(",", ".", regex=False)
    return pd.to_numeric(values, errors="coerce").to_numpy(dtype="float64", na_value=np.nan)


def is_numeric(texts: Sequence[str], decimal: str) -> bool:
    """Whether nearly all that a column tells are numbers."""
    stated = [text for text in texts if text and text.casefold() not in NO_VALUE]
    return bool(stated) and float(np.isfinite(numbers(stated, decimal, True)).mean()) > 0.9


def picked(dataset: str, layout: Layout) -> dict[str, Picked]:
    """Return for each column of a dataset the headers of a file that may be it."""
    found: dict[str, Picked] = {}
    for column in file_contract(dataset):
        names = (column.name, *other_spellings(dataset, column.name))
        own = tuple(name for name in names if name in layout.columns)
        if own:
            found[column.name] = Picked(headers=own, own=True)
            continue
        headers = [
            header
            for header, texts in layout.columns.items()
            if any(one.column == column.name for one in meanings(dataset, layout.label(header)))
            and likely(dataset, layout.label(header), file_contract(dataset).names) == column.name
            and (column.kind is not Kind.FLOAT or is_numeric(texts, layout.decimal))
            and (column.kind is not Kind.TIME or spelling_of(texts) is not None)
        ]
        if headers:
            found[column.name] = _one_of(headers)
    return found


def spellings(layout: Layout, headers: Sequence[str]) -> dict[str, Spelling]:
    """Return how those of the headers that hold moments spell them."""
    stated = {header: spelling_of(layout.columns[header]) for header in headers}
    return {header: spelling for header, spelling in stated.items() if spelling is not None}


def kind_of(layout: Layout) -> str | None:
    """Return what a file seems to hold, None where that is nothing, or several things alike."""
    whole, partly = [], []
    for kind in KINDS:
        found = picked(kind, layout)
        there = [name in found for name in _TELLING[kind]]
        if all(there):
            whole.append(kind)
        elif any(there):
            partly.append(kind)
    if "telemetry" in whole:
        return "telemetry"
    if len(whole) == 1:
        return whole[0]
    return partly[0] if len(partly) == 1 and not whole else None


def _one_of(headers: list[str]) -> Picked:
    """Return the headers of a column; in °C before °F, and numbered ones by their pattern."""
    units = {header: taken_apart(header)[1] for header in headers}
    if "°C" in units.values():
        headers = [header for header in headers if units[header] == "°C"]
    if len(headers) > 1 and all(len(_NUMBERED.findall(header)) == 1 for header in headers):
        patterns = {_NUMBERED.sub("#", header) for header in headers}
        if len(patterns) == 1:
            return Picked(headers=tuple(headers), pattern=patterns.pop())
    return Picked(headers=tuple(headers))
