"""Reserve that was won, from the award over calls and meters to account, settlement and statement."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flows.mapping.earned import realised as earned
from flows.stages import Context, StageResult
from flows.stages.check import check
from flows.stages.ledger import export_ledger, make_key, verify_ledger
from flows.stages.statement import statement, verify_statement
from flows.workspace import Workspace
from optimize.market.bill import to_cent
from optimize.market.contract import read_contract
from tests.flows.conftest import AS_OF, DAY, ZONE, begun, copied, put, session_rows, spoil
from tests.flows.test_realise import NEXT, OVER, account, followed, nights
from tests.flows.test_settle import (
    SHARED,
    agreed,
    agreed_anew,
    assert_same_but_for_history,
    cents,
    late_meter,
    rows_of,
    settled,
)
from tests.flows.test_settle_terms import LATE, priced, surplus
from warehouse.zones import market_day_slots

BEGIN = pd.Timestamp(f"{DAY}T19:00Z")
SHARING = SHARED.replace('["car-1"]', '"all"') + "[reserve]\nowner_share = 0.25\n"
CENT = Decimal("0.01")


def awards(**changes: Any) -> pd.DataFrame:
    """An evening's block, 20:00 to midnight: 3 kW of FCR for 0.24 €, 12 kW of aFRR up for 1.20 €."""
    block = {"zone": ZONE, "interval_start_utc": BEGIN, "interval_end_utc": BEGIN + pd.Timedelta(hours=4)}
    fcr = {"product": "FCR", "direction": "symmetric", "quantity_mw": 0.003, "price_eur_per_mw_h": 20.0}
    afrr = {"product": "aFRR up", "direction": "up", "quantity_mw": 0.012, "price_eur_per_mw_h": 25.0}
    return pd.DataFrame([block | fcr | changes, block | afrr])


def calls(price: float | None = 0.12) -> pd.DataFrame:
    """0.8 kWh of aFRR at a price, of FCR 0.2 kWh up and 0.1 kWh down, which nobody pays."""
    rows = [("aFRR up", "up", 2, 0.8, price), ("FCR", "up", 2, 0.2, None), ("FCR", "down", 5, 0.1, None)]
    return pd.DataFrame(
        [
            {
                "zone": ZONE, "product": product, "direction": way,
                "interval_start_utc": BEGIN + number * pd.Timedelta(minutes=15), "energy_kwh": kwh,
                "price_eur_per_kwh": eur,
            }
            for product, way, number, kwh, eur in rows
        ]
    )  # fmt: skip


def told(
    workspace: Workspace, rows: pd.DataFrame, *, dataset: str = "activations", at: datetime = OVER
) -> None:
    put(workspace, dataset, rows, as_of=at)
    assert check(Context.of(workspace, at)).exit_code == 0


@pytest.fixture(scope="module")
def won_around(calibrated_depot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of two cars at home together in the evening that hold what was won of it."""
    around = tmp_path_factory.mktemp("won")
    workspace = agreed(begun(calibrated_depot, around), SHARING)
    evening = (
        session_rows()
        .iloc[[1]]
        .assign(session_id="x1", battery_id="car-2", arrival_utc=f"{DAY}T17:00:00Z", arrival_soc=0.6)
    )
    put(workspace, "sessions", evening)
    told(workspace, awards(), dataset="awards", at=AS_OF)
    nights(workspace)
    followed(workspace)
    return around


@pytest.fixture
def won(won_around: Path, tmp_path: Path) -> Workspace:
    return copied(won_around, tmp_path)


def cars(workspace: Workspace) -> pd.DataFrame:
    where: dict[str, Any] = {"market_date": DAY, "mode": "followed"}
    return workspace.warehouse.newest("out_realised_car", by=["market_date"], where=where).set_index(
        "battery_id"
    )


def of_cars(workspace: Workspace, product: str, way: str) -> pd.DataFrame:
    """Each car's part of what both hold, by quarter-hour of the block, by the plan of the day itself."""
    rows = workspace.warehouse.read("out_plan_reserve_slot", where={"product": product})
    rows = rows[rows["as_of_utc"] == rows["as_of_utc"].max()]
    rows = rows.assign(kw=rows["up_kw"] + rows["down_kw"] if way == "both" else rows[f"{way}_kw"])
    kw = rows.pivot_table(index="interval_start_utc", columns="battery_id", values="kw").fillna(0.0)
    assert len(kw) == 16 and set(kw) == {"car-1", "car-2"}
    parts: pd.DataFrame = kw.div(kw.sum(axis=1), axis=0)
    return parts


def again(workspace: Workspace, at: datetime = OVER) -> StageResult:
    account(workspace, DAY, as_of=at)
    return settled(workspace, DAY, as_of=at)


def test_what_was_won_and_called_is_paid_to_the_cars_that_held_it(won: Workspace) -> None:
    told(won, calls())
    (fcr, afrr) = account(won, DAY).tables["reserve"]
    assert (fcr["won_kw"], fcr["held_kw"], fcr["called_up_kwh"], fcr["called_down_kwh"]) == (
        3.0,
        3.0,
        0.2,
        0.1,
    )
    assert (fcr["paid_eur"], fcr["promised_eur"], fcr["calls_eur"]) == (
        pytest.approx(0.24),
        pytest.approx(0.24),
        0,
    )
    assert (afrr["paid_eur"], afrr["calls_eur"]) == (pytest.approx(1.20), pytest.approx(0.8 * 0.12))
    own = cars(won)
    assert own["reserve_income_eur"].sum() == pytest.approx(1.536)
    assert own["promised_reserve_income_eur"].sum() == pytest.approx(1.44)
    for car in own.index:
        by_hand = 0.24 / 16 * of_cars(won, "FCR", "both")[car].sum()
        by_hand += 1.20 / 16 * of_cars(won, "aFRR up", "up")[car].sum()
        by_hand += 0.8 * 0.12 * of_cars(won, "aFRR up", "up")[car].iloc[2]
        assert own.loc[car, "reserve_income_eur"] == pytest.approx(by_hand)
    assert own["reserve_income_eur"].min() > 0.0 and own["reserve_note"].isna().all()


def test_what_reserve_paid_is_in_what_the_day_earned_and_a_reason_of_its_own(won: Workspace) -> None:
    told(won, calls())
    rows = {row["mode"]: row for row in account(won, DAY).tables["days"]}
    did, other = rows["followed"], rows["uncontrolled"]
    assert did["reserve_eur"] == pytest.approx(1.536 - 1.44) and other["reserve_eur"] == 0.0
    causes = ("price", "car", "horizon", "limits", "charger", "reserve")
    assert sum(did[f"{cause}_eur"] for cause in causes) == pytest.approx(
        did["realised_eur"] - did["promised_eur"]
    )
    own = cars(won)
    net = -own["energy_cost_eur"] - own["wear_eur"]
    assert did["realised_eur"] == pytest.approx(net.sum() + 1.536)
    days = earned(Context.of(won, OVER).known, ZONE, "uncontrolled").days
    assert days["gain_eur"].iloc[0] == pytest.approx(did["realised_eur"] - other["realised_eur"])


def test_owner_and_operator_share_it_to_the_cent_and_the_ledger_tells(won: Workspace, tmp_path: Path) -> None:
    told(won, calls())
    result = again(won)
    assert result.exit_code == 0, result.message
    rows, own = rows_of(won), cars(won)
    for _, row in rows.iterrows():
        reserve = cents(float(row["reserve_eur"]))
        exact = own.loc[row["battery_id"], "reserve_income_eur"]
        assert reserve == to_cent(Decimal(repr(float(exact)))) > 0
        owner, grid = cents(float(row["owner_reserve_eur"])), cents(float(row["grid_reserve_eur"]))
        assert owner + grid == reserve and abs(owner - reserve / 4) < CENT
        both = cents(float(row["owner_eur"])) + cents(float(row["grid_eur"]))
        assert both == cents(float(row["total_eur"])) - cents(float(row["wear_eur"])) + reserve
    assert result.tables["settlement"][0]["reserve_eur"] == rows["reserve_eur"].iloc[0]
    make_key(won, "example.org/fleet")
    export_ledger(Context.of(won, OVER), tmp_path / "log", [])
    assert verify_ledger(tmp_path / "log", key=None, witnesses=(), since=None).details["opened"] == 2
    context = Context.of(won, OVER)
    page = Path(
        statement(context, "car-1", DAY.replace(day=1), out=tmp_path / "out", encrypt_for=None).files[0]
    )
    said = json.loads((page.parent / "statement.json").read_text(encoding="utf-8"))
    part = float(rows.query("battery_id == 'car-1'")["owner_reserve_eur"].item())
    assert said["money"]["owner_reserve_eur"] == f"{part:.2f}" and said["without_reserve"] == []
    assert "Your part of what reserve for the grid paid" in page.read_text(encoding="utf-8")
    verify_statement(page.parent, key=None, witnesses=(), since=None)


def test_without_what_it_needs_reserve_is_named_and_in_no_figure(won: Workspace) -> None:
    result = again(won)
    assert result.exit_code == 0
    assert (
        "reserve in 2 of them: no activation of FCR is known; no activation of aFRR up is known"
        in result.message
    )
    assert rows_of(won)["reserve_eur"].sum() == pytest.approx(1.44)
    told(won, awards(price_eur_per_mw_h=None), dataset="awards")
    told(won, calls(price=None))
    result = again(won, LATE)
    assert result.exit_code == 3
    why = "no price of FCR is known; no price of calls of aFRR up is known"
    assert f"{DAY}: car-1 is settled without reserve: {why}" in result.message
    newest = rows_of(won).tail(2)
    assert newest["reserve_eur"].isna().all() and (newest["owner_reserve_eur"] == 0.0).all()
    note = won.warehouse.newest("out_realised", by=["market_date"], where={"market_date": DAY})["note"].iloc[
        0
    ]
    assert f"reserve of 2 cars: {why}" in note
    agreed_anew(won, SHARED.replace('["car-1"]', '"all"'))
    silent = settled(Workspace.open(won.root), DAY, as_of=LATE + timedelta(hours=1))
    assert silent.exit_code == 0 and f"reserve in 2 of them: {why}" in silent.message


def test_what_is_paid_as_bid_is_paid_what_was_bid(won: Workspace) -> None:
    told(won, awards().iloc[[1]].assign(price_eur_per_mw_h=None), dataset="awards")
    assert cars_unpriced(won) == {"no price of aFRR up is known"}
    lineage = {"run_id": "r", "as_of_utc": AS_OF, "input_hash": "h", "code_version": "c"}
    bid = {
        "market_date": DAY, "zone": ZONE, "product": "aFRR up", "direction": "up", "gate_utc": AS_OF,
        "interval_start_utc": BEGIN, "interval_end_utc": BEGIN + pd.Timedelta(hours=4),
        "quantity_mw": 0.012, "price_eur_per_mw_h": 30.0, "quantile": 0.95, "days": 60,
        "price_source": "published", "energy_eur_per_mwh": None, "guaranteed_kw": None, "usual_kw": None,
        "reason": None,
    }  # fmt: skip
    won.warehouse.write({"out_bid": pd.DataFrame([bid | lineage])})
    told(won, calls())
    (_, afrr) = account(won, DAY, as_of=LATE).tables["reserve"]
    assert afrr["paid_eur"] == pytest.approx(30.0 * 0.012 * 4) and afrr["promised_eur"] == pytest.approx(1.20)


def cars_unpriced(workspace: Workspace) -> set[str]:
    account(workspace, DAY)
    notes = cars(workspace)["reserve_note"]
    return {note.split("; ")[0] for note in notes}


def test_less_won_than_held_pays_no_more_and_what_nobody_held_is_nobodys(won: Workspace) -> None:
    told(won, awards(quantity_mw=0.001), dataset="awards")
    early = calls().assign(interval_start_utc=BEGIN - pd.Timedelta(hours=3))
    told(won, pd.concat([calls(), early]))
    fcr, _ = account(won, DAY).tables["reserve"]
    assert fcr["paid_eur"] == pytest.approx(0.08)
    assert cars(won)["reserve_income_eur"].sum() == pytest.approx(1.376)


def test_calls_of_more_than_was_won_or_of_what_nobody_held_are_named_and_not_counted(won: Workspace) -> None:
    """1,000 times as much is MWh for kWh, and a product that is misspelt is none that was held."""
    rows = calls()
    told(won, rows.assign(energy_kwh=rows["energy_kwh"] * [1000.0, 1.0, 1.0]))
    told(won, rows.iloc[[2]].assign(product="fcr"))
    result = account(won, DAY)
    assert f"{DAY}: fcr down was called while no car held it: in no figure" in result.message
    assert set(cars(won)["reserve_note"]) == {"calls of aFRR up are of more than was won"}
    assert cars(won)["reserve_income_eur"].isna().all()
    settled_now = settled(won, DAY)
    assert (
        settled_now.exit_code == 3
        and "car-1 is settled without reserve: calls of aFRR" in settled_now.message
    )


def test_a_call_corrects_the_schedule_that_imbalance_is_counted_from(won: Workspace) -> None:
    late_meter(won, LATE)
    priced(won, 0.2)
    again(won, LATE)
    before = rows_of(won).iloc[0]["imbalance_eur"]
    kwh = surplus(won)
    assert before == pytest.approx(0.2 * kwh.sum(), abs=0.00501)
    told(won, calls(), at=LATE)
    assert again(won, LATE + timedelta(hours=1)).exit_code == 0
    up = (
        0.8 * of_cars(won, "aFRR up", "up")["car-1"].iloc[2]
        + 0.2 * of_cars(won, "FCR", "up")["car-1"].iloc[2]
    )
    down = 0.1 * of_cars(won, "FCR", "down")["car-1"].iloc[5]
    assert up > 0.05
    row = rows_of(won).iloc[-2]
    assert (row["battery_id"], row["sequence"]) == ("car-1", 2)
    assert row["imbalance_eur"] == pytest.approx(0.2 * (kwh.sum() - up + down), abs=0.00501)


def test_calls_told_late_are_a_correction_that_equals_a_fresh_settlement_in_any_order(
    won: Workspace, tmp_path: Path
) -> None:
    again(won)
    first = rows_of(won)
    turned = Workspace.open(Path(shutil.copytree(won.root, tmp_path / "turned")))
    for workspace, rows in ((won, calls()), (turned, calls().iloc[::-1])):
        told(workspace, rows, at=LATE)
        again(workspace, LATE)
    rows = rows_of(won)
    second = rows[rows["sequence"] == 2].reset_index(drop=True)
    for whose in ("owner", "grid"):
        corrected = (first[f"{whose}_eur"] + second[f"{whose}_correction_eur"]).round(2)
        pd.testing.assert_series_equal(corrected, second[f"{whose}_eur"], check_names=False)
    assert second["reserve_eur"].sum() > first["reserve_eur"].sum()
    fresh = Workspace.open(Path(shutil.copytree(won.root, tmp_path / "fresh")))
    spoil(fresh, "DELETE FROM out_settlement")
    settled(fresh, DAY, as_of=LATE)
    assert_same_but_for_history(rows_of(fresh), second)
    theirs = rows_of(turned).query("sequence == 2").reset_index(drop=True)
    ignored = ["realised_id"]
    assert_same_but_for_history(theirs.drop(columns=ignored), second.drop(columns=ignored))
    assert settled(won, DAY, as_of=LATE + timedelta(hours=1)).exit_code == 0
    assert len(rows_of(won)) == 4, "the same calls settle to nothing new"


def test_a_plan_of_before_it_was_kept_who_holds_names_what_is_not_known(won: Workspace) -> None:
    told(won, calls())
    spoil(won, "DELETE FROM out_plan_reserve_slot WHERE product = 'FCR'")
    result = again(won)
    assert result.exit_code == 3
    assert f"{DAY}: car-2 is settled without reserve: which cars held FCR is not known" in result.message
    assert rows_of(won)["reserve_eur"].isna().all()


def test_a_car_that_is_gone_takes_its_part_with_it(won: Workspace) -> None:
    told(won, calls())
    account(won, DAY)
    before = cars(won)["reserve_income_eur"]
    spoil(won, "DELETE FROM core_battery WHERE battery_id = 'car-2'", "DELETE FROM out_realised")
    account(won, DAY, as_of=LATE)
    assert cars(won)["reserve_income_eur"].to_dict() == {"car-1": pytest.approx(before["car-1"])}


def test_a_contract_with_reserve_is_read_and_slots_of_the_day_alone_count(won: Workspace) -> None:
    assert read_contract(SHARING, "c.toml").reserve_share == Decimal("0.25")
    told(won, calls())
    account(won, DAY, NEXT)
    rows = won.warehouse.read("out_realised_car", where={"market_date": NEXT, "mode": "followed"})
    assert (rows["reserve_income_eur"] == 0.0).all() and rows["reserve_note"].isna().all()
    assert len(market_day_slots(DAY, ZONE)) == 96 and np.isfinite(cars(won)["reserve_income_eur"]).all()
