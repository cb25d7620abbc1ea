"""The pages of a workspace over http: reports/ under /reports/, read only, to whoever has the password.

So are the folders of exports/ that pages link to, at the same place beside them. A browser that asks by a
link with the key gets a cookie for the rest; any other is asked for name and password. What is served is
what the files hold: no listing, no link out of the folder, nothing stored.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from pathlib import Path
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from flows.server.guard import App, Message, Receive, Send

PREFIX = "/reports"
LINKED = ("/exports/statements", "/exports/twins")
"""Folders of the workspace that pages link to: owners' statements, passports of batteries."""
_COOKIE = "v2g_pages"
_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)


class Pages:
    """An ASGI app before another: answers what lies under /reports/ and `LINKED`, passes the rest on.

    folder: reports/ of a workspace. app: None for nothing else, 404. password: in the form USER:SECRET; the
    secret is the key of links.
    """

    def __init__(self, folder: Path, password: str, app: App | None = None) -> None:
        self.app = app
        self.password = password
        self.key = password.partition(":")[2]
        places = {PREFIX: folder, **{path: folder.parent / path[1:] for path in LINKED}}
        self.files = Starlette(
            routes=[
                Mount(path, StaticFiles(directory=place, html=True, check_dir=False))
                for path, place in places.items()
            ]
        )

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer with a page, ask for the password, or pass the request on."""
        path = scope.get("path", "")
        below = tuple(f"{one}/" for one in (PREFIX, *LINKED))
        ours = scope["type"] == "http" and (path == PREFIX or path.startswith(below))
        if not ours:
            if self.app is not None:
                await self.app(scope, receive, send)
            elif scope["type"] == "http":
                await Response(status_code=404)(scope, receive, send)
            return
        answer = self._answer(scope)
        if answer is not None:
            await answer(scope, receive, _with_headers(send))
            return
        await self.files(scope, receive, _with_headers(send))

    def _answer(self, scope: Message) -> Response | None:
        """What is answered in place of a page; None for whoever may read it."""
        if scope["path"] == PREFIX:
            return RedirectResponse(f"{PREFIX}/", status_code=307)
        asked = parse_qs(scope["query_string"].decode("latin-1"))
        if key := asked.get("key"):
            if not secrets.compare_digest(key[0].encode(), self.key.encode()):
                return Response("This link is not of this server.", status_code=403)
            answer = RedirectResponse(scope["path"], status_code=303)
            for where in (PREFIX, *LINKED):
                answer.set_cookie(_COOKIE, self.key, path=where, httponly=True, samesite="lax")
            return answer
        if self._known(dict(scope["headers"])):
            return None
        return Response(status_code=401, headers={"WWW-Authenticate": 'Basic realm="v2g", charset="UTF-8"'})

    def _known(self, headers: dict[bytes, bytes]) -> bool:
        for one in headers.get(b"cookie", b"").split(b";"):
            name, _, value = one.strip().partition(b"=")
            if name == _COOKIE.encode() and secrets.compare_digest(value, self.key.encode()):
                return True
        word, _, stated = headers.get(b"authorization", b"").partition(b" ")
        if word.lower() != b"basic":
            return False
        try:
            return secrets.compare_digest(base64.b64decode(stated, validate=True), self.password.encode())
        except (binascii.Error, ValueError):
            return False


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *_HEADERS]
        await send(message)

    return sending
