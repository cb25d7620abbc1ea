"""A file of JSON that a command is given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flows.errors import UsageError

_MOST_BYTES = 32_000_000


def json_of(file: Path) -> Any:
    """What a file holds; raises UsageError for one that is too large, cannot be read or is no JSON."""
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise UsageError(f"{file} is larger than {_MOST_BYTES:,} bytes")
        return json.loads(file.read_bytes())
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file} is not JSON: {str(error)[:200]}") from error
