"""Charts as inline SVG, drawn from arrays without a browser, a script or a network.

axes     scales, ticks of numbers and of times
marks    lines, steps, dots, bands, rules and bars as SVG
figure   panels over each other in a page: they stretch with it, their text does not

Colours are names of series (`s-v2g`), given by the page's style for light and dark.
"""

from flows.publish.drawing.axes import Axis, Tick, numbers, times
from flows.publish.drawing.figure import Drawn, Panel, figure
from flows.publish.drawing.marks import Band, Bars, Dots, Line, Mark, Rule

__all__ = [
    "Axis",
    "Band",
    "Bars",
    "Dots",
    "Drawn",
    "Line",
    "Mark",
    "Panel",
    "Rule",
    "Tick",
    "figure",
    "numbers",
    "times",
]
