from pathlib import Path

from flows.stages import new_run_id
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

    result = ingest_inbox(workspace, AS_OF, new_run_id(AS_OF))

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

    assert ingest_inbox(workspace, AS_OF, new_run_id(AS_OF)).message == "the inbox is empty"


def test_a_file_that_comes_again_does_not_bury_the_first(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "depot", zone=ZONE)
    for _ in range(2):
        site_rows().to_csv(workspace.inbox / "sites__csv__a.csv", index=False)
        ingest_inbox(workspace, AS_OF, new_run_id(AS_OF))
    assert len(list((workspace.inbox / "done").iterdir())) == 2
    assert len(workspace.warehouse.unchecked("sites")) == 1
