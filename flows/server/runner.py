"""The deployments of `v2g serve`: registered at its start, run one at a time, each in its own process."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, FlowRunFilter
from prefect.client.schemas.objects import State, StateType
from prefect.deployments.runner import RunnerDeployment
from prefect.runner import Runner
from prefect.runner._starter_engine import EngineCommandStarter
from prefect.schedules import Cron
from prefect.states import Crashed
from prefect.types.entrypoint import EntrypointType

from flows import daily
from flows.errors import ServerError
from flows.schedules import ALARM
from flows.server.allowed import RefusedRunError, Served
from flows.workspace import Workspace

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

_FLOWS: Mapping[str, Flow[..., Any]] = {
    "scheduled": daily.scheduled,
    "ingest": daily.ingest,
    "calibrate": daily.calibrate,
    "daily": daily.daily,
}
ON_SCHEDULE = "scheduled"
"""The one that the alarm rings for; the others are started by hand, from the pages."""


class ServedRunner(Runner):
    """Prefect's runner, but that what a run executes is decided here and not by the server's records."""

    def __init__(self, workspace: Workspace) -> None:
        # One run at a time over all deployments: the warehouse has one writer.
        super().__init__(limit=1, pause_on_shutdown=False)
        self._workspace = workspace
        self._name = workspace.root.name
        self._served: dict[UUID, Served] = {}
        self._alarm: UUID

    def handle_sigterm(self, *_: Any, **__: Any) -> None:
        """End by the way out that serves both signals; Prefect's own forgets the runs under way."""
        signal.raise_signal(signal.SIGINT)

    async def serve_all(self) -> None:
        """Register every flow, and look at once what is due; what was changed in a deployment is lost.

        Raises ServerError when the server does not keep one as it was given.
        """
        for name in _FLOWS:
            deployment_id = await self._serve(name)
            if name == ON_SCHEDULE:
                self._alarm = deployment_id
                await self.ring()

    async def ring(self) -> None:
        """Look at once what is due, next to the alarm."""
        async with get_client() as client:
            await client.create_flow_run_from_deployment(self._alarm)

    async def _serve(self, name: str) -> UUID:
        served = Served(flow=name, workspace=str(self._workspace.root))
        deployment = RunnerDeployment.from_flow(
            _FLOWS[name],
            name=self._name,
            schedule=Cron(ALARM, timezone="UTC") if name == ON_SCHEDULE else None,
            parameters=dict(served.parameters),
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        deployment_id = await self.aadd_deployment(deployment)
        if await _problem(served, deployment_id):
            # Registering again leaves some fields as somebody made them; a new record has none.
            async with get_client() as client:
                await client.delete_deployment(deployment_id)
            self._deployment_registry._deployment_ids.discard(deployment_id)
            deployment_id = await self.aadd_deployment(deployment)
        if problem := await _problem(served, deployment_id):
            raise ServerError(f"Prefect's server does not keep the deployment {name}: {problem}")
        self._served[deployment_id] = served
        # The flow in hand is also the one whose hooks Prefect calls.
        self._deployment_registry.register_flow(deployment_id, _FLOWS[name])
        return deployment_id

    async def crash_what_an_earlier_one_left(self) -> None:
        """Runs that nobody runs any more are told to have crashed; only their process would have said so.

        To be called before `serve`: a deployment that is made anew is not the one that such runs name.
        """
        under_way = {"type": {"any_": [StateType.RUNNING, StateType.CANCELLING]}}
        async with get_client() as client:
            left = await client.read_flow_runs(
                deployment_filter=DeploymentFilter.model_validate({"name": {"any_": [self._name]}}),
                flow_run_filter=FlowRunFilter.model_validate({"state": under_way}),
            )
            stages = await client.read_flow_runs(
                flow_run_filter=FlowRunFilter.model_validate(
                    {"state": under_way, "parent_flow_run_id": {"any_": [run.id for run in left]}}
                )
            )
            for run in [*stages, *left]:
                state: State[None] = Crashed(message="The `v2g serve` that ran it has ended.")
                await client.set_flow_run_state(run.id, state, force=True)

    async def __aenter__(self) -> Self:
        """Enter as Prefect's runner does, then decide on our own what a run starts."""
        await super().__aenter__()
        self._scheduled_run_poller._resolve_starter = self._starter
        return self

    def _starter(self, flow_run: FlowRun) -> EngineCommandStarter:
        """What starts a run: our own program, reported on its command line which flow it may run."""
        deployment_id = flow_run.deployment_id
        if deployment_id is None or deployment_id not in self._served:
            raise RefusedRunError(f"run {flow_run.id} is of a deployment that is not served here")
        served = self._served[deployment_id]
        command = [
            *(sys.executable, "-P", "-m", "flows.server.flow_run", served.flow),
            *("--deployment", str(deployment_id), "--workspace", served.workspace),
            *("--parent", str(os.getpid()), "--lock", str(self._workspace.run_lock)),
        ]
        return EngineCommandStarter(
            command=shlex.join(command),
            deployment_name=self._deployment_registry.get_deployment_name(deployment_id),
            control_channel=self._control_channel,
        )


async def _problem(served: Served, deployment_id: UUID) -> str:
    async with get_client() as client:
        deployment = await client.read_deployment(deployment_id)
    try:
        served.check_deployment(dict(deployment))
    except RefusedRunError as refusal:
        return str(refusal)
    return ""
