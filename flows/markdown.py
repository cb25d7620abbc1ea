"""Text from data in Markdown pages: it reads there as it stands, and is no markup, no tag and no emoji."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from warehouse.errors import printable

_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~:&@$^=])")


def literal(text: str) -> str:
    """The text with every mark that Markdown may read escaped, and what does not print written out."""
    return _MARKS.sub(lambda mark: _ENTITIES.get(mark[0], f"\\{mark[0]}"), printable(text))


def file_link(file: str, reports: Path | None = None) -> str:
    """A link to a file that shows its path; to one in `reports` over http, as `v2g serve` shows it.

    A browser follows no link from a page of a server to a file.
    """
    path = Path(file).absolute()
    if reports is not None and path.is_relative_to(reports):
        return f"[{literal(file)}](/reports/{quote(path.relative_to(reports).as_posix())})"
    return f"[{literal(file)}]({path.as_uri()})"
