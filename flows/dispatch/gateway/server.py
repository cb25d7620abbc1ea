"""The gateway as a process: who may connect, one connection a station, and what is done every second."""

from __future__ import annotations

import asyncio
import http
import math
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from flows.dispatch.gateway.alerts import Kind
from flows.dispatch.gateway.desk import Desk
from flows.dispatch.gateway.link import Link
from flows.dispatch.gateway.stations import Connected
from flows.dispatch.gateway.status import write_status
from flows.dispatch.station import Version
from flows.errors import UsageError

_SPOKEN: dict[str, Version] = {"ocpp2.1": "2.1", "ocpp2.0.1": "2.0.1", "ocpp1.6": "1.6"}
_LARGEST_FRAME = 262_144
_ANSWER_S = 10.0
_TICK_S = 0.5
_LOOK_S, _LEAST_LOOK_S = 1.0, 0.05
_REFUSED = {"WWW-Authenticate": 'Basic realm="ocpp"', "Content-Length": "0", "Connection": "close"}
_SLOW_TICKS = 120
_AFTER_FAULT_S = 10.0
_PING_S = 60


class Gateway:
    """A central system for the stations of a desk."""

    def __init__(self, desk: Desk, *, answer_s: float = _ANSWER_S, speed: float = 1.0) -> None:
        """answer_s: how long a station's answer is waited for. speed: of the desk's clock."""
        self.desk, self.stations = desk, dict[str, Connected]()
        self._answer_s, self._speed = answer_s, speed
        self._sockets: dict[str, ServerConnection] = {}
        self._slot: object = None
        self._look = asyncio.Event()

    async def run(
        self, host: str, port: int, tls: ssl.SSLContext | None, ready: asyncio.Event | None = None
    ) -> None:
        """Serve until cancelled; raises UsageError for an address that cannot be had."""
        try:
            server = serve(
                self._connected, host, port, ssl=tls, process_request=self._admit,
                subprotocols=[Subprotocol(name) for name in _SPOKEN], compression=None,
                max_size=_LARGEST_FRAME, ping_interval=_PING_S, ping_timeout=_PING_S, server_header=None,
                close_timeout=2, max_queue=8,
            )  # fmt: skip
            async with server:
                if ready is not None:
                    ready.set()
                watching = asyncio.create_task(self._watch())
                try:
                    await self._tick()
                finally:
                    watching.cancel()
        except OSError as error:
            raise UsageError(f"{host}:{port} cannot be served: {error.strerror or error}") from error
        finally:
            self.desk.close()

    def _admit(self, _: ServerConnection, request: Request) -> Response | None:
        """Refuse whoever is not on the list, or has not its password, before the websocket opens."""
        name = _station_of(request.path)
        if self.desk.config.admits(name, request.headers.get("Authorization")):
            return None
        known = name if name in self.desk.config.stations else ""
        what = f"{known} came with a wrong password" if known else "a station came that is not on the list"
        self.desk.alerts.report(Kind.REFUSED_CONNECTION, known, what)
        refused = http.HTTPStatus.UNAUTHORIZED
        return Response(refused.value, refused.phrase, Headers(_REFUSED), b"")

    async def _connected(self, socket: ServerConnection) -> None:
        request = socket.request
        if request is None:
            return
        name, version = _station_of(request.path), _SPOKEN[str(socket.subprotocol)]
        if (before := self._sockets.get(name)) is not None:  # its line was lost, and nobody had noticed
            before.transport.abort()
        link = Link(socket, version, self._handler(name, version), self._odd(name), self._answer_s)
        mine = Connected(self.desk, name, version, link)
        self.stations[name], self._sockets[name] = mine, socket
        tasks = (mine.keep, mine.keep_meters, mine.keep_reading)
        keepers = [asyncio.create_task(self._keep(name, task)) for task in tasks]
        try:
            with suppress(ConnectionClosed):
                await link.serve()
        finally:
            for keeper in keepers:
                keeper.cancel()
            if self._sockets.get(name) is socket:
                del self.stations[name], self._sockets[name]

    async def _keep(self, name: str, task: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await task()
            except ConnectionClosed:
                return
            except Exception as error:  # one station costs no other, nor itself for ever
                self.desk.alerts.report(Kind.NO_PROFILE, name, f"{type(error).__name__}: {error}")
                await asyncio.sleep(_AFTER_FAULT_S)

    def _handler(self, name: str, version: Version) -> Any:
        async def handle(action: str, payload: dict[str, Any]) -> dict[str, Any] | None:
            came, answer = self.desk.take(name, version, action, payload)
            if (mine := self.stations.get(name)) is not None:
                mine.came(action, payload, came)
            if came is not None and not came.again:
                self._look.set()
            return answer

        return handle

    def _odd(self, name: str) -> Any:
        return lambda what: self.desk.alerts.report(Kind.ODD_FRAME, name, what)

    async def _watch(self) -> None:
        """Keep the limits of sites: after each message that may change something, when a meter is to be asked
        for, and every second."""
        while True:
            due_s = self.desk.guard.unread.next_s(self.desk.now_s())
            with suppress(TimeoutError):
                async with asyncio.timeout(min(_LOOK_S, (due_s or math.inf) / self._speed)):
                    await self._look.wait()
            self._look.clear()
            began = time.monotonic()
            try:
                for name in self.desk.guard.look():
                    if (mine := self.stations.get(name)) is not None:
                        mine.changed.set()
                for name, evse in self.desk.guard.due:
                    if (mine := self.stations.get(name)) is not None:
                        mine.read(evse)
            except Exception as error:  # what cannot be reckoned with now may be at the next look
                self.desk.alerts.report(Kind.NO_LOOK, "", f"{type(error).__name__}: {error}")
            await asyncio.sleep(max(_LEAST_LOOK_S, 4.0 * (time.monotonic() - began)))

    async def _tick(self) -> None:
        """Every half second: new plans, urgent rows, the status; now and then what is less urgent."""
        count = 0
        while True:
            now = self.desk.clock()
            slot = int(now.timestamp() // 900)
            new = await asyncio.to_thread(self.desk.plans.look, now)
            if self.desk.look_at_signals():
                self._look.set()
            if new or slot != self._slot:
                self._slot = slot
                for one in list(self.stations.values()):
                    one.changed.set()
            if self.desk.rows.urgent or count % _SLOW_TICKS == 0:
                self.desk.flush()
            if count % _SLOW_TICKS == 0:
                self.desk.tidy()
            if count % 4 == 0:
                write_status(self.desk, self.stations)
            count += 1
            await asyncio.sleep(_TICK_S)


def tls_of(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """The context of security profile 2, None without a certificate; raises UsageError."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UsageError("a certificate and its key are given together: --cert FILE --key FILE")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"{certificate} and {key} cannot be used: {error}") from error
    return context


def _station_of(path: str) -> str:
    """The station that a path names: its last part."""
    return unquote(urlsplit(path).path).rstrip("/").rpartition("/")[2]
