"""JSON by paths: records in lists in objects, columns by keys in keys; what is none costs itself alone."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.warehouse.builders import telemetry
from warehouse.errors import ColumnError, EmptyFileError, OptionError, OversizedFileError, SourceError
from warehouse.sources import load_mapping, read_source
from warehouse.sources.caps import Caps

COLUMNS = ["battery_id", "time_utc", "voltage_v", "current_a", "temperature_degc"]
NESTED = """
json = { records = "data.vehicles[].samples[]" }
[columns.battery_id]
from = "^.vin"
[columns.time_utc]
from = "at"
[columns.voltage_v]
from = "pack.u"
[columns.current_a]
from = "pack.i.0"
[columns.temperature_degc]
from = 'temp\\.mean'
"""


def rows(minutes=4, battery="CAR1"):
    return telemetry(minutes=minutes)[COLUMNS].assign(battery_id=battery)


def sample(row):
    return {
        "at": row.time_utc.isoformat(),
        "pack": {"u": row.voltage_v, "i": [row.current_a, "A"]},
        "temp.mean": row.temperature_degc,
    }


def vehicle(frame):
    return {"vin": frame["battery_id"].iloc[0], "samples": [sample(row) for row in frame.itertuples()]}


def nested(*frames):
    return {"data": {"vehicles": [vehicle(frame) for frame in frames]}, "page": 1}


def source(tmp_path, toml, text, dataset="telemetry", **more):
    (tmp_path / "map.toml").write_text(toml, encoding="utf-8")
    file = tmp_path / "file.json"
    file.write_text(text, encoding="utf-8")
    found = load_mapping(tmp_path / "map.toml", dataset)
    return read_source(dataset, file, source=found.source, **found.options, **more)


WHOLE = json.dumps(nested(rows()))


def same(frame, wanted):
    pd.testing.assert_frame_equal(
        frame[COLUMNS].reset_index(drop=True), wanted.reset_index(drop=True), check_dtype=False
    )


def test_samples_of_several_cars_by_keys_in_keys(tmp_path):
    one, two = rows(battery="CAR1"), rows(3, battery="CAR2")
    found = source(tmp_path, NESTED, json.dumps(nested(one, two)))
    same(found.frame, pd.concat([one, two]))


def test_what_holds_the_holder_of_a_record(tmp_path):
    document = {"owner": {"id": "CAR9"}, **nested(rows(battery="CAR9"))}
    toml = NESTED.replace("^.vin", "^.^.^.owner.id")
    same(source(tmp_path, toml, json.dumps(document)).frame, rows(battery="CAR9"))
    with pytest.raises(ColumnError, match="is missing"):
        source(tmp_path, NESTED.replace("^.vin", "^.^.owner.id"), json.dumps(document))


def test_a_document_that_is_a_list_and_lists_of_values(tmp_path):
    frame = rows()
    listed = [[row.time_utc.isoformat(), row.voltage_v, row.current_a, 20.0] for row in frame.itertuples()]
    toml = "".join(f'[columns.{name}]\nfrom = "{place}"\n' for place, name in enumerate(COLUMNS[1:]))
    stated = source(tmp_path, 'json = { records = "[]" }\n' + toml, json.dumps(listed), battery_id="CAR1")
    same(stated.frame, frame.assign(temperature_degc=20.0))


def test_columns_of_equal_length_next_to_what_holds_for_all(tmp_path):
    frame = rows()
    document = {
        "log": {
            "car": {"id": "CAR1"},
            "t": [time.isoformat() for time in frame["time_utc"]],
            "cells": [{"u": row.voltage_v, "i": row.current_a} for row in frame.itertuples()],
            "degc": frame["temperature_degc"].tolist(),
        }
    }  # fmt: skip
    toml = NESTED.replace("data.vehicles[].samples[]", "log{}").replace("^.vin", "^.car.id")
    toml = toml.replace('"at"', '"t"').replace("pack.u", "cells.u").replace("pack.i.0", "cells.i")
    toml = toml.replace("'temp\\.mean'", '"degc"')
    same(source(tmp_path, toml, json.dumps(document)).frame, frame)
    document["log"]["degc"].pop()
    with pytest.raises(SourceError, match="not equally long: t 4, cells 4, degc 3"):
        source(tmp_path, toml, json.dumps(document))


def test_a_document_a_line_of_which_some_are_cut_off(tmp_path):
    frame = rows(6)
    lines = [json.dumps({"vin": row.battery_id, **sample(row)}) for row in frame.itertuples()]
    toml = NESTED.replace('records = "data.vehicles[].samples[]"', "lines = true").replace("^.vin", "vin")
    same(source(tmp_path, toml, "\n".join(lines) + "\n\n").frame, frame)
    cut = source(tmp_path, toml, "\n".join([*lines[:2], lines[2][:30], "7", *lines[4:]]))
    kept = cut.frame[cut.frame["time_utc"].notna()]
    same(kept, frame.drop(index=[2, 3]))
    assert list(kept["source_row"]) == [1, 2, 5, 6]
    with pytest.raises(SourceError, match=r"row 2.*is not JSON"):
        source(tmp_path, toml, "\n".join([lines[0], *(line[:30] for line in lines[1:])]))


def test_a_record_that_is_none_costs_itself_and_a_car_without_samples_is_reported(tmp_path):
    document = nested(rows())
    document["data"]["vehicles"][0]["samples"].insert(1, "n/a")
    document["data"]["vehicles"] += [{"vin": "CAR2"}, {"vin": "CAR3", "samples": None}]
    found = source(tmp_path, NESTED, json.dumps(document))
    same(found.frame[found.frame["time_utc"].notna()], rows())
    assert len(found.frame) == 5
    assert any("2 × nothing is reported at" in note and "'samples'" in note for note in found.notes)


def test_numbered_cells_in_a_list(tmp_path):
    frame, rng = rows(), np.random.default_rng(1)
    volts = rng.uniform(3.6, 3.7, (len(frame), 96))
    document = nested(frame)
    for one, cells in zip(document["data"]["vehicles"][0]["samples"], volts, strict=True):
        one["cells"] = cells.tolist()
    toml = NESTED + '[columns.cell_voltage_min_v]\nmin_of = "cells.#"\n'
    found = source(tmp_path, toml, json.dumps(document)).frame
    assert found["cell_voltage_min_v"].to_numpy() == pytest.approx(volts.min(axis=1))


@pytest.mark.parametrize(
    ("toml", "text", "error", "says"),
    [
        (NESTED, '{"data": {"vehicle": []}}', EmptyFileError, "did you mean 'vehicle'"),
        (NESTED, '{"data": {"vehicles": []}}', EmptyFileError, "holds no record at"),
        (NESTED, '{"data": {"vehicles": {"a": 1}}}', SourceError, "is no list"),
        (NESTED, '{"data": [1]}', SourceError, "is no object with the key 'vehicles'"),
        (NESTED, "a;b\n1;2\n", SourceError, "is not JSON"),
        (NESTED, '{"data": NaN}', SourceError, "is not JSON"),
        (NESTED, '{"data": {}, "data": {"vehicles": []}}', SourceError, "the key 'data' is there twice"),
        (NESTED, "[" * 100 + "]" * 100, OversizedFileError, "nested deeper"),
        (NESTED.replace("pack.u", "pack.v"), WHOLE, ColumnError, r"did you mean 'pack\.u'"),
        (NESTED.replace("pack.u", "pack"), WHOLE, ColumnError, "is missing"),
    ],
)  # fmt: skip
def test_what_is_refused_by_name(tmp_path, toml, text, error, says):
    with pytest.raises(error, match=says):
        source(tmp_path, toml, text)


@pytest.mark.parametrize("records", ["", "data..x[]", "data[", "a[]b", "data.[]"])
def test_a_path_that_is_none(tmp_path, records):
    toml = NESTED.replace("data.vehicles[].samples[]", records)
    with pytest.raises(OptionError, match="is no path to records"):
        source(tmp_path, toml, "{}")


def test_a_table_of_text_is_no_json(tmp_path):
    with pytest.raises(OptionError, match="belongs to a table of text"):
        source(tmp_path, 'delimiter = ";"\n' + NESTED, "{}")
    with pytest.raises(OptionError, match="is not a key of a mapping"):
        source(tmp_path, NESTED.replace("records =", "path ="), "{}")


def test_lines_without_end_are_refused(tmp_path):
    lines = [json.dumps({"vin": "CAR1", **sample(row)}) for row in rows(60).itertuples()]
    toml = NESTED.replace('records = "data.vehicles[].samples[]"', "lines = true").replace("^.vin", "vin")
    lines[7] = "\udcff\x00" + lines[7]
    (tmp_path / "raw").write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
    text = (tmp_path / "raw").read_bytes().decode("latin-1")
    found = source(tmp_path, toml, text)
    assert found.frame["time_utc"].notna().sum() == 59
    with pytest.raises(OversizedFileError, match=r"holds .* values"):
        source(tmp_path, toml, text, caps=Caps(json_values=300))


def test_keys_without_end_are_refused(tmp_path):
    document = nested(rows())
    for at in range(1200):
        document["data"]["vehicles"][0]["samples"][0][f"k{at}"] = at
    with pytest.raises(OversizedFileError, match="columns"):
        source(tmp_path, NESTED, json.dumps(document), caps=Caps(columns=1_000))
