"""Events of OpenLineage: what stages really read and wrote, one run each, and nothing that a row says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from flows import lineage
from flows.errors import NoPlanError
from flows.stages import Context
from flows.stages.check import check
from flows.stages.plan import plan
from flows.stages.publish import publish
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, price_rows, put

Events = list[dict[str, Any]]


def events(workspace: Workspace) -> Events:
    """All events that a workspace has told, in their order."""
    files = sorted((workspace.exports / lineage.FOLDER).glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def tables(event: Mapping[str, Any], way: str) -> set[str]:
    """The tables of an event, all of the one warehouse."""
    assert len({one["namespace"] for one in event[way]}) <= 1
    return {one["name"] for one in event[way]}


def test_each_stage_tells_what_it_read_and_wrote(bare: Workspace) -> None:
    before = len(events(bare))
    context = Context.of(bare, AS_OF)
    put(bare, "prices", price_rows(DAY, 1, spread=0.05))
    check(context)
    plan(context, DAY)
    told = events(bare)[before:]
    assert [(one["job"]["name"], one["eventType"]) for one in told] == [
        (stage, kind) for stage in ("ingest", "check", "plan") for kind in ("START", "COMPLETE")
    ]
    of_ingest, of_check, of_plan = told[1::2]
    assert tables(of_ingest, "outputs") == {"raw_price", "raw_source"}
    assert tables(of_check, "inputs") >= {"raw_price"}
    assert tables(of_check, "outputs") >= {"core_price", "out_check"}
    assert not tables(of_check, "outputs") & {"core_session", "out_plan"}
    assert tables(of_plan, "inputs") >= {"core_price", "core_session", "core_battery", "core_site"}
    assert tables(of_plan, "outputs") >= {"out_plan", "out_plan_slot", "out_plan_mode"}
    assert not tables(of_plan, "outputs") & {"core_price", "out_run"}
    assert told[0]["inputs"] == told[0]["outputs"] == []
    runs = {(one["job"]["name"], one["run"]["runId"]) for one in told}
    assert len(runs) == 3 and all(UUID(run).version == 5 for _, run in runs)
    (parent,) = {one["run"]["facets"]["parent"]["run"]["runId"] for one in told[2:]}
    assert parent not in {run for _, run in runs}


def test_an_event_has_what_the_specification_asks_for(bare: Workspace) -> None:
    plan(Context.of(bare, AS_OF), DAY)
    for one in events(bare):
        assert {"eventType", "eventTime", "producer", "schemaURL", "run", "job"} <= one.keys()
        assert one["schemaURL"].endswith("#/$defs/RunEvent")
        assert one["producer"].startswith("urn:v2g-planner:")
        assert one["eventTime"].endswith("+00:00")
        facet = one["run"]["facets"]["parent"]
        assert {"_producer", "_schemaURL", "run", "job"} == facet.keys()
        for job in (one["job"], facet["job"]):
            assert {"namespace", "name"} == job.keys()
        for dataset in (*one["inputs"], *one["outputs"]):
            assert {"namespace", "name"} == dataset.keys()


def test_a_stage_that_raises_has_failed_and_its_words_are_not_told(bare: Workspace) -> None:
    before = len(events(bare))
    with pytest.raises(NoPlanError):
        publish(Context.of(bare, AS_OF), DAY)
    told = events(bare)[before:]
    assert [one["eventType"] for one in told] == ["START", "FAIL"]
    assert "there is no plan" not in json.dumps(told) and "car-1" not in json.dumps(events(bare))


def test_what_cannot_be_written_costs_no_stage_and_old_days_go(
    bare: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = bare.exports / lineage.FOLDER
    for number in range(1, 41):
        (folder / f"2020-01-{number:02}.jsonl").write_text("", encoding="utf-8")
    for file in folder.glob("202[1-9]*.jsonl"):
        file.unlink()
    plan(Context.of(bare, AS_OF), DAY)
    assert len(list(folder.iterdir())) == lineage.KEPT_DAYS
    assert (folder / "2020-01-40.jsonl").exists() and not (folder / "2020-01-10.jsonl").exists()
    monkeypatch.setattr(lineage, "FOLDER", "a-file")
    Path(bare.exports / "a-file").write_text("", encoding="utf-8")
    assert plan(Context.of(bare, AS_OF), DAY).exit_code in (0, 3)
    assert "is not told" in caplog.text
