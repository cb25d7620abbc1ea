"""Where the prices of a file are for: the file's own names of nodes, hubs and zones → bidding zones."""

from collections.abc import Callable, Mapping, Sequence
from zoneinfo import ZoneInfo

from warehouse.errors import OptionError
from warehouse.sources.rawtable import RawTable
from warehouse.sources.tariffs.money import Money
from warehouse.sources.tariffs.published.clock import Wall
from warehouse.sources.tariffs.published.rows import Series, chosen, placed
from warehouse.sources.tariffs.published.wide import series_of
from warehouse.zones import ZONES


def zones_of(
    names: Sequence[str], zone_of: Callable[[str], str], options: Mapping[str, object], file: str
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return zone → the file's name for it, and notes on the names that were left out.

    zone_of: a name → the zone that it would be. The price of one node may stand for the zone of the option;
    of several names those that are zones are read, or the one of the option. Raises OptionError.
    """
    there = list(dict.fromkeys(name for name in names if name))
    known = {zone: name for name in there if (zone := zone_of(name)) in ZONES}
    wanted = options.get("zone")
    if len(there) == 1 and wanted is not None and wanted not in known:
        return {str(wanted): there[0]}, (f"prices of {there[0]} were taken for zone {wanted}",)
    if not known:
        many = f"; it holds {len(there)} of them: give a file of one" if len(there) > 1 else ""
        first = there[0] if there else "no name"
        raise OptionError(
            f"is needed: the price of {first} is that of no zone known here{many}",
            file=file, column="zone", value=None if wanted is None else str(wanted),
        )  # fmt: skip
    zones = chosen(tuple(known), options, file)
    left = len(there) - len(known)
    notes = (f"prices of {left} places that are no zone were left out",) if left else ()
    return {zone: known[zone] for zone in zones}, notes


def hours_of(
    table: RawTable,
    price: str,
    zones: Mapping[str, str],
    names: Sequence[str | None],
    stamps: Sequence[tuple[str, Wall | None]],
    timezone: ZoneInfo,
    *,
    column: str,
    unit: Money,
) -> list[Series]:
    """Return the hourly prices of each zone; names: whose each row is, None for nobody's.

    stamps: each row's time as it is shown and read; column: what holds it. Raises CellError.
    """
    series = []
    for zone, name in zones.items():
        rows = [row for row, one in enumerate(names, start=1) if one == name]
        own = [stamps[row - 1] for row in rows]
        when = placed(
            rows, [text for text, _ in own], [begun for _, begun in own], [None] * len(rows), timezone,
            file=table.file, column=column, minutes=60,
        )  # fmt: skip
        series.append(series_of(table, price, zone, when, unit))
    return series
