"""First mappings: right where they claim to be whole, open where a file does not tell; nothing guessed."""

import json
import tomllib

import numpy as np
import pandas as pd
import pytest

from tests.warehouse.builders import SHARED_DATA
from warehouse.sources import load_mapping, read_source
from warehouse.sources.mapkeys import COLUMN_KEYS, SECTIONS
from warehouse.sources.rawfile import load
from warehouse.sources.suggest import suggest_mapping

CASES = SHARED_DATA.parent / "cases"


def log(rows=400):
    """A pack that is charged, rests and is driven: time, V, A (+ = charge), °C and a share of 1."""
    hours = np.arange(rows) / 60.0
    amps = np.where(hours < 2.5, 40.0, np.where(hours < 3.0, 0.0, -14.0 + 20.0 * np.sin(40 * hours)))
    soc = 0.3 + np.cumsum(amps) / 60.0 / 160.0
    return pd.DataFrame(
        {
            "time": pd.date_range("2026-05-13T06:00", periods=rows, freq="min"),
            "v": np.round(340.0 + 40.0 * soc + 0.1 * amps, 2),
            "a": np.round(amps, 2),
            "t": np.round(21.0 + 2.0 * soc, 1),
            "soc": np.round(soc, 3),
        }
    )


def suggestion(tmp_path, text, *, kind=None, encoding="utf-8", **given):
    path = tmp_path / "foreign.csv"
    path.write_bytes(text.encode(encoding))
    return path, suggest_mapping(load(path), kind, **given)


def read_by(tmp_path, path, found, **options):
    (tmp_path / "m.toml").write_text(found.text, encoding="utf-8")
    meant = load_mapping(tmp_path / "m.toml", found.dataset)
    return read_source(found.dataset, path, source=meant.source, **meant.options, **options).frame


def is_the_log(frame, rows):
    wanted = log(len(rows))
    return (
        frame["voltage_v"].to_numpy() == pytest.approx(wanted["v"], rel=1e-6)
        and frame["current_a"].to_numpy() == pytest.approx(wanted["a"], rel=1e-6)
        and frame["temperature_degc"].to_numpy() == pytest.approx(wanted["t"], abs=0.06)
        and frame["soc_reported"].to_numpy() == pytest.approx(wanted["soc"], rel=1e-6)
        and (frame["time_utc"] == wanted["time"].dt.tz_localize("UTC")).all()
    )


def german(rows):
    named = (
        rows.assign(time=rows["time"].dt.strftime("%d.%m.%Y %H:%M:%S"), soc=100 * rows["soc"])
        .rename(
            columns={
                "time": "Zeit (UTC)",
                "v": "Spannung [V]",
                "a": "Strom [A]",
                "t": "Batterietemperatur",
                "soc": "SOC [%]",
            }
        )
        .rename(columns={"Batterietemperatur": "Temperatur [°C]"})
    )
    return named.to_csv(index=False, sep=";", decimal=",")


def discharging(rows):
    named = rows.assign(time=rows["time"].astype("int64") // 10**6, a=-rows["a"], v=1000 * rows["v"])
    named["time"] = rows["time"].astype("datetime64[ms]").astype("int64")
    return named.rename(
        columns={
            "time": "timestamp",
            "v": "pack_voltage_mv",
            "a": "Pack Amps",
            "t": "Battery Temp (C)",
            "soc": "State of Charge",
        }
    ).to_csv(index=False)


def preamble(rows):
    named = rows.assign(time=rows["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"), t=rows["t"] * 1.8 + 32.0)
    named = named.rename(
        columns={"time": "Time", "v": "Voltage", "a": "Current", "t": "Temperature", "soc": "SOC"}
    )
    head, *body = named.to_csv(index=False).splitlines()
    return "\n".join(["Logger 7", "exported by hand", "", head, ",V,A,°F,", *body]) + "\n"


def halves(rows):
    named = pd.DataFrame(
        {
            "Date": rows["time"].dt.strftime("%d/%m/%Y"),
            "Time UTC": rows["time"].dt.strftime("%H:%M:%S"),
            "Pack Volts": rows["v"],
            "Charge Current A": rows["a"].clip(lower=0.0),
            "Discharge Current A": -rows["a"].clip(upper=0.0),
            "Pack T1 C": rows["t"],
            "Pack T2 C": rows["t"],
            "soc": rows["soc"],
        }
    )
    return named.to_csv(index=False)


def long(rows):
    named = rows.assign(time=rows["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    named = named.rename(columns={"v": "pack voltage", "a": "pack current", "t": "battery temperature (C)"})
    return (
        named.melt(id_vars="time", var_name="signal", value_name="value")
        .sort_values("time")
        .to_csv(index=False)
    )


@pytest.mark.parametrize(
    ("layout", "encoding"),
    [(german, "latin-1"), (discharging, "utf-8"), (preamble, "utf-8"), (halves, "utf-8"), (long, "utf-8"),
     (german, "utf-16")],
)  # fmt: skip
def test_a_suggestion_that_is_whole_reads_the_file_right(tmp_path, layout, encoding):
    rows = log()
    path, found = suggestion(tmp_path, layout(rows), encoding=encoding, battery="CAR1")
    assert (found.dataset, found.left_open) == ("telemetry", ()), found.text
    assert is_the_log(read_by(tmp_path, path, found), rows), found.text


def test_whose_log_it_is_may_be_said_later(tmp_path):
    rows = log()
    path, found = suggestion(tmp_path, german(rows), encoding="latin-1")
    assert [one.split(":")[0] for one in found.left_open] == ["columns.battery_id.constant"]
    assert set(read_by(tmp_path, path, found, battery_id="CAR7")["battery_id"]) == {"CAR7"}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda rows: rows.assign(time=rows["time"].dt.strftime("%d.%m.%Y %H:%M")), "timezone"),
        (lambda rows: rows.assign(soc=rows["soc"] * 1e6), "columns.soc.scale"),
        (lambda rows: rows.drop(columns="soc"), "columns.current_a.positive"),
        (lambda rows: rows.assign(t=rows["t"] * 1.8 + 32.0), "columns.temperature_degc.unit"),
        (lambda rows: rows.assign(v=rows["v"] * 10.0), "columns.voltage_v.unit"),
        (lambda rows: rows.assign(a=rows["a"] * 10.0), "columns.current_a.scale"),
        (lambda rows: rows.drop(columns="v"), "columns.voltage_v.from"),
        (lambda rows: rows.assign(volts=rows["v"] + 1.0), "columns.voltage_v.from"),
        (lambda rows: rows.assign(time=rows["time"].dt.strftime("%m/%d/%Y %H:%M").where(
            rows.index < 0, "05/06/2026 08:00")), "columns.time_utc.from"),
        (lambda rows: rows.assign(a=np.where(rows.index % 9, -1, 9) * rows["a"]), "columns.current_a.pos"),
    ],
)  # fmt: skip
def test_what_a_file_does_not_tell_is_left_open(tmp_path, change, place):
    rows = log().assign(time=lambda one: one["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    rows = change(
        rows
        if "time" not in str(change.__code__.co_names) or place not in ("timezone", "columns.time_utc.from")
        else log()
    )
    text = rows.rename(columns={"v": "voltage", "a": "current", "t": "temperature"}).to_csv(index=False)
    _, found = suggestion(tmp_path, text, kind="telemetry", battery="CAR1")
    stated = [one.split(":")[0] for one in found.left_open]
    assert any(one.startswith(place.replace("columns.soc.", "columns.soc_reported.")) for one in stated), (
        found.text
    )
    tomllib.loads(found.text)


def test_nothing_but_a_table_of_known_columns_is_claimed(tmp_path):
    _, found = suggestion(tmp_path, "a,b\n1,2\n3,4\n5,6\n")
    assert found.dataset is None
    assert found.left_open == ("what the file holds: give --kind",)


def test_json_is_no_table(tmp_path):
    _, found = suggestion(tmp_path, '[2, "1", "StartTransaction", {"idTag": "A"}]\n[3, "1", {}]\n')
    assert [one.split(":")[0] for one in found.left_open] == ["source"]


@pytest.mark.parametrize("turned", [False, True])
def test_our_own_columns_need_no_mapping_unless_the_sign_is_wrong(tmp_path, turned):
    rows = log()
    own = pd.DataFrame(
        {
            "battery_id": "CAR1", "time_utc": rows["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "voltage_v": rows["v"], "current_a": -rows["a"] if turned else rows["a"],
            "temperature_degc": rows["t"], "soc_reported": rows["soc"],
        }
    )  # fmt: skip
    path, found = suggestion(tmp_path, own.to_csv(index=False))
    assert found.complete
    if turned:
        assert is_the_log(read_by(tmp_path, path, found), rows)
    else:
        assert "no mapping is needed" in found.text


def test_a_meters_counter_is_no_energy_of_quarter_hours(tmp_path):
    starts = pd.date_range("2026-05-13", periods=96, freq="15min").strftime("%Y-%m-%dT%H:%M:%SZ")
    energy = np.round(np.random.default_rng(1).random(96), 3)
    rows = pd.DataFrame({"from": starts, "Bezug kWh": energy, "Einspeisung kWh": 0.0})
    path, found = suggestion(tmp_path, rows.to_csv(index=False), battery="CAR1")
    assert (found.dataset, found.left_open) == ("metering", ())
    assert read_by(tmp_path, path, found)["import_kwh"].tolist() == energy.tolist()
    rows["Bezug kWh"] = energy.cumsum()
    _, found = suggestion(tmp_path, rows.to_csv(index=False), battery="CAR1")
    assert [one.split(":")[0] for one in found.left_open] == ["columns.import_kwh.from"]


def test_hostile_labels_stay_text(tmp_path):
    rows = log().rename(columns={"time": 'time "]\\n[x]', "v": "voltage"})
    _, found = suggestion(tmp_path, rows.to_csv(index=False), kind="telemetry")
    tomllib.loads(found.text)


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not next to the checkout")
@pytest.mark.parametrize("name", sorted(path.name for path in (CASES / "telemetry").glob("*.csv")))
def test_of_the_cases_none_is_misread(tmp_path, name):
    path = CASES / "telemetry" / name
    found = suggest_mapping(load(path))
    if not found.complete or "no mapping is needed" in found.text:
        return
    frame = read_by(tmp_path, path, found)
    assert frame[["battery_id", "time_utc"]].notna().all().all()
    if "current_a" in frame and frame["soc_reported"].nunique() > 3:
        rises = frame["soc_reported"].diff().to_numpy()[1:]
        assert np.nansum(rises * frame["current_a"].to_numpy()[1:]) > 0.0


def test_every_key_of_a_mapping_is_reported():
    stated = [key for section in SECTIONS.values() for key in section]
    assert {"timezone", "from", "received", "station", *COLUMN_KEYS} <= set(stated)
    assert all(says for section in SECTIONS.values() for says in section.values())


MARKS = [
    # between cells, numbers; what is said of the marks, whether it is asked
    (";", "1.850 2.125 1.475", {}, True),
    (";", "1.850 1.850 0.850", {}, False),
    (";", "1.850 2.12 1.475", {}, False),
    (";", "1,850 2,125 1,475", {"decimal": ","}, False),
    (";", "1.850,5 2.125,0 850,25", {"decimal": ",", "thousands": "."}, False),
    ("\t", "1,850 2,125 1,475", {}, True),
    (",", "1.850 2.125 1.475", {}, False),
    (",", '"1,850" "2,125" "1,475"', {}, True),
]


@pytest.mark.parametrize(("delimiter", "cells", "said", "asked"), MARKS)
def test_a_mark_that_may_stand_between_thousands_is_asked_about(tmp_path, delimiter, cells, said, asked):
    lines = [f"2026-05-13T06:{15 * at}:00Z{delimiter}{cell}" for at, cell in enumerate(cells.split())]
    text = "\n".join([f"start{delimiter}Bezug (Wh)", *lines, ""])
    _, found = suggestion(tmp_path, text, kind="metering", battery="CAR1")
    answer = tomllib.loads(found.text)
    assert {key: answer[key] for key in ("decimal", "thousands") if key in answer} == said, found.text
    assert any(one.startswith("decimal:") for one in found.left_open) == asked, found.text


def test_a_column_of_thousands_is_given_by_the_decimals_of_another(tmp_path):
    rows = log()
    power = (rows["v"] * rows["a"]).round().astype(int).map(lambda one: f"{one:,}".replace(",", "."))
    text = german(rows.assign(power=power)).replace(";power", ";Leistung (W)")
    path, found = suggestion(tmp_path, text, encoding="latin-1", battery="CAR1")
    assert (found.dataset, found.left_open) == ("telemetry", ()), found.text
    assert is_the_log(read_by(tmp_path, path, found), rows), found.text


@pytest.mark.parametrize(("label", "factor"), [("odometer (km)", 1.0), ("odometer (mi)", 1.609344)])
def test_an_odometer_counts_in_km_or_miles(tmp_path, label, factor):
    sessions = pd.DataFrame(
        {
            "id": ["a", "b"], "car": "CAR1", "start time": ["2026-05-13T17:00Z", "2026-05-14T17:00Z"],
            "end time": ["2026-05-14T05:00Z", "2026-05-15T05:00Z"], "start soc (%)": [40, 35],
            "end soc (%)": [80, 85], label: [30412, 30490],
        }
    )  # fmt: skip
    path, found = suggestion(tmp_path, sessions.to_csv(index=False))
    assert (found.dataset, found.left_open) == ("sessions", ()), found.text
    read = read_by(tmp_path, path, found)
    assert read["odometer_km"].to_numpy() == pytest.approx(np.array([30412, 30490]) * factor)


def test_cents_are_not_taken_for_cents_of_a_euro(tmp_path):
    starts = pd.date_range("2026-05-13", periods=24, freq="h").strftime("%Y-%m-%dT%H:%M:%SZ")
    rows = pd.DataFrame({"start": starts, "Price (c/kWh)": np.linspace(8.0, 21.5, 24).round(2)})
    _, found = suggestion(tmp_path, rows.to_csv(index=False), kind="prices")
    assert any(one.startswith("columns.price_eur_per_kwh.") for one in found.left_open), found.text
    assert "price_eur_per_kwh" not in tomllib.loads(found.text).get("columns", {}), found.text


def test_whose_file_it_is_said_to_be_holds_over_its_one_word_for_it(tmp_path):
    rows = log().assign(time=lambda one: one["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"), car_id=1)
    text = rows.rename(columns={"v": "voltage", "a": "current", "t": "temperature"}).to_csv(index=False)
    path, found = suggestion(tmp_path, text, battery="CAR7")
    assert found.complete, found.text
    assert set(read_by(tmp_path, path, found)["battery_id"]) == {"CAR7"}


def document(rows, of):
    samples = [
        {
            "timestamp": time.isoformat() + "Z",
            "pack": {"voltage": v, "current": a},
            "temperature": t,
            "soc": soc,
        }
        for time, v, a, t, soc in rows.itertuples(index=False)
    ]
    match of:
        case "list":
            return json.dumps(samples)
        case "lines":
            return "\n".join(json.dumps(one) for one in samples)
        case "columns":
            whole = pd.json_normalize(samples).rename(columns=lambda name: name.rpartition(".")[2])
            return json.dumps({"log": {"car": "CAR1", **whole.to_dict("list")}})
    cars = [{"name": "CAR1", "samples": samples}]
    return json.dumps({"meta": [{"page": 1}, {"page": 2}], "data": {"cars": cars}})


@pytest.mark.parametrize("of", ["list", "lines", "columns", "cars"])
def test_records_in_json(tmp_path, of):
    path, found = suggestion(tmp_path, document(log(), of), battery="CAR1")
    assert (found.dataset, found.left_open) == ("telemetry", ()), found.text
    assert is_the_log(read_by(tmp_path, path, found), log())


@pytest.mark.parametrize("text", ["{}", "[]", '{"a": [{"b": 1}, {"b": 2}]}', "[1, 2]", "{", '[{"a": NaN}]'])
def test_json_without_records_of_ours_is_left_open(tmp_path, text):
    _, found = suggestion(tmp_path, text, battery="CAR1")
    assert [one.split(":")[0] for one in found.left_open] == ["json"]
    tomllib.loads(found.text)


def counted(**labels):
    rows = log()
    moved = np.append(0.0, 0.5 * (rows["a"].to_numpy()[1:] + rows["a"].to_numpy()[:-1]) / 60.0)
    frame = pd.DataFrame(
        {
            "timestamp": rows["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "soc": rows["soc"],
            "charged": np.round(1000 + np.cumsum(np.maximum(moved, 0)) * 0.35, 4),
            "discharged": np.round(400 + np.cumsum(np.maximum(-moved, 0)) * 0.35, 4),
        }
    )
    return frame.rename(columns=labels)


def test_counters_of_energy_are_the_power_of_a_cloud(tmp_path):
    rows = counted(charged="energy charged [kWh]", discharged="energy discharged [kWh]")
    path, found = suggestion(tmp_path, rows.to_csv(index=False), battery="CAR1")
    assert (found.dataset, found.left_open) == ("soc_power", ()), found.text
    power = read_by(tmp_path, path, found)["power_kw"]
    assert power[10:100].to_numpy() == pytest.approx(14.0, abs=0.05)
    assert power[200:].min() < -10.0


def test_a_counter_without_its_other_way_is_left_open(tmp_path):
    rows = counted(charged="energy charged [kWh]").drop(columns="discharged")
    _, found = suggestion(tmp_path, rows.to_csv(index=False), kind="soc_power", battery="CAR1")
    assert [one.split(":")[0] for one in found.left_open] == ["columns.power_kw.counter_out"]
    falling = rows.assign(**{"energy charged [kWh]": lambda frame: frame.iloc[::-1, -1].to_numpy()})
    _, found = suggestion(tmp_path, falling.to_csv(index=False), kind="soc_power", battery="CAR1")
    assert [one.split(":")[0] for one in found.left_open] == ["columns.power_kw.from"]
