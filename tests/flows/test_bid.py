"""`v2g bid` through the real stage: what a gate knew, reasons, files to hand in, and a garage's real day."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.errors import UsageError
from flows.stages import Context, StageResult
from flows.stages.bid import Asked, bid
from flows.stages.check import check
from flows.stages.ingest import ingest
from flows.workspace import Workspace
from optimize.market.bids.products import FILE, products
from tests.benchmarks.data import SETS, data_folder, file_of
from tests.flows.conftest import AS_OF, DAY, begun, copied, fleet_rows, put, site_rows
from tests.flows.test_expected import lived
from tests.flows.test_forecast_stage import prices
from tests.optimize.garage import EFFICIENCY, KW, LEAST_KWH, LEAVES_KWH, PACK_KWH, garage_days

TOMORROW, NOW = DAY + timedelta(days=1), AS_OF + timedelta(days=1)
DAYS = 70


def small(text: str) -> str:
    """The products with minima that two cars reach."""
    text = text.replace("min_mw = 1\nstep_mw = 1\n", "min_mw = 0.002\nstep_mw = 0.001\n")
    return text.replace("min_mw = 0.1\nstep_mw = 0.1\n", "min_mw = 0.001\nstep_mw = 0.001\n")


SMALL = products(small(FILE.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def around(calibrated_depot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two calibrated cars that came home on seventy nights, and the prices of as many days."""
    folder = tmp_path_factory.mktemp("bid")
    workspace = begun(calibrated_depot, folder)
    first, came = TOMORROW - timedelta(days=DAYS + 1), AS_OF + timedelta(hours=18)
    nights = pd.concat([lived(first, DAYS, f"car-{one}") for one in (1, 2)])
    for name, rows in (("sessions", nights), ("prices", prices(first, DAYS + 1))):
        file = folder / f"{name}.csv"
        rows.to_csv(file, index=False)
        ingest(Context.of(workspace, came), name, [file], received="event")
    assert check(Context.of(workspace, came)).exit_code == 0
    return folder


@pytest.fixture
def homes(around: Path, tmp_path: Path) -> Workspace:
    return copied(around, tmp_path)


def stated(workspace: Workspace, *names: str, at: datetime = NOW) -> StageResult:
    return bid(Context.of(workspace, at), TOMORROW, Asked(known=SMALL, names=names), lambda *_: None)


def test_blocks_are_bid_or_say_why_not(homes: Workspace) -> None:
    result = stated(homes, "FCR", "aFRR up")
    rows = homes.warehouse.read("out_bid").sort_values("interval_start_utc", ignore_index=True)
    hours = rows["interval_start_utc"].dt.tz_convert("Europe/Berlin").dt.hour
    assert len(rows) == 12 and result.exit_code == 0
    fcr = rows.set_index(hours)[(rows["product"] == "FCR").to_numpy()]
    assert list(fcr.index) == [0, 4, 8, 12, 16, 20]
    night = fcr.loc[20]
    assert 0.01 <= night["quantity_mw"] <= night["guaranteed_kw"] / 1000.0
    assert night["price_eur_per_mw_h"] > 0.0
    noon = fcr.loc[12]
    assert noon["quantity_mw"] == 0.0 and noon["reason"].startswith("with 95% the pool can give 0 kW")
    assert pd.isna(noon["price_eur_per_mw_h"])
    assert (fcr["gate_utc"] == pd.Timestamp(f"{DAY}T07:00Z")).all()
    assert rows.loc[rows["quantity_mw"] == 0.0, "reason"].notna().all()
    (file,) = result.files
    handed = pd.read_csv(file)
    assert handed["quantity_mw"].tolist() == fcr.loc[fcr["quantity_mw"] > 0.0, "quantity_mw"].tolist()
    assert set(handed["direction"]) == {"symmetric"} and set(handed["currency"]) == {"EUR"}
    assert handed["begins"].iloc[-1] == f"{TOMORROW}T20:00+0100"


def test_the_products_as_they_are_have_too_large_a_minimum(homes: Workspace) -> None:
    """And a file of bids that are made no more does not lie there."""
    (file,) = stated(homes, "FCR").files
    result = bid(Context.of(homes, NOW), TOMORROW, Asked(known=products(), names=("FCR",)), lambda *_: None)
    assert "bids for 0 of 6 blocks" in result.message and result.files == ()
    assert all("the least bid is 1000 kW" in row["reason"] for row in result.tables["reserve"])
    assert not Path(file).exists()


def test_a_bid_of_an_earlier_moment_leaves_the_file_of_the_later(homes: Workspace) -> None:
    """What is handed in rests on the most that was known, in whatever order it is asked."""
    (file,) = stated(homes, "FCR").files
    handed = Path(file).read_bytes()
    early = stated(homes, "FCR", at=NOW - timedelta(days=40))  # when nothing could be bid
    assert (
        early.files == () and early.exit_code == 3 and "bid since, with what was known later" in early.message
    )
    assert Path(file).read_bytes() == handed
    again = stated(homes, "FCR")
    assert again.files == (file,) and again.details["written"] is False and "since" not in again.message


def test_what_comes_after_the_gate_changes_nothing(homes: Workspace) -> None:
    """Stays, prices and cars of after 08:00 are not there for FCR, whenever it is asked."""
    before = stated(homes, "FCR", at=datetime(2024, 3, 20, 7, tzinfo=UTC))
    late = datetime(2024, 3, 20, 7, 30, tzinfo=UTC)
    put(
        homes,
        "sessions",
        lived(DAY, 2, "car-1").assign(arrival_soc=0.2, departure_soc=0.9),
        as_of=late,
    )
    put(homes, "prices", prices(TOMORROW, 1).assign(price_eur_per_kwh=0.5), as_of=late)
    assert check(Context.of(homes, late)).exit_code == 0
    after = stated(homes, "FCR", at=NOW)
    assert after.tables == before.tables
    assert after.details["written"] is False and "as they were" in after.message
    other = stated(homes, "day ahead", at=NOW)
    assert other.tables["kW drawn net by €/MWh"][0]["pairs"].split(", ")[1].startswith("500.0:")


def test_the_curve_falls_and_its_file_has_whole_steps(homes: Workspace) -> None:
    result = stated(homes, "day ahead")
    rows = homes.warehouse.read("out_bid_curve")
    assert len(rows) == 96 * 3 and result.exit_code == 0
    for _, own in rows.groupby("interval_start_utc"):
        own = own.sort_values("price_eur_per_mwh")
        assert (own["net_kw"].diff().dropna() <= 1e-9).all()
    assert (rows["net_kw"] < -1.0).any() and (rows["net_kw"] > 1.0).any()
    handed = pd.read_csv(result.files[0])
    assert (handed["quantity_mw"] * 1000.0 % 1.0).abs().max() == pytest.approx(0.0, abs=1e-9)


def test_a_reserve_that_is_bid_is_held_back_of_the_curve(homes: Workspace) -> None:
    stated(homes, "day ahead")
    free = homes.warehouse.read("out_bid_curve")
    stated(homes, "FCR", "day ahead", at=NOW + timedelta(minutes=1))
    held = homes.warehouse.read("out_bid_curve")
    held = held[~held["run_id"].isin(free["run_id"])]
    night = [f"{TOMORROW}T{hour}:00Z" for hour in (20, 21)]
    most = [
        rows[rows["interval_start_utc"].isin(pd.to_datetime(night))]["net_kw"].abs().max()
        for rows in (free, held)
    ]
    assert most[1] < most[0] - 5.0


def test_what_a_zone_does_not_have_is_refused(homes: Workspace) -> None:
    with pytest.raises(UsageError, match="zone DE-LU has FCR, aFRR up, aFRR down, day ahead"):
        stated(homes, "DC low")


def test_before_anything_is_known_there_is_no_bid_and_a_reason(homes: Workspace) -> None:
    result = stated(homes, "FCR", at=AS_OF - timedelta(days=400))
    assert result.exit_code == 3 and "FCR: no plan for 2024-03-21: no battery" in result.message
    assert homes.warehouse.read("out_bid").empty


def test_the_command_answers_in_json_and_takes_own_products(homes: Workspace) -> None:
    own = homes.root / "own.toml"
    own.write_text(small(FILE.read_text(encoding="utf-8")), encoding="utf-8")
    call = ["bid", "-w", str(homes.root), "--date", str(TOMORROW), "--as-of", NOW.isoformat()]
    stated_of = CliRunner().invoke(app, [*call, "--product", "FCR", "--products", str(own), "--json"])
    assert stated_of.exit_code == 0, stated_of.output
    (stage,) = json.loads(stated_of.stdout)["stages"]
    assert sum(row["quantity_mw"] > 0.0 for row in stage["tables"]["reserve"]) == 2
    assert CliRunner().invoke(app, [*call, "--points", "4"]).exit_code != 0


GARAGE = date(2020, 6, 17)
PLUG = {
    "site_id": "yard", "nominal_energy_kwh": PACK_KWH, "charge_limit_kw": KW, "discharge_limit_kw": KW,
    "efficiency_charge": EFFICIENCY, "efficiency_discharge": EFFICIENCY, "soc_min": LEAST_KWH / PACK_KWH,
    "soc_max": 1.0,
}  # fmt: skip


def garage_sessions() -> pd.DataFrame:
    """The garage's days 364 later by the German clock, up to the day before GARAGE; each plug as a car."""
    days = {(day + pd.Timedelta(days=364)): own for day, own in garage_days(data_folder()).items()}
    kept = [own.assign(day=day) for day, own in days.items() if date(2020, 3, 1) <= day.date() < GARAGE]
    rows = pd.concat(kept, ignore_index=True)
    local = {
        name: rows["day"] + pd.to_timedelta(rows[f"{stated}_h"], "h").dt.round("s")
        for name, stated in (("arrival_utc", "arrive"), ("departure_utc", "depart"))
    }
    utc = {
        name: each.dt.tz_localize("Europe/Berlin", ambiguous="NaT", nonexistent="NaT").dt.tz_convert("UTC")
        for name, each in local.items()
    }
    rows = rows.assign(**utc).dropna().sort_values("arrival_utc", ignore_index=True)
    until: list[pd.Timestamp] = []
    plugs = []
    for begin, end in zip(rows["arrival_utc"], rows["departure_utc"], strict=True):
        free = next((number for number, left in enumerate(until) if left <= begin), len(until))
        until[free : free + 1] = [end]
        plugs.append(f"plug-{free:02d}")
    return pd.DataFrame(
        {
            "session_id": [f"s{number}" for number in range(len(rows))],
            "battery_id": plugs,
            "arrival_utc": rows["arrival_utc"],
            "departure_utc": rows["departure_utc"],
            "arrival_soc": rows["energy_kwh"] / PACK_KWH,
            "departure_soc": LEAVES_KWH / PACK_KWH,
        }
    )


@pytest.mark.skipif(
    not file_of(data_folder(), "drivers").is_file() or not file_of(data_folder(), "prices").is_file(),
    reason=f"no public data: {SETS['drivers'].folder}, {SETS['prices'].folder}",
)
def test_a_real_day_of_a_garage_has_its_bids_and_reasons(depot: Workspace, tmp_path: Path) -> None:
    """Real sessions at German prices of the day; every pack has the calibration of car-1."""
    around = tmp_path / "garage"
    around.mkdir()
    workspace = Workspace.create(around / "depot", zone="DE-LU")
    came, now = datetime(2020, 2, 1, tzinfo=UTC), datetime(2021, 1, 2, tzinfo=UTC)
    sessions = garage_sessions()
    plugs = sorted(set(sessions["battery_id"]))
    fleet = fleet_rows().iloc[[0] * len(plugs)].assign(battery_id=plugs, **PLUG)
    put(workspace, "sites", site_rows().assign(import_limit_kw=300.0, export_limit_kw=300.0), as_of=came)
    put(workspace, "fleet", fleet, as_of=came)
    (around / "sessions.csv").write_text(sessions.to_csv(index=False), encoding="utf-8")
    ingest(Context.of(workspace, now), "sessions", [around / "sessions.csv"], received="event")
    ingest(
        Context.of(workspace, now),
        "prices",
        [file_of(data_folder(), "prices")],
        source="smard",
        received="event",
    )
    check(Context.of(workspace, now))
    one = depot.warehouse.read("out_calibration", where={"battery_id": "car-1"}).assign(
        as_of_utc=pd.Timestamp(came)
    )
    points = depot.warehouse.read("out_life_point", where={"battery_id": "car-1"})
    every = pd.concat([one.assign(battery_id=plug, calibration_id=f"of {plug}") for plug in plugs])
    workspace.warehouse.write(
        {"out_calibration": every, "out_life_point": points.assign(as_of_utc=pd.Timestamp(came))}
    )
    least = FILE.read_text(encoding="utf-8").replace(
        "min_mw = 1\nstep_mw = 1\n", "min_mw = 0.01\nstep_mw = 0.001\n"
    )
    found = {
        name: bid(Context.of(workspace, now), GARAGE, Asked(known=known, names=("FCR",)), lambda *_: None)
        for name, known in (("as it is", products()), ("from 10 kW on", products(least)))
    }
    lines = {name: result.tables["reserve"] for name, result in found.items()}
    assert [line["quantity_mw"] for line in lines["as it is"]] == [0.0] * 6
    assert all("the least bid is 1000 kW" in line["reason"] for line in lines["as it is"])
    noon = lines["from 10 kW on"][3]
    assert noon["from"] == f"{GARAGE} 12:00"
    assert 0.02 < noon["quantity_mw"] <= noon["guaranteed_kw"] / 1000.0 < len(plugs) * KW / 1000.0
    assert noon["price_eur_per_mw_h"] > 0.0
    assert [line["quantity_mw"] for line in lines["from 10 kW on"]][:2] == [0.0, 0.0]
