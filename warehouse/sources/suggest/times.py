"""How a column spells its moments, and whether it says where its clock stands."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

_SAMPLE = 3_000
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?")
_ISO_ZONED = re.compile(_ISO.pattern + r" ?(?:Z|z|[+-][0-9]{2}(?::?[0-9]{2})?)")
_DATE = (
    "%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%d.%m.%y", "%m/%d/%y",
    "%d/%m/%y", "%Y%m%d",
)  # fmt: skip
_CLOCK = ("%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%I:%M:%S %p", "%I:%M %p")
_FORMATS = tuple(f"{date}{mark}{clock}" for date in _DATE for mark in (" ", "T", ", ") for clock in _CLOCK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """How moments are spelled.

    pattern: what a mapping's `format` says, None for ISO 8601. zoned: whether each says its offset, or counts
    from 1970. others: formats that would read the column as well, and otherwise. part: whether it is but a
    date or a clock's time.
    """

    pattern: str | None
    zoned: bool = False
    others: tuple[str, ...] = ()
    part: Literal["date", "clock", ""] = ""


def spelling_of(texts: Sequence[str]) -> Spelling | None:
    """Return how a column's moments are spelled, None where they are none."""
    shown = [text for text in texts if text][:_SAMPLE]
    if not shown:
        return None
    if all(_ISO_ZONED.fullmatch(text) for text in shown):
        return Spelling(pattern=None, zoned=True)
    if all(_ISO.fullmatch(text) for text in shown):
        return Spelling(pattern=None, part="date" if all(len(text) == 10 for text in shown) else "")
    numbers = pd.to_numeric(pd.Series(shown), errors="coerce").to_numpy(dtype="float64")
    if np.isfinite(numbers).all():
        low, high = float(numbers.min()), float(numbers.max())
        for pattern, factor in (("unix_s", 1.0), ("unix_ms", 1e3)):
            if 9.4e8 * factor < low and high < 2.2e9 * factor:
                return Spelling(pattern=pattern, zoned=True)
        return None
    return _patterned(shown)


def parsed(texts: Sequence[str], spelling: Spelling) -> pd.Series:
    """Return the moments of a column as naive times on their own clock; NaT where there is none."""
    filled = pd.Series([text or None for text in texts], dtype="str")
    if spelling.pattern in ("unix_s", "unix_ms"):
        unit: Literal["s", "ms"] = "s" if spelling.pattern == "unix_s" else "ms"
        return pd.to_datetime(pd.to_numeric(filled, errors="coerce"), unit=unit)
    if spelling.zoned:
        return pd.to_datetime(
            filled, format=spelling.pattern or "ISO8601", utc=True, errors="coerce"
        ).dt.tz_localize(None)
    return pd.to_datetime(filled, format=spelling.pattern or "ISO8601", errors="coerce")


def _patterned(shown: Sequence[str]) -> Spelling | None:
    few, all_of_it = pd.Series(shown[:5]), pd.Series(shown)

    def reads(pattern: str) -> bool:
        return bool(
            pd.to_datetime(few, format=pattern, errors="coerce").notna().all()
            and pd.to_datetime(all_of_it, format=pattern, errors="coerce").notna().all()
        )

    for formats, part in ((_FORMATS, ""), (_DATE, "date"), (_CLOCK, "clock")):
        found = [pattern for pattern in formats if reads(pattern)]
        if found:
            kind: Literal["date", "clock", ""] = (
                "date" if part == "date" else "clock" if part == "clock" else ""
            )
            return Spelling(pattern=found[0], others=tuple(found[1:]), part=kind)
    zoned = [
        f"{pattern}{mark}%z" for pattern in _FORMATS for mark in ("", " ") if reads(f"{pattern}{mark}%z")
    ]
    return Spelling(pattern=zoned[0], zoned=True, others=tuple(zoned[1:])) if zoned else None
