"""Panels over each other as one figure of a page, with a legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from flows.publish.drawing.axes import Axis, Tick, numbers
from flows.publish.drawing.marks import TENTHS, WIDE, Mark

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
        at = [self.height * (1.0 - y.share(tick.at)) for tick in y.ticks]
        grid = "".join(f"M0 {TENTHS * one:.0f}h{WIDE}" for one in at)
        rows = "".join(
            f'<text y="{one + 4:.0f}">{escape(tick.label)}</text>'
            for one, tick in zip(at, y.ticks, strict=True)
        )
        columns = "".join(_column(tick, self.x.share(tick.at)) for tick in self.x.ticks)
        marks = "".join(mark.svg(self.x, y, self.height) for mark in self.marks)
        x_title = f'<p class="x-title">{escape(self.x_title)}</p>' if self.x_title else ""
        return (
            f'<p class="y-title">{title}</p><svg class="panel" role="img" aria-label="{about}" '
            f'width="100%" height="{self.height + _UNDER}"><g class="y" transform="translate(-6)">{rows}</g>'
            f'<g class="x" transform="translate(0 {self.height + 17})">{columns}</g>'
            f'<svg class="marks" width="100%" height="{self.height}" '
            f'viewBox="0 0 {WIDE} {TENTHS * self.height}" preserveAspectRatio="none">'
            f'<path class="grid" d="{grid}"/>{marks}</svg></svg>{x_title}'
        )


def _column(tick: Tick, share: float) -> str:
    """A label under the panel, at a share of its width."""
    kind = ' class="minor"' if tick.minor else ""
    return f'<text{kind} x="{100 * share:.1f}%">{escape(tick.label)}</text>'


@dataclass(frozen=True, slots=True)
class Drawn:
    """A panel that has been drawn, for several figures."""

    text: str

    def svg(self) -> str:
        """The panel."""
        return self.text


def figure(panels: Sequence[Panel | Drawn], legend: Mapping[str, str] | None = None) -> Markup:
    """The panels under a legend: series → its name."""
    keys = "".join(
        f'<span class="key s-{series}">{escape(name)}</span>' for series, name in (legend or {}).items()
    )
    head = f"<figcaption>{keys}</figcaption>" if keys else ""
    drawn = "".join(panel.svg() for panel in panels)
    return Markup(f'<figure class="chart">{head}{drawn}</figure>')  # noqa: S704  escaped piece by piece
