"""Text from data in Markdown pages: it reads there as it stands, and is no markup, no tag and no emoji."""

from __future__ import annotations

import re
from pathlib import Path

from warehouse.errors import printable

_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~:&@$^=])")


def literal(text: str) -> str:
    """The text with every mark that Markdown may read escaped, and what does not print written out."""
    return _MARKS.sub(lambda mark: _ENTITIES.get(mark[0], f"\\{mark[0]}"), printable(text))


def file_link(file: str) -> str:
    """A link to a file that shows its path."""
    return f"[{literal(file)}]({Path(file).absolute().as_uri()})"
