"""What should never have been recorded is withdrawn: gone from the decision on, and as it was before it."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta

import pandas as pd
import pytest

from flows import cli
from flows.errors import NoPlanError, UsageError
from flows.stages import Context
from flows.stages.check import check
from flows.stages.ingest import ingest
from flows.stages.plan import plan
from flows.stages.quarantine import release
from flows.stages.record import StageResult
from flows.stages.withdraw import key_of, withdraw
from flows.status import status_of
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, put, session_rows, spoil
from warehouse.errors import ContractError, UnknownTableError
from warehouse.quarantine import Wanted, counted, quarantined
from warehouse.withdrawal import Action, Rows

HOUR = timedelta(hours=1)


def take(workspace: Workspace, rows: pd.DataFrame, hours: int = 0, dataset: str = "sessions") -> str:
    """Ingest and check a file that arrives some hours after AS_OF; its name."""
    at = AS_OF + hours * HOUR
    file = put(workspace, dataset, rows, as_of=at)
    check(Context.of(workspace, at))
    return file.name


def gone(workspace: Workspace, rows: Rows, hours: float, action: Action = "withdraw") -> StageResult:
    context = Context.of(workspace, AS_OF + hours * HOUR)
    return withdraw(context, rows, action=action, decided_by="ada", reason="never happened")


def held(workspace: Workspace, known_by: datetime | None = None, table: str = "core_session") -> list[str]:
    return sorted(workspace.warehouse.read(table, known_by=known_by)["session_id"])


def session(name: str) -> Rows:
    return Rows(dataset="sessions", key={"session_id": name})


def late(arrival: str = f"{DAY}T15:30:00Z") -> pd.DataFrame:
    return session_rows().iloc[[1]].assign(session_id="late", arrival_utc=arrival)


def test_a_session_that_never_was_is_gone_from_then_on_and_a_receipt_is_kept(workspace: Workspace) -> None:
    take(workspace, session_rows())
    result = gone(workspace, session("s2"), 2)
    assert (result.exit_code, result.details["rows"]) == (0, 1)
    assert "1 row of sessions withdrawn" in result.message
    assert held(workspace) == ["s1", "s3"]
    assert held(workspace, AS_OF + 3 * HOUR) == ["s1", "s3"]
    assert held(workspace, AS_OF + 1 * HOUR) == ["s1", "s2", "s3"]
    assert len(workspace.warehouse.read("raw_session")) == 3
    (known_rows,) = workspace.warehouse.read("core_withdrawal").to_dict("records")
    assert (known_rows["action"], known_rows["decided_by"], known_rows["reason"]) == (
        "withdraw",
        "ada",
        "never happened",
    )
    assert known_rows["decided_utc"] == pd.Timestamp(AS_OF + 2 * HOUR)
    with pytest.raises(UsageError, match="no row of sessions that counts"):
        gone(workspace, session("s2"), 3)


def test_no_later_check_and_no_file_sent_again_brings_it_back_but_a_person_does(workspace: Workspace) -> None:
    take(workspace, session_rows())
    gone(workspace, session("s2"), 2)
    take(workspace, session_rows(), 3)
    spoil(workspace, "UPDATE raw_source SET checked_utc = NULL WHERE dataset = 'sessions'")
    check(Context.of(workspace, AS_OF + 3 * HOUR))
    assert held(workspace) == ["s1", "s3"]
    gone(workspace, session("s2"), 4, "restore")
    assert held(workspace) == ["s1", "s2", "s3"]
    gone(workspace, session("s2"), 5)
    for hours, there in ((1, True), (3, False), (4.5, True), (6, False)):
        assert ("s2" in held(workspace, AS_OF + hours * HOUR)) == there
    assert workspace.warehouse.read("core_withdrawal")["action"].tolist() == [
        "withdraw", "restore", "withdraw",
    ]  # fmt: skip


def test_a_longer_export_that_tells_of_it_again_counts_and_says_so(workspace: Workspace) -> None:
    name = take(workspace, session_rows())
    gone(workspace, session("s2"), 2)
    longer = pd.concat([session_rows(), session_rows().iloc[[0]].assign(
        session_id="s9", arrival_utc="2024-03-25T18:00Z", departure_utc="2024-03-26T06:00Z")])  # fmt: skip
    file = workspace.root.parent / "longer.csv"
    longer.to_csv(file, index=False)
    answer = ingest(Context.of(workspace, AS_OF + 3 * HOUR), "sessions", [file])
    notes = [str(row["note"]) for row in answer.tables["notes"]]
    assert any("tells anew what was withdrawn" in note and "session_id=s2;" in note for note in notes), notes
    assert not any("session_id=s1" in note for note in notes)
    again = ingest(Context.of(workspace, AS_OF + 4 * HOUR), "sessions", [workspace.root.parent / name])
    assert "already ingested; 1 of its rows are withdrawn" in again.tables["files"][0]["state"]
    assert not again.tables["notes"]


def test_a_withdrawn_file_lets_what_it_had_replaced_come_forward(workspace: Workspace) -> None:
    take(workspace, session_rows())
    name = take(workspace, late(), 1)
    assert (held(workspace), held(workspace, table="core_session_superseded")) == (
        ["late", "s1", "s3"],
        ["s2"],
    )
    gone(workspace, Rows(dataset="sessions", source=name), 2)
    assert (held(workspace), held(workspace, table="core_session_superseded")) == (["s1", "s2", "s3"], [])
    assert held(workspace, AS_OF + 1.5 * HOUR) == ["late", "s1", "s3"]
    assert held(workspace, AS_OF + 0.5 * HOUR) == ["s1", "s2", "s3"]


def test_a_file_that_waits_is_never_let_in(workspace: Workspace) -> None:
    file = put(workspace, "sessions", session_rows(), as_of=AS_OF)
    gone(workspace, Rows(dataset="sessions", source=file.name, source_row=1), 1)
    check(Context.of(workspace, AS_OF + 2 * HOUR))
    assert held(workspace) == ["s2", "s3"]


def test_of_prices_the_belief_before_holds_again_and_earlier_knowledge_is_as_it_was(
    workspace: Workspace,
) -> None:
    prices = pd.DataFrame(
        {
            "zone": "DE-LU",
            "interval_start_utc": pd.date_range("2024-06-01T22:00Z", periods=24, freq="60min"),
            "resolution_minutes": 60,
            "price_eur_per_mwh": [50.0 + hour for hour in range(24)],
        }
    )
    take(workspace, prices, 0, "prices")
    wrong = take(
        workspace, prices.assign(price_eur_per_mwh=lambda rows: rows["price_eur_per_mwh"] + 9), 1, "prices"
    )

    def first(hours: float | None = None) -> float:
        known_by = None if hours is None else AS_OF + hours * HOUR
        read = workspace.warehouse.read("core_price", known_by=known_by)
        return round(1000 * float(read["price_eur_per_kwh"].iloc[0]), 6)

    assert first() == 59.0
    assert gone(workspace, Rows(dataset="prices", source=wrong), 2).details["rows"] == 24
    assert [first(), first(3), first(1.5), first(0.5)] == [50.0, 50.0, 59.0, 50.0]


def test_of_a_day_of_samples_the_others_stay(workspace: Workspace) -> None:
    starts = pd.date_range(f"{DAY}T00:00Z", periods=8, freq="15min")
    rows = pd.DataFrame(
        {"battery_id": "car-1", "interval_start_utc": starts, "import_kwh": 1.0, "export_kwh": 0.0}
    )
    take(workspace, rows, 48, "metering")
    key = key_of("metering", [f"interval_start_utc={starts[3].isoformat()}"], "car-1")
    gone(workspace, Rows(dataset="metering", key=key), 50)
    read = workspace.warehouse.read("core_metering")
    assert read["interval_start_utc"].tolist() == [*starts[:3], *starts[4:]]
    assert len(workspace.warehouse.read("core_metering", known_by=AS_OF + 49 * HOUR)) == 8


def test_what_is_withdrawn_is_in_no_quarantine_from_then_on(workspace: Workspace) -> None:
    rows = session_rows()
    take(workspace, rows.assign(departure_utc=[rows["arrival_utc"][0], *rows["departure_utc"][1:]]))
    wanted = Wanted(dataset="sessions")
    assert len(quarantined(workspace.warehouse, wanted)) == 1
    gone(workspace, Rows(dataset="sessions", key={"battery_id": "car-1"}), 2)
    later, before = AS_OF + 3 * HOUR, AS_OF + 1 * HOUR
    assert quarantined(workspace.warehouse, wanted).empty
    assert quarantined(workspace.warehouse, wanted, known_by=later).empty
    assert len(quarantined(workspace.warehouse, wanted, known_by=before)) == 1
    assert counted(workspace.warehouse, known_by=later).empty
    assert len(counted(workspace.warehouse, known_by=before)) == 1


def test_a_release_counts_from_its_decision_on_and_not_before(workspace: Workspace) -> None:
    rival = late().assign(session_id="rival", arrival_soc=0.9)
    take(workspace, pd.concat([session_rows(), rival]))
    assert held(workspace) == ["s1", "s3"]
    wanted = Wanted(dataset="sessions", rule="overlap", source_row=4)
    at = AS_OF + 2 * HOUR
    release(Context.of(workspace, at), wanted, action="release", decided_by="ada", reason="it is so")
    assert "rival" in held(workspace)
    assert "rival" in held(workspace, at)
    assert held(workspace, AS_OF + 1 * HOUR) == ["s1", "s3"]
    standing = Wanted(dataset="sessions", released=False)
    assert len(quarantined(workspace.warehouse, standing, known_by=AS_OF + 1 * HOUR)) == 2
    assert len(quarantined(workspace.warehouse, standing, known_by=at)) == 1
    undone = AS_OF + 4 * HOUR
    release(Context.of(workspace, undone), wanted, action="withdraw", decided_by="ada", reason="it is not")
    assert "rival" not in held(workspace)
    assert "rival" in held(workspace, AS_OF + 3 * HOUR)
    assert held(workspace, AS_OF + 1 * HOUR) == ["s1", "s3"]


def test_what_cannot_be_meant_is_refused(workspace: Workspace) -> None:
    with pytest.raises(ContractError, match="those of a file or of a key"):
        Rows(dataset="sessions")
    with pytest.raises(UnknownTableError, match="did you mean 'session_id'"):
        Rows(dataset="sessions", key={"session": "s1"})
    with pytest.raises(UsageError, match="is not NAME=VALUE of session_id, battery_id"):
        key_of("sessions", ["arrival_soc=1"], None)
    with pytest.raises(UsageError, match="tells no time"):
        key_of("prices", ["interval_start_utc=yesterday"], None)
    take(workspace, session_rows())
    with pytest.raises(ContractError, match="needs its reason"):
        withdraw(Context.of(workspace, AS_OF), session("s1"), action="withdraw", decided_by="a", reason=" ")


def test_the_command_line_withdraws_and_takes_it_back(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    take(workspace, session_rows())

    def ran(*arguments: str, reason: str = "no") -> tuple[int, str]:
        messages = ["--workspace", str(workspace.root), "--json", "--reason", reason]
        monkeypatch.setattr(sys, "argv", ["v2g", *arguments, *messages])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out + shown.err

    code, out = ran("withdraw", "sessions", "--key", "session_id=s1")
    assert (code, held(workspace)) == (0, ["s2", "s3"])
    assert "1 row of sessions withdrawn" in out
    assert json.loads(out)
    assert ran("withdraw", "sessions", "--key", "session_id=s1", "--undo")[0] == 0
    assert held(workspace) == ["s1", "s2", "s3"]
    assert ran("withdraw", "sessions")[0] == 2
    release_ = ("quarantine", "release", "sessions", "--rule", "order")
    for command in (("withdraw", "sessions", "--key", "session_id=s1"), release_):
        code, out = ran(*command, reason=" ")
        assert (code, "--reason is empty" in out) == (2, True), out
    assert ran("withdraw", "sessions", "--key", "session_id=nobody")[0] == 2


def test_a_plan_whose_sessions_were_withdrawn_since_is_outdated_until_there_is_a_new_one(
    workspace: Workspace,
) -> None:
    def state(hours: float) -> str:
        days = status_of(workspace, AS_OF + hours * HOUR)["days"]
        (found,) = (row["state"] for row in days if (row["market_date"], row["source"]) == (str(DAY), "plan"))
        return str(found)

    take(workspace, session_rows().iloc[:2])
    assert plan(Context.of(workspace, AS_OF), DAY).details["left_out"] == {}
    assert state(0) == "ok"
    gone(workspace, session("s1"), 1)
    assert (state(0), state(1)) == ("ok", "outdated")
    plan(Context.of(workspace, AS_OF + 2 * HOUR), DAY)
    assert state(2) == "ok", "made of what is left, though the rows it read surround what is gone"
    gone(workspace, session("s2"), 3)
    with pytest.raises(NoPlanError, match="no car is plugged in"):
        plan(Context.of(workspace, AS_OF + 4 * HOUR), DAY)
    assert state(4) == "outdated"
