"""Panels over each other as one figure of a page, with a legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from flows.publish.drawing.axes import Axis, Tick, numbers
from flows.publish.drawing.marks import WIDE, Mark

HEIGHT = 190
_UNDER = 22
"""Room for the labels of the x axis, pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Marks over one x axis; `title` says what y is, with its unit. y: made of the marks unless given."""

    title: str
    marks: Sequence[Mark]
    x: Axis
    x_title: str = ""
    y: Axis | None = None
    height: int = HEIGHT

    def svg(self) -> str:
        """The panel: grid and labels, which keep their size, and a layer of marks that stretches."""
        y = self.y or numbers(*(mark.heights() for mark in self.marks))
        title, about = escape(self.title), escape(f"{self.title} ({y.low:g} to {y.high:g})")
        rows = "".join(_row(tick, self.height * (1.0 - y.share(tick.at))) for tick in y.ticks)
        columns = "".join(_column(tick, self.x.share(tick.at), self.height) for tick in self.x.ticks)
        marks = "".join(mark.svg(self.x, y, self.height) for mark in self.marks)
        x_title = f'<p class="x-title">{escape(self.x_title)}</p>' if self.x_title else ""
        return (
            f'<p class="y-title">{title}</p><svg class="panel" role="img" aria-label="{about}" '
            f'width="100%" height="{self.height + _UNDER}">{rows}{columns}'
            f'<svg class="marks" width="100%" height="{self.height}" viewBox="0 0 {WIDE:g} {self.height}" '
            f'preserveAspectRatio="none">{marks}</svg></svg>{x_title}'
        )


def _row(tick: Tick, at: float) -> str:
    """A line of the grid, pixels from the top, and its label."""
    return (
        f'<line class="grid" x2="100%" y1="{at:.1f}" y2="{at:.1f}"/>'
        f'<text class="y" x="-6" y="{at + 4:.1f}">{escape(tick.label)}</text>'
    )


def _column(tick: Tick, share: float, height: int) -> str:
    """A label under the panel, at a share of its width."""
    kind = "x minor" if tick.minor else "x"
    return f'<text class="{kind}" x="{100 * share:.2f}%" y="{height + 17}">{escape(tick.label)}</text>'


def figure(panels: Sequence[Panel], legend: Mapping[str, str] | None = None) -> Markup:
    """The panels under a legend: series → its name."""
    keys = "".join(
        f'<span class="key s-{series}">{escape(name)}</span>' for series, name in (legend or {}).items()
    )
    head = f"<figcaption>{keys}</figcaption>" if keys else ""
    drawn = "".join(panel.svg() for panel in panels)
    return Markup(f'<figure class="chart">{head}{drawn}</figure>')  # noqa: S704  escaped piece by piece
