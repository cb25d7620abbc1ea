"""Published prices, each file spoilt in every way of `hostile_variants`: right rows or a reason."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from flows.stages import Context
from flows.stages.check import check
from flows.stages.ingest import ingest
from flows.workspace import Workspace
from tests.warehouse.builders import SHARED_DATA
from tests.warehouse.hostile_variants import VARIANTS, Table, Variant
from warehouse.errors import SourceError
from warehouse.sources import read_source
from warehouse.zones import OwnZone, define_zones

LATER = datetime(2026, 2, 1, tzinfo=UTC)
ZONES = {name: f"V{number:02d}" for number, name in enumerate(VARIANTS)}
"""Each variant's rows lie in a zone of their own, so that one check judges all of them."""
LINES_SHOWN = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A file, how it is read, and when its rows begin by a parse of our own."""

    file: str
    source: str
    timezone: str
    days: tuple[str, ...]
    time: str
    price: str
    per_kwh: float
    options: Mapping[str, object]

    def table(self) -> tuple[Table, list[pd.Timestamp]]:
        """The rows of some local days with both changes of clocks, and their starts."""
        text = (SHARED_DATA / self.file).read_bytes()
        lines = (gzip.decompress(text) if self.file.endswith(".gz") else text).decode().splitlines()
        header, *rows = csv.reader(lines)
        starts = [self.start(dict(zip(header, row, strict=True))) for row in rows]
        local = [start.tz_convert(ZoneInfo(self.timezone)).date().isoformat() for start in starts]
        kept = [number for number, day in enumerate(local) if day in self.days]
        if self.source == "csv":  # the file does not say how long its quarter-hours are, our own layout does
            header, rows = [*header, "resolution_minutes"], [[*row, "15"] for row in rows]
        price = header.index(self.price)
        table = Table(
            header=header,
            rows=[rows[number] for number in kept],
            time=header.index(self.time),
            price=price,
            true={place: rows[number][price] for place, number in enumerate(kept)},
        )
        return table, [starts[number] for number in kept]

    def start(self, row: Mapping[str, str]) -> pd.Timestamp:
        if self.source == "smard":
            hours = {"CET": 1, "CEST": 2}[row["zone_start"]]
            return pd.Timestamp(row["time"], tz="UTC") - pd.Timedelta(hours=hours)
        return pd.Timestamp(row[self.time])


FILES = [
    Published(
        file="prices/smard_de_lu_2020/2020-hour-price.csv", source="smard", timezone="Europe/Berlin",
        days=("2020-03-28", "2020-03-29", "2020-10-25", "2020-10-26"), time="time", price="price",
        per_kwh=100.0, options={},
    ),
    Published(
        file="prices/fi_sahkotin_2023_2024/sahkotin_spot_price_vat.csv", source="sahkotin",
        timezone="Europe/Helsinki", days=("2023-03-25", "2023-03-26", "2023-10-29", "2023-10-30"),
        time="hour", price="price", per_kwh=100.0, options={"vat": "excluded"},
    ),
    Published(
        file="study/prices/cz_15min_2025_q4/prices.csv.gz", source="csv", timezone="Europe/Prague",
        days=("2025-10-25", "2025-10-26"), time="interval_start_utc", price="price_eur_per_mwh",
        per_kwh=1000.0, options={},
    ),
]  # fmt: skip


@pytest.mark.skipif(not (SHARED_DATA / "study").exists(), reason="the shared data is absent")
@pytest.mark.parametrize("published", FILES, ids=lambda one: one.source)
def test_a_spoilt_file_gives_right_rows_or_a_reason_on_one_screen(
    tmp_path: Path, published: Published
) -> None:
    own = OwnZone(timezone=published.timezone, published=None)
    define_zones(dict.fromkeys(ZONES.values(), own))
    workspace = Workspace.create(tmp_path / "depot", zone="V00")
    table, starts = published.table()
    assert len(table.rows) > 90
    variants = {name: make(table) for name, make in VARIANTS.items()}
    refused = {name: ingested(workspace, published, name, variant) for name, variant in variants.items()}
    check(Context.of(workspace, LATER))
    core = workspace.warehouse.read("core_price")
    faults = []
    for name, variant in variants.items():
        rows = core[core["zone"] == ZONES[name]]
        true = {
            starts[row]: float(price.replace(",", "")) / published.per_kwh
            for row, price in variant.true.items()
        }
        stated = dict(zip(rows["interval_start_utc"], rows["price_eur_per_kwh"], strict=True))
        reason = refused[name]
        if wrong := [start for start, price in stated.items() if price != pytest.approx(true.get(start))]:
            faults.append(f"{name}: {len(wrong)} rows that nobody announced, the first of {wrong[0]}")
        if variant.whole and (reason or len(stated) < len(true)):
            faults.append(f"{name}: {len(true) - len(stated)} rows are lost: {reason}")
        if not stated and not reason and not quarantined(workspace, name):
            faults.append(f"{name}: nothing is there, and nothing says why")
        if reason:
            faults += [f"{name}: {fault}: {reason}" for fault in unclear(reason, ZONES[name], variant)]
    assert not faults, "\n".join(faults)


def ingested(workspace: Workspace, published: Published, name: str, variant: Variant) -> str | None:
    """Ingest a variant; why it was refused, None where it was not."""
    file = workspace.root.parent / f"{ZONES[name]}.csv"
    file.write_bytes(variant.data)
    zone = ZONES[name]
    try:
        ingest(
            Context.of(workspace, LATER), "prices", [file], source=published.source, zone=zone,
            options=published.options,
        )  # fmt: skip
    except SourceError as error:
        return str(error)
    return None


def unclear(reason: str, file: str, variant: Variant) -> list[str]:
    """What a reason lacks."""
    lacks = [] if f"{file}.csv" in reason else ["no file"]
    lacks += ["no row"] if (variant.cell or variant.line) and "row" not in reason else []
    lacks += ["no column"] if variant.cell and "column" not in reason else []
    long = len(reason.splitlines()) > LINES_SHOWN or len(reason) > 80 * LINES_SHOWN
    return [*lacks, *(["more than a screen"] if long else [])]


def quarantined(workspace: Workspace, name: str) -> int:
    rows = workspace.warehouse.read("core_quarantine")
    files = workspace.warehouse.read("raw_source").set_index("file_name")["source_id"]
    return int((rows["source_id"] == files.get(f"{ZONES[name]}.csv", "")).sum())


@pytest.mark.skipif(not (SHARED_DATA / "prices").exists(), reason="the shared data is absent")
def test_spoilt_answers_in_json_cost_the_spoilt_hour_and_name_it(tmp_path: Path) -> None:
    good = json.loads((SHARED_DATA / "prices/fi_sahkotin_2023_2024/prices.json").read_text())
    price, row = good["prices"][5]["value"], {"date": good["prices"][5]["date"]}
    spoilt: dict[str, tuple[object, str]] = {
        "text": ({**row, "value": "cheap"}, "value.*: 6 "),
        "true": ({**row, "value": True}, "value.*: 6 "),
        "none": ({**row}, "value.*: 6 is missing"),
        "naive": ({"date": "2025-12-26T05:00:00", "value": price}, "date.*: 6 "),
        "long ago": ({"date": "1925-12-26T05:00:00.000Z", "value": price}, "date.*: 6 "),
        "a list": ([1, 2], "date.*: 6 is missing"),
    }
    hours = [one["date"] for number, one in enumerate(good["prices"]) if number != 5]
    for name, (item, reason) in spoilt.items():
        file = tmp_path / f"{name}.json"
        prices = [*good["prices"][:5], item, *good["prices"][6:]]
        file.write_text(json.dumps({"prices": prices}), encoding="utf-8")
        source = read_source("prices", file, source="sahkotin", vat="excluded")
        assert any(re.search(reason, note) for note in source.notes), (name, source.notes)
        stated = source.frame["interval_start_utc"].tolist()
        assert stated == [pd.Timestamp(hour) for hour in hours], name
