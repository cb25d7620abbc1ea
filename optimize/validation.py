"""Small guards shared by the room's dataclasses; every one names subject, field and value when it refuses."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from optimize.errors import ProblemError


def require_finite(subject: str, field: str, value: float) -> None:
    """Refuse NaN and infinities."""
    if not math.isfinite(value):
        raise ProblemError(subject, field, value, "must be a finite number")


def require_positive(subject: str, field: str, value: float) -> None:
    """Refuse what is not a finite number above zero."""
    require_finite(subject, field, value)
    if value <= 0:
        raise ProblemError(subject, field, value, "must be > 0")


def require_not_negative(subject: str, field: str, value: float) -> None:
    """Refuse what is not a finite number of at least zero."""
    require_finite(subject, field, value)
    if value < 0:
        raise ProblemError(subject, field, value, "must be >= 0")


def require_limit(subject: str, field: str, value: float) -> None:
    """Refuse NaN and what is below zero; inf is no limit."""
    if math.isnan(value) or value < 0:
        raise ProblemError(subject, field, value, "must be >= 0")


def require_fraction(subject: str, field: str, value: float) -> None:
    """Refuse what lies outside 0–1."""
    if not 0.0 <= value <= 1.0:
        raise ProblemError(subject, field, value, "must lie in 0-1")


def require_efficiency(subject: str, field: str, value: float) -> None:
    """Refuse what lies outside (0, 1]."""
    if not 0.0 < value <= 1.0:
        raise ProblemError(subject, field, value, "must lie in (0, 1]")


def require_one_of(subject: str, field: str, value: object, allowed: Sequence[str]) -> None:
    """Refuse what is not one of the words that mean something; a near miss would be read as another."""
    if value not in allowed:
        raise ProblemError(subject, field, repr(value), f"must be one of {tuple(allowed)}")


def require_optimising(mode: object) -> None:
    """Refuse a mode that no engine plans."""
    require_one_of("day", "mode to optimise", mode, ("ordered", "v2g"))


def require_utc(subject: str, field: str, value: pd.Timestamp) -> None:
    """Refuse a missing, naive or non-UTC time."""
    if pd.isna(value) or value.tzinfo is None or value.utcoffset() != pd.Timedelta(0):
        raise ProblemError(subject, field, value, "must be a tz-aware UTC time")


def require_unique(subject: str, field: str, values: list[str]) -> None:
    """Refuse a repeated or empty id."""
    seen: set[str] = set()
    for value in values:
        if not value:
            raise ProblemError(subject, field, repr(value), "must not be empty")
        if value in seen:
            raise ProblemError(subject, field, repr(value), "must occur only once")
        seen.add(value)
