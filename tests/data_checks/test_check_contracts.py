"""The rules that follow from the table contracts, on every dataset."""

import numpy as np
import pandas as pd
import pytest

from data_checks import FrameError, check_frame
from data_checks.sessions import replaced
from tests.data_checks.builders import context, outcome
from tests.warehouse.builders import (
    NOW,
    activations,
    awards,
    chargers,
    co2,
    fleet,
    imbalance_prices,
    ingested,
    metering,
    prices,
    site_limits,
    site_load,
    sites,
    soc_power,
    tariffs,
    telemetry,
)
from warehouse.contracts import CONTRACTS, DATASETS, ingested_contract
from warehouse.sources import read_source
from warehouse.sources.faults import Faults


def sessions():
    return pd.DataFrame(
        {
            "session_id": [f"2_39_{n}_27_2019-03-01 06:20:00.5@2020-03-30" for n in range(4)],
            "battery_id": ["CAR1", "CAR2", "CAR3", "CAR1"],
            "arrival_utc": pd.Timestamp("2020-03-30T06:00Z") + pd.to_timedelta([0, 1, 2, 12], unit="h"),
            "departure_utc": pd.Timestamp("2020-03-30T15:00Z") + pd.to_timedelta([0, 1, 2, 12], unit="h"),
            "arrival_soc": 0.4,
            "departure_soc": 0.8,
        }
    )


def checkups():
    return pd.DataFrame(
        {
            "battery_id": ["CAR1", "CAR2"], "time_utc": pd.Timestamp("2020-03-01T00:00Z"),
            "capacity_ah": [150.0, 140.0], "resistance_ohm": [0.1, np.nan], "temperature_degc": 25.0,
        }
    )  # fmt: skip


GOOD = {
    "prices": prices(), "telemetry": telemetry(minutes=10), "sessions": sessions(), "fleet": fleet(),
    "sites": sites(), "checkups": checkups(), "tariffs": tariffs(),
    "metering": metering(quarters=10), "soc_power": soc_power(),
    "chargers": chargers(), "site_load": site_load(quarters=4), "co2": co2(),
    "site_limits": site_limits(quarters=4), "awards": awards(blocks=3),
    "imbalance_prices": imbalance_prices(), "activations": activations(quarters=4),
}  # fmt: skip


@pytest.mark.parametrize("dataset", DATASETS)
def test_good_rows_pass_in_the_shape_of_the_core_table(dataset):
    report = check_frame(dataset, ingested(dataset, GOOD[dataset]), context())
    assert tuple(report.good.columns) == CONTRACTS[f"core_{DATASETS[dataset].name}"].names
    assert (len(report.good), report.rows_quarantined) == (len(GOOD[dataset]), 0)
    assert report.quarantine.empty
    assert report.checks["passed"].all()
    assert not report.blocked


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_row_of_more_or_fewer_cells_is_quarantined_and_costs_no_other(dataset, tmp_path):
    rows = pd.concat([GOOD[dataset]] * 6).head(6) if len(GOOD[dataset]) < 6 else GOOD[dataset]
    header, *lines = rows.to_csv(index=False).splitlines()
    torn = [*lines[:2], lines[2] + ",1", *lines[3:], lines[-1].rsplit(",", 1)[0]]
    path = tmp_path / "torn.csv"
    path.write_text("\n".join([header, *torn]))
    source = read_source(dataset, path)
    cells = header.count(",") + 1
    assert source.notes[0].startswith(f"row 3 has {cells + 1} cells where the header has {cells}: a row cut")
    assert "(as 1 other row)" in source.notes[0]
    frame = source.frame.assign(source_id=source.source_id, received_utc=pd.Timestamp(NOW))
    report = check_frame(dataset, frame, context())
    lost = report.quarantine.loc[report.quarantine["rule"] == "not_null", "source_row"]
    assert sorted(lost.unique()) == [3, len(torn)]
    others = set(source.frame["source_row"]) - {3, len(torn)}
    alone = check_frame(dataset, frame[frame["source_row"].isin(others)], context())
    assert report.good["source_row"].tolist() == alone.good["source_row"].tolist()
    faults = Faults()
    read_source(dataset, path, faults=faults)
    assert faults.rows == {3, len(torn)}
    assert {one.row for one in faults.aside} >= {3, len(torn)}


@pytest.mark.parametrize(
    ("dataset", "column", "value", "rule"),
    [
        ("prices", "price_eur_per_kwh", np.nan, "not_null"),
        ("prices", "price_eur_per_kwh", np.inf, "finite"),
        ("prices", "price_eur_per_kwh", -np.inf, "finite"),
        ("prices", "price_eur_per_kwh", 30.5, "range"),
        ("prices", "price_eur_per_kwh", -5.5, "range"),
        ("prices", "resolution_minutes", 20, "allowed"),
        ("prices", "zone", "XX", "known"),
        ("telemetry", "battery_id", "CAR9", "known"),
        ("telemetry", "battery_id", "../x", "id"),
        ("telemetry", "time_utc", pd.NaT, "not_null"),
        ("telemetry", "temperature_degc", 150.0, "range"),
        ("telemetry", "current_a", np.inf, "finite"),
        ("sessions", "departure_utc", pd.Timestamp("2020-03-30T05:00Z"), "order"),
        ("sessions", "arrival_soc", 1.2, "range"),
        ("sessions", "session_id", "line\nbreak", "id"),
        ("fleet", "chemistry", "lead-acid", "allowed"),
        ("fleet", "site_id", "NOWHERE", "known"),
        ("fleet", "soc_min", 0.99, "order"),
        ("fleet", "efficiency_charge", 1.01, "range"),
        ("sites", "zone", "XX", "known"),
        ("soc_power", "battery_id", "CAR9", "known"),
        ("soc_power", "soc_reported", 1.01, "range"),
        ("soc_power", "power_kw", np.nan, "not_null"),
        ("metering", "battery_id", "CAR9", "known"),
        ("metering", "interval_start_utc", pd.NaT, "not_null"),
        ("metering", "import_kwh", np.nan, "not_null"),
        ("metering", "import_kwh", -0.1, "range"),
        ("metering", "export_kwh", np.inf, "finite"),
        ("checkups", "capacity_ah", 30.0, "capacity"),
        ("checkups", "capacity_ah", 260.0, "capacity"),
        ("checkups", "time_utc", pd.Timestamp("2020-04-01T12:06Z"), "future"),
    ],
)
def test_a_planted_bad_row_is_quarantined_for_its_rule(dataset, column, value, rule):
    frame = GOOD[dataset].copy()
    row = len(frame) // 2
    frame[column] = frame[column].where(frame.index != row, value)
    report = check_frame(dataset, ingested(dataset, frame), context())
    found = report.quarantine[report.quarantine["rule"] == rule]
    assert found["source_row"].tolist() == [row + 1]
    assert found["column_name"].tolist() == ["soc_max" if column == "soc_min" else column]
    assert found["reason"].str.len().gt(10).all()
    assert (report.rows_quarantined, len(report.good)) == (1, len(frame) - 1)
    assert outcome(report, rule)["rows_failed"] == 1


def test_one_row_with_several_faults_is_reported_for_each_and_counted_once():
    frame = telemetry(minutes=10)
    frame.loc[4, ["voltage_v", "current_a"]] = [np.inf, 9999.0]
    report = check_frame("telemetry", ingested("telemetry", frame), context())
    quarantined = sorted(zip(report.quarantine["rule"], report.quarantine["column_name"], strict=True))
    assert quarantined == [("finite", "voltage_v"), ("range", "current_a")]
    assert (report.rows_in, report.rows_quarantined, len(report.good)) == (10, 1, 9)


def test_quarantine_tells_rule_value_key_file_row_and_run():
    frame = prices()
    frame.loc[2, "price_eur_per_kwh"] = 42.5
    rows = ingested("prices", frame)
    quarantined = check_frame("prices", rows, context()).quarantine.iloc[0]
    assert (quarantined["rule"], quarantined["value"], quarantined["source_row"]) == ("range", "42.5", 3)
    assert quarantined["reason"] == "price_eur_per_kwh is outside -5 to 30 €/kWh"
    assert quarantined["row_key"] == "DE-LU|2020-03-29T01:00:00Z"
    assert (quarantined["source_id"], quarantined["run_id"]) == (rows["source_id"][0], "r1")


def test_a_share_that_is_out_of_bounds_is_reported_without_a_unit():
    frame = sessions()
    frame.loc[0, "arrival_soc"] = 1.5
    quarantined = check_frame("sessions", ingested("sessions", frame), context()).quarantine.iloc[0]
    assert quarantined["reason"] == "arrival_soc is outside 0 to 1"


def test_repeated_rows_are_dropped_and_contradictions_quarantined():
    frame = pd.concat([prices(), prices().iloc[[3, 4]]], ignore_index=True)
    frame.loc[24, "price_eur_per_kwh"] = 0.9
    report = check_frame("prices", ingested("prices", frame), context())
    assert (report.rows_in, report.rows_repeated, report.rows_quarantined) == (25, 1, 2)
    assert sorted(report.quarantine["source_row"]) == [5, 25]
    assert set(report.quarantine["rule"]) == {"unique"}
    assert outcome(report, "repeated")["severity"] == "info"


def test_two_files_may_hold_different_beliefs_of_one_key():
    frames = [ingested("prices", prices().assign(price_eur_per_kwh=price)) for price in (0.1, 0.2)]
    report = check_frame("prices", pd.concat(frames, ignore_index=True), context())
    assert len(report.good) == 46


def test_outcomes_name_the_scope_of_the_bad_rows():
    frame = pd.concat([telemetry(car, minutes=5) for car in ("CAR1", "CAR2")], ignore_index=True)
    frame.loc[7, "current_a"] = np.nan
    report = check_frame("telemetry", ingested("telemetry", frame), context())
    assert not outcome(report, "not_null", "CAR2")["passed"]
    assert outcome(report, "not_null", "CAR2")["rows_failed"] == 1
    assert "CAR1" not in set(report.checks["scope"])
    assert not report.blocked


def test_no_rows_and_nothing_known_is_no_verdict():
    empty = pd.DataFrame(columns=ingested_contract("telemetry").names)
    report = check_frame("telemetry", empty, context())
    assert report.good.empty and report.quarantine.empty and report.checks.empty and not report.blocked


def test_a_frame_of_another_shape_is_an_error():
    with pytest.raises(FrameError, match="source_row"):
        check_frame("prices", prices().assign(source_id="s", received_utc=NOW), context())


def test_a_replaced_session_is_announced_for_all_and_for_its_car():
    pairs = pd.DataFrame({"battery_id": ["a", "b"], "session_id": ["x", "y"], "by_session_id": ["x2", "y2"]})
    found = replaced(pairs, 5, context())
    own = found[found["rule"] == "superseded"].set_index("scope")
    assert own["rows_failed"].to_dict() == {"*": 2, "a": 1, "b": 1}
    assert "'x' by 'x2'" in own.loc["a", "message"]
    assert own["severity"].eq("warning").all()
    assert replaced(pairs.iloc[:0], 5, context())["rows_failed"].tolist() == [0]
