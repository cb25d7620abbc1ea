"""What a chart of the pages shows, read back from its SVG."""

from __future__ import annotations

import html
import re

import numpy as np

from flows.publish.drawing.marks import TENTHS, WIDE

WIDTH = WIDE / TENTHS
"""Of a panel, in pixels of a page that is as wide as that."""


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
    """The corners of a path of M, l, h, v and H, in pixels."""
    x = y = 0
    points: list[tuple[int, int]] = []
    for kind, one in re.findall(r"([MlhvH])([^MlhvH]*)", path):
        said = [int(number) for number in re.findall(r"-?\d+", one)]
        if kind == "M":
            x, y = said
            points.append((x, y))
        elif kind == "H":
            (x,) = said
            points.append((x, y))
        else:
            moves = {"l": said, "h": [*said, 0], "v": [0, *said]}[kind]
            for right, down in zip(moves[::2], moves[1::2], strict=True):
                x, y = x + right, y + down
                points.append((x, y))
    return np.array(points) / TENTHS


def level(line: np.ndarray, across: np.ndarray) -> np.ndarray:
    """How far down a line of steps lies at some places, both in pixels."""
    return np.asarray(line[np.searchsorted(line[:, 0], across, side="right") - 1, 1])


def words(figure: str) -> list[str]:
    """The texts of a figure: titles, labels of axes and legends."""
    return [html.unescape(word) for word in re.findall(r"<(?:text|p|span)[^>]*>([^<]*)</", figure)]
