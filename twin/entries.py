"""Entries of a JSON object as typed values: a reader takes what is of its kind, ValueError else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import pandas as pd

from twin.errors import RecordError

T = TypeVar("T")
Vector = tuple[float, ...]
Matrix = tuple[Vector, ...]


def optional(held: Mapping[str, Any], name: str, read: Callable[[Any], T]) -> T | None:
    """The entry ``name``; None where there is none, or where it lacks a part of its own.

    RecordError, with the name, where it is of another kind than ``read`` takes.
    """
    if held.get(name) is None:
        return None
    try:
        return read(held[name])
    except KeyError:
        return None
    except (ValueError, TypeError) as error:
        raise RecordError(f"the record's {name} cannot be read: {error}") from error


def vector(array: Iterable[Any]) -> Vector:
    """An array of one axis as a record keeps it."""
    return tuple(float(value) for value in array)


def rows(array: Iterable[Iterable[Any]]) -> Matrix:
    """An array of two axes as a record keeps it."""
    return tuple(vector(row) for row in array)


def number(value: Any) -> float:
    """A number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def count(value: Any) -> int:
    """A whole number from 0."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value


def flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value


def label(value: Any) -> str:
    """A text."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def moment(value: Any) -> pd.Timestamp:
    """A moment with its zone."""
    stated = pd.Timestamp(label(value))
    if stated.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone")
    return stated


def part(value: Any) -> Mapping[str, Any]:
    """An object of JSON."""
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is no object")
    return value


def numbers(value: Any) -> Vector:
    """A list of numbers."""
    return tuple(number(one) for one in _list(value))


def interval(value: Any) -> Vector:
    """Low, middle and high."""
    if len(found := numbers(value)) != 3:
        raise ValueError(f"{len(found)} numbers, an interval has 3")
    return found


def matrix(value: Any) -> Matrix:
    """A list of lists of numbers, of one length."""
    held = tuple(numbers(row) for row in _list(value))
    if len({len(row) for row in held}) > 1:
        raise ValueError("its rows are not of one length")
    return held


def words(value: Any) -> tuple[str, ...]:
    """A list of texts."""
    return tuple(label(one) for one in _list(value))


def values(value: Any) -> tuple[str | float, ...]:
    """A list of texts and numbers, whole ones as such."""
    for one in (stated := _list(value)):
        if not isinstance(one, str):
            number(one)
    return tuple(stated)


def shares(value: Any) -> dict[str, float]:
    """Numbers by name."""
    return {name: number(one) for name, one in part(value).items()}


def vectors(value: Any) -> dict[str, Vector]:
    """Lists of numbers by name."""
    return {name: numbers(one) for name, one in part(value).items()}


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is no list")
    return value
