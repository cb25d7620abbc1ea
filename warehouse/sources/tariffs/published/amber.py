"""Amber Electric (AU): intervals of prices as its service answers them, Australian cents per kWh.

`spotPerKwh` is the wholesale price, `perKwh` what the customer pays, and as export earns (reported with a
minus), with fees. Both are said to hold GST; `vat` has to tell it for wholesale prices, of which it is no
part.
"""

import datetime as dt
from collections.abc import Mapping, Sequence

import pandas as pd

from warehouse.errors import CellError, EmptyFileError, OptionError
from warehouse.sources.numbers import NO_VALUE
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.tariffs.answer import zone_of
from warehouse.sources.tariffs.money import Money, money
from warehouse.sources.tariffs.payload import Record, json_of, records
from warehouse.sources.tariffs.published.lasting import quarters
from warehouse.sources.tariffs.published.rows import Series, parsed, resolved

PROVIDER = "Amber Electric"
LICENCE = "terms of the Amber API"
OPTIONS = frozenset({"zone", "rate", "vat"})
_GST = 0.1
_CHANNELS = {"general": "import", "feedIn": "export"}


def parse_amber(dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices (wholesale) or tariffs (general and feedIn) in €/kWh.

    options: zone, rate, vat ("included" or "excluded", of prices). Raises SourceError.
    """
    zone, unit = zone_of(options, file.name), money("AUD", 100.0, options, file.name)
    items = records(json_of(file), file.name, "intervals")
    if not items:
        raise EmptyFileError("holds no interval", file=file.name)
    if dataset == "prices":
        general = [item for item in items if item.get("channelType") == "general"] or items
        prices = _series(general, "spotPerKwh", zone, unit, _without(options, file.name))
        left = len(items) - len(general)
        return parsed(
            [prices], file.name, [f"{left} intervals of other channels were left out"] if left else []
        )
    if options.get("vat") is not None:
        raise OptionError("belongs to prices; a tariff is what is paid", file=file.name, column="vat")
    frames, notes = [], list[str]()
    for channel, direction in _CHANNELS.items():
        own = [item for item in items if item.get("channelType") == channel]
        if own:
            read = parsed(
                [_series(own, "perKwh", zone, unit, 1.0 if direction == "import" else -1.0)], file.name
            )
            frames.append(read.frame.assign(direction=direction, demand_charge_eur_per_kw=None))
            notes += read.notes
    if not frames:
        raise EmptyFileError("holds no interval of general or feedIn", file=file.name)
    return Parsed(frame=pd.concat(frames, ignore_index=True), notes=tuple(dict.fromkeys(notes)))


def _without(options: Mapping[str, object], file: str) -> float:
    """Return the factor that takes GST out of a price."""
    vat = options.get("vat")
    if vat not in ("included", "excluded"):
        raise OptionError(
            "must be given: included (GST of 10 % is taken out) or excluded",
            file=file, column="vat", value=None if vat is None else str(vat),
        )  # fmt: skip
    return 1.0 / (1.0 + _GST) if vat == "included" else 1.0


def _series(items: Sequence[Record], key: str, zone: str, unit: Money, factor: float) -> Series:
    rows, found, prices, none = list[int](), list[tuple[dt.datetime, int] | str](), list[float](), 0
    for item in items:
        end, length = item.moment("endTime"), item.number("duration")
        # Starts are reported as the second after the interval before.
        start = end - dt.timedelta(minutes=length)
        if abs((item.moment("startTime") - start).total_seconds()) > 1:
            raise item.error("startTime", f"is not {length:g} minutes before endTime")
        if length not in (5, 15, 30):
            raise CellError(
                "is none of 5, 15, 30 minutes", file=item.file, row=item.row, column="duration",
                value=f"{length:g}",
            )  # fmt: skip
        value = item.get(key)
        missing = value is None or (isinstance(value, str) and value.casefold() in NO_VALUE)
        rows.append(item.row or 0)
        found.append((start, int(length)))
        prices.append(float("nan") if missing else item.number(key) * factor)
        none += missing
    when = resolved(rows, [""] * len(rows), found, file=items[0].file, column=key)
    return quarters(zone, key, when, prices, unit, [f"{none} intervals have no {key}"] if none else [])
