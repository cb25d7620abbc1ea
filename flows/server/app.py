"""What runs in the server's process: Prefect's app behind the guard, on a socket that the parent has opened.

python -P -m flows.server.app --parent PID --socket FD [--lock FILE --reports FOLDER]; settings and password
by environment. Without --lock it is the temporary server of one run: no pages, no scheduler.
"""

from __future__ import annotations

import argparse
import os
import socket
from pathlib import Path

from flows.lifeline import end_with
from flows.server.held import hold

_OCCUPIED = 75


def main() -> None:
    """Serve until SIGTERM or the parent's end."""
    words = argparse.ArgumentParser()
    words.add_argument("--parent", type=int, required=True)
    words.add_argument("--socket", type=int, required=True)
    words.add_argument("--lock", type=Path)
    words.add_argument("--reports", type=Path)
    asked = words.parse_args()
    end_with(asked.parent)
    os.umask(0o077)  # the database holds what runs have logged
    if asked.lock is not None and hold(asked.lock) is not None:
        os._exit(_OCCUPIED)

    import uvicorn
    from prefect.server.api.server import create_app
    from prefect.settings import get_current_settings

    from flows.server.guard import App, Guard
    from flows.server.pages import Pages

    password = get_current_settings().server.api.auth_string
    if password is None or password.get_secret_value() != os.environ["PREFECT_SERVER_API_AUTH_STRING"]:
        raise SystemExit("a setting of Prefect's in this folder or profile hides the password of this server")
    listening = socket.socket(fileno=asked.socket)
    app: App = create_app(ephemeral=asked.lock is None, final=True)
    if asked.reports is not None:
        app = Pages(asked.reports, os.environ["PREFECT_SERVER_API_AUTH_STRING"], app)
    app = Guard(app, listening.getsockname()[1])
    config = uvicorn.Config(
        app,
        log_level="error" if asked.lock is None else "info",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    uvicorn.Server(config).run(sockets=[listening])
    os._exit(0)  # nothing that still runs in a thread holds the port


if __name__ == "__main__":
    main()
