"""What all pages share: templates with escaping, how figures are written, and the one style."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from flows.filenames import file_stem
from flows.money import Money


def environment_of(money: Money) -> Environment:
    """The templates, with filters for figures, money and names of files."""
    environment = Environment(
        loader=PackageLoader("flows.publish"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {
        "number": _number,
        "money": lambda euros, digits=2: _number(money.of(euros), digits),
        "years": _years,
        "file_stem": file_stem,
    }
    return environment


def style_of(environment: Environment) -> Mapping[str, str]:
    """The style of all pages, and its hash, by which alone a page lets it in."""
    css = environment.get_template("style.css").render()
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return {"css": css, "hash": f"sha256-{digest}"}


def _number(value: Any, digits: int = 2) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    return f"{float(value):,.{digits}f}"


def _years(days: float | None) -> str:
    return _number(None if days is None else days / 365.25, 1)
