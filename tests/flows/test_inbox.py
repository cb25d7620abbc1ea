import os
from pathlib import Path

from flows.stages import Context
from flows.stages.check import check
from flows.stages.inbox import ingest_inbox
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, ZONE, fleet_rows, price_rows, session_rows, site_rows


def test_good_files_are_taken_in_order_and_bad_ones_set_aside_with_the_reason(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "depot", zone=ZONE)
    inbox = workspace.inbox
    session_rows().to_csv(inbox / "sessions__csv__a.csv", index=False)
    fleet_rows().to_csv(inbox / "fleet__csv__a.csv", index=False)
    site_rows().to_csv(inbox / "sites__csv__a.csv", index=False)
    price_rows(DAY, 1).drop(columns="zone").to_csv(inbox / "prices__csv__no-zone.csv", index=False)
    (inbox / "notes.txt").write_text("not a name that says what it holds", encoding="utf-8")
    price_rows(DAY, 1).to_csv(inbox / "prices__csv__b.csv.part", index=False)

    result = ingest_inbox(Context.of(workspace, AS_OF))

    assert result.status == "degraded"
    outcome = {row["file"]: row["outcome"] for row in result.tables["inbox"]}
    assert outcome == {
        "sites__csv__a.csv": "landed",
        "fleet__csv__a.csv": "landed",
        "sessions__csv__a.csv": "landed",
        "prices__csv__no-zone.csv": "refused",
        "notes.txt": "refused",
    }
    left = {path.relative_to(inbox).as_posix() for path in inbox.rglob("*") if path.is_file()}
    assert left == {
        "prices__csv__b.csv.part",
        "done/sites__csv__a.csv",
        "done/fleet__csv__a.csv",
        "done/sessions__csv__a.csv",
        "refused/prices__csv__no-zone.csv",
        "refused/prices__csv__no-zone.csv.reason.txt",
        "refused/notes.txt",
        "refused/notes.txt.reason.txt",
    }
    assert "zone" in (inbox / "refused/prices__csv__no-zone.csv.reason.txt").read_text(encoding="utf-8")
    assert len(workspace.warehouse.unchecked("sessions")) == 3

    assert ingest_inbox(Context.of(workspace, AS_OF)).message == "the inbox is empty"


def test_a_file_that_comes_again_does_not_bury_the_first(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "depot", zone=ZONE)
    for _ in range(2):
        site_rows().to_csv(workspace.inbox / "sites__csv__a.csv", index=False)
        ingest_inbox(Context.of(workspace, AS_OF))
    assert len(list((workspace.inbox / "done").iterdir())) == 2
    assert len(workspace.warehouse.unchecked("sites")) == 1


def test_of_one_kind_what_was_written_later_is_taken_later_whatever_its_name(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "depot", zone=ZONE)
    site_rows().to_csv(workspace.inbox / "sites__csv__a.csv", index=False)
    fleet_rows().to_csv(workspace.inbox / "fleet__csv__a.csv", index=False)
    first, corrected = workspace.inbox / "sessions__csv__b.csv", workspace.inbox / "sessions__csv__a.csv"
    session_rows().to_csv(first, index=False)
    session_rows().assign(departure_soc=0.9).to_csv(corrected, index=False)
    os.utime(first, (1_700_000_000, 1_700_000_000))
    ingest_inbox(Context.of(workspace, AS_OF))
    check(Context.of(workspace, AS_OF))
    assert set(workspace.warehouse.read("core_session")["departure_soc"]) == {0.9}


def test_a_name_that_is_a_mappings_is_read_as_it_says(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "depot", zone=ZONE)
    site_rows().to_csv(workspace.inbox / "sites__csv__a.csv", index=False)
    fleet_rows().to_csv(workspace.inbox / "fleet__csv__a.csv", index=False)
    first = str(fleet_rows()["battery_id"].iloc[0])
    rows = session_rows().query("battery_id == @first").assign(battery_id="their car")
    rows.rename(columns={"battery_id": "Car"}).to_csv(
        workspace.inbox / "sessions__theirs__may.csv", index=False
    )
    rows.to_csv(workspace.inbox / "sessions__others__may.csv", index=False)
    workspace.mappings.mkdir()
    (workspace.mappings / "theirs.toml").write_text(
        f'[columns.battery_id]\nfrom = "Car"\nvalues = {{ "their car" = "{first}" }}\n', encoding="utf-8"
    )

    result = ingest_inbox(Context.of(workspace, AS_OF))

    outcome = {row["file"]: row["outcome"] for row in result.tables["inbox"]}
    assert outcome["sessions__theirs__may.csv"] == "landed"
    assert outcome["sessions__others__may.csv"] == "refused"
    assert set(workspace.warehouse.unchecked("sessions")["battery_id"]) == {first}


def test_what_is_no_file_or_has_no_decent_name_is_set_aside_and_shown_safely(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "depot", zone=ZONE)
    inbox = workspace.inbox
    os.mkfifo(inbox / "telemetry__csv__pipe.csv")
    (inbox / "telemetry__csv__zero.csv").symlink_to("/dev/zero")
    (inbox / "telemetry__csv__gone.csv").symlink_to(tmp_path / "nowhere")
    for name in ("telemetry__csv__\x1b[31m\n<b>.csv", "x" * 250, "no\x1bname", "prices__csv__\udcff.csv"):
        (inbox / name).write_bytes(b"zone\n")

    result = ingest_inbox(Context.of(workspace, AS_OF))

    rows = {row["file"]: row for row in result.tables["inbox"]}
    assert {row["outcome"] for row in rows.values()} == {"refused"}
    assert "it is a pipe, not a file" in rows["telemetry__csv__pipe.csv"]["reason"]
    assert "it is a symbolic link, not a file" in rows["telemetry__csv__zero.csv"]["reason"]
    assert "it is a symbolic link, not a file" in rows["telemetry__csv__gone.csv"]["reason"]
    assert {r"telemetry__csv__\x1b[31m\n<b>.csv", r"prices__csv__\udcff.csv", "x" * 250} <= set(rows)
    assert all(row["reason"].isprintable() for row in rows.values())
    assert [path.name for path in inbox.iterdir()] == ["refused"]
    assert len(list((inbox / "refused").glob("*.reason.txt"))) == len(rows) == 7


def test_no_file_of_the_inbox_is_written_over_by_another_or_its_reason(workspace: Workspace) -> None:
    long = "prices__csv__" + "x" * 200
    names = ["a.csv", "a.csv.reason.txt", f"{long}1.csv", f"{long}2.csv"]
    for _ in range(2):
        for name in names:
            (workspace.inbox / name).write_text(f"{name} is no price", encoding="utf-8")
        ingest_inbox(Context.of(workspace, AS_OF, "20240319T120000Z-aaaaaa"))
    refused = [path.read_text(encoding="utf-8") for path in (workspace.inbox / "refused").iterdir()]
    for name in names:
        assert refused.count(f"{name} is no price") == 2
    assert len(refused) == 2 * 2 * len(names)


def test_what_a_reader_left_out_of_a_file_that_was_ingested_is_reported_and_shortened(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "depot", zone=ZONE)
    extra = {f"colour {number}": "red" for number in range(7)}
    site_rows().assign(**extra).to_csv(workspace.inbox / "sites__csv__a.csv", index=False)
    fleet_rows().to_csv(workspace.inbox / "fleet__csv__a.csv", index=False)

    result = ingest_inbox(Context.of(workspace, AS_OF))

    assert (result.status, result.exit_code) == ("ok", 0)
    reasons = {row["file"]: row["reason"] for row in result.tables["inbox"]}
    assert reasons["fleet__csv__a.csv"] == ""
    assert reasons["sites__csv__a.csv"].startswith("column 'colour 0' was ignored; ")
    assert reasons["sites__csv__a.csv"].endswith("column 'colour 4' was ignored; and 2 more")
