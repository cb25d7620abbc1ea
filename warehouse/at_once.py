"""Several reads of one state of the warehouse, which is opened once for all of them."""

from contextlib import AbstractContextManager

from warehouse.connection import shared
from warehouse.store import Warehouse


def at_once(warehouse: Warehouse) -> AbstractContextManager[None]:
    """Open the file once for all that this thread reads within the block, which is all of one state.

    Nobody writes meanwhile, the thread itself least of all (StoreError): no place for long computations.
    Raises the errors of opening a warehouse.
    """
    return shared(warehouse.path, timeout_s=warehouse.lock_timeout_s)
