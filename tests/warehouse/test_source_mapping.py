"""Foreign columns, units, signs and times by a mapping file; cell values made pack values."""

import textwrap

import pandas as pd
import pytest

from tests.warehouse.builders import fleet, telemetry
from warehouse.errors import CellError, ColumnError, OptionError, SourceError, UnitError, UnknownIdError
from warehouse.sources import load_mapping, mapping, read_source

FOREIGN = """Zeit;Fahrzeug;U;I;Notiz
06.05.2024 08:00:00;Bus 12;3700,5;-2,5;a
06.05.2024 08:01:00;Bus 12;3701,0;1,5;b
"""
EXAMPLE = textwrap.dedent(mapping.__doc__.split("\n\n", 1)[1].split("A column of ours")[0])
CARS = fleet(1).assign(battery_id="BUS12")


def file_of(tmp_path, text, name="file.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def mapped(tmp_path, toml, text=FOREIGN, dataset="telemetry", **options):
    found = load_mapping(file_of(tmp_path, toml, "map.toml"), dataset)
    return read_source(dataset, file_of(tmp_path, text), source=found.source, **found.options, **options)


def test_the_example_of_the_documentation_reads_a_foreign_log_of_a_cell(tmp_path):
    source = mapped(tmp_path, EXAMPLE, cars=CARS)
    assert source.source == "mapped"
    frame = source.frame
    assert frame["time_utc"].tolist() == [
        pd.Timestamp("2024-05-06T06:00Z"),
        pd.Timestamp("2024-05-06T06:01Z"),
    ]
    assert frame["battery_id"].tolist() == ["BUS12", "BUS12"]
    assert frame["voltage_v"].tolist() == pytest.approx([370.05, 370.1])  # 100 cells in series
    assert frame["current_a"].tolist() == pytest.approx([80.0, -48.0])  # 32 in parallel, + = discharge there
    assert frame["temperature_degc"].tolist() == [25.0, 25.0]
    assert frame["soc_reported"].isna().all()
    assert source.notes[0] == "column 'Notiz' was ignored"
    assert source.notes[1].startswith("cell values were made pack values")


def test_the_mapping_is_part_of_what_makes_a_source(tmp_path):
    first = mapped(tmp_path, EXAMPLE, cars=CARS)
    other = mapped(tmp_path, EXAMPLE.replace("25.0", "26.0"), cars=CARS)
    assert first.source_id == mapped(tmp_path, EXAMPLE, cars=CARS).source_id != other.source_id
    assert first.sha256 == other.sha256


@pytest.mark.parametrize(
    ("rule", "cell", "wanted"),
    [
        ('format = "unix_s"', "1714975200", "2024-05-06T06:00Z"),
        ('format = "unix_ms"', "1714975200500", "2024-05-06T06:00:00.5Z"),
        ('format = "%Y-%m-%d %H:%M %z"', "2024-05-06 08:00 +0200", "2024-05-06T06:00Z"),
        ("", "2024-05-06T08:00:00+02:00", "2024-05-06T06:00Z"),
    ],
)
def test_times_in_other_forms(tmp_path, rule, cell, wanted):
    toml = f'[columns.time_utc]\nfrom = "t"\n{rule}\n'
    rows = telemetry(minutes=1).drop(columns="time_utc").assign(t=cell)
    assert mapped(tmp_path, toml, rows.to_csv(index=False)).frame["time_utc"].tolist() == [
        pd.Timestamp(wanted)
    ]


@pytest.mark.parametrize(
    ("unit", "value", "wanted"), [("K", 298.15, 25.0), ("degF", 77.0, 25.0), ("degC", 25.0, 25.0)]
)
def test_units_with_an_offset(tmp_path, unit, value, wanted):
    rows = telemetry(minutes=2).assign(T=value).drop(columns="temperature_degc")
    toml = f'[columns.temperature_degc]\nfrom = "T"\nunit = "{unit}"\n'
    assert (
        mapped(tmp_path, toml, rows.to_csv(index=False)).frame["temperature_degc"].tolist()
        == [pytest.approx(wanted)] * 2
    )


def test_an_hour_that_a_zone_never_has_is_refused(tmp_path):
    toml = 'timezone = "Europe/Zurich"\n[columns.time_utc]\nfrom = "t"\n'
    rows = telemetry(minutes=1).drop(columns="time_utc").assign(t="2024-03-31T02:30:00")
    with pytest.raises(CellError, match=r"row 1, column t: .*Europe/Zurich has twice or never"):
        mapped(tmp_path, toml, rows.to_csv(index=False))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("timezone =", "timezon =", r"map.toml, column timezon: .*did you mean 'timezone'"),
        ("Europe/Zurich", "Europe/Zurick", r"column timezone: 'Europe/Zurick' is no IANA time zone"),
        ("Europe/Zurich", "../../etc/passwd", r"column timezone: .* is no IANA time zone"),
        ("columns.voltage_v", "columns.voltage", r"columns.voltage: is not a column .* mean 'voltage_v'"),
        ('unit = "mV"', 'unit = "Volt"', r"columns.voltage_v.unit: 'Volt' is none of V, mV, kV"),
        ('unit = "mV"', 'units = "mV"', r"columns.voltage_v.units: is not a key .* mean 'unit'"),
        ('positive = "discharge"', 'positive = "out"', r"current_a.positive: 'out' is not 'charge' or 'disc"),
        ('unit = "mV"', 'positive = "charge"', r"voltage_v.positive: belongs to current_a"),
        ('unit = "mV"', 'format = "%d"', r"voltage_v.format: '%d' belongs to a column of times"),
        ("constant = 25.0", "", r"columns.temperature_degc: needs either `from` or `constant`"),
        ("constant = 25.0", "constant = [1]", r"temperature_degc.constant: .* is neither text nor a number"),
        ("constant = 25.0", 'constant = 2\nunit = "K"', r"temperature_degc: is a constant, which"),
        ('delimiter = ";"', 'delimiter = "x"', r"column delimiter: 'x' is not ',' or ';'"),
        ('decimal = ","', 'decimal = ";"', r"column decimal: ';' is not '.' or ','"),
        ("timezone =", "source = 'ocpp'\ntimezone =", r"column timezone: is not a key"),
        ("[columns.time_utc]", "[columns", r"map.toml: is not TOML"),
        ('from = "U"', 'from = "V"', r"file.csv, column V: is missing, .* for voltage_v"),
        ('"Bus 12" =', '"Bus 13" =', r"row 1, column Fahrzeug: 'Bus 12' has no entry"),
        ("constant = 25.0", 'from = "Notiz"', r"file.csv, row 1, column Notiz: 'a' is not a number"),
        ('format = "%d.%m.%Y %H:%M:%S"', "", r"row 1, column Zeit: .* is not a local time"),
        ('decimal = ","', "", r"row 1, column U: '3700,5' has a decimal comma"),
    ],
)  # fmt: skip
def test_a_mapping_that_cannot_be_meant_is_refused_by_its_key(tmp_path, old, new, message):
    assert old in EXAMPLE
    with pytest.raises(SourceError, match=message):
        mapped(tmp_path, EXAMPLE.replace(old, new, 1), cars=CARS)


def test_a_unit_that_cannot_be_is_found_behind_the_mapping_too(tmp_path):
    rows = telemetry(minutes=30).rename(columns={"voltage_v": "U"})
    with pytest.raises(UnitError, match=r"column U: .* look like V\. Nothing was converted"):
        mapped(tmp_path, '[columns.voltage_v]\nfrom = "U"\nunit = "kV"\n', rows.to_csv(index=False))


def test_what_the_mapping_leaves_open_is_taken_by_name_or_missed(tmp_path):
    rows = telemetry(minutes=2).drop(columns="voltage_v")
    with pytest.raises(ColumnError, match="column voltage_v: is missing, and the mapping does not say"):
        mapped(tmp_path, "[columns.temperature_degc]\nconstant = 20\n", rows.to_csv(index=False))


def test_a_mapping_can_hold_the_options_of_a_reader(tmp_path):
    path = file_of(tmp_path, 'source = "ocpp"\nbatteries = { "TAG1" = "CAR1" }\n', "map.toml")
    found = load_mapping(path, "sessions")
    assert (found.source, found.options) == ("ocpp", {"batteries": {"TAG1": "CAR1"}})


def test_cell_level_takes_the_fleet(tmp_path):
    rows = telemetry(minutes=3, voltage_v=3.7, current_a=2.0)
    path = file_of(tmp_path, rows.to_csv(index=False))
    frame = read_source("telemetry", path, level="cell", cars=fleet(1)).frame
    assert frame["voltage_v"].tolist() == pytest.approx([370.0, 371.0, 372.0])
    assert set(frame["current_a"]) == {64.0}
    with pytest.raises(OptionError, match="column cars: needs the fleet"):
        read_source("telemetry", path, level="cell")
    with pytest.raises(OptionError, match="column level: 'module' is not pack or cell"):
        read_source("telemetry", path, level="module", cars=fleet(1))
    with pytest.raises(UnknownIdError, match="row 1, column battery_id: 'CAR1' is not declared"):
        read_source("telemetry", path, level="cell", cars=CARS)


def test_a_cells_checkup_becomes_the_packs(tmp_path):
    text = (
        "battery_id,time_utc,capacity_ah,resistance_ohm,temperature_degc\n"
        "CAR1,2024-05-06T08:00Z,4.8,0.032,25\n"
    )
    frame = read_source("checkups", file_of(tmp_path, text), level="cell", cars=fleet(1)).frame
    assert frame["capacity_ah"].tolist() == pytest.approx([4.8 * 32])
    assert frame["resistance_ohm"].tolist() == pytest.approx([0.032 * 100 / 32])


PRICED = """
[columns.interval_start_utc]
from = "start"

[columns.resolution_minutes]
constant = 60

[columns.price_eur_per_kwh]
from = "USD/MWh"
"""


def test_other_money_is_read_at_its_stated_worth_and_how_is_reported(tmp_path):
    text = "start,USD/MWh\n2026-06-16T07:00Z,50\n2026-06-16T08:00Z,-12\n"
    with pytest.raises(
        OptionError, match=r"'USD/MWh' is none of .*of other money `scale`, next to one of these"
    ):
        mapped(tmp_path, PRICED + 'unit = "USD/MWh"\n', text, "prices", zone="DE-LU")
    read = mapped(tmp_path, PRICED + 'unit = "€/MWh"\nscale = 0.9\n', text, "prices", zone="DE-LU")
    assert read.frame["price_eur_per_kwh"].tolist() == pytest.approx([0.045, -0.0108])
