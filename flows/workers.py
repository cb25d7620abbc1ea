"""Processes that run the twin: one bad battery costs its own answer, never its neighbours'.

They are children of this one, or the workers of a Dask scheduler, which are handed what a battery's fit needs
and hand its answer back: no worker opens the warehouse. What a worker that dies was at is done by another.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from threading import Lock
from types import TracebackType
from typing import Any, Self, TypeVar

from flows.errors import UsageError
from flows.lifeline import end_worker_with

R = TypeVar("R")
T = TypeVar("T")
_log = logging.getLogger(__name__)


Twins = int | str
"""Where twins are run: so many processes here, or the address of a Dask scheduler."""
_ANSWERS_WITHIN_S = 10.0


class TwinWorkers:
    """A pool of `twins` fresh processes that import nothing but what their function names.

    0 is one a core; 1 is no process at all: the work is done here, without protection from a crash. A text is
    the address of a Dask scheduler, whose workers then do it; where none answers there, one process a core.
    Safe to call from several threads. Use as a context manager: leaving it ends the processes.
    """

    def __init__(self, twins: Twins) -> None:
        self.count = (0 if isinstance(twins, str) else twins) or os.cpu_count() or 1
        found = _on_dask(twins) if isinstance(twins, str) else None
        self.here = found is None and self.count == 1
        self._pool: Executor = found or _new_pool(self.count)
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
        if self.here:
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
    ) -> tuple[Executor, Future[list[T]]]:
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
        pool: Executor,
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

    def _replace(self, broken: Executor) -> None:
        with self._lock:
            if self._pool is broken:
                _log.warning("a twin process died; what waited for it is tried again")
                self._pool = _new_pool(self.count)


_shared: dict[Twins, tuple[TwinWorkers, int]] = {}
_sharing = Lock()


@contextmanager
def twin_workers(twins: Twins) -> Iterator[TwinWorkers]:
    """The workers that blocks of the same `twins` share, in any thread; they end with the last block.

    Loading PyBaMM and building its models costs seconds a process: a run pays once, not once a stage.
    """
    with _sharing:
        workers, users = _shared.get(twins) or (TwinWorkers(twins), 0)
        _shared[twins] = workers, users + 1
    failed: BaseException | None = None
    try:
        yield workers
    except BaseException as error:
        failed = error
        raise
    finally:
        with _sharing:
            _, users = _shared[twins]
            if users > 1:
                _shared[twins] = workers, users - 1
            else:
                del _shared[twins]
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


class _DaskPool(Executor):
    """The workers of a Dask scheduler; what one that dies was at goes to another."""

    def __init__(self, client: Any) -> None:
        self._client, self._pool = client, client.get_executor(pure=False)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        submitted: Future[T] = self._pool.submit(fn, *args, **kwargs)
        return submitted

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        self._pool.shutdown(wait=wait)
        self._client.close()


def _on_dask(scheduler: str) -> Executor | None:
    """The pool of a scheduler; None, and a word in the log, where none answers."""
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise UsageError(
            "[calibrate] scheduler: Dask is not installed", hint="pip install 'v2g-planner[dask]'"
        ) from None
    try:
        return _DaskPool(Client(scheduler, timeout=_ANSWERS_WITHIN_S, set_as_default=False))
    except (OSError, TimeoutError) as error:
        _log.warning("no Dask scheduler answers at %s (%s): the twins run here", scheduler, error)
        return None
