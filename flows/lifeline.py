"""Processes that end together: a child with its parent, however that ends; a process soon after a signal.

A killed process can tell nobody, so children look: their parent's id changes when it is gone. That holds on
Linux and macOS alike, also when the parent's thread that started them has ended long before.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

LOOK_EVERY_S = 0.5
_ORPHANED = 70


def end_with(parent: int) -> None:
    """End this process, without further ado, as soon as process `parent` is no longer its parent."""

    def watch() -> NoReturn:
        while os.getppid() == parent:
            time.sleep(LOOK_EVERY_S)
        os._exit(_ORPHANED)

    if os.getppid() != parent:
        os._exit(_ORPHANED)
    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def end_worker_with(parent: int) -> None:
    """`end_with` for a process of a pool; it leaves without taking its engines apart, which tell of leaks."""
    import atexit

    end_with(parent)
    atexit.register(os._exit, 0)


@contextmanager
def ending_soon_after(signals: frozenset[signal.Signals], *, within_s: float, code: int) -> Iterator[None]:
    """In the block, end this process with `code` at the latest `within_s` after one of the signals.

    The handler of the signal stays what it is and has that long to end things in order. A handler alone would
    not do: Python runs it only when the main thread comes back from a solver. Outside the main thread, where
    signals do not arrive, the block is a block.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stated, send_end = os.pipe()
    os.set_blocking(send_end, False)

    def watch() -> None:
        while heard := os.read(stated, 1):
            if heard[0] in signals:
                time.sleep(within_s)
                os._exit(code)
        os.close(stated)

    before = signal.set_wakeup_fd(send_end, warn_on_full_buffer=False)
    threading.Thread(target=watch, name="ending", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(send_end)
