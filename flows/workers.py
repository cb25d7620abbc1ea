"""Processes that run the twin: one bad battery costs its own answer, never its neighbours'."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from threading import Lock
from types import TracebackType
from typing import Self, TypeVar

from flows.lifeline import end_worker_with

R = TypeVar("R")
T = TypeVar("T")
_log = logging.getLogger(__name__)


class TwinWorkers:
    """A pool of `count` fresh processes that import nothing but what their function names.

    0 is one a core; 1 is no process at all: the work is done here, without protection from a crash.
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
        self.close(wait=kind is None)

    def close(self, *, wait: bool) -> None:
        """End the processes, at once or when what they do is done; what has not begun is dropped."""
        self._pool.shutdown(wait=wait, cancel_futures=True)

    def spread(
        self,
        function: Callable[[list[R]], list[T]],
        requests: Sequence[R],
        *,
        by: Callable[[R], object] | None = None,
    ) -> list[T | Exception]:
        """function([request]) for each request, in any process; answers or errors in the requests' order.

        by: requests of the same key are handed to one call, and share its error.
        """
        groups: dict[object, list[int]] = {}
        for place, request in enumerate(requests):
            groups.setdefault(by(request) if by else place, []).append(place)
        batches = [[requests[place] for place in places] for places in groups.values()]
        answers: dict[int, T | Exception] = {}
        answered_batches = self._answers(function, batches)
        for places, answered in zip(groups.values(), answered_batches, strict=True):
            answers.update(zip(places, answered, strict=True))
        return [answers[place] for place in range(len(requests))]

    def _answers(
        self, function: Callable[[list[R]], list[T]], batches: list[list[R]]
    ) -> Iterator[Sequence[T | Exception]]:
        if self.count == 1:
            for batch in batches:
                try:
                    yield function(batch)
                except Exception as error:
                    yield [error] * len(batch)
            return
        submitted = [self._submit(function, batch) for batch in batches]
        for batch, (pool, future) in zip(batches, submitted, strict=True):
            answered = self._answer(function, batch, pool, future)
            yield answered

    def _submit(
        self, function: Callable[[list[R]], list[T]], batch: list[R]
    ) -> tuple[ProcessPoolExecutor, Future[list[T]]]:
        pool = self._pool
        try:
            return pool, pool.submit(function, batch)
        except BrokenProcessPool:
            self._replace(pool)
            return self._pool, self._pool.submit(function, batch)

    def _answer(
        self,
        function: Callable[[list[R]], list[T]],
        batch: list[R],
        pool: ProcessPoolExecutor,
        future: Future[list[T]],
    ) -> Sequence[T | Exception]:
        try:
            return future.result()
        except BrokenProcessPool:
            self._replace(pool)
        except Exception as error:
            return [error] * len(batch)
        # Some process ended and took all that waited with it. Tried again, what waited is answered; if
        # processes end again, each request shows in one of its own whether it is the cause.
        pool, future = self._submit(function, batch)
        try:
            return future.result()
        except BrokenProcessPool:
            self._replace(pool)
            return _alone(function, batch)
        except Exception as error:
            return [error] * len(batch)

    def _replace(self, broken: ProcessPoolExecutor) -> None:
        with self._lock:
            if self._pool is broken:
                _log.warning("a twin process died; what waited for it is tried again")
                self._pool = _new_pool(self.count)


_shared: dict[int, tuple[TwinWorkers, int]] = {}
_sharing = Lock()


@contextmanager
def twin_workers(count: int) -> Iterator[TwinWorkers]:
    """The workers that blocks of the same `count` share, in any thread; they end with the last block.

    Loading PyBaMM and building its models costs seconds a process: a run pays once, not once a stage.
    """
    with _sharing:
        workers, users = _shared.get(count) or (TwinWorkers(count), 0)
        _shared[count] = workers, users + 1
    failed: BaseException | None = None
    try:
        yield workers
    except BaseException as error:
        failed = error
        raise
    finally:
        with _sharing:
            _, users = _shared[count]
            if users > 1:
                _shared[count] = workers, users - 1
            else:
                del _shared[count]
        if users == 1:
            workers.close(wait=failed is None)


def _alone(function: Callable[[list[R]], list[T]], batch: list[R]) -> Sequence[T | Exception]:
    with _new_pool(1) as pool:
        try:
            return pool.submit(function, batch).result()
        except BrokenProcessPool:
            return [RuntimeError("the twin's process died")] * len(batch)
        except Exception as error:
            return [error] * len(batch)


def _new_pool(count: int) -> ProcessPoolExecutor:
    # Spawned, not forked: the parent holds threads and, under Prefect, an event loop.
    return ProcessPoolExecutor(
        max_workers=count,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=end_worker_with,
        initargs=(os.getpid(),),
    )
