"""An owner is erased: nothing in any file of the workspace tells of the cars, and the others go on."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.erasure.journal import FILE as JOURNAL
from flows.errors import UsageError
from flows.stages import Context
from flows.stages.check import check
from flows.stages.erase import erase
from flows.stages.inbox import ingest_inbox
from flows.stages.ledger import export_ledger, make_key, verify_ledger
from flows.stages.plan import plan
from flows.stages.publish import publish
from flows.stages.statement import statement
from flows.status import status_of
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, ZONE, begun, copied, put, session_rows
from tests.flows.test_realise import NEXT, OVER, account, followed, nights
from tests.flows.test_settle import SHARED, agreed, rows_of, settled
from tests.flows.test_settle_terms import priced
from tests.flows.told_of import OWNER, TELLING, scatter, telling
from warehouse.pseudonymous import export_pseudonymous
from warehouse.pseudonyms import rotate
from warehouse.zones import market_day_slots

_COMMAND = "import sys; from flows.cli import main; sys.argv = ['v2g', *sys.argv[1:]]; main()"


def both(workspace: Workspace) -> Workspace:
    """One contract for both cars, and what an operator may have lying around of them."""
    workspace = agreed(workspace, SHARED.replace('["car-1"]', '["car-1", "car-2"]'))
    owners = workspace.root / "owners.toml"
    owners.write_text(
        f'["{OWNER}"]\nbatteries = ["car-1"]\n[berta]\nbatteries = ["car-2"]\n', encoding="utf-8"
    )
    owners.chmod(0o600)
    return workspace


@pytest.fixture(scope="module")
def lived_around(calibrated_depot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    around = tmp_path_factory.mktemp("lived")
    workspace = both(begun(calibrated_depot, around))
    nights(workspace)
    later = session_rows(NEXT + timedelta(days=2)).iloc[1:]
    told = later.assign(
        session_id=["anna-stay-17", "berta-stay-4"], odometer_km=[918273.5, 5.5], energy_kwh=[17.777, 3.0]
    )
    file = workspace.inbox / "sessions__csv__car-1-and-others.csv"
    told.to_csv(file, index=False)
    ingest_inbox(Context.of(workspace, AS_OF + timedelta(days=1)))
    check(Context.of(workspace, AS_OF + timedelta(days=1)))
    followed(workspace)
    account(workspace)
    settled(workspace)
    publish(Context.of(workspace, OVER), DAY)
    make_key(workspace, "example.org/depot")
    export_ledger(Context.of(workspace, OVER), workspace.exports / "log of all", [])
    export_ledger(Context.of(workspace, OVER), workspace.exports / "log of berta", ["car-2"])
    statement(Context.of(workspace, OVER), "car-1", DAY.replace(day=1), out=None, encrypt_for=None)
    workspace.warehouse.backup(workspace.root / "backups" / "20240322T000000Z.duckdb")
    workspace.warehouse.snapshot(workspace.root / "notebooks.duckdb")
    workspace.warehouse.export(workspace.exports / "lake")
    export_pseudonymous(
        workspace.warehouse,
        workspace.exports / "research",
        ["core_session"],
        rotate(workspace.root, "r", keep=False),
    )
    scatter(workspace)
    return around


@pytest.fixture
def lived(lived_around: Path, tmp_path: Path) -> Workspace:
    return copied(lived_around, tmp_path)


def erased(workspace: Workspace) -> Workspace:
    result = erase(Context.of(workspace, OVER), OWNER)
    assert (result.status, result.exit_code) == ("ok", 0), result.message
    return Workspace.open(workspace.root)


def test_no_file_tells_of_the_owner_any_more(lived: Workspace) -> None:
    before = telling(lived.root)
    assert len(before) > 30 and {one for held in before.values() for one in held} == set(TELLING)
    workspace = erased(lived)
    assert telling(workspace.root) == {}
    log = workspace.warehouse.read("out_erasure")
    assert log["batteries"].tolist() == [1] and log["ledger_entries"].tolist() == [2]
    assert not (workspace.root / JOURNAL).exists()


def test_what_is_of_others_stays_as_it_was(lived: Workspace) -> None:
    store = lived.warehouse
    tables = (
        "core_session",
        "raw_session",
        "core_battery",
        "out_plan_slot",
        "out_realised_car",
        "out_calibration",
    )
    before = {one: store.read(one) for one in tables}
    plans, days = store.read("out_plan"), store.read("out_realised")
    workspace = erased(lived)
    for name, rows in before.items():
        own = rows[rows["battery_id"] == "car-2"].reset_index(drop=True)
        assert len(own) and len(own) < len(rows)
        pd.testing.assert_frame_equal(workspace.warehouse.read(name), own)
    for name, rows in (("out_plan", plans), ("out_realised", days)):
        now = workspace.warehouse.read(name)
        numbers = rows.select_dtypes("number").columns
        pd.testing.assert_frame_equal(now[numbers], rows[numbers])  # totals of the fleet
    root = workspace.root
    assert "car-2" in (root / "exports/status.json").read_text()
    assert (root / "exports/notes.txt").read_text() == "car-2 did not\n"
    assert gzip.decompress((root / "exports/old.csv.gz").read_bytes()) == b"battery_id,kwh\ncar-2,4\n"
    assert '"b7" = "car-2"' in (root / "mappings/wallbox.toml").read_text()
    assert tomllib.loads((root / "mappings/inline.toml").read_text()) == {"batteries": {"b7": "car-2"}}
    assert tomllib.loads((root / "gateway.toml").read_text()) == {"cars": {"B7": "car-2"}}
    journal = [json.loads(line) for line in (root / "gateway/journal.jsonl").read_text().splitlines()]
    assert [one["s"] for one in journal[:-1]] == ["CS2"] and journal[-1]["book"]["transactions"] == []
    # its contract named the car, and what is signed cannot be changed: it is exported anew
    assert not (root / "exports" / "log of berta").exists()
    assert (workspace.reports / str(DAY) / "batteries" / "car-2.html").exists()
    lake = pd.read_parquet(root / "exports/lake/core_session/data.parquet")
    assert set(lake["battery_id"]) == {"car-2"}
    assert len(pd.read_parquet(root / "exports/research/core_session.parquet")) == len(lake)
    for copy in ("backups/20240322T000000Z.duckdb", "notebooks.duckdb"):
        with duckdb.connect(str(root / copy), read_only=True) as connection:
            assert connection.execute("SELECT DISTINCT battery_id FROM core_session").fetchall() == [
                ("car-2",)
            ]
    rows = workspace.warehouse.check_backup(root / "backups/20240322T000000Z.duckdb")
    assert rows["core_battery"] == 1


def test_the_ledger_verifies_and_names_what_was_erased(lived: Workspace, tmp_path: Path) -> None:
    root = verify_ledger(lived.exports / "log of all", key=None, witnesses=(), since=None).details["root"]
    checkpoint = shutil.copy(lived.exports / "log of all" / "checkpoint", tmp_path / "earlier")
    entries = lived.warehouse.read("out_ledger")
    theirs = entries.loc[entries["battery_id"] == "car-1", "entry_index"].tolist()
    workspace = erased(lived)
    after = workspace.warehouse.read("out_ledger")
    assert after["commitment"].tolist() == entries["commitment"].tolist()
    gone = after["opening"] == ""
    assert after.loc[gone, "entry_index"].tolist() == theirs and (after.loc[gone, "salt"] == "").all()
    export_ledger(Context.of(workspace, OVER), tmp_path / "log", [])
    proved = verify_ledger(tmp_path / "log", key=None, witnesses=(), since=Path(checkpoint))
    assert proved.details["root"] == root and proved.details["erased"] == theirs
    assert proved.details["opened"] == len(entries) - len(theirs)
    assert len(proved.details["contracts_scrubbed"]) == 1 and "erased at their owner's wish" in proved.message
    # who claims that an entry was erased, or leaves one out untold, is found out
    said = (tmp_path / "log" / "erased.json").read_text()
    for changed in (said.replace(f"[{theirs[0]},", "["), said.replace("}\n", " }\n"), ""):
        (tmp_path / "log" / "erased.json").write_text(changed)
        assert CliRunner().invoke(app, ["ledger", "verify", str(tmp_path / "log")]).exit_code != 0
    export_ledger(Context.of(workspace, OVER), tmp_path / "own", ["car-2"])
    again = verify_ledger(tmp_path / "own", key=None, witnesses=(), since=Path(checkpoint))
    assert again.details["erased"] == theirs


def test_the_others_are_planned_accounted_for_settled_and_told_of(lived: Workspace) -> None:
    workspace = erased(lived)
    late = OVER + timedelta(hours=1)
    assert plan(Context.of(workspace, late), NEXT + timedelta(days=2)).exit_code in (0, 3)
    assert account(workspace, as_of=late).exit_code == 0
    assert settled(workspace, as_of=late).exit_code == 0
    assert set(rows_of(workspace)["battery_id"]) == {"car-2"}
    assert status_of(workspace, late)
    export_ledger(Context.of(workspace, late), workspace.exports / "log", [])
    assert verify_ledger(workspace.exports / "log", key=None, witnesses=(), since=None).exit_code == 0
    made = statement(Context.of(workspace, late), "car-2", DAY.replace(day=1), out=None, encrypt_for=None)
    assert made.exit_code == 0
    assert telling(workspace.root) == {}


def metered(workspace: Workspace, kwh: dict[str, float], at: datetime) -> None:
    """What the cars' meters counted in each quarter-hour of the day, drawn or fed back (< 0)."""
    slots = market_day_slots(DAY, ZONE).strftime("%Y-%m-%dT%H:%M:%SZ")
    frames = [
        pd.DataFrame(
            {
                "battery_id": car, "interval_start_utc": slots, "import_kwh": max(net, 0.0),
                "export_kwh": max(-net, 0.0),
            }
        )
        for car, net in kwh.items()
    ]  # fmt: skip
    put(workspace, "metering", pd.concat(frames), as_of=at)
    check(Context.of(workspace, at))


def test_the_side_of_two_imbalance_prices_stays_when_who_made_it_is_gone(lived: Workspace) -> None:
    """The erased car drew far more than planned: all were short, the other one's surplus is paid so."""
    before, late = OVER + timedelta(hours=1), OVER + timedelta(hours=3)
    metered(lived, {"car-1": 2.0, "car-2": -0.5}, before)
    priced(lived, 0.05, 0.5, as_of=before)
    account(lived, DAY, as_of=before)
    settled(lived, DAY, as_of=before)
    owed = float(rows_of(lived).query("sequence == 2 and battery_id == 'car-2'")["imbalance_eur"].item())
    assert owed > 0.5
    assert erase(Context.of(lived, before + timedelta(hours=1)), OWNER).exit_code == 0
    workspace = Workspace.open(lived.root)
    for number in range(2):  # the first of them is what the second goes on from
        at = late + timedelta(hours=number)
        metered(workspace, {"car-2": -0.49 if number else -0.5}, at)
        account(workspace, DAY, as_of=at)
        assert settled(workspace, DAY, as_of=at).exit_code == 0
    newest = rows_of(workspace).iloc[-1]
    assert newest["battery_id"] == "car-2" and newest["sequence"] > 2
    sides = workspace.warehouse.read("out_imbalance_side", where={"settlement_id": newest["settlement_id"]})
    short = int((sides["side"] == "short").sum())
    assert len(sides) == 96 and short > 48, "alone it is long in most of them"
    less = 0.01 * (0.5 * short + 0.05 * (96 - short))
    assert newest["imbalance_eur"] == pytest.approx(owed - less, abs=0.0101)
    assert telling(workspace.root) == {}


def state_of(root: Path) -> dict[str, str]:
    """Every file, and every table's rows; not what tells of runs, erasures and writes, nor when.

    Of the workspace's own pages only that they are there: they say at what moment they were made,
    which is the clock's where the command itself came to its end, and how many stages ended until then.
    """
    found = {}
    for path in sorted(root.rglob("*")):
        passing = path.suffix in (".duckdb", ".erased") or {".prefect", "openlineage"} & set(path.parts)
        if path.is_file() and not passing:
            own_page = path.parent == root / "reports"
            found[str(path.relative_to(root))] = "" if own_page else path.read_bytes().decode("latin-1")
        if path.suffix == ".duckdb":
            with duckdb.connect(str(path), read_only=True) as connection:
                names = [
                    row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
                ]
                for name in sorted({*names} - {"out_erasure", "out_run", "meta_schema"}):
                    rows = connection.table(name).order("ALL").fetchall()
                    found[f"{path.name}:{name}"] = repr(rows)
    return found


def test_killed_anywhere_the_same_again_ends_in_the_same(lived: Workspace, tmp_path: Path) -> None:
    straight = Workspace.open(Path(shutil.copytree(lived.root, tmp_path / "straight" / "depot")))
    wanted = state_of(erased(straight).root)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    begun_at = set()
    for number, wait_s in enumerate((0.0, 0.6, 1.8, 6.0)):
        copy = Path(shutil.copytree(lived.root, tmp_path / str(number) / "depot"))
        words = [sys.executable, "-c", _COMMAND, "privacy", "erase", OWNER, "-w", str(copy)]
        process = subprocess.Popen(
            words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
        )
        deadline = time.monotonic() + 120
        while not (copy / JOURNAL).exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(wait_s)
        process.send_signal(signal.SIGKILL)
        process.wait()
        begun_at.add((copy / JOURNAL).exists())
        again = Workspace.open(copy)
        assert erase(Context.of(again, OVER), OWNER).exit_code == 0
        assert telling(copy) == {}
        assert state_of(copy) == wanted
        assert len(Workspace.open(copy).warehouse.read("out_erasure")) == 1
    assert True in begun_at


def test_again_it_changes_nothing_and_says_so(lived: Workspace) -> None:
    workspace = erased(lived)
    before = state_of(workspace.root)
    again = erase(Context.of(workspace, OVER), OWNER)  # the name is in no file any more
    assert again.exit_code == 0 and "nothing is held" in again.message
    assert state_of(workspace.root) == before and len(workspace.warehouse.read("out_erasure")) == 1
    assert OWNER not in again.message and "car-1" not in again.message


def test_another_car_whose_id_holds_the_erased_one_stays(lived: Workspace) -> None:
    rows = (
        lived.warehouse.read("core_battery")
        .iloc[[1]]
        .drop(columns=["source_id", "received_utc", "source_row"])
    )
    put(lived, "fleet", rows.assign(battery_id="car-1-b"), as_of=OVER)
    check(Context.of(lived, OVER))
    (lived.exports / "b.json").write_text(
        json.dumps([{"battery_id": "car-1-b"}, {"note": "car-1-b beside car-1"}])
    )
    workspace = erased(lived)
    assert "car-1-b" in set(workspace.warehouse.read("core_battery")["battery_id"])
    assert json.loads((workspace.exports / "b.json").read_text()) == [
        {"battery_id": "car-1-b"}, {"note": "car-1-b beside erased"},
    ]  # fmt: skip


def test_a_contract_that_holds_nobody_any_more_goes(lived: Workspace) -> None:
    rest = SHARED.replace('["car-1"]', '["car-2"]').replace('"shared"', '"rest"')
    workspace = agreed(lived, SHARED)
    settings = (workspace.root / "v2g.toml").read_text()
    (workspace.root / "rest.toml").write_text(rest)
    (workspace.root / "v2g.toml").write_text(
        settings.replace('["contract 0.toml"]', '["contract 0.toml", "rest.toml"]')
    )
    workspace = erased(Workspace.open(workspace.root))
    assert workspace.settings.settle.contracts == ["rest.toml"]
    assert not (workspace.root / "contract 0.toml").exists()


def test_all_cars_of_an_owner_go_at_once(lived: Workspace) -> None:
    owners = lived.root / "owners.toml"
    owners.write_text(f'[{OWNER}]\nbatteries = ["car-1", "car-2"]\nsites = ["yard"]\n', encoding="utf-8")
    result = erase(Context.of(lived, OVER), OWNER)
    assert result.exit_code == 0 and f"pages of {DAY} are gone" in result.message
    workspace = Workspace.open(lived.root)
    assert telling(lived.root) == {}
    for table in ("core_battery", "core_site", "raw_site", "out_plan_site_slot", "out_plan_car"):
        assert workspace.warehouse.read(table).empty
    assert len(workspace.warehouse.read("out_plan")) == 2  # totals of the fleet
    assert workspace.settings.settle.contracts == []


def test_a_site_of_others_is_not_an_owners_own(lived: Workspace) -> None:
    owners = lived.root / "owners.toml"
    owners.write_text(f'[{OWNER}]\nbatteries = ["car-1"]\nsites = ["yard"]\n', encoding="utf-8")
    with pytest.raises(UsageError, match="car-2 of another owner plugs in at a site"):
        erase(Context.of(lived, OVER), OWNER)


def test_a_car_that_is_called_like_a_word_of_ours_leaves_the_others_words(lived: Workspace) -> None:
    rows = (
        lived.warehouse.read("core_battery")
        .iloc[[1]]
        .drop(columns=["source_id", "received_utc", "source_row"])
    )
    put(lived, "fleet", rows.assign(battery_id="ordered"), as_of=OVER)
    check(Context.of(lived, OVER))
    modes, stays = (lived.warehouse.read(one) for one in ("out_plan_mode", "out_realised_car"))
    assert erase(Context.of(lived, OVER), "ordered").exit_code == 0
    store = Workspace.open(lived.root).warehouse
    pd.testing.assert_frame_equal(store.read("out_plan_mode"), modes)
    pd.testing.assert_frame_equal(store.read("out_realised_car"), stays)
    assert set(store.read("core_battery")["battery_id"]) == {"car-1", "car-2"}
