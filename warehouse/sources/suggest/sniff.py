"""A file's bytes → how its text is laid out, and its columns as text."""

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from warehouse.sources.dialect import ENCODINGS, MOST_LINES, Dialect
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import RawTable, read_table
from warehouse.sources.suggest.answer import Draft

DELIMITERS = (",", ";", "\t", "|")
_LOOKED_AT = 300
_NUMBER = re.compile(r"[+-]?[0-9]*[.,]?[0-9]+(?:[eE][+-]?[0-9]+)?")
_COMMA = re.compile(r"[+-]?(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+),[0-9]+")
_POINT = re.compile(r"[+-]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)\.[0-9]+")
_GROUPED = {
    ",": re.compile(r"[+-]?[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+"),
    ".": re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+\.[0-9]+"),
}
_EITHER = re.compile(r"[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}")
"""A number with a decimal mark, or one with a mark between thousands."""
_USUAL = ((",", False, True), (";", True, False))
"""Delimiter, whether there are commas, whether points: who parts cells by ; usually writes decimal commas."""
_SEP = re.compile(r"sep=([,;|\t])\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A table as text: its headers that stand there once, their cells, and the marks in its numbers.

    units: header → what a line below the header says. named: whether there is a header at all. labels: what
    a header is called without the name of its device, where it has one. stands: header → for how many minutes
    its value holds until the next, where each comes at moments of its own.
    """

    columns: dict[str, list[str]]
    decimal: str = "."
    units: dict[str, str]
    named: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
    stands: Mapping[str, int] = field(default_factory=dict)

    def label(self, header: str) -> str:
        """Return what a header says of its column."""
        return self.labels.get(header, header)


def sniffed(file: RawFile, draft: Draft) -> Layout:
    """Return a file's layout, and tell the draft what a mapping has to say of it. Raises SourceError."""
    if file.is_parquet or file.is_xlsx:
        return Layout(columns=_texts(read_table(file, used=())), units={})
    encoding = _encoding(file, draft)
    lines = file.data[: 2**20].decode(ENCODINGS[encoding], errors="ignore").splitlines()[:MOST_LINES]
    match = _SEP.match(lines[0]) if lines else None
    delimiter = match[1] if match else _delimiter(lines)
    cells = _cells(lines, delimiter)
    width = _width(cells)
    start = next((at for at, row in enumerate(cells) if len(row) == width), 0)
    if not match and _names_devices(cells[start : start + 3]):
        start += 1
    skip = 0 if match else start
    header = [name.strip() for name in cells[start]] if cells else []
    named = _is_header(header, cells[start + 1 : start + _LOOKED_AT])
    below = _lines_below(cells[start + 1 :], width) if named else 0
    if delimiter != ",":
        draft.say("delimiter", delimiter, f"splits the lines into {width} cells each")
    if skip:
        draft.say("skip_lines", skip, f"the header is line {skip + 1}: {', '.join(header[:3])}, …")
    if below:
        draft.say("skip_after_header", below, "no values stand in the line below the header")
    if not named:
        header = [f"column_{number + 1}" for number in range(width)]
        draft.leave("header", header, "the file has no header: name its columns")
    dialect = Dialect(
        delimiter=None if delimiter == "," else delimiter, encoding=encoding, skip_lines=skip,
        header=() if named else tuple(header), skip_after_header=below,
    )  # fmt: skip
    columns = _texts(read_table(file, dialect=dialect, used=()))
    units = {}
    if below:
        units = {
            name: text.strip() for name, text in zip(header, cells[start + 1], strict=False) if text.strip()
        }
    return Layout(columns=columns, decimal=_decimal(columns, delimiter, draft), units=units, named=named)


def _encoding(file: RawFile, draft: Draft) -> str:
    if file.data.startswith((b"\xff\xfe", b"\xfe\xff")):
        draft.say("encoding", "utf-16", "a byte order mark begins the file")
        return "utf-16"
    try:
        file.data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        wide = any(0x80 <= mark <= 0x9F for mark in file.data)
        name = "windows-1252" if wide else "latin-1"
        shown = file.data[error.start : error.start + 1].decode(ENCODINGS[name], errors="replace")
        line = file.data.count(b"\n", 0, error.start) + 1
        draft.say(
            "encoding",
            name,
            f"it is not UTF-8; byte 0x{file.data[error.start]:02x} in line {line} is {shown!r} so",
        )
        return name
    return "utf-8"


def _cells(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    return [next(csv.reader([line], delimiter=delimiter), []) for line in lines]


def _width(cells: Sequence[Sequence[str]]) -> int:
    counts = Counter(len(row) for row in cells[:_LOOKED_AT] if len(row) > 1)
    return counts.most_common(1)[0][0] if counts else 1


def _delimiter(lines: Sequence[str]) -> str:
    """Return the mark that splits most lines, the header among them, into equally many cells."""
    looked = [line for line in lines[:_LOOKED_AT] if line.strip()]

    def fit(mark: str) -> tuple[float, int]:
        cells = _cells(looked, mark)
        width = _width(cells)
        if width < 2:
            return 0.0, 0
        first = next(row for row in cells if len(row) == width)
        labels = sum(not _NUMBER.fullmatch(cell.strip()) for cell in first)
        share = sum(len(row) == width for row in cells) / len(cells)
        others = [other for other in DELIMITERS[1:] if other != mark]
        split = sum(any(other in cell for cell in row for other in others) for row in cells) > 0.5 * len(
            cells
        )
        return round(share, 1) * (0.5 if not labels or split else 1.0), width

    return max(DELIMITERS, key=fit)


def _is_header(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a line names columns: it holds no number or moment where the lines below it do."""
    stated = [at for at, name in enumerate(header) if name]
    values = [at for at in stated if any(at < len(row) and _is_value(row[at]) for row in rows[:20])]
    return bool(stated) and not all(_is_value(header[at]) for at in values or stated)


def _names_devices(lines: Sequence[Sequence[str]]) -> bool:
    """Whether the first line names whose each column is, many alike, and the one below it what it is."""
    if len(lines) < 3 or len({len(line) for line in lines}) > 1:
        return False
    above, below = ([cell.strip() for cell in line] for line in lines[:2])
    told = all(below) and not any(_is_value(cell) for cell in below)
    return told and len(set(below)) == len(below) and len(set(above)) < len(above)


def _is_value(text: str) -> bool:
    shown = text.strip()
    return bool(_NUMBER.fullmatch(shown)) or bool(re.match(r"[0-9]{1,4}[-./:][0-9]{1,2}", shown))


def _lines_below(rows: Sequence[Sequence[str]], width: int) -> int:
    """Return how many lines of units, or of a second header, stand below the header."""
    body = [row for row in rows[3:_LOOKED_AT] if len(row) == width]
    if len(body) < 3:
        return 0
    numeric = [at for at in range(width) if sum(_is_value(row[at]) for row in body) > 0.8 * len(body)]
    if not numeric:
        return 0
    for number, row in enumerate(rows[:3]):
        if len(row) != width or any(_is_value(row[at]) for at in numeric) or not any(row):
            return number
    return 0


def _texts(table: RawTable) -> dict[str, list[str]]:
    texts = {}
    for name in table.columns:
        values = table.columns[name].to_pylist()
        texts[str(name)] = ["" if one is None else _text(one) for one in values]
    return texts


def _text(value: object) -> str:
    return (
        value.strip()
        if isinstance(value, str)
        else value.isoformat()
        if hasattr(value, "isoformat")
        else str(value)
    )


def _decimal(columns: dict[str, list[str]], delimiter: str, draft: Draft) -> str:
    """Return the mark before decimals: that of whole columns, since a date may look like a number.

    1.234 tells nothing alone: its mark may as well stand between thousands.
    """
    found: dict[str, list[str]] = {",": [], ".": []}
    sure = set[str]()
    for texts in columns.values():
        shown = [text for text in texts[:_LOOKED_AT] if text]
        for mark, kind in ((",", _COMMA), (".", _POINT)):
            like = [text for text in shown if kind.fullmatch(text)]
            if like and len(like) > 0.5 * len(shown):
                found[mark].append(max(like, key=len))
                if not all(_EITHER.fullmatch(text) for text in like):
                    sure.add(mark)
    either = [found[mark][0] for mark in found if found[mark] and mark not in sure]
    if not either and len(sure) == 2:
        draft.leave("decimal", ",", f"some columns have {found[','][0]}, others {found['.'][0]}")
        return "."
    if either and not sure and (delimiter, bool(found[","]), bool(found["."])) not in _USUAL:
        reason = f'{" and ".join(either)}: before decimals, or (thousands = "…") between thousands?'
        draft.leave("decimal", "," if found[","] else ".", reason)
        return "."
    mark = next(iter(sure), "," if found[","] else ".")
    if mark == ",":
        draft.say("decimal", ",", f"as in {found[','][0]}")
    grouped = [text for text in found[mark] if _GROUPED[mark].fullmatch(text)] or (either if sure else [])
    if grouped:
        draft.say("thousands", "." if mark == "," else ",", f"as in {grouped[0]}")
    return mark


def readable(layout: Layout) -> Layout:
    """Return a layout without what no column can be taken from."""
    return replace(layout, columns={name: texts for name, texts in layout.columns.items() if any(texts)})
