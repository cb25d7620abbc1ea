"""Canonical CSV and Parquet, and every way such a file can be wrong."""

import datetime as dt

import pandas as pd
import pytest

from tests.warehouse.builders import fleet, prices, telemetry
from warehouse.errors import (
    CellError,
    ColumnError,
    EmptyFileError,
    MissingFileError,
    OptionError,
    SourceError,
    UndecodableFileError,
    UnitError,
    UnknownIdError,
    UnknownTableError,
    UnknownZoneError,
)
from warehouse.sources import read_source, require_known, sources_for
from warehouse.sources.cells import Cells
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import read_table

PRICES_CSV = """zone,interval_start_utc,resolution_minutes,price_eur_per_kwh
DE-LU,2020-03-28T23:00:00Z,60,0.0117
DE-LU,2020-03-29 00:00,60,-0.0110
DE-LU,2020-03-29T03:00:00+02:00,60.0,0.0066
"""


def write(tmp_path, content, name="file.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def csv_of(tmp_path, frame, **changes):
    path = tmp_path / "file.csv"
    frame.assign(**changes).to_csv(path, index=False)
    return path


def test_prices_csv_with_three_spellings_of_time(tmp_path):
    source = read_source("prices", write(tmp_path, "\ufeff" + PRICES_CSV.replace("\n", "\r\n")))
    assert (source.dataset, source.source, source.file_name) == ("prices", "csv", "file.csv")
    assert source.frame["interval_start_utc"].tolist() == [
        pd.Timestamp("2020-03-28T23:00Z") + pd.Timedelta(hours=hour) for hour in range(3)
    ]
    assert source.frame["price_eur_per_kwh"].tolist() == [0.0117, -0.011, 0.0066]
    assert source.frame["source_row"].tolist() == [1, 2, 3]


@pytest.mark.parametrize(("header", "factor"), [("price_eur_per_mwh", 1000.0), ("price_ct_per_kwh", 100.0)])
def test_the_price_columns_name_declares_its_unit(tmp_path, header, factor):
    frame = prices().assign(**{header: prices()["price_eur_per_kwh"] * factor})
    source = read_source("prices", csv_of(tmp_path, frame.drop(columns="price_eur_per_kwh")))
    expected = prices()["price_eur_per_kwh"]
    pd.testing.assert_series_equal(source.frame["price_eur_per_kwh"], expected, rtol=1e-14)


def test_parquet_reads_like_csv_whatever_its_name(tmp_path):
    path = tmp_path / "export.bin"
    telemetry().to_parquet(path)
    from_parquet = read_source("telemetry", path)
    from_csv = read_source("telemetry", csv_of(tmp_path, telemetry()))
    assert (from_parquet.source, from_csv.source) == ("parquet", "csv")
    pd.testing.assert_frame_equal(from_parquet.frame, from_csv.frame, check_dtype=False)


@pytest.mark.parametrize(
    "labels",
    [
        ["Unix Time / s", "Voltage / V", "Current / A", "Surface Temperature / degC"],
        ["unix_time_second", "voltage_volt", "current_ampere", "surface_temperature_celsius"],
    ],
)
def test_battery_data_format_labels_and_a_battery_from_the_option(tmp_path, labels):
    rows = telemetry(minutes=5)[["time_utc", "voltage_v", "current_a", "temperature_degc"]]
    rows["time_utc"] = rows["time_utc"].astype("int64") / 1e6
    rows.columns = labels
    source = read_source("telemetry", csv_of(tmp_path, rows), battery_id="CAR1")
    expected = telemetry(minutes=5)
    assert source.frame["time_utc"].tolist() == expected["time_utc"].tolist()
    assert source.frame["voltage_v"].tolist() == pytest.approx(expected["voltage_v"].tolist())
    assert set(source.frame["battery_id"]) == {"CAR1"}


def test_a_test_time_alone_names_no_day(tmp_path):
    rows = telemetry(minutes=2).rename(columns={"time_utc": "Test Time / s"})
    with pytest.raises(
        ColumnError, match=r"column time_utc: is missing; 'Test Time / s' counts from a test's start"
    ):
        read_source("telemetry", csv_of(tmp_path, rows))


def test_the_lowest_and_highest_cell_voltage_land_where_they_are_given(tmp_path):
    without = read_source("telemetry", csv_of(tmp_path, telemetry(minutes=2))).frame
    assert without[["cell_voltage_min_v", "cell_voltage_max_v"]].isna().all(axis=None)
    rows = telemetry(minutes=2).assign(cell_voltage_min_v=3.7, cell_voltage_max_v=[3.9, None])
    frame = read_source("telemetry", csv_of(tmp_path, rows)).frame
    assert frame["cell_voltage_min_v"].tolist() == [3.7, 3.7]
    assert frame["cell_voltage_max_v"][0] == 3.9
    assert frame["cell_voltage_max_v"].isna().tolist() == [False, True]


def test_same_content_same_source_id_other_options_or_content_another(tmp_path):
    path = write(tmp_path, PRICES_CSV)
    renamed = write(tmp_path, PRICES_CSV, name="copy.csv")
    changed = write(tmp_path, PRICES_CSV.replace("0.0117", "0.0118"), name="changed.csv")
    ids = [read_source("prices", each).source_id for each in (path, renamed, changed)]
    assert ids[0] == ids[1] != ids[2]
    assert read_source("prices", path, zone="DE-LU").source_id != ids[0]


def test_extra_columns_are_ignored_and_noted(tmp_path):
    source = read_source("prices", csv_of(tmp_path, prices(), weather="rain"))
    assert source.notes == ("column 'weather' was ignored",)


def test_zone_option_fills_what_the_file_does_not_tell_and_must_not_contradict(tmp_path):
    path = csv_of(tmp_path, prices().drop(columns="zone"))
    with pytest.raises(ColumnError, match=r"column zone: is missing \(or give the option zone\)"):
        read_source("prices", path)
    assert set(read_source("prices", path, zone="FI").frame["zone"]) == {"FI"}
    with pytest.raises(OptionError, match=r"row 1, column zone: 'DE-LU' contradicts zone=FI"):
        read_source("prices", csv_of(tmp_path, prices()), zone="FI")


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("", EmptyFileError, r"file\.csv: is empty"),
        (" \n\n", EmptyFileError, r"is empty"),
        (PRICES_CSV.splitlines()[0] + "\n", EmptyFileError, r"no data rows"),
        (PRICES_CSV.encode("utf-16"), UndecodableFileError, r"is UTF-16; expected UTF-8"),
        (PRICES_CSV.replace("LU,2020-03-29 ", "LÜ,2020-03-29 ").encode("latin-1"), UndecodableFileError,
         r"not UTF-8: byte 0xdc in line 3"),
        (PRICES_CSV.replace(",", ";"), UndecodableFileError, r"separated by ';'"),
        (PRICES_CSV.splitlines()[0] + "\nDE-LU,1\n", UndecodableFileError,
         r"row 1: 'DE-LU,1' has 2 cells where the header has 4"),
        (b"PAR1 and then nothing", UndecodableFileError, r"not readable Parquet"),
        (PRICES_CSV.replace("resolution_minutes", "zone"), ColumnError, r"column zone: is there 2 times"),
        (PRICES_CSV.replace("interval_start_utc", "interval_start"), ColumnError,
         r"column interval_start: .*did you mean 'interval_start_utc'"),
        (PRICES_CSV.replace("price_eur_per_kwh", "x"), ColumnError, r"column price_eur_per_kwh: is missing"),
        (PRICES_CSV.replace(",60,", ",60.5,"), CellError, r"row 1, .*'60.5' is not a whole number"),
        (PRICES_CSV.replace("DE-LU,", "DE_LU,"), CellError,
         r"row 1, column zone: 'DE_LU' is not a known bidding zone; did you mean 'DE-LU'"),
    ],
)  # fmt: skip
def test_a_faulty_prices_file_is_refused_by_name_row_and_value(tmp_path, content, error, message):
    with pytest.raises(error, match=message) as caught:
        read_source("prices", write(tmp_path, content))
    assert caught.value.file == "file.csv"


@pytest.mark.parametrize(
    ("header", "factor", "likely"),
    [
        ("price_eur_per_kwh", 1000.0, "€/MWh"),
        ("price_eur_per_kwh", 100.0, "ct/kWh"),
        ("price_eur_per_mwh", 1.0, "€/kWh"),
        ("price_ct_per_kwh", 1.0, "€/kWh"),
    ],
)
def test_prices_in_another_unit_than_their_column_says_are_refused(tmp_path, header, factor, likely):
    frame = prices().assign(**{header: prices()["price_eur_per_kwh"] * factor})
    if header != "price_eur_per_kwh":
        frame = frame.drop(columns="price_eur_per_kwh")
    with pytest.raises(UnitError, match=rf"column {header}: .*look like .*{likely}.*Nothing was converted"):
        read_source("prices", csv_of(tmp_path, frame))


@pytest.mark.parametrize(
    ("dataset", "column", "value", "likely"),
    [
        ("telemetry", "voltage_v", 380_000.0, "mV"),
        ("telemetry", "voltage_v", 0.38, "kV"),
        ("telemetry", "current_a", 27_000.0, "mA"),
        ("telemetry", "temperature_degc", 293.15, "K"),
        ("telemetry", "soc_reported", 55.0, "%"),
        ("fleet", "charge_limit_kw", 11_000.0, "W"),
        ("fleet", "charge_limit_kw", 0.011, "MW"),
        ("fleet", "nominal_energy_kwh", 60_000.0, "Wh"),
        ("fleet", "efficiency_charge", 93.0, "%"),
        ("fleet", "nominal_capacity_ah", 160_000.0, "mAh"),
    ],
)
def test_wrong_units_are_named(tmp_path, dataset, column, value, likely):
    frame = (telemetry(minutes=30) if dataset == "telemetry" else fleet()).assign(**{column: value})
    with pytest.raises(UnitError, match=rf"column {column}: .*look like {likely}"):
        read_source(dataset, csv_of(tmp_path, frame))


def test_a_share_is_reported_without_a_unit(tmp_path):
    frame = fleet().assign(efficiency_charge=93.0)
    with pytest.raises(UnitError, match=r"reach 93, plausible is 0\.3 to 1\.5; the values look like %\."):
        read_source("fleet", csv_of(tmp_path, frame))


def test_a_resting_pack_and_a_single_bad_row_are_no_unit_error(tmp_path):
    rows = telemetry(minutes=100, current_a=0.0)
    rows.loc[3, "voltage_v"] = 1e9
    assert len(read_source("telemetry", csv_of(tmp_path, rows)).frame) == 100


@pytest.mark.parametrize(("others", "refused"), [(1, True), (2, False), (7, False)])
def test_of_few_rows_one_alone_in_another_unit_costs_the_others_nothing(tmp_path, others, refused):
    cars = fleet(others + 1)
    cars.loc[0, "efficiency_charge"] = 93.0
    path = csv_of(tmp_path, cars)
    if refused:
        with pytest.raises(UnitError, match="look like %"):
            read_source("fleet", path)
    else:
        assert read_source("fleet", path).frame["efficiency_charge"].tolist()[0] == 93.0
    cars.loc[1, "efficiency_charge"] = 93.0
    with pytest.raises(UnitError, match="look like %"):
        read_source("fleet", csv_of(tmp_path, cars))


def test_how_other_money_is_reported_stands_in_the_refusal(tmp_path):
    with pytest.raises(OptionError, match=r"not an option of csv prices: .*`scale` in a mapping"):
        read_source("prices", csv_of(tmp_path, prices()), rate=0.9)


@pytest.mark.parametrize("bad", ["../etc", "a b", "<b>", "x" * 65, "-x", "a;DROP", "bätt"])
def test_ids_that_are_no_ids_are_refused(tmp_path, bad):
    rows = telemetry(minutes=3)
    rows.loc[1, "battery_id"] = bad
    with pytest.raises(CellError, match=r"row 2, column battery_id: .* is not an id"):
        read_source("telemetry", csv_of(tmp_path, rows))


def test_local_times_need_a_zone_unless_the_column_says_utc(tmp_path):
    table = read_table(RawFile(name="f.csv", data=b"begin,begin_utc\n2020-03-29T08:00,2020-03-29T08:00\n"))
    with pytest.raises(CellError, match=r"row 1, column begin: .* has no time zone"):
        Cells.of(table, "begin").times()
    assert Cells.of(table, "begin_utc").times().tolist() == [pd.Timestamp("2020-03-29T08:00Z")]


def test_a_sessions_times_may_be_mixed(tmp_path):
    sessions = pd.DataFrame(
        {
            "session_id": ["a:1 @x"], "battery_id": ["CAR1"], "arrival_utc": ["2020-03-29T08:00Z"],
            "departure_utc": ["2020-03-29T18:00+02:00"], "arrival_soc": [0.4], "departure_soc": [0.8],
        }
    )  # fmt: skip
    frame = read_source("sessions", csv_of(tmp_path, sessions)).frame
    assert frame["departure_utc"][0] - frame["arrival_utc"][0] == dt.timedelta(hours=8)


def test_missing_file_and_folder(tmp_path):
    for path in (tmp_path / "absent.csv", tmp_path, tmp_path / "absent" / "file.csv"):
        with pytest.raises(MissingFileError, match=path.name):
            read_source("prices", path)


def test_wrong_arguments_name_the_nearest(tmp_path):
    path = write(tmp_path, PRICES_CSV)
    with pytest.raises(UnknownZoneError, match="DE-LU"):
        read_source("prices", path, zone="DE_LU")
    with pytest.raises(OptionError, match="did you mean 'smard'"):
        read_source("prices", path, source="smrd")
    with pytest.raises(OptionError, match=r"column battery: is not an option .*did you mean 'battery_id'"):
        read_source("telemetry", path, battery="CAR1")
    with pytest.raises(UnknownTableError, match="prices"):
        read_source("price", path)
    assert sources_for("prices")[:3] == ("csv", "parquet", "mapped")
    assert sources_for("sessions") == ("csv", "parquet", "mapped", "acn", "desl", "teslamate", "ocpp")


def test_ids_nobody_declared_are_refused_with_their_row(tmp_path):
    source = read_source("telemetry", csv_of(tmp_path, telemetry("CAR9", minutes=3)))
    with pytest.raises(UnknownIdError, match=r"row 1, column battery_id: 'CAR9' is not declared \(3 such"):
        require_known(source.frame, "battery_id", {"CAR1", "CAR2"}, source.file_name)
    with pytest.raises(SourceError, match="nothing is declared yet"):
        require_known(source.frame, "battery_id", set(), source.file_name)
    require_known(source.frame, "battery_id", {"CAR9"}, source.file_name)
