"""What all pages share: templates with escaping, how figures are written, one style and one script."""

from __future__ import annotations

import base64
import hashlib
import math
import shlex
from collections.abc import Mapping
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from flows.filenames import file_stem
from flows.money import Money
from flows.workspace import Workspace


def environment_of(money: Money) -> Environment:
    """The templates, with filters for figures, money, names of files and words of a command."""
    environment = Environment(
        loader=PackageLoader("flows.publish"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {
        "number": _number,
        "money": lambda euros, digits=2: _number(money.of(euros), digits),
        "years": _years,
        "file_stem": file_stem,
        "shell": shlex.quote,
    }
    return environment


def shell(workspace: Workspace, environment: Environment) -> Mapping[str, Any]:
    """What `base.html` is filled with on every page; no other style or script is let in than those here."""
    return {
        "notice": workspace.settings.fleet.notice,
        "money": workspace.money,
        "style": _allowed(environment, "style.css"),
        "more_style": _allowed(environment, "tables.css"),
        "script": _allowed(environment, "site.js"),
        "navigation": (),
        "warnings": (),
    }


def _allowed(environment: Environment, name: str) -> Mapping[str, str]:
    """A file that stands in every page, and the hash by which a page lets it in."""
    text = environment.get_template(name).render()
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return {"text": text, "hash": f"sha256-{digest}"}


def _number(value: Any, digits: int = 2) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    return f"{float(value):z,.{digits}f}"


def _years(days: float | None) -> str:
    return _number(None if days is None else days / 365.25, 1)
