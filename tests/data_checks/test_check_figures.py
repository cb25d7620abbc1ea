"""Sessions, check-ups, packs and prices whose figures do not fit one another; how old the newest row is."""

import numpy as np
import pandas as pd
import pytest

from data_checks import check_frame, freshness
from data_checks.freshness import LONGEST_AGE
from tests.data_checks.builders import context, outcome
from tests.warehouse.builders import NOW, SHARED_DATA, fleet, ingested, prices, telemetry
from warehouse.contracts import DATASETS

FINLAND = SHARED_DATA / "prices" / "fi_sahkotin_2023_2024" / "sahkotin_spot_price_vat.csv"
DAY = pd.Timestamp("2020-03-30T00:00Z")


def check(dataset, frame, **given):
    return check_frame(dataset, ingested(dataset, frame), context(**given))


def sessions(*sessions, battery_id="CAR1", arrival_soc=0.4, departure_soc=0.8):
    """Stays of one car, by hours after DAY."""
    return pd.DataFrame(
        {
            "session_id": [f"{battery_id}-{number}" for number in range(len(sessions))],
            "battery_id": battery_id,
            "arrival_utc": [DAY + pd.Timedelta(hours=start) for start, _ in sessions],
            "departure_utc": [DAY + pd.Timedelta(hours=end) for _, end in sessions],
            "arrival_soc": arrival_soc,
            "departure_soc": departure_soc,
        }
    )


def test_sessions_of_one_car_do_not_overlap():
    cars = {
        "CAR1": ([(0, 8), (8, 16), (17, 24)], []),
        "CAR2": ([(0, 8), (7, 16), (17, 24)], [0, 1]),
        "CAR3": ([(17, 24), (0, 40), (2, 3)], [0, 1, 2]),
        "CAR4": ([(0, 9), (1, 2), (3, 4), (9, 12)], [0, 1, 2]),
        "CAR5": ([(0, 5), (4, 10), (4.5, 6), (10, 11)], [0, 1, 2]),
    }
    frame = pd.concat([sessions(*plugged, battery_id=car) for car, (plugged, _) in cars.items()])
    report = check("sessions", frame, batteries=fleet(5), battery_ids=frozenset(cars))
    assert sorted(report.quarantine["row_key"]) == [
        f"{car}-{n}" for car, (_, bad) in cars.items() for n in bad
    ]
    assert set(report.quarantine["rule"]) == {"overlap"}
    reasons = report.quarantine.set_index("row_key")["reason"]
    assert reasons["CAR2-1"].endswith("in the file: 'CAR2-1' and 'CAR2-0'")
    assert reasons["CAR2-0"].endswith("in the file: 'CAR2-0' and 'CAR2-1'")
    assert "'CAR4-1' and 'CAR4-0'" in outcome(report, "overlap", "CAR4")["message"]
    assert outcome(report, "overlap")["message"].endswith("and 6 more")


@pytest.mark.parametrize(
    ("second", "soc", "rule"),
    [
        ((0, 8), 0.4, "same_stay"),
        ((1 / 60, 8), 0.4, "same_stay"),
        ((-4 / 60, 8 + 4 / 60), 0.41, "same_stay"),
        ((0, 8), 0.6, "overlap"),
        ((0.5, 8), 0.4, "overlap"),
        ((0, 9), 0.4, "overlap"),
    ],
)
def test_one_session_under_two_ids_is_one_session_and_a_contradiction_is_none(second, soc, rule):
    frame = sessions((0, 8), (9, 12), second)
    frame.loc[2, "arrival_soc"] = soc
    report = check("sessions", pd.concat([frame, sessions((1, 3), battery_id="CAR2")]))
    expected = ["CAR1-2"] if rule == "same_stay" else ["CAR1-0", "CAR1-2"]
    assert report.quarantine["row_key"].tolist() == expected
    assert set(report.quarantine["rule"]) == {rule}
    finding = outcome(report, rule, "CAR1")
    assert "'CAR1-2'" in finding["message"]
    assert "'CAR1-0'" in finding["message"]
    assert finding["severity"] == ("warning" if rule == "same_stay" else "critical")
    assert set(report.good["session_id"]) == {"CAR1-0", "CAR1-1", "CAR1-2", "CAR2-0"} - set(expected)


def test_one_session_announced_three_times_counts_once_and_what_contradicts_it_takes_it_along():
    report = check("sessions", sessions((0, 8), (0.01, 8), (0, 8.01)))
    assert report.good["session_id"].tolist() == ["CAR1-0"]
    assert set(report.quarantine["rule"]) == {"same_stay"}
    report = check("sessions", sessions((0.01, 8), (0, 8), (7, 9)))
    assert report.good.empty
    assert report.quarantine["rule"].tolist() == ["same_stay", "overlap", "overlap"]


def test_a_state_of_charge_of_exactly_0_is_kept_with_a_warning():
    report = check("sessions", sessions((0, 8), (9, 12), arrival_soc=[0.0, 0.4]))
    assert len(report.good) == 2
    finding = outcome(report, "soc_zero", "CAR1")
    assert (finding["severity"], finding["rows_failed"]) == ("warning", 1)
    assert "placeholder" in finding["message"]


def test_shares_reported_for_per_cent_are_warned_of_next_to_the_energy_metered():
    stated = sessions((0, 8), (9, 12), arrival_soc=[0.004, 0.004], departure_soc=[0.008, 0.008])
    report = check("sessions", stated.assign(energy_kwh=[24.0, 0.3]))
    found = outcome(report, "soc_share", "CAR1")
    assert (found["severity"], found["rows_failed"]) == ("warning", 1)
    assert len(report.good) == 2


@pytest.mark.parametrize(
    ("hours", "metered", "kept"),
    [
        (5, 500.0, False),  # 11 kW bring 55 kWh, the pack holds 60
        (5, 79.0, True),  # losses and spare
        (0.5, 50.0, True),  # a fast charger away from home
        (72, 600.0, True),  # days of charging and feeding back
        (72, 1200.0, False),
    ],
)
def test_metered_energy_that_nothing_can_take_is_emptied_and_reported(hours, metered, kept):
    report = check("sessions", sessions((0, hours)).assign(energy_kwh=metered))
    assert len(report.good) == 1
    assert report.good["energy_kwh"].notna().tolist() == [kept]
    finding = outcome(report, "metered", "*")
    assert (finding["severity"], finding["rows_failed"]) == ("warning", 0 if kept else 1)
    strangers = check("sessions", sessions((0, hours)).assign(energy_kwh=metered), batteries=None)
    assert strangers.good["energy_kwh"].notna().all()


@pytest.mark.parametrize(
    ("low", "high", "kept"),
    [
        (0.2, 0.8, (0.2, 0.8)), (20.0, 80.0, (1.0, 0.0)), (0.2, 80.0, (0.2, 0.0)),
        (np.nan, 80.0, (np.nan, 0.0)),
        (20.0, np.nan, (1.0, np.nan)), (np.inf, 0.8, (1.0, 0.8)), (0.0, -0.1, (0.0, 0.0)),
        (np.nan, np.nan, (np.nan, np.nan)),
    ],
)  # fmt: skip
def test_a_band_that_cannot_be_permits_nothing_and_is_named(low, high, kept):
    report = check(
        "sessions", sessions((0, 8), (9, 12)).assign(v2x_min_soc=[low, 0.3], v2x_max_soc=[high, 0.9])
    )
    stored = report.good[["v2x_min_soc", "v2x_max_soc"]].astype("float64").to_numpy()
    np.testing.assert_array_equal(stored, [kept, (0.3, 0.9)])
    found, wrong = outcome(report, "v2x_band", "*"), not np.array_equal((low, high), kept, equal_nan=True)
    assert (found["severity"], found["rows_failed"]) == ("warning", int(wrong))
    if wrong:
        assert "nothing is fed back in 1 rows" in outcome(report, "v2x_band", "CAR1")["message"]


def test_a_session_that_is_wrong_by_itself_overlaps_nothing():
    report = check("sessions", sessions((0, 8), (4, 4 + 24 * 91)))
    assert report.quarantine[["source_row", "rule"]].to_numpy().tolist() == [[2, "stay"]]


def test_what_a_driver_asks_beyond_pack_and_charger_is_shown_and_kept():
    frame = sessions((0, 2.8), (3, 6), departure_soc=0.96)
    report = check("sessions", frame)
    assert len(report.good) == 2
    assert outcome(report, "above_soc_max", "CAR1")["rows_failed"] == 2
    assert outcome(report, "reach", "CAR1")["rows_failed"] == 1
    assert outcome(report, "reach")["severity"] == "warning"


def test_figures_of_a_pack_fit_one_another():
    faults = [
        ("nominal_energy_kwh", 600.0, "nominal_energy_kwh"),
        ("nominal_capacity_ah", 5.0, "nominal_energy_kwh"),
        ("cells_series", 10, "nominal_energy_kwh"),
        ("cells_parallel", 1000, "nominal_capacity_ah"),
        ("charge_limit_kw", 3700.0, "charge_limit_kw"),
        ("discharge_limit_kw", 0.011, "discharge_limit_kw"),
        ("replacement_value_eur", 720_000.0, "replacement_value_eur"),
    ]
    frame = fleet(8)
    for row, (column, value, _) in enumerate(faults):
        frame.loc[row, column] = value
    quarantined = check("fleet", frame).quarantine.sort_values("source_row")
    assert quarantined["column_name"].tolist() == [column for _, _, column in faults]
    assert set(quarantined["rule"]) == {"unit"}


def test_a_car_that_cannot_discharge_is_no_fault():
    assert check("fleet", fleet().assign(discharge_limit_kw=0.0)).rows_quarantined == 0


def test_a_resistance_fits_its_pack():
    frame = pd.DataFrame(
        {"battery_id": "CAR1", "time_utc": DAY + pd.to_timedelta(range(4), unit="h"), "capacity_ah": 150.0,
         "resistance_ohm": [0.1, 0.0005, 2.0, np.nan], "temperature_degc": 25.0}
    )  # fmt: skip
    quarantined = check("checkups", frame).quarantine
    assert quarantined[["source_row", "rule"]].to_numpy().tolist() == [[2, "resistance"], [3, "resistance"]]


@pytest.mark.parametrize(
    ("factor", "blocked"), [(1.0, set()), (16.0, set()), (0.05, set()), (100.0, {"DE-LU"}), (1e-3, {"DE-LU"})]
)
def test_prices_of_another_level_than_the_weeks_before_are_rejected(factor, blocked):
    known = prices("2020-03-22T00:00+01:00", 168).assign(
        price_eur_per_kwh=0.05, source_id="s", received_utc=pd.Timestamp(NOW)
    )
    new = prices().assign(price_eur_per_kwh=lambda rows: factor * 0.4 * rows["price_eur_per_kwh"])
    finnish = prices(zone="FI").assign(price_eur_per_kwh=1.5)
    report = check("prices", pd.concat([new, finnish]), known_prices=known)
    assert report.blocked == blocked
    assert len(report.good) == (23 if blocked else 46)
    assert set(report.quarantine["rule"]) == ({"unit"} if blocked else set())


def test_one_price_far_above_all_others_is_quarantined_and_a_dear_day_is_not():
    frame = prices()
    frame.loc[7, "price_eur_per_kwh"] = 8.0
    report = check("prices", frame)
    assert report.quarantine[["source_row", "rule"]].to_numpy().tolist() == [[8, "outlier"]]
    assert check("prices", prices().assign(price_eur_per_kwh=1.9)).rows_quarantined == 0
    frame.loc[7, "price_eur_per_kwh"] = 0.9
    assert check("prices", frame).rows_quarantined == 0


def test_the_newest_rows_are_held_against_the_time_of_the_run():
    newest = {
        "CAR1": pd.Timestamp(NOW) - pd.Timedelta(hours=47),
        "CAR2": pd.Timestamp(NOW) - pd.Timedelta(days=9),
    }
    rows = freshness("telemetry", newest, context()).set_index("scope")
    assert rows["passed"].tolist() == [False, False]
    assert rows.loc["*", ["rows_checked", "rows_failed"]].tolist() == [2, 1]
    assert rows.loc["CAR2", "message"] == "the newest row is of 2020-03-23 12:00 UTC"
    assert set(rows["severity"]) == {"warning"}
    assert freshness("telemetry", {"CAR1": newest["CAR1"]}, context())["passed"].tolist() == [True]
    assert freshness("telemetry", {}, context()).empty
    assert freshness("sessions", newest, context()).empty
    assert freshness("metering", newest, context())["scope"].tolist() == ["*", "CAR2"]
    assert not freshness("prices", newest, context())["passed"].any()


@pytest.mark.skipif(not FINLAND.exists(), reason=f"{FINLAND.name} of the shared data is absent")
@pytest.mark.parametrize("day", ["2023-09-19", "2023-09-22", "2023-11-24", "2024-01-05"])
def test_the_cheapest_and_the_dearest_real_days_are_let_in(day):
    known = pd.read_csv(FINLAND, parse_dates=["hour"]).rename(columns={"hour": "interval_start_utc"})
    known["price_eur_per_kwh"] = known.pop("price") / 100
    known = known.assign(zone="FI", resolution_minutes=60)[list(DATASETS["prices"].names)]
    times = known["interval_start_utc"]
    new = known[(times >= f"{day}T00:00Z") & (times < f"{day}T23:59Z")]
    before = known[times < f"{day}T00:00Z"].assign(source_id="s", received_utc=pd.Timestamp(NOW))
    report = check("prices", new.reset_index(drop=True), known_prices=before)
    assert (len(report.good), len(report.quarantine)) == (24, 0)


@pytest.mark.parametrize(
    ("arrival", "hours", "column"),
    [("1970-01-01T18:00Z", 12, "arrival_utc"), ("1999-12-31T18:00Z", 12, "arrival_utc"),
     ("2062-03-30T06:00Z", 9, "departure_utc")],
)  # fmt: skip
def test_a_session_of_a_clock_that_was_never_set_or_of_a_mistyped_year_is_set_aside(arrival, hours, column):
    frame = sessions((0, 9), (24, 33), (48, 57))
    frame.loc[1, ["arrival_utc", "departure_utc"]] = (
        pd.Timestamp(arrival),
        pd.Timestamp(arrival) + pd.Timedelta(hours=hours),
    )
    report = check("sessions", frame, batteries=fleet(1), battery_ids=frozenset({"CAR1"}))
    assert report.quarantine[["rule", "column_name", "source_row"]].to_numpy().tolist() == [
        ["clock", column, 2]
    ]
    assert len(report.good) == 2


def test_a_measurement_of_before_the_year_2000_is_set_aside():
    frame = telemetry(minutes=10)
    frame.loc[3, "time_utc"] = pd.Timestamp("1970-01-01T00:00:05Z")
    report = check("telemetry", frame)
    assert "clock" in set(report.quarantine.loc[report.quarantine["source_row"] == 4, "rule"])


def test_the_longest_age_is_reported_in_words():
    newest = {"one": pd.Timestamp("2010-01-01", tz="UTC")}
    stated = {name: freshness(name, newest, context()) for name in LONGEST_AGE}
    spans = [rows.set_index("scope").loc["*", "message"] for rows in stated.values()]
    ages = ("1 hour", "2 days", "2 days", "2 days", "400 days")
    assert spans == [f"nothing newer than {span} for 1 of 1" for span in ages]
