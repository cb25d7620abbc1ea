"""What an operator may have lying around of an owner, and whether any file still tells of them."""

from __future__ import annotations

import gzip
import json
import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path

import duckdb
import pandas as pd

from flows.workspace import Workspace

OWNER = "anna-example"
TELLING = (OWNER, "car-1", "token-of-anna", "anna-stay-17", "918273.5", "17.777")
"""Names, a session, an odometer and an energy that are this owner's alone."""


def scatter(workspace: Workspace) -> None:
    """Files of every kind that a workspace can hold, each with something of the owner's and of others."""
    root = workspace.root
    (root / "mappings").mkdir(exist_ok=True)
    texts = {
        "mappings/wallbox.toml": '# of anna-example\nsource = "ocpp"\n[batteries]\n'
        '"token-of-anna" = "car-1"\n"b7" = "car-2"\n',
        "gateway.toml": '[cars]\n"token-of-anna" = "car-1"\nB7 = "car-2"\n',
        "mappings/inline.toml": 'batteries = { "token-of-anna" = "car-1", "b7" = "car-2" }\n',
        "exports/status.json": json.dumps(
            {"cars": [{"battery_id": "car-1", "kwh": 17.777}, {"battery_id": "car-2"}]}
        ),
        "exports/notes.txt": "car-1 came late, 17.777 kWh\ncar-2 did not\n",
        "inbox/telemetry__csv__new.csv.part": "battery_id,odometer\ncar-1,918273.5\ncar-2,7\n",
        "gateway/journal.jsonl": "".join(
            json.dumps(one) + "\n"
            for one in (
                {
                    "k": "m",
                    "s": "CS1",
                    "a": "StartTransaction",
                    "p": {"idTag": "token-of-anna"},
                    "r": {"tx": 7},
                },
                {"k": "m", "s": "CS1", "a": "MeterValues", "p": {"transactionId": 7, "value": 17.777}},
                {"k": "m", "s": "CS2", "a": "MeterValues", "p": {"transactionId": 7, "value": 3.5}},
                {
                    "k": "snapshot",
                    "book": {"transactions": [{"car": {"battery_id": "car-1"}, "points": [17.777]}]},
                },
            )
        ),
        "exports/twin-car-1.json": '{"r0_ohm": 17.777}',
        f".warehouse.duckdb.{dead_process()}.partial": "car-1 17.777",
    }
    for name, text in texts.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    (root / "exports/old.csv.gz").write_bytes(gzip.compress(b"battery_id,kwh\ncar-1,17.777\ncar-2,4\n"))
    with zipfile.ZipFile(root / "exports/sheet.xlsx", "w", zipfile.ZIP_DEFLATED) as sheet:
        sheet.writestr("xl/sharedStrings.xml", "<t>car-1</t><t>17.777</t>")
    (root / ".prefect").mkdir(exist_ok=True)
    with sqlite3.connect(root / ".prefect" / "prefect.db") as database:
        database.execute("CREATE TABLE log (message TEXT)")
        database.execute("INSERT INTO log VALUES ('calibrated car-1')")


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def told_by(path: Path) -> str:
    """All that a file says, whatever it is packed in, every value of a database as text."""
    data = path.read_bytes()
    if path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as connection:
            tables = [
                row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
            ]
            rows = [repr(connection.table(one).fetchall()) for one in tables]
        return "\n".join(rows) + data.decode("latin-1")
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    if path.suffix == ".parquet":
        return pd.read_parquet(path).to_csv() + data.decode("latin-1")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return "".join(archive.read(one).decode("latin-1") for one in archive.namelist())
    return data.decode("latin-1")


def telling(root: Path) -> dict[str, list[str]]:
    """Files that tell of the owner, by name or by what they hold, and how."""
    found = {}
    for path in sorted(root.rglob("*")):
        text = str(path.relative_to(root)) + (told_by(path) if path.is_file() else "")
        if held := [one for one in TELLING if one in text]:
            found[str(path.relative_to(root))] = held
    return found
