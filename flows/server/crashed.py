"""Runs that were killed: Prefect's server learns that they are not running any more."""

from __future__ import annotations

import logging

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import State, StateType
from prefect.states import Crashed

from flows.under_way import killed_runs
from flows.workspace import Workspace

_log = logging.getLogger(__name__)
_UNDER_WAY = {"type": {"any_": [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]}}


def crash_killed(workspace: Workspace) -> None:
    """Tell the server in hand which runs of a workspace, and stages of these, were killed.

    To be called before a run begins, which forgets them. A server that cannot be told costs nothing else.
    """
    killed = {one.run_id for one in killed_runs(workspace)}
    if not killed:
        return
    try:
        with get_client(sync_client=True) as client:
            left = client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate({"state": _UNDER_WAY}))
            for run in left:
                if run.parameters.get("run_id") in killed:
                    crashed: State[None] = Crashed(message="The process that ran it was killed.")
                    client.set_flow_run_state(run.id, crashed, force=True)
    except Exception as error:
        _log.warning("runs that were killed stay as running in Prefect's pages: %s", type(error).__name__)
