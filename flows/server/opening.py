"""The reports alone over http, for somebody who sits at this machine: until Ctrl-C."""

from __future__ import annotations

import tempfile
import webbrowser
from collections.abc import Callable
from html import escape
from pathlib import Path

from flows.server.guard import Guard
from flows.server.pages import PREFIX, Pages
from flows.server.password import new_password
from flows.server.process import HOST, listening_on
from flows.workspace import Workspace
from warehouse.files import write_whole


def show(workspace: Workspace, port: int, *, browse: bool, tell: Callable[[str], None]) -> None:
    """Serve reports/ on this machine alone until Ctrl-C or SIGTERM; port 0 is any free one.

    browse: open them in the browser. tell: is given the link, which lets in whoever has it. Raises UsageError
    for a port that cannot be had.
    """
    import uvicorn

    password = new_password()
    with listening_on(port) as listening, tempfile.TemporaryDirectory() as own:
        number = listening.getsockname()[1]
        link = f"http://{HOST}:{number}{PREFIX}/?key={password.partition(':')[2]}"
        app = Guard(Pages(workspace.reports, password), number)
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="error", access_log=False, proxy_headers=False, server_header=False)
        )
        tell(link)
        if browse:
            webbrowser.open(_entrance(Path(own), link).as_uri())
        server.run(sockets=[listening])


def _entrance(folder: Path, link: str) -> Path:
    """A private file that leads to the link: others of this machine see what a browser is started with."""
    leads = f'<!doctype html><meta http-equiv="refresh" content="0;url={escape(link)}">'
    return write_whole(folder / "open.html", leads)
