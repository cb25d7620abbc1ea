"""Written checks of prices: intervals begin on their grid, a day has each slot once, times do not go back."""

import datetime as dt

import numpy as np
import pandas as pd

from data_checks.owners import Owners
from data_checks.types import CheckContext, Mask, RowFinding, ScopeFinding
from data_checks.units import OUTLIER_EUR_PER_KWH

_QUARTER = pd.Timedelta(minutes=15)


def complete_days(good: pd.DataFrame, context: CheckContext) -> list[ScopeFinding]:
    """Judge each zone and market day: critical where one of its 92, 96 or 100 quarter-hours is missing.

    good: rows that passed; with `context.known_prices` they must cover each quarter-hour exactly once,
    whatever their resolution. Of rows received at different times the later hold, quarter-hour by
    quarter-hour: hours may be reported again in quarters, and the other way round. Zones without any row are
    not judged.
    """
    columns = ["zone", "interval_start_utc", "resolution_minutes", "received_utc"]
    known = [good[columns]]
    if context.known_prices is not None and not context.known_prices.empty:
        known.insert(0, context.known_prices[columns])
    rows = pd.concat(known).drop_duplicates(["zone", "interval_start_utc"], keep="last")
    findings = []
    for zone in sorted(set(rows["zone"]) & set(context.zones_tz)):
        quarters = _quarters(rows[rows["zone"] == zone])
        findings += [_day(zone, day, quarters, context.zones_tz[zone]) for day in context.days_of(zone)]
    return findings


def off_grid(frame: pd.DataFrame, context: CheckContext) -> RowFinding:
    """Find intervals that do not begin on a multiple of their length by their zone's clock.

    Rows without a zone begin on a quarter-hour: which clock is theirs is not known here.
    """
    starts, wrong = frame["interval_start_utc"], np.zeros(len(frame), dtype=bool)
    length = frame["resolution_minutes"].fillna(1).clip(lower=1).to_numpy(dtype="int64")
    if "zone" not in frame:
        wrong = (starts.notna() & (starts != starts.dt.floor("15min"))).to_numpy()
    for zone, timezone in context.zones_tz.items() if "zone" in frame else ():
        own = (frame["zone"] == zone).to_numpy()
        if own.any():
            local = starts[own].dt.tz_convert(timezone)
            second = (local.dt.minute * 60 + local.dt.second).to_numpy(dtype="float64")
            wrong[own] = (second % (60 * length[own]) != 0) & local.notna().to_numpy()
    return RowFinding(
        rule="grid",
        column="interval_start_utc",
        reason="interval_start_utc is not on a multiple of resolution_minutes by the zone's clock; is it the "
        "middle or the end of the interval?",
        positions=np.flatnonzero(wrong),
    )


def dear(frame: pd.DataFrame, owners: Owners, usable: Mask) -> list[ScopeFinding]:
    """Warn of prices that a market reaches once in years: above 2 €/kWh."""
    high = (frame["price_eur_per_kwh"] > OUTLIER_EUR_PER_KWH).to_numpy() & usable
    return owners.outcomes(
        "dear", "warning", np.flatnonzero(high),
        f"price_eur_per_kwh is above {OUTLIER_EUR_PER_KWH:g} €/kWh: near the market's cap, taken as given",
    )  # fmt: skip


def about_zero(owners: Owners, low: Mask) -> list[ScopeFinding]:
    """Warn of prices that lie about zero all the time, in a unit that their source states."""
    return owners.outcomes(
        "near_zero", "warning", np.flatnonzero(low),
        "price_eur_per_kwh is within 1 €/MWh of zero nearly all the time: taken as given, since the source "
        "states its unit",
    )  # fmt: skip


def file_order(frame: pd.DataFrame, owners: Owners) -> list[ScopeFinding]:
    """Warn of zones whose times go back and on within a file; the newest first is an order, too."""
    rows = frame.groupby(["source_id", "zone"], sort=False, dropna=False)
    back = rows["interval_start_utc"].diff() < pd.Timedelta(0)
    ordered = (back | (rows.cumcount() == 0)).groupby(rows.ngroup()).transform("all")
    bad = np.flatnonzero((back & ~ordered).to_numpy())
    return owners.outcomes("monotone", "warning", bad, "times go back in the file")


def _quarters(rows: pd.DataFrame) -> pd.DatetimeIndex:
    """Return the start of every quarter-hour that the rows received last cover, with repetition."""
    count = (rows["resolution_minutes"].to_numpy(dtype="int64") // 15).astype("int64")
    starts = pd.DatetimeIndex(rows["interval_start_utc"]).repeat(count)
    step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    frame = pd.DataFrame(
        {"start": starts + step * _QUARTER, "received": pd.DatetimeIndex(rows["received_utc"]).repeat(count)}
    )
    last = frame.groupby("start")["received"].transform("max")
    return pd.DatetimeIndex(frame.loc[frame["received"] == last, "start"])


def _day(zone: str, day: dt.date, quarters: pd.DatetimeIndex, timezone: str) -> ScopeFinding:
    midnight, next_midnight = (pd.Timestamp(day + dt.timedelta(days=n), tz=timezone) for n in (0, 1))
    slots = pd.date_range(midnight, next_midnight, freq=_QUARTER, inclusive="left").tz_convert("UTC")
    covered = quarters[(quarters >= slots[0]) & (quarters < slots[-1] + _QUARTER)]
    missing, doubled = slots.difference(covered), covered[covered.duplicated()]
    faults = []
    if len(missing):
        faults.append(f"{len(missing)} missing, the first at {missing[0].isoformat()}")
    if len(doubled):
        faults.append(f"{len(doubled)} covered twice, the first at {doubled[0].isoformat()}")
    return ScopeFinding(
        rule="complete",
        severity="critical",
        scope=f"{zone} {day}",
        rows_checked=len(slots),
        rows_failed=len(missing) + len(doubled),
        message=f"{len(slots)} quarter-hours: {'; '.join(faults) or 'all there'}",
    )
