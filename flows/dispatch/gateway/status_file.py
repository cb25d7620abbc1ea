"""What a gateway last said of itself, for readers that know nothing of chargers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE_NAME = "status.json"


def read_status(folder: Path) -> dict[str, Any] | None:
    """What `write_status` wrote last into a gateway's folder; None where no gateway has."""
    try:
        answer: dict[str, Any] = json.loads((folder / FILE_NAME).read_bytes())
    except (OSError, ValueError):
        return None
    return answer
