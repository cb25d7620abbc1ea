"""What a served deployment and its run may carry, field by field."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from flows.server.allowed import FREE_OF_DEPLOYMENT, FREE_OF_RUN, RefusedRunError, Served

SERVED = Served(flow="daily", workspace="/srv/depot")
DEPLOYMENT_ID = UUID(int=1)


def deployment(**changes: object) -> dict[str, Any]:
    from prefect.client.schemas.responses import DeploymentResponse

    record = DeploymentResponse(
        id=DEPLOYMENT_ID,
        name="depot",
        flow_id=uuid4(),
        entrypoint="flows.daily.daily",
        parameters={"workspace": "/srv/depot"},
    )
    return {**dict(record), **changes}


def run(**changes: object) -> dict[str, Any]:
    from prefect.client.schemas.objects import FlowRun

    record = FlowRun(flow_id=uuid4(), deployment_id=DEPLOYMENT_ID, parameters={"workspace": "/srv/depot"})
    return {**dict(record), **changes}


def test_as_it_was_served_it_may_run() -> None:
    SERVED.check_deployment(deployment(description="Plans tomorrow.", tags=["depot"], paused=True))
    SERVED.check_run(run(name="renamed"), DEPLOYMENT_ID)
    given = {"day": "2026-06-16", "as_of": "2026-06-15T11:15:00Z", "run_id": "20260615T111500Z-5f3a9c"}
    for parameters in (given, dict.fromkeys(given)):
        SERVED.check_run(run(parameters={"workspace": "/srv/depot", **parameters}), DEPLOYMENT_ID)


def test_every_field_that_prefect_has_is_free_served_or_empty() -> None:
    """A field that a later Prefect adds is refused as soon as it is filled."""
    served, checked = {"entrypoint", "parameters"}, {"deployment_id", "parameters"}
    assert set(deployment()) - FREE_OF_DEPLOYMENT - served == {
        *("path", "pull_steps", "job_variables", "storage_document_id", "infrastructure_document_id"),
        *("work_queue_name", "work_queue_id", "work_pool_name"),
    }
    assert set(run()) - FREE_OF_RUN - checked == {
        *("context", "parent_task_run_id", "infrastructure_document_id", "infrastructure_pid"),
        *("job_variables", "work_queue_name", "work_queue_id", "work_pool_id", "work_pool_name"),
    }
    with pytest.raises(RefusedRunError, match="of_a_later_version"):
        SERVED.check_deployment(deployment(of_a_later_version="x"))


@pytest.mark.parametrize(
    "change",
    [
        {"entrypoint": "evil.py:pwn"},
        {"entrypoint": "flows.daily.ingest"},
        {"entrypoint": "flows.daily.daily:x"},
        {"entrypoint": None},
        {"path": "/tmp"},  # noqa: S108
        {"path": "."},
        {"pull_steps": [{"prefect.deployments.steps.run_shell_script": {"script": "id"}}]},
        {"job_variables": {"env": {"PYTHONPATH": "/x"}}},
        {"parameters": {"workspace": "/elsewhere"}},
        {"parameters": {}},
        {"parameters": {"workspace": "/srv/depot", "day": "2026-06-16"}},
        {"storage_document_id": uuid4()},
        {"infrastructure_document_id": uuid4()},
        {"work_pool_name": "theirs"},
        {"work_queue_name": "theirs"},
    ],
)
def test_a_changed_deployment_is_refused_by_name(change: dict[str, object]) -> None:
    with pytest.raises(RefusedRunError, match=next(iter(change))):
        SERVED.check_deployment(deployment(**change))


@pytest.mark.parametrize(
    "change",
    [
        {"deployment_id": UUID(int=2)},
        {"deployment_id": None},
        {"job_variables": {"command": "id"}},
        {"context": {"x": 1}},
        {"parent_task_run_id": uuid4()},
        {"infrastructure_document_id": uuid4()},
        {"work_pool_name": "theirs"},
    ],
)
def test_a_changed_run_is_refused_by_name(change: dict[str, object]) -> None:
    with pytest.raises(RefusedRunError, match=next(iter(change))):
        SERVED.check_run(run(**change), DEPLOYMENT_ID)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("workspace", "/srv/depot/../other"),
        ("workspace", "/srv/depot/"),
        ("workspace", None),
        ("workspace", ["/srv/depot"]),
        ("run_id", "../../x"),
        ("run_id", "20260615T111500Z-5f3a9c\n"),
        ("run_id", ""),
        ("day", "tomorrow"),
        ("day", {"__prefect_kind": "jinja", "template": "{{ x }}"}),
        ("as_of", 1),
        ("as_of", {"$ref": "prefect.blocks.secret.x"}),
        ("each", "os.system"),
    ],
)
def test_a_parameter_is_what_the_flow_takes_or_refused(name: str, value: object) -> None:
    with pytest.raises(RefusedRunError, match=f"parameter {name}"):
        SERVED.check_run(run(parameters={"workspace": "/srv/depot", name: value}), DEPLOYMENT_ID)


READ = """
import sys
from pathlib import Path
from prefect.results import ResultRecordMetadata
from prefect.serializers import JSONSerializer, PickleSerializer
from prefect.states import Completed
from flows.server.flow_run import _read_no_results

if sys.argv[1] == "sealed":
    _read_no_results()
for file, serializer in (
    ("pickled", PickleSerializer()), ("json", JSONSerializer(object_decoder="subprocess.check_call"))
):
    told = ResultRecordMetadata(
        storage_key=str(Path(sys.argv[2]) / file), serializer=serializer, prefect_version="3"
    )
    try:
        Completed(data=told).result(retry_result_failure=False, _sync=True)
    except Exception as error:
        print(type(error).__name__)
"""


def test_a_result_that_the_server_tells_of_is_not_read(tmp_path: Path) -> None:
    """Such a record names its own serializer; reading one calls what it likes."""
    import cloudpickle
    from prefect.results import ResultRecord, ResultRecordMetadata
    from prefect.serializers import JSONSerializer, PickleSerializer

    class Evil:
        def __init__(self, canary: Path) -> None:
            self.canary = canary

        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (self.canary,)

    by_pickle, by_json = tmp_path / "by_pickle", tmp_path / "by_json"
    for name, result, serializer in (
        ("pickled", Evil(by_pickle), PickleSerializer()),
        ("json", {"touch": 1, str(by_json): 2}, JSONSerializer()),
    ):
        stated = ResultRecordMetadata(
            storage_key=str(tmp_path / name), serializer=serializer, prefect_version="3"
        )
        written = ResultRecord(result=result, metadata=stated).serialize()
        text = written.replace(b"prefect.serializers.prefect_json_object_decoder", b"subprocess.check_call")
        (tmp_path / name).write_bytes(text)
    assert cloudpickle

    def read(how: str) -> str:
        words = [sys.executable, "-c", READ, how, str(tmp_path)]
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=180)
        return done.stdout

    assert read("sealed").split() == ["MissingResult", "MissingResult"]
    assert not by_pickle.exists() and not by_json.exists()
    read("open")
    assert by_pickle.exists() and by_json.exists()  # the attack is a real one
