"""One request over HTTP, within limits: time, size, patience, and no address but the one that was meant.

Asked again after a broken connection, 408, 425, 429 and 5xx: as late as `Retry-After` wants it, else after a
random wait that doubles each time, until attempts or the deadline run out. Not after any other 4xx.
A redirect is followed within its host alone, so that no token leaves it. No token comes back either: neither
in an answer's bytes nor in an error, whatever led to it, nor in a line of a log.
"""

import datetime as dt
import email.utils
import html
import json
import logging
import re
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from queue import Empty, Queue
from urllib.parse import urljoin, urlsplit

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_random_exponential

from warehouse.errors import (
    OversizedFileError,
    ProviderError,
    RejectedError,
    UnreachableError,
    WarehouseError,
)
from warehouse.sources.tariffs.exchange import Limits, Response, Validators
from warehouse.sources.tariffs.provider import Request
from warehouse.sources.tariffs.redact import unpacked

_AGAIN = frozenset({408, 425, 429, *range(500, 600)})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_UNTOLD = ("", "text/plain", "application/octet-stream")
"""Media types that tell nothing: then the parser judges the bytes."""
_MOST_REDIRECTS = 3
_GZIP = 31
_SHOWN, _LOOKED_AT = 300, 65536
_TALKATIVE = ("httpx", *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")))
"""Loggers that write down addresses and headers."""
_GRACE_S = 1.0
"""What an attempt that ends with the deadline itself may take longer, to say why."""


class _AgainError(Exception):
    """This attempt failed in a way that may pass."""

    def __init__(self, problem: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(problem)
        self.retry_after_s = retry_after_s


def fetch(
    request: Request,
    *,
    media_types: tuple[str, ...],
    known: Validators | None = None,
    limits: Limits | None = None,
    transport: httpx.BaseTransport | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Response:
    """Return the answer to a request.

    media_types: what the answer may say it is. known: of the answer already here. transport, sleep: another
    way to the network and to wait. Raises UnreachableError, RejectedError, ProviderError, OversizedFileError.
    """
    limits = limits or Limits()
    for name in _TALKATIVE:
        logging.getLogger(name).addFilter(_without_addresses)
    call = _Call(request, media_types, known or Validators(), limits, time.monotonic() + limits.deadline_s)
    with httpx.Client(transport=transport, follow_redirects=False) as client:
        return _by_deadline(lambda: call.asked(client, sleep), call)


def _by_deadline(ask: Callable[[], Response], call: "_Call") -> Response:
    """Return what `ask` returns, or give it up: a server may send its headers byte by byte for ever."""
    answered: Queue[Response | BaseException] = Queue()

    def work() -> None:
        try:
            answered.put(ask())
        except BaseException as error:
            answered.put(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        answer = answered.get(timeout=max(0.0, call.until - time.monotonic()) + _GRACE_S)
    except Empty:
        raise UnreachableError(
            f"gave no answer by the deadline of {call.limits.deadline_s:g} s", file=call.request.shown
        ) from None
    if isinstance(answer, Response):
        return answer
    if not isinstance(answer, WarehouseError) and isinstance(answer, Exception):
        problem = call.clean(f"cannot be asked: {type(answer).__name__} {answer}")
        answer = RejectedError(problem, file=call.request.shown)
    # What led to it holds the request itself: addresses, headers, the token.
    answer.__cause__ = answer.__context__ = None
    raise answer


@dataclass(frozen=True, slots=True)
class _Call:
    """A request on its way: `until` is the moment (monotonic, s) at which it is given up."""

    request: Request
    media_types: tuple[str, ...]
    known: Validators
    limits: Limits
    until: float

    def asked(self, client: httpx.Client, sleep: Callable[[float], None]) -> Response:
        """Ask until there is an answer, a reason not to go on, or no attempt left."""
        retrying = Retrying(
            retry=retry_if_exception_type(_AgainError),
            stop=stop_after_attempt(self.limits.attempts),
            wait=self.wait,
            sleep=sleep,
            reraise=True,
        )
        try:
            return retrying(self.once, client)
        except _AgainError as error:
            tried = f"asked {retrying.statistics['attempt_number']} times"
            raise UnreachableError(f"{self.clean(str(error))} ({tried})", file=self.request.shown) from None

    def once(self, client: httpx.Client) -> Response:
        """Ask once, following redirects within the host."""
        request = self.request
        for _ in range(_MOST_REDIRECTS + 1):
            try:
                with client.stream(
                    "GET" if request.json is None else "POST",
                    request.url,
                    params=request.params or None,
                    headers=self._headers(request),
                    content=None if request.json is None else json.dumps(request.json),
                    timeout=self._timeout(),
                ) as answer:
                    if answer.status_code not in _REDIRECTS:
                        return self._read(answer)
                    request = self._redirected(request, answer)
            except httpx.HTTPError as error:
                raise _AgainError(f"did not answer: {type(error).__name__} {error}".strip()) from None
            except httpx.InvalidURL as error:
                raise self._rejected(f"redirects to no address: {error}") from None
        raise self._rejected(f"redirects more than {_MOST_REDIRECTS} times")

    def wait(self, state: RetryCallState) -> float:
        """Return the seconds to wait; raises UnreachableError where that would pass the deadline."""
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after_s if isinstance(error, _AgainError) else None
        pause = (
            wait_random_exponential(multiplier=self.limits.first_wait_s)(state) if asked is None else asked
        )
        if time.monotonic() + pause > self.until:
            wish = f", and wants {asked:g} s until the next try" if asked is not None else ""
            raise UnreachableError(
                f"{self.clean(str(error))}{wish}; given up after {state.attempt_number} of "
                f"{self.limits.attempts} attempts, for a deadline of {self.limits.deadline_s:g} s",
                file=self.request.shown,
            )
        return pause

    def clean(self, text: str) -> str:
        """Return text without the request's secrets."""
        return self.request.redactor.text(text)

    def _headers(self, request: Request) -> dict[str, str]:
        own = {"Accept": ", ".join(self.media_types), "Accept-Encoding": "gzip", "User-Agent": "v2g-planner"}
        body = {} if request.json is None else {"Content-Type": "application/json"}
        return {**own, **body, **request.headers, **self.known.headers()}

    def _timeout(self) -> httpx.Timeout:
        left = max(self.until - time.monotonic(), 0.001)
        return httpx.Timeout(min(self.limits.read_s, left), connect=min(self.limits.connect_s, left))

    def _redirected(self, request: Request, answer: httpx.Response) -> Request:
        try:
            target = urljoin(request.url, answer.headers.get("Location", ""))
            here, there = urlsplit(request.url), urlsplit(target)
        except ValueError as error:
            raise self._rejected(f"redirects to no address: {error}") from None
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            raise self._rejected(f"redirects to {there.scheme}://{there.netloc}, which is not followed")
        return replace(request, url=target, params={})

    def _read(self, answer: httpx.Response) -> Response:
        status = answer.status_code
        validators = Validators(
            etag=self._harmless(answer.headers.get("ETag")),
            last_modified=self._harmless(answer.headers.get("Last-Modified")),
        )
        if status == 304 and self.known.headers():
            return Response(data=None, validators=self.known)
        if status in _AGAIN:
            raise _AgainError(f"answers {status}", retry_after_s=_retry_after_s(answer))
        if status == 204:
            raise ProviderError("answers 204: there are no prices for this", file=self.request.shown)
        if status != 200:
            said = f"answers {status}: {self._plain(self._body(answer, cap=_LOOKED_AT, cut=True))}"
            if status == 404:  # how several providers say that the day is not published yet
                raise ProviderError(self.clean(said), file=self.request.shown)
            raise self._rejected(said)
        media = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        data = self._body(answer, cap=self.limits.max_bytes)
        if media not in (*self.media_types, *_UNTOLD):
            raise ProviderError(
                self.clean(f"answers {media}, not {' or '.join(self.media_types)}: {self._plain(data)}"),
                file=self.request.shown,
            )
        if any(self.request.redactor.data(part)[1] for part in unpacked(data, self.limits.max_bytes)):
            raise ProviderError("sends our own token back in a packed file", file=self.request.shown)
        data, redacted = self.request.redactor.data(data)
        return Response(data=data, validators=validators, redacted=redacted)

    def _harmless(self, validator: str | None) -> str | None:
        """Return what a server gave to be kept, unless it is a secret of ours."""
        return None if self.request.redactor.finds(validator) else validator

    def _body(self, answer: httpx.Response, *, cap: int, cut: bool = False) -> bytes:
        """Return the body, unpacked piece by piece, so that neither a bomb nor a trickle gets far."""
        packing = answer.headers.get("Content-Encoding", "identity").strip().lower()
        if packing not in ("identity", "gzip", ""):
            raise ProviderError(
                self.clean(f"is packed as {packing}")[:60] + ", which was not asked for",
                file=self.request.shown,
            )
        unpacker = zlib.decompressobj(wbits=_GZIP) if packing == "gzip" else None
        parts: list[bytes] = []
        size = 0
        for chunk in answer.iter_raw():
            if time.monotonic() > self.until:
                raise UnreachableError(
                    f"was still sending at the deadline of {self.limits.deadline_s:g} s",
                    file=self.request.shown,
                )
            try:
                part = chunk if unpacker is None else unpacker.decompress(chunk, cap + 1 - size)
            except zlib.error as error:
                raise _AgainError(f"sends no whole gzip: {error}") from error
            parts.append(part)
            size += len(part)
            if size > cap:
                if cut:
                    break
                raise OversizedFileError(f"is larger than {cap:,} bytes unpacked", file=self.request.shown)
        if unpacker is not None and not cut:
            if not unpacker.eof:
                raise _AgainError("sends no whole gzip: it ends too early")
            if unpacker.unused_data:
                raise ProviderError("sends bytes after the end of its gzip", file=self.request.shown)
        return b"".join(parts)[: cap + 1]

    def _plain(self, data: bytes) -> str:
        """Return the words of an answer that is not what was asked for, short and without markup."""
        # A secret is looked for before anything is cut, or a part of it would be left.
        text = self.clean(data[:_LOOKED_AT].decode("utf-8", "replace"))
        if len(data) >= _LOOKED_AT:
            text = text[: -len(max(self.request.secrets, key=len, default="")) * 16 or None]
        words = html.unescape(re.sub(r"<[^>]*>", " ", text))
        return self.clean(re.sub(r"\s+", " ", words).strip())[:_SHOWN] or "(empty)"

    def _rejected(self, problem: str) -> RejectedError:
        return RejectedError(self.clean(problem), file=self.request.shown)


def _without_addresses(record: logging.LogRecord) -> bool:
    """Keep httpx from logging every address, which may hold a token."""
    return record.levelno >= logging.WARNING


def _retry_after_s(answer: httpx.Response) -> float | None:
    """Return the seconds that Retry-After asks for; a date counts from the server's own Date."""
    text = answer.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,6}", text):
        return float(text)
    moments = [_http_date(value) for value in (text, answer.headers.get("Date", ""))]
    if moments[0] is None or moments[1] is None:
        return None
    return max(0.0, (moments[0] - moments[1]).total_seconds())


def _http_date(text: str) -> dt.datetime | None:
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)
