"""The server that watches a run from the command line: the user's own, or one of this run alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from flows.lifeline import ending_soon_after
from flows.server.process import prefect_server
from flows.workspace import Workspace

_END_WITHIN_S = 6.0
_TERMINATED = 128 + signal.SIGTERM


@contextmanager
def server_of_run(workspace: Workspace) -> Iterator[None]:
    """In the block, Prefect has a server: the one that the user has named to it, with the user's password.

    Where none is named: a temporary one on loopback, with a password and its database in the workspace, that
    ends with this process. SIGTERM ends this process in seconds. Raises ServerError.
    """
    from prefect.context import refresh_global_settings_context
    from prefect.settings import get_current_settings

    workspace.make_prefect_home()
    with ending_soon_after(frozenset({signal.SIGTERM}), within_s=_END_WITHIN_S, code=_TERMINATED):
        if get_current_settings().api.url:
            yield
            return
        with prefect_server(workspace) as address:
            before = {name: os.environ.get(name) for name in address.environment}
            os.environ.update(address.environment)
            refresh_global_settings_context()
            try:
                yield
            finally:
                for name, value in before.items():
                    if value is None:
                        del os.environ[name]
                    else:
                        os.environ[name] = value
                refresh_global_settings_context()
