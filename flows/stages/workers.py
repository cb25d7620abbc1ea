"""Processes that run the twin: one bad battery costs its own answer, never its neighbours'."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from threading import Lock
from types import TracebackType
from typing import Self, TypeVar

R = TypeVar("R")
T = TypeVar("T")
_log = logging.getLogger(__name__)


class TwinWorkers:
    """A pool of `count` fresh processes (0 = one a core) that import nothing but what their function names.

    Safe to call from several threads. Use as a context manager: leaving it ends the processes.
    """

    def __init__(self, count: int) -> None:
        self.count = count or os.cpu_count() or 1
        self._pool = _new_pool(self.count)
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=kind is None, cancel_futures=True)

    def run(self, function: Callable[[list[R]], list[T]], requests: Sequence[R]) -> list[T | Exception]:
        """function(requests) in a worker; if it fails, each request alone, its error as its answer."""
        if not requests:
            return []
        pool = self._pool
        try:
            return list(pool.submit(function, list(requests)).result())
        except BrokenProcessPool:
            self._replace(pool)
            _log.warning("a twin process died; its batteries are tried one at a time")
        except Exception as error:
            if len(requests) == 1:
                return [error]
        return [_alone(function, request) for request in requests]

    def spread(self, function: Callable[[list[R]], list[T]], requests: Sequence[R]) -> list[T | Exception]:
        """`run`, with the requests dealt out evenly over the processes; answers in their order."""
        shares = [requests[at :: self.count] for at in range(self.count)]
        answers: list[T | Exception | None] = [None] * len(requests)
        with ThreadPoolExecutor(self.count) as threads:
            for at, share in enumerate(threads.map(lambda share: self.run(function, share), shares)):
                answers[at :: self.count] = share
        return [answer for answer in answers if answer is not None]

    def _replace(self, broken: ProcessPoolExecutor) -> None:
        with self._lock:
            if self._pool is broken:
                self._pool = _new_pool(self.count)


def _alone(function: Callable[[list[R]], list[T]], request: R) -> T | Exception:
    """One request in a process of its own: a crash there is this request's doing."""
    with _new_pool(1) as pool:
        try:
            return pool.submit(function, [request]).result()[0]
        except Exception as error:
            return error


def _new_pool(count: int) -> ProcessPoolExecutor:
    # Spawned, not forked: the parent holds threads and, under Prefect, an event loop.
    return ProcessPoolExecutor(max_workers=count, mp_context=multiprocessing.get_context("spawn"))
