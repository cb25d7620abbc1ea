"""ENTSO-E's file library, a month of energy prices: tabs, UTC, a row an interval and area.

Layout as in `YYYY_MM_EnergyPrices_12.1.D_r3.csv`: InstanceCode, DateTime(UTC), ResolutionCode, AreaCode,
AreaDisplayName, AreaTypeCode, MapCode, ContractType, Sequence, Price[Currency/MWh], Currency,
UpdateTime(UTC); before 2024 `DayAheadPrices_12.1.D`: DateTime, ResolutionCode, AreaCode, AreaTypeCode,
AreaName, MapCode, Price, Currency, UpdateTime. Sequence 1, or none, is the day-ahead auction. The area's EIC
code tells the zone. Of an interval that is reported again the one updated last holds.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from warehouse.errors import EmptyFileError, OptionError
from warehouse.sources.cells import Cells
from warehouse.sources.dialect import Dialect
from warehouse.sources.numbers import decimal_of, numbers
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import RawTable, read_table
from warehouse.sources.tariffs.eic import ZONE_OF_EIC
from warehouse.sources.tariffs.money import money
from warehouse.sources.tariffs.published.rows import Series, chosen, parsed, resolved
from warehouse.sources.tariffs.published.wide import missing
from warehouse.zones import ZONES

_TIMES, _PRICES, _UPDATES = (
    ("DateTime(UTC)", "DateTime"), ("Price[Currency/MWh]", "Price"), ("UpdateTime(UTC)", "UpdateTime"),
)  # fmt: skip
_RESOLUTIONS = {"PT15M": 15, "PT30M": 30, "PT60M": 60, "PT1H": 60}
_FIRST = ("", "1", "01", "Sequence 1", "Without Sequence")


def is_file(file: RawFile) -> bool:
    """Whether a file is one of the library, by its header."""
    header = file.data[:400].decode("utf-8-sig", errors="replace").split("\n", 1)[0]
    return "\tResolutionCode\t" in header and "\tMapCode\t" in header


def parse_file(file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices in €/kWh of the areas that are zones; options: zone, rate. Raises SourceError.

    Zones with money other than euros are left out and reported, unless they are chosen, which needs the rate.
    """
    table = read_table(file, dialect=Dialect(delimiter="\t"))
    time, price = _named(table, _TIMES), _named(table, _PRICES)
    frame, notes = _rows(table, time)
    zones = chosen(tuple(sorted(frame["zone"].unique())), options, file.name)
    if "zone" not in options:
        zones, foreign = _in_euros(frame, options, file.name)
        notes += foreign
    texts = list(Cells.found(table, price).text().fillna(""))
    values, stated = numbers(texts, file.name, price, decimal_of(texts))
    series = []
    for number, zone in enumerate(zones):
        own = frame[frame["zone"] == zone]
        found = [
            "is no time and length of an interval" if pd.isna(start) or pd.isna(minutes)
            else (start.to_pydatetime(), int(minutes))
            for start, minutes in zip(own["start"], own["minutes"], strict=True)
        ]  # fmt: skip
        when = resolved(list(own["row"]), list(own["text"]), found, file=file.name, column=time)
        series.append(
            Series(
                zone=zone, column=price, placed=when, notes=() if number else stated,
                prices=values.iloc[[row - 1 for row in when.rows]],
                unit=money(str(own["currency"].iloc[0]), 1000.0, options, file.name),
            )
        )  # fmt: skip
    return parsed(series, file.name, notes)


def _rows(table: RawTable, time: str) -> tuple[pd.DataFrame, list[str]]:
    """Return the day-ahead auction's rows of known zones, each interval once, and notes on the others."""

    def text(name: str, instead: str = "") -> pd.Series:
        if name not in table.columns:
            return pd.Series(instead, index=range(table.rows), dtype="str")
        return Cells.of(table, name).text().fillna(instead)

    stamps, areas, maps = text(time), text("AreaCode"), text("MapCode").str.replace("_", "-")
    updated = next((name for name in _UPDATES if name in table.columns), "")
    frame = pd.DataFrame(
        {
            "row": np.arange(1, table.rows + 1),
            "text": stamps,
            "start": pd.to_datetime(stamps, format="ISO8601", errors="coerce", utc=True),
            "minutes": text("ResolutionCode").map(_RESOLUTIONS),
            "zone": areas.map(ZONE_OF_EIC).fillna(maps.where(maps.isin(ZONES))),
            "currency": text("Currency", "EUR"),
            "updated": text(updated),
        }
    )
    known = frame["zone"].notna()
    auction = text("Sequence").isin(_FIRST) & text("ContractType", "Day-ahead").str.casefold().eq("day-ahead")
    if not (known & auction).any():
        raise EmptyFileError("holds no day-ahead price of a known bidding zone", file=table.file)
    notes = [
        f"{int(left.sum())} rows {why} were left out"
        for left, why in (
            (~known, "of areas that are no known bidding zone"),
            (known & ~auction, "of other auctions than the day-ahead one (sequence 1)"),
        )
        if left.any()
    ]
    frame = frame[known & auction]
    again = frame.sort_values("updated", kind="stable").duplicated(["zone", "text", "minutes"], keep="last")
    old = again.reindex(frame.index)
    if old.any():
        notes.append(f"{int(old.sum())} rows were left out that another was updated after")
    return frame[~old], notes


def _in_euros(
    frame: pd.DataFrame, options: Mapping[str, object], file: str
) -> tuple[tuple[str, ...], list[str]]:
    by_zone = frame.groupby("zone")["currency"].first()
    euros = tuple(sorted(str(zone) for zone in by_zone.index[by_zone == "EUR"]))
    others = by_zone[by_zone != "EUR"]
    if not euros:
        return tuple(sorted(str(zone) for zone in by_zone.index)), []
    if options.get("rate") is not None:
        raise OptionError("is of which zone? Choose one with zone (--zone)", file=file, column="rate")
    return euros, [
        f"zone {zone} was left out: its prices are in {currency}; read it with --zone and --rate"
        for zone, currency in others.items()
    ]


def _named(table: RawTable, names: tuple[str, ...]) -> str:
    found = next((name for name in names if name in table.columns), None)
    if found is None:
        raise missing(table, names[0])
    return found
