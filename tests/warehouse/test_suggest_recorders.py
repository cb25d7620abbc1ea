"""First mappings of what recorders of homes and of cars write, each value at a moment of its own or not."""

import numpy as np
import pandas as pd
import pytest

from tests.warehouse.test_suggest import german, is_the_log, log, read_by, suggestion
from warehouse.errors import OptionError
from warehouse.sources import load_mapping, read_source


def changes(rows):
    """As a home's recorder writes them: a row where a value changes, each at a moment of its own."""
    names = {
        "v": "battery_voltage",
        "a": "battery_current",
        "t": "battery_temperature",
        "soc": "battery_level",
    }
    written = []
    for number, (name, label) in enumerate(names.items()):
        own = rows[name] if name != "soc" else 100 * rows[name]
        at = rows["time"] + pd.Timedelta(seconds=7 * number)
        changed = own.ne(own.shift())
        frame = pd.DataFrame({"state": own.astype(str), "last_changed": at})[changed]
        frame.insert(0, "entity_id", f"sensor.zoe_{label}")
        first = frame.iloc[:1].assign(state="unavailable", last_changed=at[0] - pd.Timedelta(minutes=1))
        written.append(pd.concat([first, frame]))
    whole = pd.concat(written)
    whole["last_changed"] = whole["last_changed"].dt.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return whole.to_csv(index=False)


def test_what_is_written_when_it_changes_stands_until_it_does(tmp_path):
    rows = log()
    path, found = suggestion(tmp_path, changes(rows), battery="CAR1")
    assert found.complete, found.left_open
    frame = read_by(tmp_path, path, found).set_index("time_utc").sort_index()
    at = rows["time"].dt.tz_localize("UTC") + pd.Timedelta(seconds=21)  # when all four have been written
    stated = frame.dropna(subset=["voltage_v", "current_a"])
    held = stated.reindex(at, method="ffill")
    assert held["voltage_v"].to_numpy() == pytest.approx(rows["v"].to_numpy())
    assert held["current_a"].to_numpy() == pytest.approx(rows["a"].to_numpy())
    assert held["soc_reported"].to_numpy() == pytest.approx(rows["soc"].to_numpy(), abs=1e-9)
    assert len(stated) > 0.99 * len(frame) - 8


def test_a_name_that_others_share_is_not_taken_for_a_batterys(tmp_path):
    house = changes(log()).replace("zoe_battery", "house")
    _, found = suggestion(tmp_path, house, battery="CAR1")
    assert found.dataset is None


def test_a_header_over_two_lines_and_a_clock_whose_label_is_its_zone(tmp_path):
    rows = log()
    local = rows["time"].dt.tz_localize("UTC").dt.tz_convert("Europe/Zurich").dt.strftime("%Y-%m-%d %H:%M:%S")
    named = rows.assign(time=local, soc=100 * rows["soc"], grid=230.4)
    text = (
        f"timestamp,{4 * 'Battery Monitor [279],'}Grid\n"
        "Europe/Zurich (+02:00),Voltage,Current,Battery temperature,State of charge,Output voltage\n"
        ",V,A,°C,%,V AC\n" + named.to_csv(index=False, header=False)
    )
    path, found = suggestion(tmp_path, text, battery="CAR1")
    assert found.complete, found.left_open
    assert is_the_log(read_by(tmp_path, path, found), rows)


def test_seconds_from_a_start_ask_for_it(tmp_path):
    rows = log().assign(time=60 * np.arange(400))
    named = rows.rename(
        columns={"time": "SECONDS", "v": "Pack Volts", "a": "Pack Amps", "t": "temp", "soc": "SOC"}
    )
    path, found = suggestion(tmp_path, named.to_csv(index=False), battery="CAR1")
    assert [line.partition(":")[0] for line in found.left_open if "time_utc" in line] == [
        "columns.time_utc.from",
        "columns.time_utc.since",
    ]
    closed = found.text.replace("# [columns.time_utc]", "[columns.time_utc]")
    closed = closed.replace("# TODO from", "from").replace(
        '# TODO since = "2026-06-10', 'since = "2026-05-13'
    )
    (tmp_path / "m.toml").write_text(closed.replace("T00:00:00Z", "T06:00:00Z").replace("# TODO", ""))
    meant = load_mapping(tmp_path / "m.toml", "telemetry")
    assert is_the_log(read_source("telemetry", path, source=meant.source, **meant.options).frame, log())


def test_whose_log_it_is_may_be_said_twice_alike(tmp_path):
    path, found = suggestion(tmp_path, german(log()), battery="CAR1")
    assert set(read_by(tmp_path, path, found, battery_id="CAR1")["battery_id"]) == {"CAR1"}
    with pytest.raises(OptionError, match="is given by the mapping or the file"):
        read_by(tmp_path, path, found, battery_id="CAR2")
