"""What is drawn on a panel, as SVG in its own coordinates: x from 0 to WIDE, y in tenths of a pixel down.

The panel is stretched to the page in x alone; strokes keep their width, and dots are strokes of no length.
Coordinates are whole numbers and paths go on from where they are: a fleet has a page a car.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from flows.publish.drawing.axes import Axis

WIDE = 10_000
TENTHS = 10
"""Units of y in a pixel."""


class Mark(Protocol):
    """Anything that can be drawn on a panel of some height."""

    def svg(self, x: Axis, y: Axis, height: float) -> str:
        """The SVG of the mark."""
        ...

    def heights(self) -> np.ndarray:
        """The values that the y axis has to hold."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class _Points:
    """Values y over x, NaN where there is none."""

    series: str
    x: np.ndarray
    y: np.ndarray

    def heights(self) -> np.ndarray:
        """The values that the y axis has to hold."""
        return np.asarray(self.y, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Line(_Points):
    """A line through points in their order, broken at NaN; `step`: each value holds until the next point."""

    step: bool = False

    def svg(self, x: Axis, y: Axis, height: float) -> str:
        """One path for each unbroken piece."""
        known = np.isfinite(self.x) & np.isfinite(self.y)
        numbers = np.flatnonzero(known)
        pieces = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
        across, down = (
            _across(x, np.where(known, self.x, x.low)),
            _down(y, np.where(known, self.y, y.low), height),
        )
        way = _steps if self.step else _through
        return _path("line", self.series, "".join(way(across[at], down[at]) for at in pieces if len(at)))


@dataclass(frozen=True, slots=True, eq=False)
class Dots(_Points):
    """A dot at each point; `large`: to be seen alone, else one of many."""

    large: bool = True

    def svg(self, x: Axis, y: Axis, height: float) -> str:
        """One path of strokes without length."""
        known = np.isfinite(self.x) & np.isfinite(self.y)
        across, down = _across(x, self.x[known]), _down(y, self.y[known], height)
        moves = _moves(np.diff(across, prepend=0), np.diff(down, prepend=0))
        return _path(
            "dots" if self.large else "dots small", self.series, "".join(f"m{one}h0" for one in moves)
        )


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """The area between two values of x at each of some heights."""

    series: str
    low: np.ndarray
    high: np.ndarray
    y: np.ndarray

    def heights(self) -> np.ndarray:
        """The values that the y axis has to hold."""
        return np.asarray(self.y, dtype=np.float64)

    def svg(self, x: Axis, y: Axis, height: float) -> str:
        """One closed path."""
        known = np.isfinite(self.low) & np.isfinite(self.high) & np.isfinite(self.y)
        down = _down(y, self.y[known], height)
        ends = _across(x, np.append(self.low[known], self.high[known][::-1]))
        return _path(
            "area", self.series, f"{_through(ends, np.append(down, down[::-1]))}z" if known.any() else ""
        )


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A level: a limit from side to side, or an interval `between` two values of x."""

    series: str
    y: float
    between: tuple[float, float] | None = None

    def heights(self) -> np.ndarray:
        """The values that the y axis has to hold."""
        return np.array([self.y])

    def svg(self, x: Axis, y: Axis, height: float) -> str:
        """One straight path, within the panel."""
        first, last = np.clip(_across(x, np.array(self.between or (x.low, x.high))), 0, WIDE).tolist()
        (down,) = _down(y, np.array([self.y]), height).tolist()
        kind = "rule" if self.between is None else "interval"
        return _path(kind, self.series, f"M{first} {down}H{last}")


@dataclass(frozen=True, slots=True, eq=False)
class Bars(_Points):
    """A bar from 0 at each value of x, drawn as wide strokes."""

    def heights(self) -> np.ndarray:
        """The values that the y axis has to hold, 0 among them."""
        return np.append(np.asarray(self.y, dtype=np.float64), 0.0)

    def svg(self, x: Axis, y: Axis, height: float) -> str:
        """One path, a stroke a bar."""
        known = np.isfinite(self.x) & np.isfinite(self.y)
        (zero,) = _down(y, np.zeros(1), height).tolist()
        across, down = _across(x, self.x[known]), _down(y, self.y[known], height)
        bars = zip(across.tolist(), down.tolist(), strict=True)
        return _path("bars", self.series, "".join(f"M{a} {zero}V{d}" for a, d in bars))


def _across(x: Axis, values: np.ndarray) -> np.ndarray:
    share = x.share(np.asarray(values, dtype=np.float64))
    return np.asarray(np.rint(WIDE * share), dtype=np.int64)


def _down(y: Axis, values: np.ndarray, height: float) -> np.ndarray:
    share = y.share(np.asarray(values, dtype=np.float64))
    return np.asarray(np.rint(TENTHS * height * (1.0 - share)), dtype=np.int64)


def _moves(across: np.ndarray, down: np.ndarray) -> list[str]:
    """How far each point lies from the one before it, as a path says it."""
    return [f"{a}{d}" if d < 0 else f"{a} {d}" for a, d in zip(across.tolist(), down.tolist(), strict=True)]


def _through(across: np.ndarray, down: np.ndarray) -> str:
    """A line through points, a point that lies on the one before it left out."""
    right, below = np.diff(across), np.diff(down)
    moved = (right != 0) | (below != 0)
    to = " ".join(_moves(right[moved], below[moved])).replace(" -", "-")
    return f"M{across[0]} {down[0]}{'l' if to else ''}{to}"


def _steps(across: np.ndarray, down: np.ndarray) -> str:
    """Steps through points: up or down where a value changes, and to the last point."""
    at = np.flatnonzero(np.diff(down)) + 1
    right, below = np.diff(across[at], prepend=across[0]), np.diff(down[at], prepend=down[0])
    to = "".join(f"h{a}v{d}" for a, d in zip(right.tolist(), below.tolist(), strict=True))
    return f"M{across[0]} {down[0]}{to}H{across[-1]}"


def _path(kind: str, series: str, drawn: str) -> str:
    return f'<path class="{kind} s-{series}" d="{drawn}"/>' if drawn else ""
