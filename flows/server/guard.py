"""Whose requests Prefect's server listens to: those that call it by its own name, from no other origin.

Prefect asks for the password, but answers whatever name it is called by and any page that asks. A page that
makes its own name resolve to this machine (DNS rebinding) is distinguished by Host, any other by Origin,
which browsers send with every request that writes and with every WebSocket.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_POLICY_VIOLATION = 1008


class Guard:
    """An ASGI app before another: refuses what is not addressed to this port of this machine.

    400 for another Host or none, 403 for another Origin; a WebSocket is not accepted.
    """

    def __init__(self, app: App, port: int) -> None:
        self.app = app
        names = [f"{host}:{port}" for host in ("127.0.0.1", "localhost")]
        self.hosts = frozenset(name.encode() for name in names)
        self.origins = frozenset(f"http://{name}".encode() for name in names)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        status = None if scope["type"] == "lifespan" else self._refusal(scope["headers"])
        if status is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        else:
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    def _refusal(self, headers: list[tuple[bytes, bytes]]) -> int | None:
        hosts = [value.lower() for name, value in headers if name == b"host"]
        if len(hosts) != 1 or hosts[0] not in self.hosts:
            return 400
        origins = [value for name, value in headers if name == b"origin"]
        return None if self.origins.issuperset(origins) else 403
