"""Telemetry that cannot be: against the cell, the current, the neighbours in time, and over a whole file."""

import numpy as np
import pandas as pd
import pytest

from data_checks import check_frame, combined_checks
from tests.data_checks.builders import context, outcome
from tests.warehouse.builders import fleet, ingested, telemetry

START = "2020-03-28T00:00Z"


def charging(battery_id="CAR1", minutes=120, c_rate=0.2, soc=0.3, digits=None):
    """A car of 160 Ah that charges, its voltage and reported charge rising with it."""
    frame = telemetry(battery_id, START, minutes, current_a=160.0 * c_rate)
    rise = soc + c_rate * np.arange(minutes) / 60
    return frame.assign(
        voltage_v=np.round(360.0 + 60.0 * (rise - 0.3), 2),
        soc_reported=rise if digits is None else np.round(rise, digits),
    )


def finely(frame):
    """The charge as a car tells it that reckons with every sample."""
    noise = np.random.default_rng(1).normal(0, 1e-5, len(frame))
    return frame.assign(soc_reported=frame["soc_reported"] + noise)


def check(frame, **given):
    return check_frame("telemetry", ingested("telemetry", frame), context(**given))


def rows_of(report, rule, column=None):
    quarantined = report.quarantine[report.quarantine["rule"] == rule]
    assert column is None or set(quarantined["column_name"]) == {column}
    assert len(quarantined) == report.rows_quarantined
    return [int(row) - 1 for row in quarantined["source_row"]]


def emptied(report, rule, column="soc_reported"):
    """The rows of a column's cells that a rule emptied; all rows stay."""
    assert (report.rows_quarantined, len(report.good)) == (0, report.rows_in)
    rows = report.good.loc[report.good[column].isna(), "source_row"].to_numpy() - 1
    assert outcome(report, rule)["rows_failed"] == len(rows)
    return sorted(rows.tolist())


def test_a_charging_car_is_left_alone():
    frame = pd.concat([charging(), charging("CAR2", c_rate=-0.2, soc=0.7)])
    assert check(frame).checks["passed"].all()
    assert check(frame, batteries=None).rows_quarantined == 0


def test_a_sample_that_cannot_be_is_quarantined_for_its_rule():
    faults = {
        40: ("current_a", 2600.0, "power", "current_a"),
        55: ("temperature_degc", 31.0, "jump", "temperature_degc"),
        85: ("voltage_v", 420.0, "jump", "voltage_v"),
    }
    frame = charging()
    for row, (column, value, *_) in faults.items():
        frame.loc[row, column] = value
    quarantined = check(frame).quarantine.sort_values("source_row")
    assert quarantined[["source_row", "rule", "column_name"]].to_numpy().tolist() == [
        [row + 1, rule, column] for row, (_, _, rule, column) in faults.items()
    ]


def test_a_voltage_that_is_not_that_of_cells_which_agree():
    frame = charging().assign(cell_voltage_min_v=3.9, cell_voltage_max_v=4.0)
    stated = check(frame)
    assert rows_of(stated, "cell_spread", "voltage_v") == list(range(120))


def test_cells_that_differ_by_what_two_voltmeters_do_are_no_fault():
    frame = charging()
    frame = frame.assign(
        cell_voltage_min_v=frame["voltage_v"] / 100 + 0.04, cell_voltage_max_v=frame["voltage_v"] / 100 + 0.06
    )
    assert check(frame).rows_quarantined == 0


def test_a_voltage_may_sag_with_its_current():
    frame = charging(c_rate=0.0)
    frame.loc[60, ["voltage_v", "current_a"]] = [300.0, -240.0]
    assert check(frame).rows_quarantined == 0
    frame.loc[60, "current_a"] = -24.0
    assert rows_of(check(frame), "jump", "voltage_v") == [60]


@pytest.mark.parametrize(("chemistry", "found"), [("nmc811", list(range(30, 50))), ("lfp", [])])
def test_a_charge_that_cannot_be_with_its_voltage(chemistry, found):
    frame = charging().assign(voltage_v=380.0 if chemistry == "nmc811" else 330.0)
    frame["voltage_v"] += 0.01 * np.arange(120)
    frame.loc[30:49, "soc_reported"] = 0.01
    assert emptied(check(frame, batteries=fleet().assign(chemistry=chemistry)), "soc_voltage") == found


def test_a_full_lfp_cell_that_says_empty_is_found():
    frame = charging(c_rate=0.0).assign(voltage_v=345.0)
    frame.loc[30:49, "soc_reported"] = 0.01
    assert emptied(check(frame, batteries=fleet().assign(chemistry="lfp")), "soc_voltage") == list(
        range(30, 50)
    )


@pytest.mark.parametrize("digits", [None, 2])
def test_a_current_against_the_reported_charge(digits):
    frame = charging(digits=digits)
    frame.loc[40:69, "current_a"] *= -1
    assert rows_of(check(frame), "current_sign", "current_a") == list(range(40, 70))


def test_one_turned_sample_shows_only_in_a_finely_reported_charge():
    fine, coarse = finely(charging()), charging(c_rate=0.3, digits=2)
    for frame in (fine, coarse):
        frame.loc[41, "current_a"] *= -1
    assert rows_of(check(fine), "current_sign") == [41]
    assert check(coarse).rows_quarantined == 0


def test_a_real_reversal_and_a_corrected_reckoning_are_no_fault():
    reversal = finely(charging())
    reversal.loc[40, "current_a"] *= -1
    reversal.loc[40:, "soc_reported"] -= 2 * 0.2 / 60
    corrected = charging(c_rate=0.1)
    corrected.loc[60:, "soc_reported"] -= 0.25
    for frame in (reversal, corrected):
        assert check(frame).rows_quarantined == 0


def day(battery_id="CAR1", **changed):
    """A day of charging and discharging by turns, two hours each."""
    parts = [charging(battery_id, c_rate=rate, soc=0.4 if rate > 0 else 0.8) for rate in (0.2, -0.2) * 6]
    frame = pd.concat(parts, ignore_index=True)
    frame["time_utc"] = pd.Timestamp(START) + pd.to_timedelta(np.arange(len(frame)), unit="min")
    return frame.assign(**{name: value(frame[name]) for name, value in changed.items()})


def test_a_file_whose_unit_or_sign_is_wrong_is_rejected_for_that_battery_alone():
    faults = {
        "CAR2": ("current_a", lambda amps: -amps, "current_sign"),
        "CAR3": ("current_a", lambda amps: amps / 32, "coulomb"),
        "CAR4": ("current_a", lambda amps: 0.0 * amps, "coulomb"),
        "CAR5": ("temperature_degc", lambda degc: 1.8 * degc + 32, "unit"),
        "CAR6": ("soc_reported", lambda soc: 100 * soc, "unit"),
    }
    cars = [day(car, **{column: change}) for car, (column, change, _) in faults.items()]
    report = check(
        pd.concat([day(), *cars]), batteries=fleet(6), battery_ids=frozenset(fleet(6)["battery_id"])
    )
    assert report.blocked == set(faults)
    assert set(report.good["battery_id"]) == {"CAR1"}
    assert len(report.good) == len(day())
    for car, (_, _, rule) in faults.items():
        assert outcome(report, rule, car)["rows_failed"] == len(day())


def test_a_day_of_use_is_left_alone():
    assert check(day()).rows_quarantined == 0


@pytest.mark.parametrize(("chemistry", "hours"), [("nmc811", 1), ("lfp", 3)])
def test_a_voltage_that_repeats_itself_while_charge_flows(chemistry, hours):
    frame = charging(minutes=240, c_rate=0.12)
    stuck = range(10, 10 + 60 * hours)
    frame.loc[list(stuck), "voltage_v"] = 320.0 if chemistry == "lfp" else 370.0
    report = check(frame.assign(soc_reported=np.nan), batteries=fleet().assign(chemistry=chemistry))
    assert rows_of(report, "stuck", "voltage_v") == list(stuck)[1:]
    assert not report.blocked


def test_a_voltage_may_stand_still_at_rest_on_a_plateau_and_when_full():
    resting = charging(minutes=240, c_rate=0.0).assign(voltage_v=380.0)
    trickle = charging(minutes=240, c_rate=0.019).assign(voltage_v=380.0)
    brief = charging(minutes=15).assign(voltage_v=380.0)
    held = charging(soc=0.6).assign(voltage_v=415.0)
    for frame in (resting, trickle, brief, held):
        assert check(frame.assign(soc_reported=np.nan)).rows_quarantined == 0, frame
    plateau = charging(c_rate=0.1).assign(voltage_v=330.0).assign(soc_reported=np.nan)
    assert check(plateau, batteries=fleet().assign(chemistry="lfp")).rows_quarantined == 0


def test_a_reported_charge_that_repeats_itself_while_charge_flows():
    frame = charging(minutes=180)
    frame.loc[20:119, "soc_reported"] = frame.loc[20, "soc_reported"]
    assert emptied(check(frame), "stale") == list(range(21, 120))


def test_a_temperature_that_never_moves_is_shown_and_kept():
    report = check(pd.concat([day(), day()]).assign(
        time_utc=pd.date_range(START, periods=2880, freq="min", unit="us")
    ))  # fmt: skip
    finding = outcome(report, "constant", "CAR1")
    assert (finding["severity"], finding["rows_failed"]) == ("warning", 2880)
    assert report.rows_quarantined == 0


def test_parts_of_whole_batteries_are_checked_as_the_whole_is():
    rng = np.random.default_rng(3)
    cars = [f"CAR{number}" for number in range(1, 7)]
    frame = pd.concat([charging(car, minutes=300, c_rate=0.1) for car in cars]).sample(
        frac=1.0, random_state=5
    )
    frame = frame.reset_index(drop=True)
    for column in ("voltage_v", "current_a", "temperature_degc"):
        frame.loc[rng.choice(len(frame), 30, replace=False), column] = np.inf
    frame.loc[rng.choice(len(frame), 30, replace=False), "voltage_v"] *= 1.14
    frame.loc[frame["battery_id"] == "CAR4", "soc_reported"] *= 100
    rows, fields = ingested("telemetry", frame), {"batteries": fleet(6), "battery_ids": frozenset(cars)}
    whole = check_frame("telemetry", rows, context(**fields))
    parts = [
        check_frame("telemetry", rows[rows["battery_id"].isin(own)], context(**fields))
        for own in (cars[:2], cars[2:3], cars[3:])
    ]
    assert whole.blocked == frozenset().union(*(part.blocked for part in parts)) == {"CAR4"}
    for name, order in (("good", ["source_row"]), ("quarantine", ["source_row", "rule", "column_name"])):
        together = pd.concat([getattr(part, name) for part in parts])
        pd.testing.assert_frame_equal(
            together.sort_values(order, ignore_index=True),
            getattr(whole, name).sort_values(order, ignore_index=True),
        )
    key = ["scope", "rule"]
    pd.testing.assert_frame_equal(
        combined_checks([part.checks for part in parts]).sort_values(key, ignore_index=True),
        whole.checks.sort_values(key, ignore_index=True),
    )


def test_the_order_of_rows_does_not_matter_to_a_verdict():
    frame = pd.concat([charging(), charging("CAR2", c_rate=-0.2, soc=0.7)], ignore_index=True)
    frame.loc[[20, 150], "voltage_v"] = 420.0
    frame.loc[60:89, "current_a"] *= -1
    frame = pd.concat([frame, frame.loc[[5, 200]].assign(temperature_degc=21.0)], ignore_index=True)
    stated = [check(frame.sample(frac=1.0, random_state=seed)) for seed in (1, 2)] + [check(frame)]
    assert stated[2].rows_quarantined == 36
    for report in stated[:2]:
        for name in ("good", "quarantine"):
            pd.testing.assert_frame_equal(_by_key(getattr(report, name)), _by_key(getattr(stated[2], name)))


def _by_key(rows):
    where = ["source_id", "source_row"]
    return (
        rows.drop(columns=where)
        .sort_values(list(rows.columns[:2]) + ["row_key"] * ("row_key" in rows))
        .reset_index(drop=True)
    )


def test_what_a_person_released_is_let_pass_and_counts_as_a_neighbour():
    frame = charging()
    frame.loc[60, "voltage_v"] = 420.0
    rows = ingested("telemetry", frame)
    released = pd.DataFrame({"source_id": rows["source_id"][:1], "source_row": [61], "rule": ["jump"]})
    report = check_frame("telemetry", rows, context(released=released))
    assert len(report.good) == 120
    assert outcome(report, "jump")["passed"]
    frame.loc[60, "current_a"] = np.inf
    rows = ingested("telemetry", frame)
    released["source_id"] = rows["source_id"][0]
    assert rows_of(check_frame("telemetry", rows, context(released=released)), "finite") == [60]
