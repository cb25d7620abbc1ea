"""A central system with OCPI 2.2.1 for tests: it holds what it is sent to the specification, and shares
no code with the client.

Its sessions behave as their names say; a request that breaks a rule of the specification is refused with 2001
and kept in `faults`.
"""

from __future__ import annotations

import base64
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

TOKEN, CALLBACK = "theirs-of-us-0123456789", "ours-of-them-9876543210"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?")
_ROUTING = ("to-country-code", "to-party-id", "from-country-code", "from-party-id")
_PROFILE = {
    "start_date_time",
    "duration",
    "charging_rate_unit",
    "min_charging_rate",
    "charging_profile_period",
}
_PAGE = 2


class CentralSystem:
    """kinds: session id → how it answers; sessions: the Session objects, in the order of pages."""

    def __init__(self, sessions: list[dict[str, Any]], kinds: Mapping[str, str] | None = None) -> None:
        self.sessions, self.kinds = sessions, dict(kinds or {})
        self.profiles: dict[str, dict[str, Any]] = {}
        self.faults: list[str] = []
        self.calls: list[tuple[str, str]] = []
        self.receipts: list[httpx.Response] = []
        self.versions = ["2.1.1", "2.2.1"]
        self.modules = [("chargingprofiles", "RECEIVER"), ("sessions", "SENDER"), ("credentials", "SENDER")]
        self.base, self.next_page = "", ""
        self._seen: set[str] = set()
        self._tries: dict[str, int] = {}
        self.app = FastAPI()
        self._routes()

    def _routes(self) -> None:
        app = self.app

        @app.get("/ocpi/versions")
        def versions(request: Request) -> Response:
            return self._answer(request, lambda: [
                {"version": one, "url": f"{self.base}/ocpi/{one}"} for one in self.versions
            ], functional=False)  # fmt: skip

        @app.get("/ocpi/2.2.1")
        def details(request: Request) -> Response:
            endpoints = [
                {"identifier": name, "role": role, "url": f"{self.base}/ocpi/2.2.1/{role.lower()}/{name}/"}
                for name, role in [("chargingprofiles", "SENDER"), *self.modules]
            ]
            return self._answer(
                request, lambda: {"version": "2.2.1", "endpoints": endpoints}, functional=False
            )

        @app.get("/ocpi/2.2.1/sender/sessions/")
        def sessions(request: Request) -> Response:
            query = request.query_params
            if not _TIME.fullmatch(query.get("date_from", "")):
                return self._refused(request, f"date_from {query.get('date_from')!r}")
            offset = int(query.get("offset", 0))
            page = self.sessions[offset : offset + _PAGE]
            answer = self._answer(request, lambda: page)
            if offset + _PAGE < len(self.sessions):
                link = (
                    f"{request.url.replace_query_params(date_from=query['date_from'], offset=offset + _PAGE)}"
                )
                answer.headers["Link"] = f'<{self.next_page or link}>; rel="next"'
            return answer

        path = "/ocpi/2.2.1/receiver/chargingprofiles/{session_id}"
        app.add_api_route(path, self._put, methods=["PUT"])
        app.add_api_route(path, self._get, methods=["GET"])
        app.add_api_route(path, self._delete, methods=["DELETE"])

    async def _put(self, session_id: str, request: Request) -> Response:
        if request.headers.get("content-type") != "application/json":
            return self._refused(request, "Content-Type")
        body = await request.json()
        if wrong := _wrong_set_profile(body):
            return self._refused(request, wrong)
        return self._asynchronous("PUT", session_id, request, body["response_url"], body["charging_profile"])

    def _get(self, session_id: str, request: Request) -> Response:
        query = request.query_params
        if not query.get("duration", "").isdecimal():
            return self._refused(request, "duration")
        return self._asynchronous("GET", session_id, request, query.get("response_url", ""))

    def _delete(self, session_id: str, request: Request) -> Response:
        return self._asynchronous("DELETE", session_id, request, request.query_params.get("response_url", ""))

    def _asynchronous(
        self, method: str, session_id: str, request: Request, url: str, profile: Any = None
    ) -> Response:
        """Answer at once, and tell the response_url a little later what the station says."""
        if not url.startswith("http") or len(url) > 255:
            return self._refused(request, f"response_url {url!r}")
        kind = self.kinds.get(session_id, "good")
        tries = self._tries[session_id] = self._tries.get(session_id, 0) + 1
        if kind == "http 500" or (kind == "http 503 once" and tries == 1):
            return Response(status_code=500 if kind == "http 500" else 503)
        if kind == "ocpi 3000 once" and tries == 1:
            return self._answer(request, lambda: None, code=3000)
        if kind == "garbage":
            return Response(content=b"<html>", media_type="text/html")
        known = session_id in {one.get("id") for one in self.sessions}
        answers = {"too often": "TOO_OFTEN", "refused": "REJECTED"}
        result = answers.get(kind, "ACCEPTED") if known else "UNKNOWN_SESSION"
        if result == "ACCEPTED" and kind != "silent":
            if method == "PUT":
                self.profiles[session_id] = profile
            told = {"result": "REJECTED" if kind == "rejected by station" else "ACCEPTED"}
            if method == "DELETE":
                told = {"result": "ACCEPTED" if self.profiles.pop(session_id, None) else "UNKNOWN"}
            if method == "GET":
                told |= {"profile": self.active(session_id)}
            threading.Thread(target=self._call_back, args=("POST", url, told), daemon=True).start()
        answer = self._answer(request, lambda: {"result": result, "timeout": 1 if kind == "silent" else 20})
        if method == "PUT" and answer.status_code == 200:  # newly created, by chapter "Status codes"
            answer.status_code = 201 if kind == "created" else 200
        return answer

    def active(self, session_id: str) -> dict[str, Any]:
        """What the station of a session does: what it was given, but never more than 6 kW."""
        given = self.profiles[session_id]
        periods = [one | {"limit": min(one["limit"], 6000)} for one in given["charging_profile_period"]]
        profile = given | {"charging_profile_period": periods}
        return {
            "start_date_time": datetime.now(UTC).isoformat(timespec="seconds"),
            "charging_profile": profile,
        }

    def push_active(self, callback: str, session_id: str) -> httpx.Response:
        """Tell the other side, unasked, what a station does from now on."""
        return self._call_back("PUT", f"{callback}/chargingprofiles/{session_id}", self.active(session_id))

    def _call_back(self, method: str, url: str, body: Any) -> httpx.Response:
        time.sleep(0.05)
        headers = {
            "Authorization": "Token " + base64.b64encode(CALLBACK.encode()).decode(), "X-Request-ID": "r-1",
            "X-Correlation-ID": "c-1",
        }  # fmt: skip
        answer = httpx.request(method, url, json=body, headers=headers, timeout=10)
        self.receipts.append(answer)
        return answer

    def _answer(self, request: Request, data: Any, *, functional: bool = True, code: int = 1000) -> Response:
        self.calls.append((request.method, request.url.path))
        wanted = "Token " + base64.b64encode(TOKEN.encode()).decode()
        if request.headers.get("authorization") != wanted:
            return JSONResponse({"status_code": 2000, "timestamp": _now()}, status_code=401)
        name = request.headers.get("x-request-id", "")
        routed = [one for one in _ROUTING if f"ocpi-{one}" in request.headers]
        if not name or name in self._seen or not request.headers.get("x-correlation-id"):
            return self._refused(request, "X-Request-ID or X-Correlation-ID")
        self._seen.add(name)
        if len(routed) != (4 if functional else 0):
            return self._refused(request, f"routing headers {routed}")
        return JSONResponse({"data": data(), "status_code": code, "timestamp": _now()})

    def _refused(self, request: Request, what: str) -> Response:
        self.faults.append(f"{request.method} {request.url.path}: {what}")
        return JSONResponse({"status_code": 2001, "status_message": what, "timestamp": _now()})


def _wrong_set_profile(body: Any) -> str | None:
    """What of a SetChargingProfile object is not of the specification."""
    if set(body) != {"charging_profile", "response_url"}:
        return f"fields {sorted(body)}"
    profile = body["charging_profile"]
    if not set(profile) <= _PROFILE or profile.get("charging_rate_unit") not in ("W", "A"):
        return f"charging_profile {profile}"
    if "start_date_time" in profile and not _TIME.fullmatch(profile["start_date_time"]):
        return f"start_date_time {profile['start_date_time']!r}"
    duration, periods = profile.get("duration"), profile["charging_profile_period"]
    if duration is not None and (type(duration) is not int or duration <= 0):
        return f"duration {duration!r}"
    starts = [one["start_period"] for one in periods]
    if any(set(one) != {"start_period", "limit"} or type(one["start_period"]) is not int for one in periods):
        return f"periods {periods}"
    if starts != sorted(set(starts)) or starts[0] != 0 or (duration is not None and starts[-1] >= duration):
        return f"start_period {starts}"
    rates = [one["limit"] for one in periods] + [profile.get("min_charging_rate", 0)]
    if any(rate < 0 or round(rate, 1) != rate for rate in rates):
        return f"limits {rates}"
    return None


def session_object(name: str, token: str, start: datetime, **other: Any) -> dict[str, Any]:
    """A Session object, whole."""
    return {
        "country_code": "NL", "party_id": "TNM", "id": name, "start_date_time": _text(start), "kwh": 0.0,
        "cdr_token": {
            "country_code": "NL", "party_id": "TNM", "uid": token, "type": "RFID",
            "contract_id": "NL8ACC12E46L89",
        },
        "auth_method": "WHITELIST", "location_id": "LOC1", "evse_uid": "3256", "connector_id": "1",
        "currency": "EUR", "status": "ACTIVE", "last_updated": _text(start), **other,
    }  # fmt: skip


@contextmanager
def running(system: CentralSystem) -> Iterator[CentralSystem]:
    """Serve it on loopback."""
    server = uvicorn.Server(uvicorn.Config(system.app, port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    system.base = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield system
    finally:
        server.should_exit = True
        thread.join(10)


def _now() -> str:
    return _text(datetime.now(UTC))


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
