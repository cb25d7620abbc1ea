"""Requests of OCPI 2.2.1: endpoints found by the versions, headers, answers, and asking again.

Asked again after a broken connection, 429, 5xx and OCPI's 3000, 4002 and 4003: all that is sent here may be
sent twice. No redirect is followed, and no token goes to an address that is not private.
"""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_random_exponential

from flows.addresses import checked_address
from flows.dispatch.ocpi.config import OcpiConfig
from flows.dispatch.ocpi.objects import (
    ChargingProfileResponse,
    Envelope,
    ObjectError,
    Version,
    VersionDetails,
    read,
)
from flows.errors import UsageError

VERSION = "2.2.1"
_ATTEMPTS, _TIMEOUT_S, _MOST_WAIT_S = 4, 30.0, 30.0
_MOST_BYTES, _MOST_PAGES = 32_000_000, 1000
_AGAIN = frozenset({408, 425, 429, *range(500, 600)})
_AGAIN_CODES = frozenset({3000, 4002, 4003})
_OK_CODES = range(1000, 2000)
_HTTP_OK = frozenset({200, 201})
"""201: what was set is new there (chapter "Status codes")."""
_MODULES = {"chargingprofiles": "RECEIVER", "sessions": "SENDER"}


class CentralSystemError(UsageError):
    """The central system refuses, or does not speak what is needed; the message says what."""


class UnansweredError(CentralSystemError):
    """The central system does not answer, or not now."""

    exit_code = 75


class _AgainError(Exception):
    """This attempt failed in a way that may pass."""

    def __init__(self, problem: str, after_s: float = 0.0) -> None:
        super().__init__(problem)
        self.after_s = after_s


class OcpiClient:
    """The Sender of ChargingProfiles; wait_s: the longest first wait before it asks again."""

    def __init__(self, config: OcpiConfig, token: str, *, wait_s: float = 0.5) -> None:
        encoded = base64.b64encode(token.encode()).decode()
        self._http = httpx.Client(
            headers={"Authorization": f"Token {encoded}"}, timeout=_TIMEOUT_S, follow_redirects=False
        )
        self._config = config
        self._waits = wait_random_exponential(multiplier=wait_s, max=_MOST_WAIT_S)
        self._endpoints: dict[str, str] = {}

    def close(self) -> None:
        """Give its connections up."""
        self._http.close()

    def connect(self) -> None:
        """Find the endpoints of 2.2.1; raises CentralSystemError for what does not have them."""
        stated, _ = self._ask("GET", self._config.versions_url, routed=False)
        versions = [read(Version, one) for one in _list(stated, "versions")]
        details = next((one.url for one in versions if one.version == VERSION), None)
        if details is None:
            spoken = ", ".join(one.version for one in versions) or "none"
            raise CentralSystemError(f"{self._config.versions_url} offers {spoken}, not {VERSION}")
        found = read(VersionDetails, self._ask("GET", details, routed=False)[0])
        for one in found.endpoints:
            if _MODULES.get(one.identifier) == one.role.upper():
                self._endpoints.setdefault(one.identifier, one.url)

    def sessions(self, since: datetime) -> Iterator[Any]:
        """Yield all sessions that were updated since a moment, as they are sent, page by page."""
        begin = self._endpoint("sessions")
        url: str | None = begin
        query: Mapping[str, str] | None = {"date_from": _text(since)}
        for _ in range(_MOST_PAGES):
            if url is None:
                return
            data, headers = self._ask("GET", url, query=query)
            yield from _list(data, "sessions")
            url, query = _next(headers, url), None
            if url is not None and urlsplit(url)[:2] != urlsplit(begin)[:2]:
                raise CentralSystemError(f"the next page of sessions is said to be on another host: {url}")
        raise CentralSystemError(f"the sessions have more than {_MOST_PAGES} pages")

    def put_profile(
        self, session_id: str, profile: Mapping[str, Any], response_url: str
    ) -> ChargingProfileResponse:
        """Set a session's charging profile; what its station says of it comes to the response_url."""
        body = {"charging_profile": profile, "response_url": response_url}
        return self._profile("PUT", session_id, body=body)

    def get_profile(self, session_id: str, duration_s: int, response_url: str) -> ChargingProfileResponse:
        """Ask for what a session's station is going to do for a while."""
        query = {"duration": str(duration_s), "response_url": response_url}
        return self._profile("GET", session_id, query=query)

    def delete_profile(self, session_id: str, response_url: str) -> ChargingProfileResponse:
        """Take a session's charging profile back."""
        return self._profile("DELETE", session_id, query={"response_url": response_url})

    def _profile(self, method: str, session_id: str, **sent: Any) -> ChargingProfileResponse:
        url = f"{self._endpoint('chargingprofiles').rstrip('/')}/{quote(session_id, safe='')}"
        return read(ChargingProfileResponse, self._ask(method, url, **sent)[0])

    def _endpoint(self, module: str) -> str:
        if module not in self._endpoints:
            raise CentralSystemError(f"the central system has no {module} ({_MODULES[module]}) of {VERSION}")
        return self._endpoints[module]

    def _ask(
        self,
        method: str,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        routed: bool = True,
    ) -> tuple[Any, httpx.Headers]:
        """Return the data and headers of an answer, asked for until there is one or no attempt is left."""
        try:
            checked_address(url, "https", "http")
        except ValueError as error:
            raise CentralSystemError(f"{url!r} is not asked: {error}") from None
        headers = {"X-Correlation-ID": str(uuid.uuid4()), **(self._config.routing() if routed else {})}
        retrying = Retrying(
            retry=retry_if_exception_type(_AgainError), stop=stop_after_attempt(_ATTEMPTS),
            wait=self._wait, reraise=True,
        )  # fmt: skip
        try:
            return retrying(self._once, method, url, query, body, headers)
        except _AgainError as error:
            tried = f"asked {_ATTEMPTS} times"
            raise UnansweredError(f"{method} {_shown(url)}: {error} ({tried})") from None

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        after = error.after_s if isinstance(error, _AgainError) else 0.0
        return max(min(after, _MOST_WAIT_S), self._waits(state))

    def _once(
        self, method: str, url: str, query: Mapping[str, str] | None, body: Any, headers: Mapping[str, str]
    ) -> tuple[Any, httpx.Headers]:
        sent = {"X-Request-ID": str(uuid.uuid4()), **headers}
        try:
            with self._http.stream(method, url, params=query, json=body, headers=sent) as answer:
                content = _content(answer)
        except httpx.HTTPError as error:
            raise _AgainError(f"{type(error).__name__} {error}".strip()) from None
        except httpx.InvalidURL as error:
            raise CentralSystemError(f"{url!r} is no address: {error}") from None
        return _data(method, url, answer, content), answer.headers


def _content(answer: httpx.Response) -> bytes:
    content, until = b"", time.monotonic() + _TIMEOUT_S
    for part in answer.iter_bytes():
        content += part
        if time.monotonic() > until:
            raise _AgainError(f"the answer takes longer than {_TIMEOUT_S:g} s")
        if len(content) > _MOST_BYTES:
            raise CentralSystemError(f"an answer has more than {_MOST_BYTES:,} bytes")
    return content


def _data(method: str, url: str, answer: httpx.Response, content: bytes) -> Any:
    """What an answer holds; raises _AgainError or CentralSystemError."""
    where = f"{method} {_shown(url)}"
    if answer.status_code in _AGAIN:
        after = answer.headers.get("Retry-After", "")
        raise _AgainError(f"HTTP {answer.status_code}", float(after) if after.isdecimal() else 0.0)
    if answer.status_code not in _HTTP_OK:
        raise CentralSystemError(f"{where}: HTTP {answer.status_code}{_said(content)}")
    try:
        envelope = Envelope.model_validate_json(content)
    except ValueError:
        raise CentralSystemError(f"{where}: the answer is no envelope of OCPI") from None
    said = f"OCPI {envelope.status_code} {envelope.status_message or ''}".strip()[:200]
    if envelope.status_code in _AGAIN_CODES:
        raise _AgainError(said)
    if envelope.status_code not in _OK_CODES:
        raise CentralSystemError(f"{where}: {said}")
    return envelope.data


def _said(content: bytes) -> str:
    """What an answer that is refused says in its envelope, if it has one."""
    try:
        envelope = Envelope.model_validate_json(content)
    except ValueError:
        return ""
    return f", OCPI {envelope.status_code} {envelope.status_message or ''}".rstrip()[:200]


def _shown(url: str) -> str:
    return url.split("?", 1)[0]


def _list(data: Any, what: str) -> list[Any]:
    if not isinstance(data, list):
        raise ObjectError(f"no list of {what}, but {type(data).__name__}")
    return data


def _next(headers: httpx.Headers, base: str) -> str | None:
    """The next page's address, by the Link header."""
    answer = httpx.Response(200, headers=headers)
    found = answer.links.get("next", {}).get("url")
    return None if found is None else urljoin(base, found)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
