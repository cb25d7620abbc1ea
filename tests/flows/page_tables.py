"""What a page says in its tables, read back from its HTML."""

from __future__ import annotations

from html.parser import HTMLParser

Table = list[dict[str, str]]


class _Tables(HTMLParser):
    """Every table under the heading before it: rows as heading of the column → text."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, Table] = {}
        self._heading, self._columns = "", list[str]()
        self._row, self._text, self._within = list[str](), "", ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag in ("h1", "h2", "h3", "th", "td"):
            self._text, self._within = "", tag
        if tag == "tr":
            self._row = []
        if tag == "table":
            self._columns = []

    def handle_endtag(self, tag: str) -> None:
        text = " ".join(self._text.split())
        if tag in ("h1", "h2", "h3"):
            self._heading = text
        elif tag == "th" and self._within == "th":
            self._columns.append(text)
        elif tag == "td":
            self._row.append(text)
        elif tag == "tr" and self._row:
            row = dict(zip(self._columns, self._row, strict=True))
            self.found.setdefault(self._heading, []).append(row)
        if tag == self._within:
            self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within:
            self._text += data


def tables(page: str) -> dict[str, Table]:
    """Heading → the rows of the tables under it, by the heading of each column."""
    found = _Tables()
    found.feed(page)
    found.close()
    return found.found


def figure(text: str) -> float:
    """A figure as pages write it: thousands by comma, − or – for none at all."""
    return float(text.replace(",", "").replace("%", ""))
