"""Counters of charge and energy: the flow adds up to what was counted; resets and gaps are reported."""

import numpy as np
import pandas as pd
import pytest

from warehouse.errors import CellError, ColumnError, OptionError
from warehouse.sources import load_mapping, read_source
from warehouse.sources.counters import flow_of

HOUR = 3600.0


def log(minutes=180, battery="CAR1", every=1):
    """A car that charges at 40 A, rests and is driven, with counters of Ah and kWh either way."""
    at = np.arange(0, minutes, every)
    amps = np.where(at < 60, 40.0, np.where(at < 90, 0.0, -30.0))
    volts = np.full(len(at), 400.0)
    middles = np.append(0.5 * (amps[1:] + amps[:-1]), 0.0) * every / 60
    moved = np.concatenate([[0.0], middles[:-1]])
    return pd.DataFrame(
        {
            "battery_id": battery,
            "time_utc": pd.date_range("2026-05-01T06:00Z", periods=len(at), freq=f"{every}min", unit="us"),
            "voltage_v": volts,
            "temperature_degc": 20.0,
            "soc_reported": np.round(0.4 + np.cumsum(moved) / 160, 3),
            "Ah in": 1000 + np.cumsum(np.maximum(moved, 0)),
            "Ah out": 900 + np.cumsum(np.maximum(-moved, 0)),
            "amps": amps,
        }
    )


def kwh(frame):
    return frame.assign(**{"Ah in": frame["Ah in"] * 0.4, "Ah out": frame["Ah out"] * 0.4})


CURRENT = '[columns.current_a]\ncounter = "Ah in"\ncounter_out = "Ah out"\n'
POWER = '[columns.power_kw]\ncounter = "Ah in"\ncounter_out = "Ah out"\n'


def source(tmp_path, toml, frame, dataset="telemetry", **more):
    (tmp_path / "map.toml").write_text(toml, encoding="utf-8")
    frame.drop(columns="amps").to_csv(tmp_path / "file.csv", index=False)
    found = load_mapping(tmp_path / "map.toml", dataset)
    return read_source(dataset, tmp_path / "file.csv", source=found.source, **found.options, **more)


def added_up(values, frame):
    """What samples add up to by the trapezoid rule [· h]."""
    hours = frame["time_utc"].diff().dt.total_seconds().to_numpy()[1:] / HOUR
    values = np.asarray(values, dtype=float)
    return float((0.5 * (values[1:] + values[:-1]) * hours).sum())


@pytest.mark.parametrize("every", [1, 5, 15])
def test_the_current_adds_up_to_what_was_counted(tmp_path, every):
    frame = log(every=every)
    found = source(tmp_path, CURRENT, frame).frame["current_a"]
    net = frame["Ah in"] - frame["Ah out"]
    # What is not half a step from an end: the first and the last sample hold for half a step more.
    assert added_up(found, frame) == pytest.approx(net.iloc[-1] - net.iloc[0], abs=0.1)
    steady = frame["amps"].rolling(3, center=True).std().fillna(0) == 0
    assert found[steady].to_numpy() == pytest.approx(frame["amps"][steady].to_numpy())


@pytest.mark.parametrize(
    ("toml", "factor"),
    [
        (CURRENT + 'unit = "mAh"\n', 1e3),
        (CURRENT + 'unit = "kWh"\n', 0.4),
        (CURRENT + 'unit = "Wh"\n', 400.0),
        (CURRENT + "scale = 0.1\n", 10.0),
    ],
)
def test_units_of_a_current_s_counter(tmp_path, toml, factor):
    frame = log()
    scaled = frame.assign(**{name: factor * frame[name] for name in ("Ah in", "Ah out")})
    found = source(tmp_path, toml, scaled).frame["current_a"]
    assert found.to_numpy() == pytest.approx(source(tmp_path, CURRENT, frame).frame["current_a"].to_numpy())


def test_power_of_a_cloud_that_counts_energy(tmp_path):
    frame = kwh(log(every=5))
    found = source(tmp_path, POWER, frame.drop(columns="voltage_v"), "soc_power").frame["power_kw"]
    assert found.iloc[3] == pytest.approx(16.0)
    assert found.iloc[-3] == pytest.approx(-12.0)
    alone = POWER.replace('counter_out = "Ah out"\n', "")
    only_in = source(tmp_path, alone, frame.drop(columns="voltage_v"), "soc_power").frame["power_kw"]
    assert only_in.iloc[-3] == 0.0


def test_a_counter_that_begins_anew_is_reported_and_nothing_is_counted_across_it(tmp_path):
    frame = log()
    frame.loc[30:, "Ah in"] -= frame.loc[30, "Ah in"] - 0.25
    found = source(tmp_path, CURRENT, frame)
    current = found.frame["current_a"]
    assert current.iloc[25:35].to_numpy() == pytest.approx(40.0)  # either side tells its own
    assert any("'Ah in': went back in row 31 (to 0.25)" in note for note in found.notes)
    assert not any("Ah out" in note and "went back" in note for note in found.notes)


def test_nothing_is_reported_of_what_flowed_in_a_gap(tmp_path):
    frame = log()
    cut = frame[(frame.index < 40) | (frame.index >= 120)].reset_index(drop=True)
    found = source(tmp_path, CURRENT, cut)
    assert found.frame["current_a"].iloc[39] == pytest.approx(40.0)
    assert found.frame["current_a"].iloc[40] == pytest.approx(-30.0)
    assert any("1 × more than 30 min" in note for note in found.notes)
    wide = source(tmp_path, CURRENT + "gap_minutes = 120\n", cut)
    assert wide.frame["current_a"].iloc[39] != pytest.approx(40.0)
    assert not any("more than" in note for note in wide.notes)
    lone = frame.iloc[[0, 60, 61]].reset_index(drop=True)
    assert np.isnan(source(tmp_path, CURRENT, lone).frame["current_a"].iloc[0])


def test_rows_in_any_order_of_several_cars_and_doubled_stamps(tmp_path):
    cars = [log(battery=name) for name in ("CAR1", "CAR2")]
    cars[1][["Ah in", "Ah out"]] += 5000.0
    cars[1]["time_utc"] += pd.Timedelta(minutes=181)  # goes on, by the clock, where the other ends
    both = pd.concat([*cars, cars[0].iloc[[70]]])
    mixed = both.sample(frac=1.0, random_state=3).reset_index(drop=True)
    found = source(tmp_path, CURRENT, mixed).frame.sort_values(["battery_id", "time_utc"])
    alone = source(tmp_path, CURRENT, cars[0]).frame["current_a"].to_numpy()
    for name in ("CAR1", "CAR2"):
        own = found[found["battery_id"] == name].drop_duplicates("time_utc")
        assert own["current_a"].to_numpy() == pytest.approx(alone)


def test_a_cell_without_a_count_is_passed_over():
    times = pd.Series(pd.date_range("2026-05-01T06:00Z", periods=5, freq="min"))
    found = flow_of(pd.Series([1.0, np.nan, 1.2, 1.3, np.nan]), times, None, HOUR)
    assert found.rate.to_numpy() == pytest.approx([6.0, np.nan, 6.0, 6.0, np.nan], nan_ok=True)
    assert found.resets.size == found.gaps == 0


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        (CURRENT + 'positive = "discharge"\n', "does not belong to a counter"),
        (CURRENT + "offset = 3\n", "does not belong to a counter"),
        (CURRENT + "scale = -1\n", "is not above 0"),
        (CURRENT + "gap_minutes = 0\n", "is not above 0 and at most 360"),
        (CURRENT + 'unit = "A"\n', "is not 'Ah'"),
        (CURRENT + 'from = "x"\n', "one other way"),
        ('[columns.current_a]\nfrom = "Ah in"\ngap_minutes = 3\n', "belongs to a `counter`"),
        ('[columns.voltage_v]\ncounter = "Ah in"\n', "belongs to current_a and power_kw"),
    ],
)
def test_what_a_counter_does_not_take(tmp_path, toml, says):
    with pytest.raises(OptionError, match=says):
        source(tmp_path, toml, log())


def test_what_is_no_counter_is_named(tmp_path):
    with pytest.raises(ColumnError, match="did you mean 'Ah in'"):
        source(tmp_path, CURRENT.replace("Ah in", "Ah inn"), log())
    with pytest.raises(CellError, match=r"row 8.*is negative"):
        source(tmp_path, CURRENT, log().assign(**{"Ah in": lambda f: f["Ah in"].where(f.index != 7, -1.0)}))
    words = log().astype({"Ah in": object})
    words.loc[4, "Ah in"] = "many"
    with pytest.raises(CellError, match=r"row 5.*is not a number"):
        source(tmp_path, CURRENT, words)
