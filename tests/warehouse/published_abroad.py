"""Writers of more layouts, of exchanges and system operators: intervals in UTC → text or bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pandas as pd

from tests.warehouse.books import book_of
from tests.warehouse.published_layouts import Layout

Prices = list[float]
NEW_YORK, CHICAGO, LONDON, PRAGUE = "America/New_York", "America/Chicago", "Europe/London", "Europe/Prague"
US = {"rate": 0.9}


def local(starts: pd.DatetimeIndex, timezone: str, pattern: str) -> list[str]:
    return list(starts.tz_convert(timezone).strftime(pattern))


def ordinals(starts: pd.DatetimeIndex, timezone: str) -> list[int]:
    days = pd.Series(local(starts, timezone, "%Y-%m-%d"))
    return [int(number) + 1 for number in days.groupby(days).cumcount()]


def nyiso(starts: pd.DatetimeIndex, _minutes: int, prices: Prices) -> str:
    lines = [
        '"Time Stamp","Name","PTID","LBMP ($/MWHr)","Marginal Cost Losses ($/MWHr)",'
        '"Marginal Cost Congestion ($/MWHr)"'
    ]
    for one, price in zip(local(starts, NEW_YORK, "%m/%d/%Y %H:%M"), prices, strict=True):
        lines += [f'"{one}","N.Y.C.",61761,{price},1.5,-2', f'"{one}","HUD VL",61758,{price + 1},1.5,-2']
    return "\n".join(lines)


def ercot(starts: pd.DatetimeIndex, _minutes: int, prices: Prices) -> str:
    """Sorted by point and hour; the flag alone tells the passes apart."""
    lines = []
    for more, point in enumerate(("HB_NORTH", "LZ_WEST", "7RNCHSLR_ALL")):
        seen = set[str]()
        for start, price in zip(starts.tz_convert(CHICAGO), prices, strict=True):
            text = f"{start:%m/%d/%Y},{start.hour + 1:02d}:00,{point}"
            lines.append(f"{text}, {price + more:.2f},{'Y' if text in seen else 'N'}")
            seen.add(text)
    lines.sort(key=lambda line: (line.split(",")[1], line.split(",")[4] == "N"))
    return "\r\n".join(["DeliveryDate,HourEnding,SettlementPoint,SettlementPointPrice,DSTFlag", *lines])


def ercot_yearly(starts: pd.DatetimeIndex, _minutes: int, prices: Prices) -> str:
    lines = ["Delivery Date,Hour Ending,Repeated Hour Flag,Settlement Point,Settlement Point Price"]
    seen = set[str]()
    for start, price in zip(starts.tz_convert(CHICAGO), prices, strict=True):
        text = f"{start:%m/%d/%Y},{start.hour + 1:02d}:00"
        lines.append(f"{text},{'Y' if text in seen else 'N'},HB_NORTH,{price}")
        seen.add(text)
    return "\n".join(lines)


def pjm(starts: pd.DatetimeIndex, _minutes: int, prices: Prices) -> str:
    lines = [
        "datetime_beginning_utc,datetime_beginning_ept,pnode_id,pnode_name,voltage,equipment,type,zone,"
        "system_energy_price_da,total_lmp_da,congestion_price_da,marginal_loss_price_da,row_is_current,version_nbr"
    ]
    stamps = [local(starts, zone, "%-m/%-d/%Y %-I:%M:%S %p") for zone in ("UTC", NEW_YORK)]
    for utc, ept, price in zip(*stamps, prices, strict=True):
        lines += [
            f"{utc},{ept},51288,WESTERN HUB,,,HUB,,20,{price},1,2,TRUE,1",
            f"{utc},{ept},34964545,DOM,,,ZONE,DOM,20,{price + 50},1,2,FALSE,1",
            f"{utc},{ept},34964545,DOM,,,ZONE,DOM,20,{price + 1},1,2,TRUE,2",
            f"{utc},{ept},1,DOM,138 KV,T1,LOAD,DOM,20,{price + 70},1,2,TRUE,1",
        ]
    return "\n".join(lines)


def pjm_local(starts: pd.DatetimeIndex, _minutes: int, prices: Prices) -> str:
    stated = local(starts, NEW_YORK, "%Y-%m-%dT%H:%M:%S")
    lines = [f"{ept},51288,WESTERN HUB,{price}" for ept, price in zip(stated, prices, strict=True)]
    return "\n".join(["datetime_beginning_ept,pnode_id,pnode_name,total_lmp_da", *lines])


def aemo(starts: pd.DatetimeIndex, minutes: int, prices: Prices) -> str:
    """Ends on Brisbane's clock; of a quarter-hour its three five minutes."""
    parts = 3 if minutes == 15 else 1
    lines = ["REGION,SETTLEMENTDATE,TOTALDEMAND,RRP,PERIODTYPE"]
    for start, price in zip(starts, prices, strict=True):
        for part in range(parts):
            end = (start + pd.Timedelta(minutes=minutes / parts * (part + 1))).tz_convert(
                "Australia/Brisbane"
            )
            shown = price + 10 * (part - (parts - 1) / 2)
            lines.append(f"SA1,{end:%Y/%m/%d %H:%M:%S},1500.5,{shown},TRADE")
    return "\r\n".join(lines)


def elering(starts: pd.DatetimeIndex, _minutes: int, prices: Prices) -> str:
    lines = ['"Ajatempel (UTC)";"Kuupäev (Eesti aeg)";"NPS Läti";"NPS Eesti"']
    stated = local(starts, "Europe/Tallinn", "%d.%m.%Y %H:%M")
    for start, wall, price in zip(starts, stated, prices, strict=True):
        cells = [f"{value:.2f}".replace(".", ",") for value in (price, price + 1)]
        lines.append(f'"{int(start.timestamp())}";"{wall}";"{cells[0]}";"{cells[1]}"')
    return "\n".join(lines)


def elprisetjustnu(starts: pd.DatetimeIndex, minutes: int, prices: Prices) -> str:
    ends = starts + pd.Timedelta(minutes=minutes)
    return json.dumps(
        [
            {
                "SEK_per_kWh": price * 0.0111,
                "EUR_per_kWh": price / 1000,
                "EXR": 11.1,
                "time_start": start.tz_convert("Europe/Stockholm").isoformat(),
                "time_end": end.tz_convert("Europe/Stockholm").isoformat(),
            }
            for start, end, price in zip(starts, ends, prices, strict=True)
        ]
    )


def elexon(starts: pd.DatetimeIndex, _minutes: int, prices: Prices) -> str:
    days, numbers = local(starts, LONDON, "%Y-%m-%d"), ordinals(starts, LONDON)
    items = [
        {
            "startTime": f"{start:%Y-%m-%dT%H:%M:%SZ}", "dataProvider": provider, "settlementDate": day,
            "settlementPeriod": number, "price": value, "volume": volume,
        }
        for start, day, number, price in zip(starts, days, numbers, prices, strict=True)
        for provider, value, volume in (("N2EXMIDP", 0, 0), ("APXMIDP", price, 120.5))
    ]  # fmt: skip
    return json.dumps({"metadata": {"datasets": ["MID"]}, "data": items[::-1]})


def elexon_csv(starts: pd.DatetimeIndex, _minutes: int, prices: Prices) -> str:
    lines = ["Dataset,DataProvider,SettlementDate,SettlementPeriod,Price,Volume"]
    days, numbers = local(starts, LONDON, "%Y-%m-%d"), ordinals(starts, LONDON)
    lines += [f"MID,APXMIDP,{d},{n},{p},9" for d, n, p in zip(days, numbers, prices, strict=True)]
    return "\n".join(lines)


def comed_five(starts: pd.DatetimeIndex, _minutes: int, prices: Prices) -> str:
    items = [
        {
            "millisUTC": str(int((start + pd.Timedelta(minutes=5 * part)).timestamp()) * 1000),
            "price": f"{price / 10 + part - 1:.4f}",
        }
        for start, price in zip(starts, prices, strict=True)
        for part in range(3)
    ]
    return json.dumps(items[::-1])


def comed_hourly(starts: pd.DatetimeIndex, _minutes: int, prices: Prices) -> str:
    return json.dumps(
        [
            {"millisUTC": str(int(start.timestamp()) * 1000), "price": str(price / 10)}
            for start, price in zip(starts, prices, strict=True)
        ]
    )


def comed_day_ahead(starts: pd.DatetimeIndex, _minutes: int, prices: Prices) -> str:
    entries = [
        f"[Date.UTC({start.year},{start.month - 1},{start.day},{start.hour},0,0), {price / 10}]"
        for start, price in zip(starts.tz_convert(CHICAGO), prices, strict=True)
    ]
    return f"[{', '.join(entries)}]"


def library(starts: pd.DatetimeIndex, minutes: int, prices: Prices) -> str:
    lines = [
        "InstanceCode\tDateTime(UTC)\tResolutionCode\tAreaCode\tAreaDisplayName\tAreaTypeCode\tMapCode\t"
        "ContractType\tSequence\tPrice[Currency/MWh]\tCurrency\tUpdateTime(UTC)"
    ]
    for start, price in zip(starts, prices, strict=True):
        for area, name, kind, sequence, value, currency, updated in (
            ("10Y1001A1001A82H", "DE_LU", "Day-ahead", "1", price, "EUR", "2026-01-02 10:00:00"),
            ("10Y1001A1001A82H", "DE_LU", "Day-ahead", "1", price + 90, "EUR", "2026-01-01 10:00:00"),
            ("10Y1001A1001A82H", "DE_LU", "Day-ahead", "2", price + 60, "EUR", "2026-01-01 10:00:00"),
            ("10Y1001A1001A82H", "DE_LU", "Intraday", "1", price + 70, "EUR", "2026-01-01 10:00:00"),
            ("10YAT-APG------L", "AT", "Day-ahead", "", price + 1, "EUR", "2026-01-01 10:00:00"),
            ("10YGB----------A", "GB", "Day-ahead", "1", price, "GBP", "2026-01-01 10:00:00"),
            ("10Y1001A1001A39X", "??", "Day-ahead", "1", price, "EUR", "2026-01-01 10:00:00"),
        ):
            lines.append(
                f"242e8d60\t{start:%Y-%m-%d %H:%M:%S}\tPT{minutes}M\t{area}\t{name} name\tBZN\t{name}\t"
                f"{kind}\t{sequence}\t{value}\t{currency}\t{updated}"
            )
    return "\n".join(lines)


def library_old(starts: pd.DatetimeIndex, minutes: int, prices: Prices) -> str:
    lines = [
        "DateTime\tResolutionCode\tAreaCode\tAreaTypeCode\tAreaName\tMapCode\tPrice\tCurrency\tUpdateTime",
        *(
            f"{start:%Y-%m-%d %H:%M:%S}.000\tPT{minutes}M\t10Y1001A1001A45N\tBZN\tSE2 BZN\tSE2\t"
            f"{price}\tEUR\tx"
            for start, price in zip(starts, prices, strict=True)
        ),
    ]
    return "\ufeff" + "\n".join(lines)


def nordpool_portal(starts: pd.DatetimeIndex, minutes: int, prices: Prices) -> str:
    lines = ["Delivery Start (CET);Delivery End (CET);SE1 Price (EUR);UK Price (EUR)"]
    pattern, ends = "%d.%m.%Y %H:%M:%S", starts + pd.Timedelta(minutes=minutes)
    pairs = zip(
        local(starts, "Europe/Oslo", pattern), local(ends, "Europe/Oslo", pattern), prices, strict=True
    )
    return "\n".join([*lines, *(f"{a};{b};{price};{price + 1}" for a, b, price in pairs)])


def nordpool_book(starts: pd.DatetimeIndex, minutes: int, prices: Prices) -> bytes:
    ends = starts + pd.Timedelta(minutes=minutes)
    walls = [
        [None, *(one.to_pydatetime() for one in moments.tz_convert("Europe/Oslo").tz_localize(None))]
        for moments in (starts, ends)
    ]
    columns = [
        walls[0],
        walls[1],
        ["Price (EUR)", *prices],
        ["Price (EUR)", *(price + 1 for price in prices)],
    ]
    header = ["Delivery Start (CET)", "Delivery End (CET)", "GER", "TEL"]
    return book_of([header, *(list(row) for row in zip(*columns, strict=True))])


def ote(starts: pd.DatetimeIndex, minutes: int, prices: Prices) -> bytes:
    """Titles with the day, a header of two merged rows, the hour's price next to that of 15 minutes."""
    day = starts[0].tz_convert(PRAGUE)
    rows: list[list[object]] = [[], [], [f"Výsledky denního trhu ČR - {day:%d.%m.%Y}"]]
    rows += [[] for _ in range(16)] + [[f"Výsledky denního trhu ČR - {day:%d.%m.%Y}"], []]
    if minutes == 15:
        header: list[object] = ["Perioda", "Časový interval", "15 min cena\n(EUR/MWh)", "Množství\n(MWh)"]
        header += ["60 min cena\n(EUR/MWh)"]
    else:
        header = ["Hodina", "Cena (EUR/MWh)", "Množství\n(MWh)"]
    rows += [header, []]
    ends = starts + pd.Timedelta(minutes=minutes)
    walls = zip(local(starts, PRAGUE, "%H:%M"), local(ends, PRAGUE, "%H:%M"), strict=True)
    for number, ((begun, ended), price) in enumerate(zip(walls, prices, strict=True), start=1):
        rows.append(
            [number, f"{begun}-{ended}", price, 1000.5, 7.0] if minutes == 15 else [number, price, 1000.5]
        )
    return book_of([*rows, ["Celkem", None, 50.0]])


def ote_csv(starts: pd.DatetimeIndex, minutes: int, prices: Prices) -> str:
    lines = ["Den;Perioda;15 min cena (EUR/MWh)" if minutes == 15 else "Datum;Hodina;Cena (EUR/MWh)"]
    days, numbers = local(starts, PRAGUE, "%d.%m.%Y"), ordinals(starts, PRAGUE)
    for day, number, price in zip(days, numbers, prices, strict=True):
        lines.append(f"{day};{number};" + f"{price:.2f}".replace(".", ","))
    return "\n".join(lines)


ABROAD: Mapping[str, Layout] = {
    "nyiso": Layout(
        source="nyiso", zones=("NYISO-NYC", "NYISO-HUD-VL"), write=nyiso, timezone=NEW_YORK, minutes=(60,),
        options=US, factor=0.9e-3,
    ),
    "ercot": Layout(
        source="ercot", zones=("ERCOT-HB_NORTH", "ERCOT-LZ_WEST"), write=ercot, timezone=CHICAGO,
        minutes=(60,), options=US, factor=0.9e-3,
    ),
    "ercot, yearly": Layout(
        source="ercot", zones=("ERCOT-HB_NORTH",), write=ercot_yearly, timezone=CHICAGO, minutes=(60,),
        options=US, factor=0.9e-3,
    ),
    "pjm": Layout(
        source="pjm", zones=("PJM-WESTERN-HUB", "PJM-DOM"), write=pjm, timezone=NEW_YORK, minutes=(60,),
        options=US, factor=0.9e-3,
    ),
    "pjm, local": Layout(
        source="pjm", zones=("PJM-WESTERN-HUB",), write=pjm_local, timezone=NEW_YORK, minutes=(60,),
        options=US, factor=0.9e-3,
    ),
    "aemo": Layout(
        source="aemo", zones=("SA1",), write=aemo, timezone="Australia/Adelaide", minutes=(15, 30),
        options={"rate": 0.6}, factor=0.6e-3,
    ),
    "elering": Layout(source="elering", zones=("LV", "EE"), write=elering, timezone="Europe/Tallinn"),
    "elprisetjustnu": Layout(
        source="elprisetjustnu", zones=("SE3",), write=elprisetjustnu, options={"zone": "SE3"}
    ),
    "elexon": Layout(
        source="elexon", zones=("GB",), write=elexon, timezone=LONDON, minutes=(30,), options={"rate": 1.2},
        factor=1.2e-3,
    ),
    "elexon, csv": Layout(
        source="elexon", zones=("GB",), write=elexon_csv, timezone=LONDON, minutes=(30,),
        options={"rate": 1.2}, factor=1.2e-3,
    ),
    "comed, five minutes": Layout(
        source="comed", zones=("COMED",), write=comed_five, timezone=CHICAGO, minutes=(15,), options=US,
        factor=0.9e-3,
    ),
    "comed, hours": Layout(
        source="comed", zones=("COMED",), write=comed_hourly, timezone=CHICAGO, minutes=(60,), options=US,
        factor=0.9e-3,
    ),
    "comed, day ahead": Layout(
        source="comed", zones=("COMED",), write=comed_day_ahead, timezone=CHICAGO, minutes=(60,), options=US,
        factor=0.9e-3,
    ),
    "entsoe, file library": Layout(source="entsoe", zones=("DE-LU", "AT"), write=library),
    "entsoe, file library before 2024": Layout(source="entsoe", zones=("SE2",), write=library_old),
    "nordpool, data portal": Layout(source="nordpool", zones=("SE1", "GB"), write=nordpool_portal),
    "nordpool, xlsx": Layout(source="nordpool", zones=("DE-LU", "RO"), write=nordpool_book),
    "ote": Layout(source="ote", zones=("CZ",), write=ote),
    "ote, csv": Layout(source="ote", zones=("CZ",), write=ote_csv),
}  # fmt: skip
"""Name → layout; of the second zone each price is 1 a MWh higher."""
