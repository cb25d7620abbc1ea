"""Files of prices as people have them: one zone next to another, gaps, odd stamps, a clock without a date."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from data_checks import check_frame
from flows.stages import Context
from flows.stages.check import check
from flows.stages.ingest import ingest
from flows.stages.record import StageResult
from flows.stages.tryout import dry_run
from flows.workspace import Workspace
from tests.data_checks.builders import context
from tests.flows.conftest import AS_OF, ZONE, price_rows
from tests.warehouse.published_abroad import ABROAD
from tests.warehouse.published_layouts import LAYOUTS
from warehouse.errors import CellError, OptionError, SourceError, UnitError
from warehouse.sources import load_mapping, read_source
from warehouse.zones import market_day_slots

HEADER = "zone,interval_start_utc,resolution_minutes,price_eur_per_mwh"


@pytest.fixture
def market(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "depot", zone=ZONE)


def quarters(zone: str, *days: date) -> pd.DataFrame:
    starts = [start for day in days for start in market_day_slots(day, zone)]
    return pd.DataFrame(
        {
            "zone": zone,
            "interval_start_utc": starts,
            "resolution_minutes": 15,
            "price_eur_per_mwh": [50.0 + number % 40 for number in range(len(starts))],
        }
    )


def checked(workspace: Workspace, rows: pd.DataFrame, name: str, hours: int) -> StageResult:
    file = workspace.root.parent / f"{name}.csv"
    rows.to_csv(file, index=False)
    as_of = AS_OF + timedelta(hours=hours)
    ingest(Context.of(workspace, as_of), "prices", [file])
    return check(Context.of(workspace, as_of))


def test_a_file_of_one_zone_does_not_answer_for_the_days_of_another(market: Workspace) -> None:
    june = [date(2024, 6, 1) + timedelta(days=n) for n in range(3)]
    july = [date(2024, 7, 1) + timedelta(days=n) for n in range(3)]
    assert checked(market, quarters("DE-LU", *june), "a", 0).exit_code == 0
    assert checked(market, quarters("FI", *july), "b", 1).exit_code == 0
    both = pd.concat([quarters("DE-LU", *july[:1]), quarters("FI", *june[:1])])
    assert checked(market, both, "c", 2).exit_code == 0
    assert len(market.warehouse.read("core_price")) == 8 * 96


def test_days_that_a_file_does_not_touch_are_not_asked_of_it_but_a_hole_in_a_day_is(
    market: Workspace,
) -> None:
    days = [date(2024, 6, n) for n in (1, 2, 3, 20, 21, 22)]
    assert checked(market, quarters("DE-LU", *days), "a", 0).exit_code == 0
    torn = quarters("DE-LU", *[date(2024, 5, n) for n in (1, 2, 3)]).drop(index=[100, 101])
    result = checked(market, torn, "b", 1)
    assert result.exit_code == 3
    assert "DE-LU 2024-05-02" in result.message


def written(tmp_path: Path, *rows: str, header: str = HEADER) -> Path:
    file = tmp_path / "prices.csv"
    file.write_text("\n".join([header, *rows]) + "\n")
    return file


def test_hours_that_begin_at_a_quarter_to_are_refused_with_the_first_row(tmp_path: Path) -> None:
    rows = [f"NL,2026-07-31T{hour:02d}:45:00+00:00,60,{50 + hour}" for hour in range(24)]
    with pytest.raises(
        CellError,
        match=r"prices\.csv, row 1, column interval_start_utc: '2026-07-31 00:45 UTC' begins next to",
    ):
        read_source("prices", written(tmp_path, *rows))
    good = [f"NL,2026-07-31T{hour:02d}:00:00+00:00,60,50" for hour in range(23)]
    assert len(read_source("prices", written(tmp_path, *good, rows[-1])).frame) == 24


@pytest.mark.parametrize("stamp", ["1900-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1999-12-31T23:00:00Z", "2150-01-01T00:00:00Z"])  # fmt: skip # noqa: E501
@pytest.mark.parametrize("direction", ["", "import,"])
def test_prices_of_no_day_of_a_market_are_refused_with_row_and_value(
    tmp_path: Path, stamp: str, direction: str
) -> None:
    header, dataset = HEADER.replace("mwh", "kwh"), "prices"
    if direction:
        header, dataset = header.replace("zone,", "zone,direction,"), "tariffs"
    good = [f"NL,{direction}2026-07-31T{hour:02d}:00:00Z,60,0.05" for hour in range(3)]
    alone = read_source(dataset, written(tmp_path, *good, f"NL,{direction}{stamp},60,0.05", header=header))
    ingested = alone.frame.assign(source_id="a", received_utc=pd.Timestamp("2026-08-01T00:00Z"))
    report = check_frame(dataset, ingested, context(zones_tz={"NL": "Europe/Amsterdam"}))
    assert (report.quarantine["rule"].tolist(), len(report.good)) == (["clock"], 3)
    rows = [
        good[0],
        *(f"NL,{direction}{moment},60,0.05" for moment in (stamp, stamp.replace("-01T", "-02T"))),
    ]
    with pytest.raises(
        CellError, match=rf"row 2, column interval_start_utc: '{stamp[:10]} .* is no day of a market"
    ):
        read_source(dataset, written(tmp_path, *rows, header=header))


@pytest.mark.parametrize(
    ("time_format", "whole"),
    [
        ("%H.%M", False), ("%d.%m. %H:%M", False), ("%Y %H:%M", False), ("%m/%Y", False), ("%d %H:%M", False),
        ("%%Y%%m%%d %H", False), ("%d.%m.%Y %H:%M", True), ("%Y-%j %H", True), ("%d %b %y %H:%M%z", True),
        ("%G-W%V-%u %H", True), ("%-d/%-m/%Y", True), ("unix_s", True),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("dataset", "column"),
    [("prices", "interval_start_utc"), ("telemetry", "time_utc"), ("sessions", "arrival_utc")],
)
def test_a_format_without_a_date_is_refused_with_the_reason(
    tmp_path: Path, dataset: str, column: str, time_format: str, whole: bool
) -> None:
    file = tmp_path / "m.toml"
    file.write_text(
        f'timezone = "Europe/Helsinki"\n[columns.{column}]\nfrom = "a"\nformat = "{time_format}"\n'
    )
    if whole:
        assert load_mapping(file, dataset).source == "mapped"
        return
    with pytest.raises(OptionError, match=rf"column columns\.{column}\.format: .* names no day"):
        load_mapping(file, dataset)


def about_zero(day: date) -> pd.DataFrame:
    rows = quarters("DE-LU", day)
    rows["price_eur_per_mwh"] = [(number % 21 - 10) / 100 for number in range(len(rows))]
    return rows


@pytest.mark.parametrize("history", [False, True])
def test_a_day_about_zero_is_kept_with_a_warning_where_the_unit_is_stated(
    market: Workspace, tmp_path: Path, history: bool
) -> None:
    if history:
        assert checked(market, price_rows(date(2024, 5, 1), 31), "before", 0).exit_code == 0
    result = checked(market, about_zero(date(2024, 6, 1)), "a", 1)
    assert (result.exit_code, result.details["quarantined"]) == (0, 0)
    stated = [row for row in result.tables["failed checks"] if row["rule"] == "near_zero"]
    assert {row["severity"] for row in stated} == {"warning"}
    assert (market.warehouse.read("core_price")["price_eur_per_kwh"].abs() <= 1e-4).sum() == 96
    rows = about_zero(date(2024, 6, 2)).assign(price_eur_per_mwh=0.05)
    rows.to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(UnitError, match=r"look like .*€/kWh"):  # a header may be wrong
        read_source("prices", tmp_path / "b.csv")


def test_a_day_just_above_zero_is_believed_of_its_publisher(market: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "smard.csv"
    lines = ["Datum von;Datum bis;Deutschland/Luxemburg [€/MWh] Originalauflösungen"]
    lines += [
        f"01.06.2024 {n:02d}:00;{1 + n // 23:02d}.06.2024 {(n + 1) % 24:02d}:00;0,05" for n in range(24)
    ]
    file.write_text("\n".join(lines), encoding="utf-8")
    ingest(Context.of(market, AS_OF), "prices", [file], source="smard")
    result = check(Context.of(market, AS_OF))
    assert (result.exit_code, result.details["quarantined"]) == (0, 0)
    assert "near_zero" in {row["rule"] for row in result.tables["failed checks"]}


def test_a_day_about_zero_waits_for_a_persons_word_where_no_unit_is_stated(
    market: Workspace, tmp_path: Path
) -> None:
    file, mapping = tmp_path / "a.csv", tmp_path / "a.toml"
    rows = about_zero(date(2024, 6, 1))
    rows.assign(price=rows["price_eur_per_mwh"] / 1000).drop(columns="price_eur_per_mwh").to_csv(
        file, index=False
    )
    mapping.write_text('[columns.price_eur_per_kwh]\nfrom = "price"\n', encoding="utf-8")
    meant = load_mapping(mapping, "prices")
    ingest(Context.of(market, AS_OF), "prices", [file], source=meant.source, options=meant.options)
    result = check(Context.of(market, AS_OF))
    assert (result.exit_code, result.details["quarantined"]) == (4, 96)
    assert "release it if that is right" in market.warehouse.read("core_quarantine")["reason"].iloc[0]


def test_a_word_for_no_price_is_one_interval_in_quarantine(market: Workspace) -> None:
    rows = quarters("DE-LU", date(2024, 6, 1)).astype({"price_eur_per_mwh": "object"})
    rows.loc[40, "price_eur_per_mwh"] = "SN"
    result = checked(market, rows, "a", 0)
    assert (result.exit_code, result.details["quarantined"]) == (0, 1)
    assert len(market.warehouse.read("core_price")) == 95


def test_hours_at_the_cap_are_prices(market: Workspace) -> None:
    rows = price_rows(date(2024, 6, 1), 3)
    rows.loc[30:33, "price_eur_per_kwh"] = 4.0
    result = checked(market, rows, "a", 0)
    assert (result.exit_code, result.status) == (0, "ok")
    assert "dear" in {row["rule"] for row in result.tables["failed checks"]}
    assert (market.warehouse.read("core_price")["price_eur_per_kwh"] == 4.0).sum() == 4


def test_bad_cells_of_a_mapped_file_are_set_aside_and_the_others_are_let_in(market: Workspace) -> None:
    day = date(2024, 6, 1)
    rows = quarters("DE-LU", day).astype({"resolution_minutes": "str", "interval_start_utc": "str"})
    rows.loc[5, "resolution_minutes"] = "15 min"
    rows.loc[6, "interval_start_utc"] = "half past two"
    rows["price_eur_per_mwh"] = rows["price_eur_per_mwh"].astype("str")
    rows.loc[7, "price_eur_per_mwh"] = "n/e"
    rules, file = market.root.parent / "map.toml", market.root.parent / "rows.csv"
    rules.write_text(
        '[columns.zone]\nfrom = "zone"\n[columns.interval_start_utc]\nfrom = "interval_start_utc"\n'
        '[columns.resolution_minutes]\nfrom = "resolution_minutes"\n'
        '[columns.price_eur_per_kwh]\nfrom = "price_eur_per_mwh"\nunit = "EUR/MWh"\n'
    )
    rows.to_csv(file, index=False)
    context = Context.of(market, AS_OF)
    mapping = load_mapping(rules, "prices")
    ingest(context, "prices", [file], source=mapping.source, options=mapping.options)
    check(context)
    assert len(market.warehouse.read("core_price")) == 93
    assert len(market.warehouse.read("core_quarantine")) == 3


@pytest.mark.parametrize(
    "name", ["omie", "entsoe", "nordpool", "energy_charts", "smard, German", "ote", "pjm"]
)
def test_a_publishers_file_given_as_a_table_of_ours_is_refused_with_its_source(
    market: Workspace, tmp_path: Path, name: str
) -> None:
    layout = {**LAYOUTS, **ABROAD}[name]
    starts = market_day_slots(date(2026, 6, 24), layout.zones[0])[::4]
    text = layout.write(pd.DatetimeIndex(starts), 60, [40.0 + hour for hour in range(24)])
    file = tmp_path / "prices.txt"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    context = Context.of(market, AS_OF)
    with pytest.raises(SourceError, match=rf"source {layout.source}\)|`--source {layout.source}` reads this"):
        ingest(context, "prices", [file])
    stated = [str(row["reason"]) for row in dry_run(context, "prices", [file]).tables["faults"]]
    assert any(f"source {layout.source}" in reason for reason in stated), stated


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("ocpp", '[2, "m1", "StartTransaction", {"connectorId": 1}]\n[3, "m1", {"transactionId": 1}]\n'),
        ("ocpp", '[[2, "m1", "Heartbeat", {}],\n [3, "m1", {}]]\n'),
        ("acn", '{"_meta": {"page": 1}, "_items": [{"sessionID": "a"}]}'),
        ("acn", "sessionID,stationID,connectionTime\na,b,c\n"),
    ],
)
def test_a_log_of_sessions_given_as_a_table_of_ours_is_refused_with_its_source(
    workspace: Workspace, tmp_path: Path, source: str, text: str
) -> None:
    file = tmp_path / "log.txt"
    file.write_text(text)
    with pytest.raises(SourceError, match=rf"source {source}\)"):
        ingest(Context.of(workspace, AS_OF), "sessions", [file])
