"""Imbalance, a share of the day-ahead price and signed meter values, settled through the stages."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows.errors import SettingsError
from flows.stages import Context
from flows.stages.check import check
from flows.stages.ingest import ingest
from flows.stages.realise import realise
from flows.workspace import Workspace
from optimize.market.bill import to_cent
from tests.flows.conftest import DAY, ZONE, put, spoil
from tests.flows.test_realise import NEXT, OVER
from tests.flows.test_settle import (
    SHARED,
    agreed_anew,
    assert_same_but_for_history,
    cents,
    late_meter,
    rows_of,
    settled,
    settled_around,
    settled_depot,
)
from tests.warehouse.ocmf_signed import Meter, reading
from warehouse.zones import market_day_slots

__all__ = ["settled_around", "settled_depot"]

LATE = OVER + timedelta(days=1)
QUARTER = timedelta(minutes=15)


def priced(
    workspace: Workspace, long: float, short: float | None = None, *, as_of: datetime = LATE, slots=96
):
    """Imbalance prices of the day's first quarter-hours; short: of who is short, where it is another."""
    start = market_day_slots(DAY, ZONE)[:slots]
    rows = pd.DataFrame(
        {
            "zone": ZONE, "interval_start_utc": start.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "resolution_minutes": 15, "price_eur_per_kwh": long, "short_price_eur_per_kwh": short,
        }
    )  # fmt: skip
    put(workspace, "imbalance_prices", rows, as_of=as_of)
    check(Context.of(workspace, as_of))


def surplus(workspace: Workspace) -> pd.Series:
    """kWh that car-1 drew less than was planned, by quarter-hour, by plan and meter."""
    slots = market_day_slots(DAY, ZONE)
    rows = workspace.warehouse.read("out_plan_slot", where={"battery_id": "car-1", "mode": "v2g"})
    rows = rows[rows["interval_start_utc"] >= rows["as_of_utc"]].sort_values("as_of_utc", kind="stable")
    in_force = rows.drop_duplicates("interval_start_utc", keep="last")
    power = in_force.set_index("interval_start_utc")["power_kw"].reindex(slots).fillna(0.0)
    counted = workspace.warehouse.read("core_metering", where={"battery_id": "car-1"})
    counted = counted.set_index("interval_start_utc").reindex(slots)
    return power * 0.25 - (counted["import_kwh"] - counted["export_kwh"])


def test_imbalance_is_what_the_meter_differs_by_at_the_price_of_its_quarter_hour(
    settled_depot: Workspace,
) -> None:
    late_meter(settled_depot, LATE)
    priced(settled_depot, 0.2)
    result = settled(settled_depot, DAY, as_of=LATE)
    assert result.exit_code == 0
    assert "no imbalance in 1 of them: no meter counted a quarter-hour that a plan held" in result.message
    one, other = (row for _, row in rows_of(settled_depot).iterrows())
    kwh = surplus(settled_depot)
    assert kwh.abs().max() > 0.2
    assert one["imbalance_eur"] == pytest.approx(0.2 * kwh.sum(), abs=0.00501)
    assert (one["owner_imbalance_eur"], one["grid_imbalance_eur"]) == (0.0, one["imbalance_eur"])
    assert one["scheduled_slots"] > 90 and other["scheduled_slots"] == 0
    assert pd.isna(other["imbalance_eur"]) and other["grid_imbalance_eur"] == 0.0
    for row in (one, other):
        imbalance = 0 if pd.isna(row["imbalance_eur"]) else cents(float(row["imbalance_eur"]))
        both = cents(float(row["owner_eur"])) + cents(float(row["grid_eur"]))
        assert both == cents(float(row["total_eur"])) - cents(float(row["wear_eur"])) + imbalance


def test_of_two_prices_the_side_of_all_cars_together_holds(settled_depot: Workspace) -> None:
    late_meter(settled_depot, LATE)
    priced(settled_depot, 0.05, 0.5)
    settled(settled_depot, DAY, as_of=LATE)
    kwh = surplus(settled_depot)
    expected = 0.05 * kwh[kwh >= 0].sum() + 0.5 * kwh[kwh < 0].sum()
    assert rows_of(settled_depot)["imbalance_eur"].iloc[0] == pytest.approx(expected, abs=0.00501)


def test_the_owner_bears_what_the_contract_says(settled_depot: Workspace) -> None:
    workspace = agreed_anew(settled_depot, SHARED + "[imbalance]\nowner_share = 0.3\n")
    late_meter(workspace, LATE)
    priced(workspace, 0.2)
    assert settled(workspace, DAY, as_of=LATE).exit_code == 0
    row = rows_of(workspace).iloc[0]
    assert row["owner_imbalance_eur"] == pytest.approx(0.3 * row["imbalance_eur"], abs=0.01)
    assert cents(float(row["owner_imbalance_eur"])) + cents(float(row["grid_imbalance_eur"])) == cents(
        float(row["imbalance_eur"])
    )
    both = cents(float(row["owner_eur"])) + cents(float(row["grid_eur"]))
    assert both == cents(float(row["total_eur"])) - cents(float(row["wear_eur"])) + cents(
        float(row["imbalance_eur"])
    )


def test_imbalance_without_a_price_is_named_and_never_nothing(settled_depot: Workspace) -> None:
    late_meter(settled_depot, LATE)
    result = settled(settled_depot, DAY, as_of=LATE)
    assert (
        result.exit_code == 0 and "no imbalance in 1 of them: no imbalance price is known" in result.message
    )
    assert rows_of(settled_depot)["imbalance_eur"].isna().all()
    # Some quarter-hours have one: the day's imbalance is not the part of it that has.
    later = LATE + timedelta(hours=1)
    priced(settled_depot, 0.2, as_of=later, slots=40)
    result = settled(settled_depot, DAY, as_of=later)
    assert result.exit_code == 3
    assert f"{DAY}: car-1 is settled without imbalance: no imbalance price is known from" in result.message
    assert rows_of(settled_depot)["imbalance_eur"].isna().all()
    # A contract that speaks of it is not settled in silence.
    stated = agreed_anew(settled_depot, SHARED + "[imbalance]\nowner_share = 0.0\n")
    spoil(stated, "DELETE FROM core_imbalance_price")
    result = settled(stated, DAY, as_of=later + timedelta(hours=1))
    assert result.exit_code == 3 and f"{DAY}: car-1 is settled without imbalance" in result.message


def test_a_late_imbalance_price_is_a_correction_that_equals_a_fresh_settlement(
    settled_depot: Workspace, tmp_path: Path
) -> None:
    late_meter(settled_depot, LATE)
    priced(settled_depot, 0.2)
    settled(settled_depot, DAY, as_of=LATE)
    first, later = rows_of(settled_depot), LATE + timedelta(days=1)
    assert settled(settled_depot, DAY, as_of=LATE + timedelta(hours=1)).exit_code == 0
    assert len(rows_of(settled_depot)) == len(first), "the same prices settle to nothing new"
    priced(settled_depot, -0.1, as_of=later)
    settled(settled_depot, DAY, as_of=later)
    rows = rows_of(settled_depot)
    second = rows[rows["sequence"] == 2].reset_index(drop=True)
    pd.testing.assert_frame_equal(rows[rows["sequence"] == 1].reset_index(drop=True), first)
    assert second["imbalance_eur"].iloc[0] == pytest.approx(-0.1 * surplus(settled_depot).sum(), abs=0.00501)
    for whose in ("owner", "grid"):
        corrected = (first[f"{whose}_eur"] + second[f"{whose}_correction_eur"]).round(2)
        pd.testing.assert_series_equal(corrected, second[f"{whose}_eur"], check_names=False)
    fresh = Workspace.open(Path(shutil.copytree(settled_depot.root, tmp_path / "fresh")))
    spoil(fresh, "DELETE FROM out_settlement")
    settled(fresh, DAY, as_of=later)
    assert_same_but_for_history(rows_of(fresh), second)


def test_a_share_of_the_day_ahead_price_is_paid_by_the_quarter_hour(settled_depot: Workspace) -> None:
    workspace = agreed_anew(
        settled_depot,
        SHARED.replace(
            "eur_per_kwh_fed_back = 0.02", "eur_per_kwh_fed_back = 0.02\nshare_of_price_fed_back = 0.4"
        ),
    )
    late_meter(workspace, LATE)  # 0.1 kWh fed back, in the quarter-hour of 20:00 local
    assert settled(workspace, DAY, as_of=LATE).exit_code == 0
    start = market_day_slots(DAY, ZONE)[80]
    prices = workspace.warehouse.read("core_price", where={"zone": ZONE}).set_index("interval_start_utc")
    spot = float(prices.loc[start.floor("1h"), "price_eur_per_kwh"])
    assert spot > 0.05
    row = rows_of(workspace).iloc[0]
    assert cents(float(row["fed_back_eur"])) == to_cent(Decimal(repr(0.1 * (0.02 + 0.4 * spot))))
    told = json.loads(
        workspace.warehouse.read("out_ledger", where={"battery_id": "car-1"})["opening"].iloc[-1]
    )
    assert Decimal(told["inputs"]["fed_back_price_eur"]) == pytest.approx(
        Decimal(repr(0.1 * spot)), abs=Decimal("1e-9")
    )
    spoil(workspace, "UPDATE out_realised_car SET fed_back_price_eur = NULL")
    result = settled(workspace, DAY, as_of=LATE + timedelta(hours=1))
    assert result.exit_code == 3
    assert "car-1 is not settled: its contract pays a share of the day-ahead price" in result.message


def signed_day(meter: Meter, *, tampered: int | None = None) -> str:
    """The day in one record a quarter-hour, 0.25 kWh each; one of them changed by a character."""
    records = []
    for number, start in enumerate(market_day_slots(DAY, ZONE)):
        kwh = 100 + 0.25 * number
        first, last = start.to_pydatetime(), start.to_pydatetime() + QUARTER
        records.append(
            meter.record(
                [
                    reading(first, kwh, TX="B"), reading(first, 0.0, RI="01-00:02.08.00", TX="B"),
                    reading(last, kwh + 0.25, TX="E"), reading(last, 0.0, RI="01-00:02.08.00", TX="E"),
                ]
            )
        )  # fmt: skip
    if tampered is not None:
        assert f'"RV":{100.25 + 0.25 * tampered}' in records[tampered]
        records[tampered] = records[tampered].replace(
            f'"RV":{100.25 + 0.25 * tampered}', f'"RV":{100.26 + 0.25 * tampered}'
        )
    return "\n".join(records)


def registered(workspace: Workspace, meter: Meter) -> Workspace:
    (workspace.root / "meters.toml").write_text(
        f'format = 1\n[meters.{meter.serial}]\npublic_key = "{meter.public_key}"\nbattery = "car-1"\n',
        encoding="utf-8",
    )
    settings = workspace.root / "v2g.toml"
    text = settings.read_text(encoding="utf-8").replace('meter_keys = ""', 'meter_keys = "meters.toml"')
    settings.write_text(text, encoding="utf-8")
    return Workspace.open(workspace.root)


def counted_by(workspace: Workspace, text: str, *, as_of: datetime = LATE) -> list[str]:
    """Signed values ingested, checked and accounted for; what the ingest notes."""
    file = workspace.root.parent / f"signed_{as_of:%H}.txt"
    file.write_text(text, encoding="utf-8")
    done = ingest(Context.of(workspace, as_of), "metering", [file], source="ocmf")
    check(Context.of(workspace, as_of))
    realise(Context.of(workspace, as_of), [DAY])
    return [row["note"] for row in done.tables["notes"]]


def test_a_settlement_tells_what_rests_on_verified_values_and_a_changed_one_is_refused(
    settled_depot: Workspace,
) -> None:
    meter = Meter("M1")
    workspace = registered(settled_depot, meter)
    notes = counted_by(workspace, signed_day(meter, tampered=40))
    assert notes == [
        "record 41 of meter M1 is refused: it does not fit its signature and the registered key of meter M1 "
        f"({workspace.meter_keys['M1'].digest})"
    ]
    held = workspace.warehouse.read("core_quarantine", where={"dataset": "metering"})
    assert set(held["rule"]) == {"not_null", "signature"}
    reason = held.loc[held["rule"] == "signature", "reason"].iloc[0]
    assert reason.startswith(
        "the signed value is refused: record 41 of meter M1: it does not fit its signature"
    )
    counted = workspace.warehouse.read("core_metering")
    slots = market_day_slots(DAY, ZONE)
    assert sorted(counted["interval_start_utc"]) == sorted(slots.delete(40))
    assert set(counted["signature"]) == {"verified"} and set(counted["import_kwh"]) == {0.25}
    settled(workspace, DAY, as_of=LATE)
    one, other = (row for _, row in rows_of(workspace).iterrows())
    assert (one["metered_slots"], one["verified_slots"]) == (95, 95)
    assert (one["verified_import_kwh"], one["verified_export_kwh"]) == (23.75, 0.0)
    assert pd.isna(other["verified_slots"]) and pd.isna(other["verified_import_kwh"])
    told = json.loads(
        workspace.warehouse.read("out_ledger", where={"battery_id": "car-1"})["opening"].iloc[-1]
    )
    assert (told["verified_slots"], told["verified_import_kwh"]) == (95, 23.75)


def test_without_a_registered_key_values_count_and_are_not_verified(settled_depot: Workspace) -> None:
    meter = Meter("M1")
    workspace = registered(settled_depot, Meter("M9"))
    with_battery = Meter("M9")
    counted_by(registered(settled_depot, with_battery), signed_day(with_battery))
    assert settled(workspace, DAY, as_of=LATE).exit_code == 0
    assert rows_of(workspace)["verified_slots"].iloc[0] == 96
    (workspace.root / "meters.toml").write_text(
        f'format = 1\n[meters.M9]\npublic_key = "{with_battery.public_key}"\n', encoding="utf-8"
    )
    later = LATE + timedelta(hours=1)
    file = workspace.root.parent / "unsigned.txt"
    file.write_text(signed_day(meter), encoding="utf-8")
    unregistered = Workspace.open(workspace.root)
    ingest(
        Context.of(unregistered, later), "metering", [file], source="ocmf", options={"battery_id": "car-1"}
    )
    check(Context.of(unregistered, later))
    realise(Context.of(unregistered, later), [DAY])
    assert settled(unregistered, DAY, as_of=later).exit_code == 0
    row = rows_of(unregistered).iloc[-2]
    assert (row["sequence"], row["metered_slots"], row["verified_slots"]) == (2, 96, 0)
    assert row["verified_import_kwh"] == 0.0 and row["import_kwh"] == 24.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("format = 2\n", "format is 2: must be 1"),
        ("format = 1\n", "meters is absent: must hold a table for each meter"),
        ("format = 1\n[meters.M1]\n", "meters.M1.public_key is absent: is needed"),
        ('format = 1\n[meters.M1]\npublic_key = "00"\ncar = "x"\n', "meters.M1.car is x: no such key"),
        ("format = 1\nmeters = 3\n", "meters is 3: must be a table"),
    ],
)
def test_a_register_that_cannot_be_read_is_named(settled_depot: Workspace, text: str, message: str) -> None:
    workspace = registered(settled_depot, Meter())
    (workspace.root / "meters.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=f"meters.toml: {message}"):
        Workspace.open(workspace.root)


def test_a_key_that_is_none_verifies_nothing_and_costs_no_other(settled_depot: Workspace) -> None:
    meter = Meter("M1")
    workspace = registered(settled_depot, meter)
    file = workspace.root / "meters.toml"
    file.write_text(file.read_text().replace(meter.public_key, "no key"), encoding="utf-8")
    counted_by(Workspace.open(workspace.root), signed_day(meter))
    counted = workspace.warehouse.read("core_metering")
    assert set(counted["signature"]) == {"unverified"} and len(counted) == 96
    assert (
        counted["signature_note"].str.contains("the key that is registered of meter M1 cannot be read").all()
    )
    assert not np.isnan(counted["import_kwh"]).any()


def test_a_month_goes_on_with_a_new_version_and_begins_anew_with_another_contract(
    settled_depot: Workspace,
) -> None:
    """0.1 € an hour up to 3 €; 6 hours in the month before the day, 14 on it and on the next: a new version
    has 1 € left to pay on the next day, another contract pays all of its own hours.
    """
    capped = SHARED.replace("eur_per_hour = 0.1", "eur_per_hour = 0.1\ncap_eur_per_month = 3.0")
    for paid, *changes in ((1.0, "version = 2", "version = 3"), (1.4, '"shared"', '"other"')):
        new = capped.replace("from = 2020-01-01", f"from = {NEXT}").replace(*changes)
        (settled_depot.root / "contract 1.toml").write_text(new, encoding="utf-8")
        old = capped.replace("from = 2020-01-01", f"from = 2020-01-01\nuntil = {DAY}")
        workspace = agreed_anew(settled_depot, old)
        assert settled(workspace).exit_code == 0
        rows = [rows_of(workspace, day).iloc[-1] for day in (DAY, NEXT)]
        assert [row["plugged_hours"] for row in rows] == [14.0, 14.0]
        assert [row["bonus_eur"] for row in rows] == [1.4, paid]
    renegotiated = old.replace("theta = 0.6", "theta = 0.2")
    said = settled(agreed_anew(settled_depot, renegotiated)).message
    assert "contract 0.toml says other than what days were settled by as version 2 of shared" in said
    assert "says other" not in settled(agreed_anew(settled_depot, old.replace("= 2", "= 9"))).message
