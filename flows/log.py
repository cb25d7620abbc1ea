"""Log lines for a program: with V2G_LOG=json each is a JSON object on stderr, and nothing else is there.

time (UTC), level, logger, message; run_id and stage of what was at work, battery_id of a line on one battery;
kind and exit_code of the error that ended a command; trace with V2G_DEBUG=1.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from flows.errors import UsageError
from flows.secret import without_secrets

VARIABLE = "V2G_LOG"
ROOMS = ("flows", "optimize", "twin", "warehouse", "data_checks")
_FORMS = ("text", "json")
_FIELDS = ("run_id", "stage", "battery_id", "kind", "exit_code")
_at_work: ContextVar[Mapping[str, str] | None] = ContextVar("at_work", default=None)


def as_json() -> bool:
    """Whether lines are for a program."""
    return _form() == "json"


def _form() -> str:
    return os.environ.get(VARIABLE, "").strip() or _FORMS[0]


def begin() -> None:
    """Send what the rooms log to stderr as JSON, where that is asked for; once a process.

    Raises UsageError for a form that there is not.
    """
    if _form() not in _FORMS:
        raise UsageError(f"{VARIABLE}={_form()}: {' or '.join(_FORMS)}")
    if not as_json():
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for room in ROOMS:
        logger = logging.getLogger(room)
        logger.handlers = [one for one in logger.handlers if not isinstance(one.formatter, JsonLines)]
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False


@contextmanager
def at_work(run_id: str, stage: str) -> Iterator[None]:
    """Lines of this block are of a stage of a run."""
    before = _at_work.set({"run_id": run_id, "stage": stage})
    try:
        yield
    finally:
        _at_work.reset(before)


class JsonLines(logging.Formatter):
    """A line as one JSON object, without any secret."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        own = {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
            **(_at_work.get() or {}),
            **own,
        }
        if record.exc_info:
            line["trace"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(line, default=str)
