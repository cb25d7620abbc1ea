"""What runs in the process of a served flow run: the flow named on the command line, and no other.

python -P -m flows.server.flow_run FLOW --deployment ID --workspace DIR --parent PID --lock FILE; the run's
id is in PREFECT__FLOW_RUN_ID. Prefect's own engine would load whatever the deployment's record names and
unpickle whatever results the server tells of.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from uuid import UUID

from flows.lifeline import end_with, ending_soon_after
from flows.log import begin
from flows.server.allowed import RefusedRunError, Served
from flows.server.held import hold

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

_END_WITHIN_S = 6.0
_TERMINATED = 128 + signal.SIGTERM


def main() -> NoReturn:
    """Run the flow if run and deployment are as served; else the run fails with the reason."""
    words = argparse.ArgumentParser()
    words.add_argument("flow", choices=("scheduled", "ingest", "calibrate", "daily"))
    words.add_argument("--deployment", type=UUID, required=True)
    words.add_argument("--workspace", required=True)
    words.add_argument("--parent", type=int, required=True)
    words.add_argument("--lock", type=Path, required=True)
    asked = words.parse_args()
    end_with(asked.parent)
    hold(asked.lock)
    begin()
    served = Served(flow=asked.flow, workspace=asked.workspace)
    code: object = 1
    try:
        with ending_soon_after(frozenset({signal.SIGTERM}), within_s=_END_WITHIN_S, code=_TERMINATED):
            _run(served, asked.deployment, UUID(os.environ["PREFECT__FLOW_RUN_ID"]))
        code = 0
    except SystemExit as left:
        code = left.code
    finally:
        # The interpreter would wait for threads that wait for workers, and engines would tell of leaks.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0)


def _run(served: Served, deployment_id: UUID, run_id: UUID) -> None:
    from prefect._internal.control_listener import configure_from_env
    from prefect.client.orchestration import get_client
    from prefect.engine import handle_engine_signals
    from prefect.flow_engine import load_flow_run, run_flow
    from prefect.logging.loggers import flow_run_logger

    configure_from_env()
    _read_no_results()
    with handle_engine_signals(run_id):
        run = load_flow_run(run_id)
        try:
            with get_client(sync_client=True) as client:
                deployment = client.read_deployment(deployment_id)
            served.check_run(dict(run), deployment_id)
            served.check_deployment(dict(deployment))
        except RefusedRunError as refusal:
            _fail(run, str(refusal))
            return
        from flows import daily

        # The record that was checked is the one that is run. An answer that is not green is no exception.
        run_flow(
            getattr(daily, served.flow),
            flow_run=run,
            return_type="state",
            error_logger=flow_run_logger(run).logger,
        )


def _fail(run: FlowRun, reason: str) -> None:
    from prefect.client.orchestration import get_client
    from prefect.logging.loggers import flow_run_logger
    from prefect.states import Failed

    flow_run_logger(run).error(reason)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, Failed(message=reason), force=True)


def _read_no_results() -> None:
    """Results of other runs are read from where the server says, in a form that may run code: none are."""
    from prefect.exceptions import MissingResult
    from prefect.results import ResultStore

    def refuse(*_: object, **__: object) -> NoReturn:
        raise MissingResult("results of other runs are not read")

    async def refuse_async(*_: object, **__: object) -> NoReturn:
        refuse()

    for name, instead in (("_from_metadata", refuse_async), ("_aread", refuse_async), ("_read", refuse)):
        if not hasattr(ResultStore, name):
            raise RuntimeError(f"Prefect's ResultStore has no {name}: another version than the one known")
        setattr(ResultStore, name, instead)


if __name__ == "__main__":
    main()
