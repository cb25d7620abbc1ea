"""Several uses of the warehouse for which it is opened once: reads of one state; all uses of an own copy."""

from contextlib import AbstractContextManager

from warehouse.connection import held_open, shared
from warehouse.store import Warehouse


def at_once(warehouse: Warehouse) -> AbstractContextManager[None]:
    """Open the file once for all that this thread reads within the block, which is all of one state.

    Nobody writes meanwhile, the thread itself least of all (StoreError): no place for long computations.
    Raises the errors of opening a warehouse.
    """
    return shared(warehouse.path, timeout_s=warehouse.lock_timeout_s)


def to_itself(warehouse: Warehouse) -> AbstractContextManager[None]:
    """Open the file once for all that this process reads and writes within the block; no other can meanwhile.

    For a copy that nobody else works in. Raises the errors of opening a warehouse.
    """
    return held_open(warehouse.path, timeout_s=warehouse.lock_timeout_s)
