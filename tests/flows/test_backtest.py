"""A back-test: past days by the product's own stages, with what was known then, next to the published
plan."""

from __future__ import annotations

import shutil
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from flows.backtest.course import Span, decisions
from flows.backtest.run import BackTest
from flows.backtest.strategies import BY_NAME
from flows.stages import Context
from flows.stages.check import check
from flows.stages.plan import plan
from flows.stages.realise import realise
from flows.workspace import Workspace
from tests.benchmarks.depots import ingest_frame, moment
from tests.flows.backtests import (
    DAYS,
    FIRST,
    NIGHTS,
    NOW,
    SOME,
    ZONE,
    asked,
    make_nightly,
    of,
    priced,
    rows,
    run,
)
from tests.flows.conftest import DAY
from warehouse.contracts import CONTRACTS
from warehouse.zones import market_day_slots, publication

Figures = dict[str, dict[str, float]]


@pytest.fixture(scope="module")
def nightly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_nightly(tmp_path_factory.mktemp("nightly"))


@pytest.fixture
def home(nightly: Path, tmp_path: Path) -> Workspace:
    return Workspace.open(Path(shutil.copytree(nightly, tmp_path / "home" / "depot")))


def everything(workspace: Workspace) -> dict[str, pd.DataFrame]:
    return {name: workspace.warehouse.read(name) for name in CONTRACTS if name != "out_backtest"}


def test_it_is_what_the_stages_say_day_by_day_and_leaves_no_other_trace(
    home: Workspace, tmp_path: Path
) -> None:
    by_hand = Workspace.open(Path(shutil.copytree(home.root, tmp_path / "by hand")))
    # A plan of the day that was published, and that a strategy must not go on from.
    published = plan(Context.of(home, publication(DAYS[0], ZONE) + timedelta(hours=6)), DAYS[0])
    assert published.details["plan_id"]
    before = everything(home)
    result = run(asked(home))
    assert (result.status, result.exit_code) == ("ok", 0)
    for name, frame in everything(home).items():
        pd.testing.assert_frame_equal(frame, before[name], obj=name)
    assert sorted(path.name for path in (home.root / ".backtest").iterdir()) == ["lock"]

    stated = rows(home)
    assert len(stated) == 6 and stated["note"].isna().all()
    for number in range(4):
        day = DAYS[0] + timedelta(days=number - 1)
        plan(Context.of(by_hand, publication(day, ZONE)), day)
    realise(Context.of(by_hand, NOW), list(DAYS))
    accounts = by_hand.warehouse.read("out_realised").set_index("market_date").sort_index()
    for strategy, mode in (("v2g", "followed"), ("ordered", "ordered"), ("uncontrolled", "uncontrolled")):
        own = of(stated, strategy)
        for figure in ("eur", "promised_eur", "stored_kwh", "departures", "missed"):
            by_stage = accounts[f"{mode}_{figure}"].astype(float)
            pd.testing.assert_series_equal(
                own[figure].astype(float), by_stage, check_names=False, check_index=True, atol=1e-9
            )
    assert of(stated, "v2g")["v2g_kwh"].sum() > 5.0


def test_a_plan_of_before_the_auction_knows_no_price_of_its_day(home: Workspace, tmp_path: Path) -> None:
    other = Workspace.open(Path(shutil.copytree(home.root, tmp_path / "other")))
    prices = priced()
    local = prices["interval_start_utc"].dt.tz_convert("Europe/Berlin").dt.date
    turned = prices[local >= DAYS[1]].assign(zone=ZONE, resolution_minutes=15)
    turned["price_eur_per_kwh"] = 0.3 - turned["price_eur_per_kwh"]
    ingest_frame(other, "prices", turned, moment(ZONE, FIRST + timedelta(days=NIGHTS + 2), 1), by="event")
    check(Context.of(other, NOW))
    names = ("like-days", "last-week", "yesterday", "v2g")
    for workspace in (home, other):
        run(asked(workspace, *names))
    for name in names:
        one, turned_round = (of(rows(workspace), name).loc[DAYS[1]] for workspace in (home, other))
        planned_alike = one["v2g_kwh"] == pytest.approx(turned_round["v2g_kwh"], abs=1e-6)
        assert planned_alike == (name != "v2g"), name
        assert one["v2g_kwh"] > 1.0
        assert one["eur"] != pytest.approx(turned_round["eur"], abs=0.05)
    like = of(rows(home), "like-days")
    assert (like["promised_eur"] - like["eur"]).abs().max() > 0.05, "its prices were no promise kept"


def test_foresight_promises_what_comes_and_nobody_else_knows_an_unannounced_session(home: Workspace) -> None:
    session = {
        "session_id": "guest", "battery_id": "guest", "arrival_soc": 0.3, "departure_soc": 0.7,
        "arrival_utc": f"{DAYS[1]}T08:00:00Z", "departure_utc": f"{DAYS[1]}T15:00:00Z",
    }  # fmt: skip
    over = moment(ZONE, FIRST + timedelta(days=NIGHTS + 2), 1)
    car = home.warehouse.read("core_battery").drop(columns=["source_id", "received_utc", "source_row"])
    ingest_frame(home, "fleet", car.assign(battery_id="guest"), moment(ZONE, FIRST, 1))
    check(Context.of(home, over))
    ingest_frame(home, "sessions", pd.DataFrame([session]), over, by="event")
    check(Context.of(home, over))
    known_rows = home.warehouse.read("out_calibration").assign(battery_id="guest", calibration_id="told too")
    home.warehouse.write({"out_calibration": known_rows})
    run(asked(home, "v2g", "foresight-sessions", "foresight"))
    day = {name: of(rows(home), name).loc[DAYS[1]] for name in ("v2g", "foresight-sessions", "foresight")}
    assert all(one["batteries"] == 2 for one in day.values())
    for name in ("foresight-sessions", "foresight"):
        assert day[name]["eur"] == pytest.approx(day[name]["promised_eur"], abs=1e-6)
        assert day[name]["missed"] == 0
    assert abs(day["v2g"]["eur"] - day["v2g"]["promised_eur"]) > 0.2, "the guest charged unforeseen"
    assert day["foresight-sessions"]["eur"] > day["v2g"]["eur"] + 0.05


def test_foresight_of_prices_is_never_below_what_is_known_at_publication(home: Workspace) -> None:
    days = (DAYS[0] - timedelta(days=2), DAYS[1])
    result = run(asked(home, "v2g", "foresight-prices", "like-days", "last-week", days=days))
    lines: Figures = {line["strategy"]: line for line in result.tables["strategies"]}  # type: ignore[misc]
    gain = {name: line["over_uncontrolled_eur"] for name, line in lines.items()}
    worth = 0.09  # of what is in store more, at a mean price
    kept = {
        name: line["over_uncontrolled_eur"] + worth * line["more_in_store_kwh"]
        for name, line in lines.items()
    }
    assert kept["foresight-prices"] >= kept["v2g"] - 0.15
    assert kept["v2g"] > max(kept["like-days"], kept["last-week"])
    assert gain["v2g"] > 0.0


def test_plans_are_made_when_prices_come_and_every_so_often_as_given() -> None:
    span = Span(zone=ZONE, first=DAYS[0], last=DAYS[0], every_minutes=240, known_until=NOW)
    stated = decisions(BY_NAME["v2g"].course, span)
    published = [one for one in stated if one[1] is not None]
    assert published == [
        (publication(DAYS[0] + timedelta(days=n), ZONE), DAYS[0] + timedelta(days=n)) for n in (-1, 0, 1)
    ]
    between = [when for when, day in stated if day is None]
    steps = {(later - earlier).total_seconds() / 60 for (earlier, _), (later, _) in pairwise(stated)}
    assert steps == {240.0} and len(between) > 5
    gates = decisions(BY_NAME["like-days"].course, span)
    assert [f"{when:%d %H:%M} {day}" for when, day in gates] == ["12 10:30 2024-03-13", "13 10:30 2024-03-14"]


def test_planning_on_every_four_hours_is_another_back_test(home: Workspace) -> None:
    day = (DAYS[0], DAYS[0])
    one, other = asked(home, "v2g", days=day), asked(home, "v2g", days=day, every=240)
    assert one.run_id != other.run_id
    run(other)
    stated = of(rows(home), "v2g")
    assert stated["every_minutes"].tolist() == [240] and stated["planned_slots"].tolist() == [96]


def test_the_twin_tells_what_a_realised_day_wears_next_to_the_price(depot: Workspace) -> None:
    days = (DAY, DAY)
    strategies = [BY_NAME[name] for name in SOME]
    result = run(BackTest.of(depot, days, strategies, now=NOW, every_minutes=240, twin=True))
    stated = rows(depot).set_index("strategy")
    assert stated["twin_batteries"].tolist() == [2, 2, 2]
    assert stated.loc["uncontrolled", "wear_error_eur"] == 0.0
    assert stated.loc["v2g", "v2g_kwh"] > 1.0
    error = float(stated.loc["v2g", "wear_error_eur"])
    assert abs(error) > 1e-4
    lines = {line["strategy"]: line for line in result.tables["strategies"]}
    assert lines["v2g"]["by_twin_eur"] == pytest.approx(lines["v2g"]["over_uncontrolled_eur"] - error)
    # More is discharged, so the twin sees more wear than of charging alone, whatever the price says.
    by_price = stated["wear_eur"] - stated["wear_eur"]["uncontrolled"]
    by_twin = by_price + stated["wear_error_eur"]
    assert by_twin["v2g"] > by_twin["ordered"]


def test_what_is_received_after_its_moment_changes_no_figure(home: Workspace, tmp_path: Path) -> None:
    other = Workspace.open(Path(shutil.copytree(home.root, tmp_path / "other")))
    turned = priced().assign(zone=ZONE, resolution_minutes=15)
    ingest_frame(other, "prices", turned.assign(price_eur_per_kwh=0.3 - turned["price_eur_per_kwh"]), NOW)
    check(Context.of(other, NOW))
    noted = []
    for workspace in (home, other):
        day, then = (DAYS[0], DAYS[0]), NOW - timedelta(days=20)
        run(asked(workspace, "v2g", "uncontrolled", days=day, as_of=then))
        noted.append(rows(workspace).drop(columns=["run_id", "input_hash"]))
    pd.testing.assert_frame_equal(*noted)
    assert set(noted[0]["as_of_utc"]) == {pd.Timestamp(then)}
    run(asked(other, "v2g", days=day))
    now = rows(other).query("as_of_utc > @then")
    assert now["eur"].item() != pytest.approx(noted[0]["eur"].iloc[0], abs=0.05), "known by now"


def test_what_was_measured_while_other_plans_were_followed_is_no_strategy_s(
    home: Workspace, tmp_path: Path
) -> None:
    other = Workspace.open(Path(shutil.copytree(home.root, tmp_path / "other")))
    over = moment(ZONE, FIRST + timedelta(days=NIGHTS + 2), 1)
    slots = market_day_slots(DAYS[0], ZONE).strftime("%Y-%m-%dT%H:%M:%SZ")
    measured = {
        "metering": {"interval_start_utc": slots, "import_kwh": 2.0, "export_kwh": 0.0},
        "soc_power": {"time_utc": slots, "soc_reported": 0.97, "power_kw": 0.0},
    }
    for dataset, columns in measured.items():
        ingest_frame(other, dataset, pd.DataFrame({"battery_id": "car", **columns}), over, by="event")
    check(Context.of(other, NOW))
    assert len(other.warehouse.read("core_metering")) == len(other.warehouse.read("core_soc_power")) == 96
    for workspace in (home, other):
        run(asked(workspace, "v2g", days=(DAYS[0], DAYS[0]), every=360))
    not_figures = ["run_id", "input_hash", "as_of_utc"]
    one, again = (rows(workspace).drop(columns=not_figures) for workspace in (home, other))
    pd.testing.assert_frame_equal(one, again)
