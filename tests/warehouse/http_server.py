"""A provider of one's own: answers in turn, on 127.0.0.1, as well or as badly as a test wants."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer.

    hang_s: before it begins; drip_s: between bytes of the body, head_drip_s: of a header that never ends;
    missing: bytes promised and not sent.
    """

    status: int = 200
    body: bytes = b""
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    hang_s: float = 0.0
    drip_s: float = 0.0
    head_drip_s: float = 0.0
    missing: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request said."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    moment_s: float


class Server:
    """Gives `replies` in turn, the last one for ever; `asked` holds the requests so far."""

    def __init__(self, replies: Sequence[Reply]) -> None:
        self.replies = list(replies)
        self.asked: list[Asked] = []
        self._stopping = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))

    @property
    def port(self) -> int:
        return self._http.server_address[1]

    @property
    def transport(self) -> httpx.BaseTransport:
        """Every address leads here; what was asked keeps its host, path and headers."""
        return ToLocal(self.port)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                server.asked.append(
                    Asked(
                        method=self.command,
                        path=self.path,
                        headers=dict(self.headers.items()),
                        body=self.rfile.read(length),
                        moment_s=time.monotonic(),
                    )
                )
                turn = min(len(server.asked), len(server.replies)) - 1
                self.give(server.replies[turn])

            do_POST = do_GET  # noqa: N815

            def give(self, reply: Reply) -> None:
                server._stopping.wait(reply.hang_s)
                self.close_connection = True
                if reply.head_drip_s:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                    while not server._stopping.wait(reply.head_drip_s):
                        self.wfile.write(b"z")
                    return
                self.send_response_only(reply.status)
                if reply.status != 304:
                    self.send_header("Content-Type", reply.media_type)
                    self.send_header("Content-Length", str(len(reply.body) + reply.missing))
                self.send_header("Connection", "close")
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    for byte in reply.body if reply.drip_s else ():
                        self.wfile.write(bytes([byte]))
                        if server._stopping.wait(reply.drip_s):
                            return
                    if not reply.drip_s:
                        self.wfile.write(reply.body)
                except OSError:
                    return  # the other side has given up, which is what such a reply is for

            def log_message(self, *_: Any) -> None:
                return

        return Handler


class ToLocal(httpx.HTTPTransport):
    """Sends every request to a port of this machine, whatever its address."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=self.port)
        return super().handle_request(request)


@contextmanager
def serving(*replies: Reply) -> Iterator[Server]:
    server = Server(replies)
    server.start()
    try:
        yield server
    finally:
        server.stop()
