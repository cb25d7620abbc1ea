"""Hostile and faulty text files: each refused with its reason, the database untouched."""

import gzip
import json
import re
from pathlib import Path

import pytest

from flows.stages import Context
from flows.stages.ingest import ingest
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF
from tests.flows.hostile import CAR, SESSIONS, TELEMETRY, depot_of, refused, sample, session
from warehouse.contracts import DATASETS

GOOD = TELEMETRY + sample()


@pytest.fixture(scope="module")
def depot(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return depot_of(tmp_path_factory.mktemp("hostile"))


TABLES = {
    "empty": ("telemetry", b"", "is empty"),
    "blank": ("telemetry", b" \r\n\n\t\n", "is empty"),
    "header only": ("telemetry", TELEMETRY, "holds a header and no data rows"),
    "no header": ("telemetry", sample() * 3, "column battery_id: is missing"),
    "a web page": ("telemetry", "<!DOCTYPE html>\n<html><body>Not found</body></html>\n", "is missing"),
    "binary": ("telemetry", bytes(range(128, 256)) * 9, "not UTF-8: byte 0x80 in line 1"),
    "UTF-16": ("telemetry", GOOD.encode("utf-16"), 'is UTF-16; .* `encoding = "utf-16"`'),
    "Latin-1": ("sessions", (SESSIONS + session("für")).encode("latin-1"), "not UTF-8: byte 0xfc in line 2"),
    "open quote in the header": (
        "telemetry",
        b'"battery_id,x\n\xe1",y\n1,2\n',
        "not UTF-8: byte 0xe1 in line 2",
    ),
    "NUL in a cell": ("telemetry", TELEMETRY + sample(f"{CAR}\0"), "holds NUL bytes"),
    "decimal comma": (
        "telemetry",
        TELEMETRY + sample(volt='"380,5"'),
        "row 1, .*'380,5' has a decimal comma",
    ),
    "bare decimal comma": (
        "telemetry",
        TELEMETRY + sample(volt="380,5"),
        "row 1: .* has 6 cells where the header has 5",
    ),
    "semicolons": ("telemetry", GOOD.replace(",", ";"), "separated by ';'; expected commas"),
    "short rows": ("telemetry", TELEMETRY + f"{CAR},2024-03-18T08:01Z\n" * 2, "row 1: .* has 2 cells where"),
    "header twice": ("telemetry", GOOD.replace("current_a", "voltage_v"), "voltage_v: is there 2 times"),
    "header twice, spaced": ("telemetry", GOOD.replace("current_a", " voltage_v "), "is there 2 times"),
    "1,001 columns": (
        "telemetry",
        TELEMETRY.strip() + "".join(f",x{number}" for number in range(996)) + "\n",
        "1,001 columns",
    ),
    "header of 2 MB": ("telemetry", "x" * 2**21 + "\n1\n", "a header longer than 1,048,576 bytes"),
    "cell of 10 MB": ("telemetry", TELEMETRY + sample(volt="9" * 10**7), "longer than 1,048,576 bytes"),
    "open quote": ("telemetry", TELEMETRY + '"' + sample() * 9, "not well-formed CSV"),
    "open quote in a long file": (
        "telemetry",
        TELEMETRY + '"' + sample() * 60_000,
        "lines follow the header",
    ),
    "quotes that swallow rows": (
        "sessions",
        SESSIONS.strip()
        + ",note\n"
        + session(more=',"')
        + session("s2", more=',"')
        + session("s3", more=","),
        "the cell spans lines",
    ),
    "formula as an id": (
        "telemetry",
        TELEMETRY + sample("=1+1"),
        "row 1, column battery_id: '=1\\+1' is not an id",
    ),
    "command as an id": ("telemetry", TELEMETRY + sample("@SUM(A1)"), "'@SUM\\(A1\\)' is not an id"),
    "formula with plus": (
        "sessions",
        SESSIONS + session("+A1"),
        "row 1, column session_id: '\\+A1' is not an id",
    ),
    "formula with minus": ("sessions", SESSIONS + session("-1-cmd"), "session_id: '-1-cmd' is not an id"),
    "formula as a number": (
        "telemetry",
        TELEMETRY + sample(volt="=380"),
        "voltage_v: '=380' is not a number",
    ),
    "path as an id": ("telemetry", TELEMETRY + sample("../../etc/passwd"), "'../../etc/passwd' is not an id"),
    "SQL as an id": ("telemetry", TELEMETRY + sample("x'; DROP TABLE core_battery"), "is not an id"),
    "HTML as an id": ("telemetry", TELEMETRY + sample("<script>alert(1)</script>"), "is not an id"),
    "HTML as a session": ("sessions", SESSIONS + session("s<img src=x>"), "session_id: .* is not an id"),
    "escape in an id": ("telemetry", TELEMETRY + sample("\x1b[31mred"), r"'\\x1b\[31mred' is not an id"),
    "id of 65": ("telemetry", TELEMETRY + sample("x" * 65), "is not an id"),
    "another script": ("telemetry", TELEMETRY + sample("САR1"), "is not an id"),
    "a car of nobody": (
        "telemetry",
        TELEMETRY + sample("GHOST"),
        "row 1, column battery_id: 'GHOST' is not decl",
    ),
    "no date": (
        "telemetry",
        TELEMETRY + sample(time="2024-13-45T08:00Z"),
        "row 1, column time_utc: .* ISO 8601",
    ),
    "year 1": (
        "telemetry",
        TELEMETRY + sample(time="0001-01-01T00:00Z"),
        "is outside the years 1900 to 2199",
    ),
    "year 9999": (
        "telemetry",
        TELEMETRY + sample(time="9999-12-31T23:59Z"),
        "is outside the years 1900 to 2199",
    ),
    "offset of a day": (
        "telemetry",
        TELEMETRY + sample(time="2024-03-18T08:00+25:00"),
        "is not an ISO 8601 time",
    ),
    "milliseconds": (
        "telemetry",
        GOOD.replace("time_utc", "unix_time_second").replace("2024-03-18T08:00Z", "1710748800000"),
        "is no Unix time in seconds; milliseconds",
    ),
    "words in numbers": ("telemetry", TELEMETRY + sample(volt="high"), "voltage_v: 'high' is not a number"),
    "millivolts": ("telemetry", TELEMETRY + sample(volt=380_000) * 20, "look like mV. Nothing was converted"),
}


@pytest.mark.parametrize("case", TABLES)
def test_a_hostile_table_is_refused(depot: Workspace, tmp_path: Path, case: str) -> None:
    dataset, content, message = TABLES[case]
    path = tmp_path / "file.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(depot, dataset, path, message)


PACKED = gzip.compress(GOOD.encode())
GZIPS = {
    "bomb": (gzip.compress(bytes(2**26)), "NUL bytes"),
    "bomb in many members": (gzip.compress(bytes(2**20)) * 40, "NUL bytes"),
    "cut short": (PACKED[:-9], "is not whole gzip: it ends too early"),
    "more behind it": (PACKED + b"GET /", "is not whole gzip"),
    "spoilt": (PACKED[:20] + b"\xff\xff" + PACKED[22:], "is not whole gzip"),
    "empty inside": (gzip.compress(b""), "is empty"),
    "gzip in gzip": (gzip.compress(PACKED), "not UTF-8|NUL bytes"),
}


@pytest.mark.parametrize("case", GZIPS)
def test_a_hostile_gzip_is_refused(depot: Workspace, tmp_path: Path, case: str) -> None:
    content, message = GZIPS[case]
    path = tmp_path / "file.csv.gz"
    path.write_bytes(content)
    refused(depot, "telemetry", path, message)


LOGS = {
    "deep": ("[" * 100_000 + "]" * 100_000, "nested deeper than 32 levels"),
    "deep in a line": ('[2, "a", "Heartbeat", ' + '{"x": ' * 50 + "1" + "}" * 51 + "]", "32 levels|not JSON"),
    "not a number": ('[2, "a", "Heartbeat", {"x": Infinity}]', "Infinity is no JSON number"),
    "a number of 10,000 digits": ('[2, "a", "Heartbeat", {"x": ' + "9" * 10_000 + "}]", "row 1: is not JSON"),
    "cut short": ('[2, "a", "Heartbeat", {', "is not JSON"),
    "a token that is a tag": (
        json.dumps(
            [
                2,
                "a",
                "TransactionEvent",
                {
                    "eventType": "Started",
                    "timestamp": "2024-03-18T08:00:00Z",
                    "transactionInfo": {"transactionId": "t"},
                    "idToken": {"idToken": "<b>"},
                    "meterValue": [
                        {
                            "timestamp": "2024-03-18T08:00:00Z",
                            "sampledValue": [
                                {"measurand": "SoC", "value": 20},
                                {"measurand": "SoC", "value": 20},
                            ],
                        }
                    ],
                },
            ]
        )
        + '\n[2, "b", "TransactionEvent", {"eventType": "Ended", "timestamp": "2024-03-18T09:00:00Z", '
        '"transactionInfo": {"transactionId": "t"}}]',
        "row 1, column battery_id: '<b>' is not an id",
    ),
}


@pytest.mark.parametrize("case", LOGS)
def test_a_hostile_log_is_refused(depot: Workspace, tmp_path: Path, case: str) -> None:
    content, message = LOGS[case]
    path = tmp_path / "log.jsonl"
    path.write_text(content)
    refused(depot, "sessions", path, message, source="ocpp")


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
DOCUMENTS = {
    "entity bomb": f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]><x>&l9;</x>',
    "external entity": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
    "external type": '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><x/>',
}


@pytest.mark.parametrize("case", DOCUMENTS)
def test_a_hostile_document_is_refused(depot: Workspace, tmp_path: Path, case: str) -> None:
    path = tmp_path / "a44.xml"
    path.write_text(DOCUMENTS[case])
    refused(depot, "prices", path, "a document type or entities, which is refused", source="entsoe")


def test_no_id_that_is_ingested_can_be_a_formula_in_a_spreadsheet() -> None:
    ids = [column for contract in DATASETS.values() for column in contract if column.pattern is not None]
    assert {"battery_id", "session_id", "site_id"} <= {column.name for column in ids}
    for column in ids:
        assert not [mark for mark in "=+-@\t\r\n|%" if re.fullmatch(str(column.pattern), f"{mark}1")]


def test_of_several_files_one_that_is_bad_keeps_all_out(depot: Workspace, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text(GOOD)
    bad.write_text(TELEMETRY + sample(volt="x"))
    before = (depot.root / "warehouse.duckdb").read_bytes()
    with pytest.raises(Exception, match=r"bad\.csv, row 1, column voltage_v: 'x' is not a number"):
        ingest(Context.of(depot, AS_OF), "telemetry", [good, bad])
    assert (depot.root / "warehouse.duckdb").read_bytes() == before


HARMLESS = {
    "as it should be": GOOD.encode(),
    "a byte-order mark": ("\ufeff" + GOOD).encode(),
    "both line ends": GOOD.replace("\n", "\r\n", 1).encode(),
    "old line ends": GOOD.replace("\n", "\r").encode(),
    "blank lines": ("\n\n" + GOOD.replace("\n", "\n\n")).encode(),
    "quotes": GOOD.replace(CAR, f'"{CAR}"').encode(),
    "blanks around": GOOD.replace(CAR, f" {CAR} ").encode(),
    "gzip": PACKED,
    "gzip in two members": gzip.compress(TELEMETRY.encode()) + gzip.compress(sample().encode()),
    "an offset": (TELEMETRY + sample(time="2024-03-18T09:00:00+01:00")).encode(),
    "an exponent": (TELEMETRY + sample(volt="3.8e2", amp="-5e0")).encode(),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_what_is_merely_unusual_lands_as_it_was_meant(tmp_path: Path, case: str) -> None:
    from warehouse.sources import read_source

    path = tmp_path / "file.csv"
    path.write_bytes(HARMLESS[case])
    (row,) = read_source("telemetry", path).frame.to_dict("records")
    assert (row["battery_id"], row["voltage_v"], row["current_a"]) == (CAR, 380.0, -5.0)
    assert row["time_utc"].isoformat() == "2024-03-18T08:00:00+00:00"
