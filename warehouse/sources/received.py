"""When each row of a file was received, where it was not with the file: history is known as it was then.

Either a column of the file tells, or the event of the row does: telemetry is received when it was measured,
metering when its quarter-hour was over, plus a stated delay, prices and tariffs when a day-ahead market
publishes them, sessions when the car arrived, check-ups when they were taken. The fleet and the sites have no
event. Nothing can have been received after the moment at which it is here.
"""

import datetime as dt
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from warehouse.errors import CellError, OptionError
from warehouse.sources.cells import Cells
from warehouse.zones import ZONES, published_at

EVENT = "event"
_QUARTER_HOUR = pd.Timedelta(minutes=15)
_MEASURED = ("telemetry", "soc_power", "metering")
_LONGEST_MINUTES = 525_600.0 * 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What tells when a row was received: a column of the file, or (None) its event.

    time_format, unix_seconds: how a foreign column spells times, as a mapping says. delay_minutes: ≥ 0, from
    an event of telemetry or metering to its receipt.
    """

    column: str | None = None
    time_format: str | None = None
    unix_seconds: float | None = None
    delay_minutes: float = 0.0

    @property
    def stated(self) -> str:
        """In words; two that read alike are alike."""
        if self.column is None:
            return f"{EVENT} + {self.delay_minutes:g} min" if self.delay_minutes else EVENT
        spelled = self.time_format or ("" if self.unix_seconds is None else f"unix x {self.unix_seconds:g}")
        return f"column {self.column}" + (f" as {spelled}" if spelled else "")


def received_as(stated: str | None, delay_minutes: float | None, file: str) -> Received | None:
    """Return what "event" or the name of a column means; None for None. file: who says so, for errors.

    Raises OptionError for a delay that is none, or belongs to no event.
    """
    delay, shown = 0.0 if delay_minutes is None else float(delay_minutes), f"{delay_minutes}"
    if delay_minutes is not None and stated != EVENT:
        problem = "belongs to rows that are received as an event"
        raise OptionError(problem, file=file, column="delay_minutes", value=shown)
    if not (math.isfinite(delay) and delay >= 0.0):
        raise OptionError("is no delay in minutes", file=file, column="delay_minutes", value=shown)
    if stated is None or stated == EVENT:
        return None if stated is None else Received(delay_minutes=delay)
    if not stated.strip():
        raise OptionError("names no column", file=file, column="received", value=stated)
    return Received(column=stated.strip())


def as_stated(cells: Cells, times: pd.Series) -> pd.Series:
    """Return the times of the column that tells; CellError for a row of which it tells nothing."""
    cells.refuse_first(times.isna(), "is empty: when was the row received?")
    return times


def at_events(dataset: str, frame: pd.DataFrame, received: Received, file: str) -> pd.Series:
    """Return when each row was received by its event, UTC; null where the event is. Raises OptionError."""
    if received.delay_minutes and dataset not in _MEASURED:
        raise OptionError(
            f"belongs to telemetry and metering: {dataset} are known at once",
            file=file, column="delay_minutes", value=f"{received.delay_minutes:g}",
        )  # fmt: skip
    if dataset not in EVENTS:
        raise OptionError(
            f"{dataset} have no event: name the column of the file that tells when a row was received",
            file=file, column="received", value=EVENT,
        )  # fmt: skip
    events: pd.Series = EVENTS[dataset](frame)
    # A delay beyond every calendar is one to the end of it, which is later than any landing.
    return events + pd.Timedelta(minutes=min(received.delay_minutes, _LONGEST_MINUTES))


def refuse_later(frame: pd.DataFrame, received: Received, ingested_utc: dt.datetime, file: str) -> None:
    """Raise CellError for the first row said to be received after `ingested_utc` (tz-aware), when it is
    here."""
    later = (frame["received_utc"] > pd.Timestamp(ingested_utc)).to_numpy()
    if later.any():
        row = frame.loc[later].iloc[0]
        hint = ": what has not happened yet is received with its file" if received.column is None else ""
        raise CellError(
            f"is later than the ingest at {ingested_utc:%Y-%m-%d %H:%M:%S} UTC "
            f"({int(later.sum())} such rows){hint}",
            file=file, row=int(row["source_row"]), column=received.column or f"received ({received.stated})",
            value=f"{row['received_utc']:%Y-%m-%d %H:%M:%S} UTC",
        )  # fmt: skip


def _publication(frame: pd.DataFrame) -> pd.Series:
    """Return when a market publishes each interval: on the day before, or without such a one at its end."""
    published = pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us, UTC]")
    for zone in frame["zone"].dropna().unique():
        own = (frame["zone"] == zone).to_numpy()
        starts, time = frame.loc[own, "interval_start_utc"], published_at(str(zone))
        if time is None:
            minutes = pd.to_timedelta(frame.loc[own, "resolution_minutes"].astype("float64"), unit="min")
            published[own] = (starts + minutes).astype("datetime64[us, UTC]")
            continue
        of_day = pd.Timedelta(hours=time.hour, minutes=time.minute)
        local = starts.dt.tz_convert(ZONES[str(zone)]).dt.tz_localize(None)
        out = (local.dt.normalize() - pd.Timedelta(days=1) + of_day).dt.tz_localize(ZONES[str(zone)])
        published[own] = out.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
    return published


EVENTS: Mapping[str, Callable[[pd.DataFrame], pd.Series]] = {
    "prices": _publication,
    "tariffs": _publication,
    "telemetry": lambda frame: frame["time_utc"],
    "soc_power": lambda frame: frame["time_utc"],
    "metering": lambda frame: frame["interval_start_utc"] + _QUARTER_HOUR,
    "sessions": lambda frame: frame["arrival_utc"],
    "checkups": lambda frame: frame["time_utc"],
}
"""Dataset → when its rows happened, UTC; the others have no event."""
