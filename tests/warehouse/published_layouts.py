"""Writers of publishers' own layouts: from true intervals in UTC to the text that a person would download."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

MARKET = "Europe/Berlin"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A layout: how it is written from starts, minutes and prices per MWh, and how it is read."""

    source: str
    zones: tuple[str, ...]
    write: Callable[[pd.DatetimeIndex, int, list[float]], Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    factor: float = 1e-3
    timezone: str = MARKET
    minutes: tuple[int, ...] = (15, 60)


def _walls(starts: pd.DatetimeIndex, minutes: int, timezone: str, pattern: str) -> list[tuple[str, str]]:
    ends = (starts + pd.Timedelta(minutes=minutes)).tz_convert(timezone)
    return list(zip(starts.tz_convert(timezone).strftime(pattern), ends.strftime(pattern), strict=True))


def _german(value: float) -> str:
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))


def smard_de(starts: pd.DatetimeIndex, minutes: int, prices: list[float]) -> str:
    lines = ["\ufeffDatum von;Datum bis;Deutschland/Luxemburg [€/MWh] Originalauflösungen;∅ Anrainer [€/MWh]"]
    pairs = _walls(starts, minutes, MARKET, "%d.%m.%Y %H:%M")
    lines += [f"{a};{b};{_german(price)};-" for (a, b), price in zip(pairs, prices, strict=True)]
    return "\n".join(lines)


def smard_en(starts: pd.DatetimeIndex, minutes: int, prices: list[float]) -> str:
    lines = ["Start date;End date;Germany/Luxembourg [€/MWh] Original resolutions;Norway 2 [€/MWh]"]
    pairs = _walls(starts, minutes, MARKET, "%b %-d, %Y %-I:%M %p")
    lines += [f"{a};{b};{price:,.2f};{price + 1:,.2f}" for (a, b), price in zip(pairs, prices, strict=True)]
    return "\n".join(lines)


def entsoe(starts: pd.DatetimeIndex, minutes: int, prices: list[float]) -> str:
    lines = ['"MTU (CET/CEST)","Area","Sequence","Day-ahead Price (EUR/MWh)","Intraday Price (EUR/MWh)"']
    pairs = _walls(starts, minutes, MARKET, "%d/%m/%Y %H:%M:%S")
    lines += [f'"{a} - {b}","BZN|DE-LU","1","{p}",""' for (a, b), p in zip(pairs, prices, strict=True)]
    lines += [f'"{a} - {b}","BZN|DE-LU","2","{p + 9}",""' for (a, b), p in zip(pairs, prices, strict=True)]
    return "\n".join(lines)


def entsoe_utc(starts: pd.DatetimeIndex, minutes: int, prices: list[float]) -> str:
    lines = ['"MTU (UTC)","Area","Sequence","Day-ahead Price (EUR/MWh)"']
    for (a, b), p in zip(_walls(starts, minutes, "UTC", "%d/%m/%Y %H:%M:%S"), prices, strict=True):
        lines += [
            f'"{a} - {b}","BZN|DE-LU","Sequence Sequence 1","{p}"',
            f'"{a} - {b}","BZN|AT","1","{p + 1}"',
        ]
    return "\n".join(lines)


def entsoe_marked(starts: pd.DatetimeIndex, minutes: int, prices: list[float]) -> str:
    lines = ['"MTU (CET/CEST)","Area","Sequence","Day-ahead Price (EUR/MWh)"']
    pairs = _walls(starts, minutes, MARKET, "%d/%m/%Y %H:%M:%S (%Z)")
    return "\n".join(
        lines + [f'"{a} - {b}","BZN|DE-LU","","{p}"' for (a, b), p in zip(pairs, prices, strict=True)]
    )


def entsoe_old(starts: pd.DatetimeIndex, minutes: int, prices: list[float]) -> str:
    lines = ['"MTU (CET/CEST)","Day-ahead Price [EUR/MWh]","Currency","BZN|DE-LU"']
    pairs = _walls(starts, minutes, MARKET, "%d.%m.%Y %H:%M")
    return "\n".join(lines + [f'"{a} - {b}","{p}","EUR",""' for (a, b), p in zip(pairs, prices, strict=True)])


def nordpool(starts: pd.DatetimeIndex, minutes: int, prices: list[float]) -> str:
    lines = ["Delivery Start (CET);Delivery End (CET);FI (EUR);SE3 (EUR);SYS (EUR)"]
    pairs = _walls(starts, minutes, MARKET, "%d.%m.%Y %H:%M:%S")
    for (a, b), price in zip(pairs, prices, strict=True):
        lines.append(f"{a};{b};" + f"{price:.2f};{price + 1:.2f};0".replace(".", ","))
    return "\n".join(lines)


def nordpool_ab(starts: pd.DatetimeIndex, minutes: int, prices: list[float]) -> str:
    """With the passes of the hour that comes twice marked A and B, as 02A:00."""
    lines = ["Delivery Start (CET);Delivery End (CET);FI (EUR);SE3 (EUR)"]
    for start, price in zip(starts, prices, strict=True):
        cells = [_marked(one) for one in (start, start + pd.Timedelta(minutes=minutes))]
        lines.append(";".join([*cells, str(price), str(price + 1)]))
    return "\n".join(lines)


def _marked(moment: pd.Timestamp) -> str:
    local = moment.tz_convert(MARKET)
    text = local.strftime("%d.%m.%Y %H:%M:%S")
    naive = local.tz_localize(None)
    twice = pd.Series([naive]).dt.tz_localize(MARKET, ambiguous="NaT", nonexistent="NaT").isna().iloc[0]
    mark = ("A" if local.dst() else "B") if twice else ""
    return text[:13] + mark + text[13:]


def energy_charts(starts: pd.DatetimeIndex, minutes: int, prices: list[float]) -> str:
    lines = ["Datum (GMT+1),Day Ahead Auktion (DE-LU),Last", ',"Preis (EUR/MWh, EUR/tCO2)",Leistung (MW)']
    stated = starts.tz_convert(MARKET).strftime("%Y-%m-%dT%H:%M%z")
    return "\n".join(lines + [f"{a},{price},1" for a, price in zip(stated, prices, strict=True)])


def omie(starts: pd.DatetimeIndex, minutes: int, prices: list[float]) -> str:
    days = starts.tz_convert("Europe/Madrid").strftime("%Y;%m;%d")
    numbers = pd.Series(days).groupby(days).cumcount() + 1
    lines = [f"{d};{n};{p:.2f};{p + 1:.2f};" for d, n, p in zip(days, numbers, prices, strict=True)]
    return "\n".join(["MARGINALPDBC;", *lines, "*", ""])


def caiso(starts: pd.DatetimeIndex, minutes: int, prices: list[float]) -> str:
    lines = [
        "INTERVALSTARTTIME_GMT,INTERVALENDTIME_GMT,OPR_DT,OPR_HR,NODE_ID,MARKET_RUN_ID,LMP_TYPE,MW,GROUP"
    ]
    pairs = _walls(starts, minutes, "UTC", "%Y-%m-%dT%H:%M:%S-00:00")
    for (a, b), price in reversed(list(zip(pairs, prices, strict=True))):
        for kind, value in (("LMP", price), ("MCC", 1.0), ("MCE", price - 2), ("MCL", 1.0)):
            lines.append(f"{a},{b},2026-10-25,1,TH_NP15_GEN-APND,DAM,{kind},{value},0")
    return "\n".join(lines)


def amber(starts: pd.DatetimeIndex, minutes: int, prices: list[float]) -> str:
    return json.dumps(
        [
            {
                "type": "ForecastInterval",
                "duration": minutes,
                "startTime": f"{start + pd.Timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}",
                "endTime": f"{start + pd.Timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}",
                "perKwh": price / 10 + 20,
                "spotPerKwh": price / 10,
                "channelType": "general",
            }
            for start, price in zip(starts, prices, strict=True)
        ]
    )


LAYOUTS: Mapping[str, Layout] = {
    "smard, German": Layout(source="smard", zones=("DE-LU",), write=smard_de),
    "smard, English": Layout(
        source="smard", zones=("DE-LU",), write=smard_en, options={"zone": "DE-LU"}
    ),
    "entsoe": Layout(source="entsoe", zones=("DE-LU",), write=entsoe),
    "entsoe, UTC, two areas": Layout(source="entsoe", zones=("DE-LU", "AT"), write=entsoe_utc),
    "entsoe, marked": Layout(source="entsoe", zones=("DE-LU",), write=entsoe_marked),
    "entsoe, older": Layout(source="entsoe", zones=("DE-LU",), write=entsoe_old),
    "nordpool": Layout(source="nordpool", zones=("FI", "SE3"), write=nordpool),
    "nordpool, 02A and 02B": Layout(source="nordpool", zones=("FI", "SE3"), write=nordpool_ab),
    "energy_charts": Layout(
        source="energy_charts", zones=("DE-LU",), write=energy_charts, options={"zone": "DE-LU"}
    ),
    "omie": Layout(source="omie", zones=("PT", "ES"), write=omie),
    "caiso": Layout(
        source="caiso", zones=("CAISO-NP15",), write=caiso, options={"rate": 0.9}, factor=0.9e-3,
        timezone="America/Los_Angeles", minutes=(60,),
    ),
    "amber": Layout(
        source="amber", zones=("NSW1",), write=amber, factor=0.6e-3 / 1.1, timezone="Australia/Sydney",
        options={"rate": 0.6, "zone": "NSW1", "vat": "included"}, minutes=(30,),
    ),
}  # fmt: skip
"""Name → layout; of the second zone each price is 1 a MWh higher."""
