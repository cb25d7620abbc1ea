"""What loggers and clouds write, said by a mapping: layouts, current, times, one row a signal, no value."""

import numpy as np
import pandas as pd
import pytest

from tests.warehouse.builders import SHARED_DATA, telemetry
from warehouse.errors import CellError, ColumnError, EmptyFileError, OptionError, SourceError
from warehouse.sources import load_mapping, read_source

UTC = 'timezone = "UTC"\n'
TIME = '[columns.time_utc]\nfrom = "t"\n'
LEAF = """
timezone = "UTC"
null = ["none", "na"]
[columns.battery_id]
constant = "LEAF"
[columns.time_utc]
from = "epoch time"
format = "unix_s"
[columns.voltage_v]
from = "Pack Volts"
[columns.current_a]
from = "Pack Amps"
positive = "discharge"
[columns.temperature_degc]
mean_of = "Pack T# C"
[columns.soc_reported]
from = "SOC"
scale = 0.0001
unit = "%"
[columns.cell_voltage_min_v]
from = "Min CP mV"
unit = "mV"
[columns.cell_voltage_max_v]
max_of = "CP#"
unit = "mV"
"""


def rows(minutes=4, **changed):
    frame = telemetry(minutes=minutes)[
        ["battery_id", "time_utc", "voltage_v", "current_a", "temperature_degc"]
    ]
    return frame.assign(**changed)


def read(tmp_path, toml, data, dataset="telemetry"):
    (tmp_path / "map.toml").write_text(toml, encoding="utf-8")
    file = tmp_path / "file.csv"
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    found = load_mapping(tmp_path / "map.toml", dataset)
    return read_source(dataset, file, source=found.source, **found.options)


def text_of(frame, **options):
    return frame.to_csv(index=False, **options)


def same_as_plain(source, frame):
    pd.testing.assert_frame_equal(source.frame[list(frame)], frame, check_dtype=False, check_exact=False)


@pytest.mark.parametrize("encoding", ["latin-1", "windows-1252", "utf-16"])
def test_an_encoding(tmp_path, encoding):
    frame = rows()
    data = text_of(frame.rename(columns={"temperature_degc": "Wärme [°C]"})).encode(
        "cp1252" if encoding == "windows-1252" else encoding
    )
    toml = f'encoding = "{encoding}"\n[columns.temperature_degc]\nfrom = "Wärme [°C]"\n'
    same_as_plain(read(tmp_path, toml, data), frame)
    with pytest.raises(SourceError, match=r"is not UTF-8|is UTF-16"):
        read(tmp_path, toml.split("\n", 1)[1], data)


@pytest.mark.parametrize(
    ("toml", "before", "options"),
    [
        ("", "sep=,\n", {}),
        ("", "\ufeffSEP=;\r\n", {"sep": ";"}),
        ("skip_lines = 2\n", "Logger 7\nexported, by hand\n", {}),
        ('skip_lines = 1\ndelimiter = ";"\n', "Logger\n", {"sep": ";"}),
        ("skip_lines = 1\n", "Logger\nsep=|\n", {"sep": "|"}),
    ],
)
def test_what_stands_before_the_header(tmp_path, toml, before, options):
    frame = rows()
    source = read(
        tmp_path, f"{toml}[columns.voltage_v]\nfrom = 'voltage_v'\n", before + text_of(frame, **options)
    )
    same_as_plain(source, frame)
    assert source.frame["source_row"].tolist() == [1, 2, 3, 4]


def test_a_sep_line_needs_no_mapping_and_does_not_contradict_one(tmp_path):
    frame = rows()
    (tmp_path / "a.csv").write_text("sep=;\n" + text_of(frame, sep=";"))
    same_as_plain(read_source("telemetry", tmp_path / "a.csv"), frame)
    with pytest.raises(SourceError, match="says itself that it is separated by ';'; the mapping says"):
        read(
            tmp_path, "delimiter = '|'\n[columns.voltage_v]\nfrom = 'voltage_v'\n", "sep=;\n" + text_of(frame)
        )


def test_a_file_without_a_header_and_one_with_two(tmp_path):
    frame = rows()
    names = ", ".join(f'"{name}"' for name in frame)
    toml = "[columns.voltage_v]\nfrom = 'voltage_v'\n"
    same_as_plain(read(tmp_path, f"header = [{names}]\n{toml}", text_of(frame, header=False)), frame)
    head, rest = text_of(frame).split("\n", 1)
    same_as_plain(read(tmp_path, f"skip_after_header = 1\n{toml}", f"{head}\n-,-,V,A,C\n{rest}"), frame)
    with pytest.raises(EmptyFileError, match="ends before the lines"):
        read(tmp_path, f"skip_lines = 9\n{toml}", text_of(frame))


def test_only_columns_that_are_used_are_judged(tmp_path):
    frame = rows()
    data = text_of(frame).replace("degc\n", "degc,Debug,Debug\n", 1).replace("20.0\n", "20.0,0,x\n")
    source = read(tmp_path, "[columns.voltage_v]\nfrom = 'voltage_v'\n", data)
    same_as_plain(source, frame)
    assert source.notes == ("column 'Debug', there more than once, was ignored",)
    (tmp_path / "a.csv").write_text(data)
    assert read_source("telemetry", tmp_path / "a.csv").notes == source.notes
    with pytest.raises(ColumnError, match="Debug: is there 2 times"):
        read(tmp_path, "[columns.voltage_v]\nfrom = 'Debug'\n", data)


def test_date_and_time_in_two_columns(tmp_path):
    frame = rows()
    data = frame.drop(columns="time_utc").assign(
        Datum=frame["time_utc"].dt.strftime("%d.%m.%Y"), Uhr=frame["time_utc"].dt.strftime("%H:%M:%S")
    )
    rule = '[columns.time_utc]\nfrom = ["Datum", "Uhr"]\nformat = "%d.%m.%Y %H:%M:%S"\n'
    same_as_plain(read(tmp_path, UTC + rule, text_of(data)), frame)
    data["Uhr"] = ["x", *data["Uhr"][1:]]
    with pytest.raises(CellError, match=r"row 1, column Datum Uhr: '28.03.2020 x' is not a local time"):
        read(tmp_path, UTC + rule, text_of(data))


@pytest.mark.parametrize(("unit", "factor"), [("", 1), ("ms", 1000), ("min", 1 / 60), ("h", 1 / 3600)])
def test_a_time_that_counts_from_a_start(tmp_path, unit, factor):
    frame = rows()
    elapsed = (frame["time_utc"] - frame["time_utc"][0]).dt.total_seconds() * factor
    rule = TIME + 'since = "2020-03-28T23:00:00+01:00"\n' + (f'unit = "{unit}"\n' if unit else "")
    same_as_plain(read(tmp_path, rule, text_of(frame.drop(columns="time_utc").assign(t=elapsed))), frame)


def test_charge_and_discharge_in_two_columns(tmp_path):
    frame = rows(current_a=[3.0, -2.0, 0.0, np.nan])
    data = frame.drop(columns="current_a").assign(i=[3, "", 0, ""], o=["", 2, 0, ""])
    rule = '[columns.current_a]\ncharge = "i"\ndischarge = "o"\n'
    same_as_plain(read(tmp_path, rule, text_of(data)), frame)
    with pytest.raises(CellError, match=r"row 2, column o: '-2' is negative: charge and discharge are mag"):
        read(tmp_path, rule, text_of(data.assign(o=["", -2, 0, ""])))


def test_a_current_whose_way_another_column_tells(tmp_path):
    frame = rows(current_a=[3.0, -2.0, 0.0, 4.0])
    data = frame.assign(current_a=[3.0, 2.0, 0.5, 4.0], S=["CHG", "DRV", "IDLE", "DC"])
    rule = (
        '[columns.current_a]\nfrom = "current_a"\n'
        'sign = { column = "S", charge = ["CHG", "DC"], discharge = "DRV" }\n'
    )
    same_as_plain(read(tmp_path, rule, text_of(data)), frame)
    with pytest.raises(CellError, match="row 2, column S: 'DRV' tells the way of a current that has a sign"):
        read(tmp_path, rule, text_of(data.assign(current_a=[3.0, -2.0, 0.5, 4.0])))


def test_power_and_voltage_instead_of_current(tmp_path):
    frame = rows(voltage_v=[400.0, 400.0, 380.0, 0.0], current_a=[10.0, -5.0, 0.0, np.nan])
    data = frame.drop(columns="current_a").assign(P=[-4.0, 2.0, 0.0, 1.0])
    rule = '[columns.current_a]\npower = "P"\nunit = "kW"\npositive = "discharge"\n'
    same_as_plain(read(tmp_path, rule, text_of(data)), frame)


def test_the_least_the_most_and_the_mean_of_wide_columns(tmp_path):
    frame = rows().assign(temperature_degc=[21.0, 22.0, 23.0, 20.0])
    data = frame.drop(columns="temperature_degc").assign(
        T1=[20, 22, 22, 20], T2=[22, "none", 24, 20], C1=3700, C12=3600, C3=3650, Cx=1
    )
    toml = '[columns.temperature_degc]\nmean_of = "T#"\n' + "".join(
        f'[columns.cell_voltage_{end}_v]\n{end}_of = "C#"\nunit = "mV"\n' for end in ("min", "max")
    )
    wanted = frame.assign(cell_voltage_min_v=3.6, cell_voltage_max_v=3.7)
    source = read(tmp_path, toml, text_of(data))
    same_as_plain(source, wanted)
    assert source.notes[0] == "column 'Cx' was ignored"
    with pytest.raises(ColumnError, match="column T#: finds no column"):
        read(tmp_path, toml, text_of(data.drop(columns=["T1", "T2"])))


def test_scale_offset_and_thousands(tmp_path):
    frame = rows(voltage_v=[1400.5, 1400.0, 999.0, 1380.0])
    data = frame.assign(voltage_v=["1'400,5", "1'400", "999", "1380"], current_a="10", temperature_degc=120)
    toml = "thousands = \"'\"\ndecimal = ','\n[columns.temperature_degc]\nfrom = 'temperature_degc'\n"
    toml += "scale = 0.5\noffset = -40\n"
    same_as_plain(read(tmp_path, toml, text_of(data)), frame)
    with pytest.raises(CellError, match=r"row 1, column voltage_v: \"?.*has \"'\" where no thousands end"):
        read(tmp_path, toml, text_of(data.assign(voltage_v="14'00")))


def test_rows_of_one_kind_alone_keep_their_numbers(tmp_path):
    frame = rows(minutes=6)
    data = frame.assign(Art=["BMS", "12V"] * 3).astype({"voltage_v": object})
    data.loc[data["Art"] == "12V", "voltage_v"] = "low"
    source = read(
        tmp_path, "where = { Art = 'BMS' }\n[columns.voltage_v]\nfrom = 'voltage_v'\n", text_of(data)
    )
    assert source.frame["source_row"].tolist() == [1, 3, 5]
    assert source.notes[0] == "3 rows were passed over by `where`"
    with pytest.raises(CellError, match="row 5, column voltage_v: 'odd'"):
        data.loc[4, "voltage_v"] = "odd"
        read(tmp_path, "where = { Art = 'BMS' }\n[columns.voltage_v]\nfrom = 'voltage_v'\n", text_of(data))
    with pytest.raises(EmptyFileError, match="no row that the mapping's `where` wants"):
        read(tmp_path, "where = { Art = 'HV' }\n[columns.voltage_v]\nfrom = 'voltage_v'\n", text_of(data))


@pytest.mark.parametrize("by", ["signal", "time_utc"])
def test_a_row_a_signal(tmp_path, by):
    frame = rows(minutes=30).drop(columns="battery_id")
    long = frame.melt("time_utc", var_name="signal").sort_values(by, kind="stable")
    long = pd.concat([long, long.tail(1).assign(signal="gear", value="D")])
    toml = 'long = { signal = "signal", value = "value" }\n[columns.battery_id]\nconstant = "CAR1"\n'
    found = read(tmp_path, toml, text_of(long)).frame
    same_as_plain(type("S", (), {"frame": found}), frame)
    assert found["source_row"].is_unique
    toml += '[columns.soc_reported]\nfrom = "soc"\n'
    with pytest.raises(ColumnError, match="column soc: is neither a signal nor a column"):
        read(tmp_path, toml, text_of(long))


def test_signals_of_their_own_moments_are_merged_by_a_stated_age(tmp_path):
    moments = pd.date_range("2020-03-28T22:00Z", periods=40, freq="20s")
    signals = ["voltage_v", "current_a", "temperature_degc", "voltage_v"] * 10
    values = [380.0, 10.0, 20.0, 381.0] * 10
    long = pd.DataFrame({"time_utc": moments, "signal": signals, "value": values})
    toml = (
        'long = { signal = "signal", value = "value" }\n[columns.battery_id]\nconstant = "CAR1"\n'
        + "".join(
            f'[columns.{name}]\nfrom = "{name}"\ncarry_minutes = 2\n' for name in dict.fromkeys(signals)
        )
    )
    source = read(tmp_path, toml, text_of(long))
    assert len(source.frame) == 40
    assert source.frame[["voltage_v", "current_a", "temperature_degc"]].iloc[2:].notna().all(axis=None)
    assert source.frame["current_a"].isna().tolist()[:2] == [True, False]
    assert "current_a of 29 rows is the last one announced before, at most 1 min old (allowed: 2)" in str(
        source.notes
    )


def test_words_and_figures_for_no_value(tmp_path):
    frame = rows(minutes=6).astype({"voltage_v": object, "current_a": object})
    frame.loc[1, ["voltage_v", "current_a"]] = "unavailable"
    frame.loc[3, "voltage_v"] = "Unknown"
    (tmp_path / "a.csv").write_text(text_of(frame))
    source = read_source("telemetry", tmp_path / "a.csv")
    assert source.frame["voltage_v"].isna().tolist() == [False, True, False, True, False, False]
    assert "column 'voltage_v': 1 × 'unavailable' was read as no value (first in row 2)" in source.notes
    frame.loc[4, ["voltage_v", "temperature_degc"]] = ["n.v.", 215]
    with pytest.raises(CellError, match=r"row 5, column voltage_v: 'n\.v\.' is not a number"):
        read(tmp_path, "[columns.voltage_v]\nfrom = 'voltage_v'\n", text_of(frame))
    toml = "null = ['N.V.']\n[columns.temperature_degc]\nfrom = 'temperature_degc'\n"
    toml += "null = 215\ncarry_minutes = 0\n"
    found = read(tmp_path, toml, text_of(frame))
    assert found.frame["voltage_v"].isna().tolist() == [False, True, False, True, True, False]
    assert found.frame["temperature_degc"].isna().tolist() == [False] * 4 + [True, False]
    assert "1 × 215 was read as no value (first in row 5)" in str(found.notes)


def test_a_temperature_reported_slowly_is_carried_so_long(tmp_path):
    frame = rows(minutes=120)
    frame.loc[frame.index % 5 != 2, "temperature_degc"] = np.nan
    frame.loc[60:, "temperature_degc"] = np.nan
    other = frame.assign(battery_id="CAR2", temperature_degc=np.nan)
    (tmp_path / "a.csv").write_text(text_of(pd.concat([frame, other])))
    source = read_source("telemetry", tmp_path / "a.csv")
    stated = source.frame.set_index(["battery_id", "time_utc"])["temperature_degc"].notna()
    assert np.flatnonzero(stated["CAR1"]).tolist() == list(range(2, 88))
    assert not stated["CAR2"].any()
    assert source.notes == (
        "temperature_degc of 74 rows is the last one announced before, at most 30 min old (allowed: 30)",
    )


def autumn(order=None, freq="1min", cars=("CAR1",)):
    """A night in Berlin as a car's clock tells it, and its true times."""
    true = pd.date_range("2026-10-24T22:00Z", "2026-10-25T03:00Z", freq=freq, unit="us")
    parts = [rows(minutes=len(true), battery_id=car, time_utc=true) for car in cars]
    frame = pd.concat(parts, ignore_index=True)
    frame = frame.iloc[order(len(frame))] if order else frame
    wall = frame["time_utc"].dt.tz_convert("Europe/Berlin").dt.tz_localize(None)
    return frame, frame.drop(columns="time_utc").assign(t=wall)


@pytest.mark.parametrize(
    ("order", "freq", "cars"),
    [
        (None, "1min", ("CAR1",)), (None, "30min", ("CAR1",)), (None, "7min", ("CAR1", "CAR2")),
        (lambda n: np.arange(n)[::-1], "5min", ("CAR1", "CAR2")),
        (lambda n: np.arange(n).reshape(2, -1).T.ravel(), "5min", ("CAR1", "CAR2")),
    ],
)  # fmt: skip
def test_the_hour_that_comes_twice_is_read_in_the_order_of_the_rows(tmp_path, order, freq, cars):
    true, local = autumn(order, freq, cars)
    source = read(tmp_path, f'timezone = "Europe/Berlin"\n{TIME}', text_of(local))
    assert source.frame["time_utc"].tolist() == true["time_utc"].tolist()
    assert "was read in the order of the rows" in source.notes[0]


def test_where_the_order_does_not_tell_that_hour_alone_is_set_aside(tmp_path):
    true, local = autumn(freq="10min", cars=("CAR1", "CAR2"))
    once = (local["battery_id"] == "CAR2") & (local.index < 31 + 18)
    kept = ~((local["battery_id"] == "CAR2") & (true["time_utc"].dt.hour == 1))
    shuffled = local[kept].assign(n=once[kept])
    source = read(tmp_path, f'timezone = "Europe/Berlin"\n{TIME}', text_of(shuffled.drop(columns="n")))
    missing = source.frame["time_utc"].isna()
    assert missing.sum() == 6
    assert set(source.frame.loc[missing, "battery_id"]) == {"CAR2"}
    assert (
        source.frame.loc[~missing, "time_utc"].tolist()
        == true.loc[kept, "time_utc"][~missing.to_numpy()].tolist()
    )
    assert (
        "6 rows from row 44 on, cannot be distinguished by the order of the rows and was set aside"
        in source.notes[1]
    )


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('encoding = "ebcdic"\n' + TIME, "column encoding: 'ebcdic' is not 'utf-8' or"),
        ("skip_lines = 1.5\n" + TIME, "column skip_lines: '1.5' is not a whole number"),
        ("skip_line = 1\n" + TIME, "column skip_line: is not a key .* did you mean 'skip_lines'"),
        ('header = ["a"]\nskip_after_header = 1\n' + TIME, "column skip_after_header: belongs to a file"),
        ('thousands = "."\n' + TIME, "column thousands: '.' is the decimal mark too"),
        ("where = { Art = [] }\n" + TIME, "column where.Art: names no word"),
        ("null = [true]\n" + TIME, "column null: .* is not a list of words and numbers"),
        ('long = { signal = "a" }\n' + TIME, "column long: needs value"),
        (TIME + 'since = "noon"\n', "time_utc.since: 'noon' is no moment"),
        (TIME + "scale = 2\n", "time_utc.scale: does not belong to a column of times"),
        (TIME + 'unit = "s"\n', "time_utc.unit: 's' is none of no units"),
        ('[columns.current_a]\ncharge = "a"\n', "current_a: needs both `charge` and `discharge`"),
        ('[columns.voltage_v]\npower = "a"\n', "voltage_v.power: belongs to current_a"),
        ('[columns.voltage_v]\nmin_of = "a"\n', "voltage_v.min_of: 'a' needs one #"),
        ('[columns.voltage_v]\nfrom = "a"\nscale = 0\n', "voltage_v.scale: is 0"),
        ('[columns.voltage_v]\nfrom = "a"\ncarry_minutes = -1\n', "voltage_v.carry_minutes: '-1.0' is not 0"),
        (
            '[columns.current_a]\nfrom = "a"\nsign = { column = "s", charge = ["x"], discharge = ["x"] }\n',
            "current_a.sign: 'x' says of one word both",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_by_its_key(tmp_path, toml, message):
    with pytest.raises(OptionError, match=message):
        read(tmp_path, toml, text_of(rows()))


LEAF_FILES = sorted((SHARED_DATA / "study/telemetry/leafspy_leaf_62kwh").glob("*.csv"))


@pytest.mark.skipif(not LEAF_FILES, reason="no public data")
@pytest.mark.parametrize("file", LEAF_FILES, ids=lambda file: file.name)
def test_a_real_log_of_a_leaf(tmp_path, file):
    source = read(tmp_path, LEAF, file.read_bytes())
    frame = source.frame
    assert frame.notna().all(axis=None)
    assert frame["soc_reported"].between(0.05, 1.0).all()
    mean = frame["voltage_v"] / 96
    assert (frame["cell_voltage_min_v"] <= mean + 0.01).all()
    assert (frame["cell_voltage_max_v"] >= mean - 0.01).all()
    assert frame["current_a"].min() < -20
    assert "column 'Debug', there more than once, was ignored" in source.notes
