"""The Sender interface: what comes of requests is received at their response_url while a command runs.

POST …/results/ID takes the result of one request, PUT …/chargingprofiles/SESSION what a station is going to
do from now on. Whoever calls needs the callback token; where none is agreed on, the response_url, which
cannot be guessed, is what lets a result in, and nothing else is taken.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
import threading
import time
import uuid
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from flows.addresses import is_here
from flows.dispatch.ocpi.config import OcpiConfig
from flows.dispatch.ocpi.objects import ActiveChargingProfile, ObjectError, Result, read
from flows.errors import UsageError

_MOST_BYTES, _SILENT_S = 1_000_000, 30.0
_DONE, _INVALID = 1000, 2001
_PLAIN = re.compile(r"[!-~]{1,64}")


class Receiver:
    """Listens from entering to leaving; pushed: session → the newest profile that its station reported."""

    def __init__(self, config: OcpiConfig, token: str | None) -> None:
        self.pushed: dict[str, ActiveChargingProfile] = {}
        self._token = None if token is None else base64.b64encode(token.encode()).decode()
        self._results: dict[str, Result | None] = {}
        self._came = threading.Condition()
        host, port = config.address
        if token is None and not is_here(host):
            hint = "OCPI_CALLBACK_TOKEN, or callback_token_file in ocpi.toml"
            raise UsageError(f"a callback token is needed to listen on {host}", hint=hint)
        try:
            self._server = _Server((host, port), self)
        except OSError as error:
            raise UsageError(
                f"{host}:{port} cannot be listened on: {error.strerror}", hint="listen"
            ) from error
        self._base = config.callback_url or f"http://{host}:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def expect(self) -> str:
        """Return a new response_url."""
        name = str(uuid.uuid4())
        with self._came:
            self._results[name] = None
        return f"{self._base}/results/{name}"

    def result(self, response_url: str, until: float) -> Result | None:
        """Wait for what comes to a response_url until a moment (monotonic, s); None where nothing came."""
        name = response_url.rsplit("/", 1)[1]
        with self._came:
            self._came.wait_for(lambda: self._results[name] is not None, max(0.0, until - time.monotonic()))
            return self._results[name]

    def admits(self, method: str, authorization: str | None) -> bool:
        """Whether whoever sends this header may call."""
        if self._token is None:
            return method == "POST"
        scheme, _, stated = (authorization or "").partition(" ")
        return scheme.lower() == "token" and hmac.compare_digest(
            stated.strip().encode(), self._token.encode()
        )

    def take(self, method: str, path: str, body: bytes) -> tuple[int, int, str]:
        """Take a call: the status of HTTP, of OCPI, and a message."""
        kind, _, name = urlsplit(path).path.rpartition("/")
        what, name = kind.rsplit("/", 1)[-1], unquote(name)
        try:
            if (method, what) == ("POST", "results") and name in self._results:
                result = read(Result, json.loads(body))
                with self._came:
                    self._results[name] = result
                    self._came.notify_all()
            elif (method, what) == ("PUT", "chargingprofiles"):
                self.pushed[name] = read(ActiveChargingProfile, json.loads(body))
            else:
                return 404, 2000, "nothing is expected here"
        except (ObjectError, ValueError, RecursionError) as error:
            return 200, _INVALID, str(error)[:200]
        return 200, _DONE, "Success"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024  # a fleet's stations may all answer at once

    def __init__(self, address: tuple[str, int], receiver: Receiver) -> None:
        self.receiver = receiver
        super().__init__(address, _Handler)

    def handle_error(self, *_: Any) -> None:
        """Write nothing: a caller that has gone away costs no other."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _SILENT_S
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Take a result."""
        self._take()

    def do_PUT(self) -> None:
        """Take an ActiveChargingProfile."""
        self._take()

    def _take(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _MOST_BYTES:
            self.close_connection = True
            self._answer(413 if length.isdecimal() else 411, _INVALID, "a body of known length is needed")
            return
        body = self.rfile.read(int(length))
        if not self.server.receiver.admits(self.command, self.headers.get("Authorization")):
            self._answer(401, 2000, "the token is not known")
            return
        self._answer(*self.server.receiver.take(self.command, self.path, body))

    def _answer(self, status: int, code: int, message: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        content = json.dumps({"status_code": code, "status_message": message, "timestamp": now}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name in ("X-Request-ID", "X-Correlation-ID"):
            if _PLAIN.fullmatch(self.headers.get(name, "")):
                self.send_header(name, self.headers[name])
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Write nothing: addresses here are secrets."""
