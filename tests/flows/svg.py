"""What a chart of the pages shows, read back from its SVG."""

from __future__ import annotations

import html
import re

import numpy as np

from flows.publish.drawing.marks import WIDE

WIDTH = WIDE


def charts(page: str) -> list[str]:
    """The figures of a page."""
    return re.findall(r'<figure class="chart">.*?</figure>', page, re.DOTALL)


def lines(figure: str, about: str) -> list[np.ndarray]:
    """The points (x, y) of each line on the panels whose title holds `about`, in the panel's coordinates."""
    panels = re.findall(r'<svg class="panel"[^>]*aria-label="([^"]*)".*?</svg></svg>', figure, re.DOTALL)
    drawn = re.split(r'<svg class="panel"', figure)[1:]
    return [
        _points(path)
        for label, panel in zip(panels, drawn, strict=True)
        if about in html.unescape(label)
        for one in re.findall(r'<path class="line [^"]*" d="([^"]*)"', panel)
        for path in re.findall(r"M[^M]*", one)
    ]


def _points(path: str) -> np.ndarray:
    """The corners of a path of M and L, or of M, H and V."""
    points: list[tuple[float, float]] = []
    for kind, one in re.findall(r"([MLHV])([^MLHV]*)", path):
        if kind in "ML":
            x, y = map(float, one.split(","))
        elif kind == "H":
            x, y = float(one), points[-1][1]
        else:
            x, y = points[-1][0], float(one)
        points.append((x, y))
    return np.array(points)


def words(figure: str) -> list[str]:
    """The texts of a figure: titles, labels of axes and legends."""
    return [html.unescape(word) for word in re.findall(r"<(?:text|p|span)[^>]*>([^<]*)</", figure)]
