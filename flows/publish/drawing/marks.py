"""What is drawn on a panel, as SVG in its own coordinates: x from 0 to WIDE, y in pixels from the top.

The panel is stretched to the page in x alone; strokes keep their width, and dots are strokes of no length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from flows.publish.drawing.axes import Axis

WIDE = 1000.0


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
        pieces = np.split(np.arange(len(known)), np.flatnonzero(np.diff(known.astype(int))) + 1)
        across, down = _across(x, self.x), _down(y, self.y, height)
        drawn = [
            self._piece(across[piece], down[piece]) for piece in pieces if len(piece) and known[piece[0]]
        ]
        return _path("line", self.series, "".join(drawn))

    def _piece(self, across: np.ndarray, down: np.ndarray) -> str:
        if not self.step:
            return "M" + "L".join(f"{a:.1f},{d:.1f}" for a, d in zip(across, down, strict=True))
        steps = np.flatnonzero(np.diff(down)) + 1
        to = "".join(f"H{a:.1f}V{d:.1f}" for a, d in zip(across[steps], down[steps], strict=True))
        return f"M{across[0]:.1f},{down[0]:.1f}{to}H{across[-1]:.1f}"


@dataclass(frozen=True, slots=True, eq=False)
class Dots(_Points):
    """A dot at each point; `large`: to be seen alone, else one of many."""

    large: bool = True

    def svg(self, x: Axis, y: Axis, height: float) -> str:
        """One path of strokes without length."""
        known = np.isfinite(self.x) & np.isfinite(self.y)
        across, down = _across(x, self.x)[known], _down(y, self.y, height)[known]
        drawn = "".join(f"M{a:.1f},{d:.1f}h0" for a, d in zip(across, down, strict=True))
        return _path("dots" if self.large else "dots small", self.series, drawn)


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
        down = _down(y, self.y, height)[known]
        there = zip(_across(x, self.low)[known], down, strict=True)
        back = zip(_across(x, self.high)[known][::-1], down[::-1], strict=True)
        points = [f"{a:.1f},{d:.1f}" for a, d in (*there, *back)]
        return _path("area", self.series, f"M{'L'.join(points)}Z" if points else "")


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
        ends = np.clip(_across(x, np.array(self.between or (x.low, x.high))), 0.0, WIDE)
        (down,) = _down(y, np.array([self.y]), height)
        kind = "rule" if self.between is None else "interval"
        return _path(kind, self.series, f"M{ends[0]:.1f},{down:.1f}H{ends[1]:.1f}")


@dataclass(frozen=True, slots=True, eq=False)
class Bars(_Points):
    """A bar from 0 at each value of x, drawn as wide strokes."""

    def heights(self) -> np.ndarray:
        """The values that the y axis has to hold, 0 among them."""
        return np.append(np.asarray(self.y, dtype=np.float64), 0.0)

    def svg(self, x: Axis, y: Axis, height: float) -> str:
        """One path, a stroke a bar."""
        known = np.isfinite(self.x) & np.isfinite(self.y)
        (zero,) = _down(y, np.zeros(1), height)
        across, down = _across(x, self.x)[known], _down(y, self.y, height)[known]
        drawn = "".join(f"M{a:.1f},{zero:.1f}V{d:.1f}" for a, d in zip(across, down, strict=True))
        return _path("bars", self.series, drawn)


def _across(x: Axis, values: np.ndarray) -> np.ndarray:
    return WIDE * x.share(values)


def _down(y: Axis, values: np.ndarray, height: float) -> np.ndarray:
    return height * (1.0 - y.share(values))


def _path(kind: str, series: str, drawn: str) -> str:
    return f'<path class="{kind} s-{series}" d="{drawn}"/>' if drawn else ""
