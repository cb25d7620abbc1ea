"""OCPP-J over one websocket: calls are answered in turn, own calls wait for their answer one at a time.

Framing and schemas are those of the `ocpp` package. A frame that is none, or not of its schema, costs itself
alone: it is answered with an error where it has an id, and counted.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from jsonschema import Draft4Validator
from jsonschema.exceptions import best_match
from ocpp.messages import get_validator
from websockets.asyncio.connection import Connection
from websockets.exceptions import ConnectionClosed

from flows.dispatch.station import Version

_CALL, _RESULT, _ERROR, _RESULT_ERROR, _SEND = 2, 3, 4, 5, 6
_REMEMBERED = 64
_LONGEST_ID = 64
Payload = dict[str, Any]
Handle = Callable[[str, Payload], Awaitable[Payload | None]]


class RefusedError(Exception):
    """The other side answered a call with an error."""


class Link:
    """One connection. handle: action and payload → the answer, None for an action that is not served."""

    def __init__(
        self, socket: Connection, version: Version, handle: Handle, odd: Callable[[str], None], wait_s: float
    ) -> None:
        """odd: is reported of frames that cannot be used. wait_s: how long an answer is waited for."""
        self._socket, self._version, self._handle, self._odd = socket, version, handle, odd
        self._wait_s = wait_s
        self._one = asyncio.Lock()
        self._waiting: tuple[str, asyncio.Future[Payload]] | None = None
        self._answered: OrderedDict[str, tuple[str, str]] = OrderedDict()

    async def serve(self) -> None:
        """Take frames until the connection ends."""
        async for raw in self._socket:
            try:
                await self._take(raw)
            except ConnectionClosed:
                raise
            except OSError as error:  # not taken: the station tells it again
                self._odd(f"a message could not be kept: {error.strerror}")
            except Exception as error:  # whatever a station sends costs itself alone
                self._odd(f"no frame of OCPP-J that can be used ({type(error).__name__})")

    async def call(self, action: str, payload: Mapping[str, Any]) -> Payload:
        """Call the other side; raises RefusedError, TimeoutError, and websockets' error when it is gone."""
        async with self._one:
            number = str(uuid.uuid4())
            answer: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
            self._waiting = (number, answer)
            try:
                await self._socket.send(_text([_CALL, number, action, payload]))
                async with asyncio.timeout(self._wait_s):
                    return await answer
            finally:
                self._waiting = None

    async def _take(self, raw: str | bytes) -> None:
        frame = json.loads(raw)
        match frame:
            case [int(kind), str(number), *_] if number and len(number) <= _LONGEST_ID:
                pass
            case _:
                raise ValueError("no frame")
        match frame:
            case [2, _, str(action), dict(payload)]:
                await self._answer(number, action, payload)
            case [3, _, dict(payload)]:
                self._arrived(number, payload)
            case [4, _, code, text, *_]:
                self._arrived(number, RefusedError(f"{str(code)[:60]}: {str(text)[:200]}"))
            case [5 | 6, *_]:
                pass  # an answer of ours that the station could not use, and streams that nobody ordered
            case _:
                self._odd(f"a frame of kind {kind} that cannot be one")
                if kind == _CALL:
                    await self._fail(number, "FormatViolation", "is no call")

    def _arrived(self, number: str, answer: Payload | RefusedError) -> None:
        if self._waiting is None or self._waiting[0] != number or self._waiting[1].done():
            return  # too late
        if isinstance(answer, RefusedError):
            self._waiting[1].set_exception(answer)
        else:
            self._waiting[1].set_result(answer)

    async def _answer(self, number: str, action: str, payload: Payload) -> None:
        """Answer a call; one that comes again by its id and action gets the answer that it had."""
        if (before := self._answered.get(number)) and before[0] == action:
            await self._socket.send(before[1])
            return
        validator = _schema(_CALL, action, self._version)
        if validator is None:
            await self._fail(number, "NotImplemented", f"{action[:60]} is not served")
            return
        if (fault := best_match(validator.iter_errors(payload))) is not None:
            self._odd(f"{action}: {fault.message[:120]}")
            await self._fail(number, "FormatViolation", fault.message[:200])
            return
        stated = await self._handle(action, payload)
        if stated is None:
            empty = _schema(_RESULT, action, self._version)
            if empty is None or not empty.is_valid({}):
                await self._fail(number, "NotSupported", f"{action} is not served")
                return
            stated = {}
        text = _text([_RESULT, number, stated])
        self._answered[number] = (action, text)
        while len(self._answered) > _REMEMBERED:
            self._answered.popitem(last=False)
        await self._socket.send(text)

    async def _fail(self, number: str, code: str, text: str) -> None:
        await self._socket.send(_text([_ERROR, number, code, text, {}]))


def _schema(kind: int, action: str, version: Version) -> Draft4Validator | None:
    """The schema of an action, None for one that the version does not have."""
    if not action.isidentifier():
        return None
    try:
        return get_validator(kind, action, version)
    except OSError:
        return None


def _text(frame: list[Any]) -> str:
    return json.dumps(frame, separators=(",", ":"))
