"""What a chart of the pages shows, read back from its SVG."""

from __future__ import annotations

import re

import numpy as np


def charts(page: str) -> list[str]:
    """The SVG pictures of a page."""
    return re.findall(r"<svg.*?</svg>", page, re.DOTALL)


def lines(svg: str, about: str) -> list[np.ndarray]:
    """The points (x, y), in pixels, of each line mark whose label holds `about`."""
    marks = re.findall(r'<path aria-label="([^"]*)"[^>]*aria-roledescription="line mark" d="([^"]*)"', svg)
    return [
        np.array([pair.split(",") for pair in re.split("[ML]", path)[1:]], dtype=float)
        for label, path in marks
        if about in label.replace("&#39;", "'")
    ]


def words(svg: str) -> list[str]:
    """The texts in a picture: titles, labels of axes and legends."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)
