"""`v2g ocpi` on a plan of the real stages, against a central system on loopback."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flows import cli
from flows.dispatch.ocpi.config import FILE_NAME
from flows.stages import Context
from flows.stages.check import check
from flows.stages.plan import plan
from flows.workspace import Workspace
from tests.flows.central_system import CALLBACK, TOKEN, CentralSystem, running, session_object
from tests.flows.conftest import AS_OF, DAY, begun, copied

CAME = datetime(2024, 3, 20, 16, tzinfo=UTC)
NOW = "2024-03-20T16:20Z"
THEN = ("--as-of", NOW, "--rehearsal")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def planned_around(calibrated_depot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plan without any station: chargers have a central system of their own."""
    around = tmp_path_factory.mktemp("planned")
    depot = begun(calibrated_depot, around)
    check(Context.of(depot, AS_OF))
    assert plan(Context.of(depot, AS_OF), DAY).exit_code == 0
    return around


@pytest.fixture
def system() -> Iterator[CentralSystem]:
    sessions = [session_object("one", "04A2", CAME), session_object("two", "XY", CAME)]
    with running(CentralSystem(sessions)) as it:
        yield it


@pytest.fixture
def depot(
    planned_around: Path, tmp_path: Path, system: CentralSystem, monkeypatch: pytest.MonkeyPatch
) -> Workspace:
    monkeypatch.setenv("OCPI_TOKEN", TOKEN)
    monkeypatch.setenv("OCPI_CALLBACK_TOKEN", CALLBACK)
    depot = copied(planned_around, tmp_path)
    (depot.root / FILE_NAME).write_text(
        f'versions_url = "{system.base}/ocpi/versions"\nfrom_party = "DE*V2G"\nto_party = "NL*TNM"\n'
        'listen = "127.0.0.1:0"\n[cars]\n"04a2" = "car-1"\n'
    )
    return depot


@pytest.fixture
def run(depot: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: object) -> tuple[int, str, str]:
        given = ["v2g", "ocpi", *map(str, words), "--workspace", str(depot.root)]
        monkeypatch.setattr(sys, "argv", given)
        with pytest.raises(SystemExit) as left:
            cli.main()
        printed = capsys.readouterr()
        return int(left.value.code or 0), printed.out, printed.err

    return call


def test_the_plan_in_force_goes_to_the_session_of_its_car(
    run: Run, system: CentralSystem, depot: Workspace
) -> None:
    code, out, err = run("push", *THEN, "--json")
    payload = json.loads(out)
    assert code == 0, payload
    (row,) = payload["sessions"]
    assert (row["session_id"], row["battery_id"], row["planned_session_id"]) == ("one", "car-1", "s2")
    assert row["status"] == "accepted"
    assert system.profiles == {"one": row["profile"]}
    assert system.faults == []
    known = Context.of(depot, AS_OF).known
    slots = known.read(
        "out_plan_slot", where={"plan_id": row["plan_id"], "mode": "v2g", "battery_id": "car-1"}
    )
    slots = slots[slots["interval_start_utc"] >= "2024-03-20T16:15Z"]
    assert row["not_fed_back_kwh"] == pytest.approx(slots["power_kw"].clip(upper=0).sum() / -4, abs=1e-6)
    assert row["not_fed_back_kwh"] > 1.0, "or this plan shows nothing"
    assert payload["not_fed_back_eur"] == row["not_fed_back_eur"] > 0.0
    assert payload["strangers"] == [{"session_id": "two", "evse_uid": "3256"}]
    assert not any(secret in out + err for secret in (TOKEN, CALLBACK))


def test_a_dry_run_with_a_file_asks_nobody(
    run: Run, system: CentralSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OCPI_TOKEN")
    file = tmp_path / "sessions.json"
    file.write_text(json.dumps({"data": system.sessions, "status_code": 1000}))
    code, out, _ = run("push", "--as-of", NOW, "--sessions", file, "--dry-run", "--json")
    (row,) = json.loads(out)["sessions"]
    assert (code, row["status"]) == (0, "not sent")
    assert row["profile"]["charging_profile_period"]
    assert (system.calls, system.profiles) == ([], {})
    code, out, _ = run("push", "--as-of", NOW, "--sessions", file, "--dry-run")
    assert "nothing was sent" in out
    file.write_text('{"data": 7}')
    code, _, err = run("push", "--as-of", NOW, "--sessions", file, "--dry-run")
    assert code == 2
    assert "holds no list of OCPI Sessions" in re.sub(r"[│\s]+", " ", err)


@pytest.mark.parametrize("kind", ["rejected by station", "silent", "refused"])
def test_a_profile_that_was_not_taken_is_no_success(run: Run, system: CentralSystem, kind: str) -> None:
    system.kinds["one"] = kind
    code, out, _ = run("push", *THEN, "--json")
    assert code == 3
    assert json.loads(out)["sessions"][0]["reason"]


def test_a_plan_of_another_time_is_not_sent_but_in_a_rehearsal(run: Run, system: CentralSystem) -> None:
    for then in (NOW, "2099-01-01T12:00Z"):
        code, _, err = run("push", "--as-of", then)
        assert (code, "is not what cars are to do now: nothing is sent" in re.sub(r"[│\s]+", " ", err)) == (
            2,
            True,
        )
    assert (system.calls, system.profiles) == ([], {})


def test_a_profile_is_looked_at_and_taken_back(run: Run, system: CentralSystem) -> None:
    assert run("push", *THEN)[0] == 0
    code, out, _ = run("active", "one", "--json")
    told: dict[str, Any] = json.loads(out)
    assert (code, told["status"]) == (0, "accepted")
    assert max(one["limit"] for one in told["active"]["charging_profile"]["charging_profile_period"]) <= 6000
    assert run("clear", "one")[0] == 0
    assert system.profiles == {}
    assert run("clear", "nobody", "--json")[0] == 3


def test_what_is_missing_is_named(run: Run, system: CentralSystem, depot: Workspace) -> None:
    code, _, err = run("push", "--as-of", "2024-03-29T16:20Z", "--rehearsal")
    assert (code, "no plan" in err) == (5, True)
    system.modules = []
    code, _, err = run("push", *THEN)
    assert (code, "no sessions (SENDER)" in err) == (2, True)
    (depot.root / FILE_NAME).unlink()
    code, _, err = run("push", *THEN)
    assert (code, "ocpi.toml" in err) == (2, True)


def test_a_central_system_that_is_down_is_to_be_tried_again(run: Run, depot: Workspace) -> None:
    file = depot.root / FILE_NAME
    file.write_text(file.read_text().replace("http://127.0.0.1:", "http://127.0.0.1:1/not-"))
    code, _, err = run("push", *THEN)
    assert (code, "asked 4 times" in err) == (75, True)
