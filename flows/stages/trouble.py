"""What a stage does about an error: whether it may pass, and what its log line tells."""

from __future__ import annotations

import errno
import os

from warehouse.errors import LockedError

DEGRADED = 3
"""Exit code of a stage or a day that is not as it should be."""
_PASSING = frozenset({errno.EAGAIN, errno.EBUSY, errno.EDEADLK, errno.EINTR, errno.ENOLCK, errno.ETXTBSY})


def may_pass(error: object) -> bool:
    """Whether an error is of a file or table that may be free a moment later; any other sessions as it is."""
    return isinstance(error, LockedError) or (isinstance(error, OSError) and error.errno in _PASSING)


def trace_of(error: Exception) -> Exception | None:
    """What a log line tells of where an error came from: all with V2G_DEBUG=1, else nothing."""
    return error if os.environ.get("V2G_DEBUG") == "1" else None
