"""Signed meter values: records signed here and one of a real meter, verified by registered keys alone."""

from __future__ import annotations

import base64
import datetime as dt
import json

import pandas as pd
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.warehouse.ocmf_signed import QUARTER, START, Meter, reading
from warehouse.errors import ColumnError, EmptyFileError, OptionError, SourceError, UndecodableFileError
from warehouse.sources import read_source
from warehouse.sources.ocmf_record import MeterKey, judged

# A station's record and key as its maker published them with the S.A.F.E. reference programme (Apache-2.0).
KEBA = (
    'OCMF|{"FV":"1.0","GI":"KEBA_KCP30","GS":"17619300","GV":"2.8.5","PG":"T32","IS":false,"IL":"NONE","IF":'
    '["RFID_NONE","OCPP_NONE","ISO15118_NONE","PLMN_NONE"],"IT":"NONE","ID":"","RD":[{"TM":'
    '"2019-08-13T10:03:15,000+0000 I","TX":"B","EF":"","ST":"G","RV":0.2596,"RI":"1-b:1.8.0","RU":"kWh"},'
    '{"TM":"2019-08-13T10:03:36,000+0000 R","TX":"E","EF":"","ST":"G","RV":0.2597,"RI":"1-b:1.8.0","RU":'
    '"kWh"}]}|{"SD":"304502200E2F107C987A300AC1695CA89EA149A8CDFA16188AF0A33EE64B67964AA943F9022100889A72B6D'
    '65364BEA8562E7F6A0253157ACFF84FE4929A93B5964D23C4265699"}'
)
KEBA_KEY = (
    "3059301306072A8648CE3D020106082A8648CE3D030107034200043AEEB45C392357820A58FDFB0857BD77ADA31585C61C430531"
    "DFA53B440AFBFDD95AC887C658EA55260F808F55CA948DF235C2108A0D6DC7D4AB1A5E1A7955BE"
)


def keys_of(*meters, battery=None):
    return {one.serial: MeterKey(public_key=one.public_key, battery_id=battery) for one in meters}


def read(tmp_path, text, name="signed.txt", keys=None, **options):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    given = options or {"battery_id": "CAR1"}
    return read_source("metering", path, source="ocmf", keys=keys or {}, **given)


def quarters(meter, count=4):
    return [
        meter.quarter(n, (10 + 1.25 * n, 11.25 + 1.25 * n), (0.5 * n, 0.5 * (n + 1))) for n in range(count)
    ]


def test_a_real_record_is_verified_by_its_registered_key_and_no_changed_character_is(tmp_path):
    keys = {"17619300": MeterKey(public_key=KEBA_KEY)}
    one = judged(KEBA, 1, keys)
    assert (one.state, one.note) == ("verified", "its clock is not synchronised (I, informative)")
    assert [str(point.kwh) for point in one.readings] == ["0.2596", "0.2597"]
    payload, unverified = KEBA.split("|")[1], 0
    own = {"17619300": MeterKey(public_key=KEBA_KEY, battery_id="CAR1")}
    for place, was in enumerate(payload):
        changed = payload[:place] + ("1" if was != "1" else "2") + payload[place + 1 :]
        text = KEBA.replace(payload, changed)
        state = judged(text, 1, keys).state
        assert state != "verified", changed
        if state == "unverified":  # of a meter that nobody registered: it may be another car's
            unverified += 1
            assert read(tmp_path, text, keys=own).frame["signature"].tolist() == ["refused"], changed
    assert unverified == len("GS") + len("17619300")
    frame = read(tmp_path, KEBA, keys=keys).frame
    assert frame["signature"].tolist() == ["verified"]
    assert frame["interval_start_utc"].tolist() == [pd.Timestamp("2019-08-13T10:00Z")]
    assert frame["import_kwh"].iloc[0] == pytest.approx(0.0001)


@pytest.mark.parametrize(
    ("curve", "method"),
    [
        (ec.SECP256R1(), ""),
        (ec.SECP256K1(), "ECDSA-secp256k1-SHA256"),
        (ec.SECP384R1(), "ECDSA-secp384r1-SHA256"),
        (ec.SECP521R1(), "ECDSA-secp521r1-SHA512"),
        (ec.BrainpoolP256R1(), "ECDSA-brainpoolP256r1-SHA256"),
    ],
)
def test_the_algorithms_of_the_format_are_verified(curve, method):
    meter = Meter(curve=curve, method=method)
    record = meter.quarter(0, (1.0, 2.0))
    assert judged(record, 1, keys_of(meter)).state == "verified"
    assert judged(record.replace('"RV":2.0', '"RV":3.0'), 1, keys_of(meter)).state == "refused"
    other = judged(record, 1, keys_of(Meter(curve=curve)))
    assert other.state == "refused" and "does not fit" in other.note


def test_quarter_hours_are_counted_from_both_registers(tmp_path):
    meter = Meter()
    source = read(tmp_path, "\n".join(quarters(meter)), keys=keys_of(meter))
    frame = source.frame
    assert frame["interval_start_utc"].tolist() == [pd.Timestamp(START + n * QUARTER) for n in range(4)]
    assert frame["import_kwh"].tolist() == [1.25] * 4 and frame["export_kwh"].tolist() == [0.5] * 4
    assert set(frame["signature"]) == {"verified"} and set(frame["meter_id"]) == {"M1"}
    assert source.notes == () and "M1=" in source.options


@pytest.mark.parametrize("place", range(4))
def test_one_changed_character_costs_its_record_alone(tmp_path, place):
    meter = Meter()
    records = quarters(meter)
    records[place] = records[place].replace('"RV":11', '"RV":12', 1) if place < 1 else records[place].replace(
        f'"PG":"T{place + 1}"', f'"PG":"T{place + 2}"'
    )  # fmt: skip
    source = read(tmp_path, "\n".join(records), keys=keys_of(meter))
    refused = source.frame[source.frame["signature"] == "refused"]
    assert refused["source_row"].tolist() == [place + 1]
    assert refused[["interval_start_utc", "import_kwh", "export_kwh"]].isna().all(axis=None)
    assert f"record {place + 1} of meter M1" in refused["signature_note"].iloc[0]
    others = source.frame[source.frame["signature"] != "refused"]
    assert set(others["signature"]) == {"verified"} and set(others["import_kwh"]) == {1.25}
    # What lies between two verified readings of its neighbours is known without it.
    at = [START + n * QUARTER for n in range(4) if n != place or place in (1, 2)]
    assert sorted(others["interval_start_utc"]) == [pd.Timestamp(one) for one in at]
    assert any(
        "does not fit its signature and the registered key of meter M1" in note for note in source.notes
    )


def test_a_key_that_comes_with_the_record_proves_nothing(tmp_path):
    true, forger = Meter(), Meter()
    record = forger.quarter(0, (1.0, 99.0))
    carried = f"{record}|{forger.public_key}"
    assert judged(carried, 1, keys_of(true)).state == "refused"
    alone = judged(carried, 1, {})
    assert (alone.state, alone.note) == (
        "unverified", "no key of meter M1 is registered, and the one that came with it proves nothing",
    )  # fmt: skip
    xml = (
        f'<values><value><signedData format="OCMF" encoding="plain">{record}</signedData>'
        f'<publicKey encoding="hex">{forger.public_key}</publicKey></value></values>'
    )
    assert read(tmp_path, xml).frame["signature"].tolist() == ["unverified"]
    assert read(tmp_path, xml, keys=keys_of(true)).frame["signature"].tolist() == ["refused"]


def test_every_container_gives_the_same_rows(tmp_path):
    meter = Meter()
    records = quarters(meter)
    encoded = [base64.b64encode(one.encode()).decode() for one in records]
    rows = "".join('"' + one.replace('"', '""') + '",CAR1\n' for one in records)
    files = {
        "lines.txt": "\n".join(records) + "\n",
        "hexadecimal.txt": "\n".join(one.encode().hex() for one in records),
        "column.csv": "ocmf,battery_id\n" + rows,
        "ocpi.json": json.dumps(
            {"signed_data": {"encoding_method": "OCMF", "public_key": "x", "signed_values": [
                {"nature": "Intermediate", "plain_data": "1", "signed_data": one} for one in encoded]}}
        ),
        "list.json": json.dumps(records),
        "file.xml": "<values>" + "".join(
            f'<value transactionId="1"><signedData format="OCMF">{one}</signedData></value>'
            for one in records
        ) + "</values>",
    }  # fmt: skip
    expected = read(tmp_path, files.pop("lines.txt"), keys=keys_of(meter)).frame
    for name, text in files.items():
        options = {} if name != "column.csv" else {"batteries": {"nobody": "CAR9"}}
        found = read(tmp_path, text, name, keys=keys_of(meter), **options).frame
        pd.testing.assert_frame_equal(found, expected, obj=name)


def test_snapshots_of_one_reading_each_are_put_together_and_a_transaction_as_one_sum_is_not_split(tmp_path):
    meter, minute = Meter(), dt.timedelta(minutes=1)
    begin, end = START + 3 * minute, START + 40 * minute
    points = [
        (begin, 5.0, "B"),
        (START + QUARTER, 6.0, "C"),
        (START + 2 * QUARTER, 8.5, "C"),
        (end, 9.0, "E"),
    ]
    records = [meter.record([reading(when, kwh, TX=tx)]) for when, kwh, tx in points]
    source = read(tmp_path, "\n".join(reversed(records)), keys=keys_of(meter))
    assert source.frame["import_kwh"].tolist() == [1.0, 2.5, 0.5]
    assert source.notes == ("meter M1: no register of energy fed back: taken as none",)
    without = read(tmp_path, "\n".join([records[0], records[2], records[3]]), keys=keys_of(meter))
    assert without.frame["interval_start_utc"].tolist() == [pd.Timestamp(START + 2 * QUARTER)]
    assert "3.5 kWh of import" in without.notes[0] and "over 2 quarter-hours: not split" in without.notes[0]
    unended = read(
        tmp_path, "\n".join([*records[:2], meter.record([reading(end, 9.0)])]), keys=keys_of(meter)
    )
    assert unended.frame["import_kwh"].tolist() == [1.0]
    assert "not split" in unended.notes[0]


def test_a_register_of_the_transaction_begins_anew_with_each(tmp_path):
    meter, minute = Meter(), dt.timedelta(minutes=1)
    own = {"RI": "01-00:B2.08.00"}

    def transaction(first, last, kwh):
        begin = reading(START + first * minute, 0.0, TX="B", **own)
        return meter.record([begin, reading(START + last * minute, kwh, TX="E", **own)])

    apart = read(tmp_path, "\n".join([transaction(1, 6, 0.8), transaction(8, 14, 0.5)]), keys=keys_of(meter))
    assert apart.frame["import_kwh"].tolist() == [1.3]
    at_once = read(
        tmp_path, "\n".join([transaction(1, 15, 0.8), transaction(15, 20, 0.5)]), keys=keys_of(meter)
    )
    assert at_once.frame["import_kwh"].tolist() == [0.8, 0.5]
    assert at_once.notes == ("meter M1: no register of energy fed back: taken as none",)


def test_an_idle_car_is_counted_as_nothing_in_every_quarter_hour(tmp_path):
    meter = Meter()
    record = meter.record([reading(START, 7.0, TX="B"), reading(START + 8 * QUARTER, 7.0, TX="E")])
    frame = read(tmp_path, record, keys=keys_of(meter)).frame
    assert frame["import_kwh"].tolist() == [0.0] * 8 and set(frame["signature"]) == {"verified"}


FAULTS = {
    "a meter that was opened": ({"ST": "M"}, "the meter's status is M"),
    "a fault of its energy": ({"EF": "E"}, "reports faults 'E'"),
    "another unit": ({"RU": "Ah"}, "names no register of energy with a value in kWh or Wh"),
    "no value": ({"RV": None}, "names no register of energy"),
    "a negative register": ({"RV": -1.0}, "is -1.0, no energy"),
    "a time without offset": ({"TM": "2020-03-29T12:15:00,000 S"}, "has no offset"),
    "no time": ({"TM": "today"}, "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_signed_fault_is_no_value_and_costs_no_other(tmp_path, name):
    changed, message = FAULTS[name]
    meter = Meter()
    wrong = meter.record([reading(START, 1.0), reading(START + QUARTER, 2.0, **changed)])
    source = read(tmp_path, "\n".join([wrong, meter.quarter(1, (3.0, 4.0))]), keys=keys_of(meter))
    frame = source.frame.sort_values("source_row")
    assert frame["signature"].tolist() == ["refused", "verified"]
    assert message in frame["signature_note"].iloc[0]


def test_records_that_cannot_be_read_or_contradict_each_other_are_named(tmp_path):
    meter = Meter()
    odd = ['OCMF|{"RD":3}|{"SD":"00"}', "OCMF|[]|[]", "OCMF|{|", "OCMF|", "nonsense", "OCMF|" + "[" * 9000]
    source = read(tmp_path, "\n".join([*odd, meter.quarter(0, (1.0, 2.0))]), keys=keys_of(meter))
    assert source.frame["signature"].tolist() == ["refused"] * len(odd) + ["verified"]
    lower = meter.quarter(0, (1.0, 1.5))
    both = read(tmp_path, "\n".join([meter.quarter(0, (1.0, 2.0)), lower]), keys=keys_of(meter))
    assert both.frame.empty and "contradict each other" in both.notes[0]
    falls = read(tmp_path, meter.quarter(0, (2.0, 1.0)), keys=keys_of(meter))
    assert falls.frame.empty and "the register of import falls by 1.0 kWh" in falls.notes[0]


def test_a_car_is_told_by_the_register_and_no_other_meter_counts_for_it(tmp_path):
    own, other = Meter("M1"), Meter("M2")
    keys = {**keys_of(own, battery="CAR1"), **keys_of(other)}
    path = tmp_path / "signed.txt"
    path.write_text(own.quarter(0, (1.0, 2.0)), encoding="utf-8")
    source = read_source("metering", path, source="ocmf", keys=keys)
    assert source.frame["battery_id"].tolist() == ["CAR1"]
    # A changed serial names a meter of no key, and would count unverified: the register says whose it is.
    changed = own.quarter(0, (1.0, 2.0)).replace('"MS":"M1"', '"MS":"M3"')
    for text in (changed, other.quarter(0, (1.0, 2.0))):
        frame = read(tmp_path, text, keys=keys).frame
        assert frame["signature"].tolist() == ["refused"]
        assert "the meter that is registered for CAR1 is M1" in frame["signature_note"].iloc[0]
    with pytest.raises(OptionError, match=r"needs the battery at each meter's plug.*meters here: G1, M2"):
        read_source("metering", _written(tmp_path, other.quarter(0, (1.0, 2.0))), source="ocmf", keys=keys)
    named = read(tmp_path, other.quarter(0, (1.0, 2.0)), keys=keys, batteries={"M2": "CAR2"})
    assert named.frame["battery_id"].tolist() == ["CAR2"]


def _written(tmp_path, text):
    path = tmp_path / "more.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_no_file_states_that_it_is_verified(tmp_path):
    csv = "battery_id,interval_start_utc,import_kwh,export_kwh,signature,meter_id\n"
    csv += "CAR1,2020-03-29T10:00Z,1,0,verified,M1\n"
    source = read_source("metering", _written(tmp_path, csv))
    assert source.frame[["signature", "meter_id"]].isna().all(axis=None)
    assert "column 'signature' was ignored" in source.notes


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a,b\n1,2\n", ColumnError),
        ("ocmf\n\n", SourceError),
        ("<values/>", EmptyFileError),
        ("<values", UndecodableFileError),
        ('<!DOCTYPE a [<!ENTITY b "c">]><values>&b;</values>', UndecodableFileError),
        ("{}", EmptyFileError),
        ("{", UndecodableFileError),
    ],
)
def test_a_file_without_records_is_refused(tmp_path, text, error):
    with pytest.raises(error):
        read(tmp_path, text)


def test_the_same_file_with_another_key_is_another_source(tmp_path):
    meter = Meter()
    text = "\n".join(quarters(meter))
    before, after, more = (
        read(tmp_path, text, keys=keys).source_id
        for keys in ({}, keys_of(meter), {**keys_of(meter), **keys_of(Meter("M9"))})
    )
    assert before != after and after == more
