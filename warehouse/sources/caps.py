"""How much a file may hold before it is turned away: the one place where these limits stand."""

from dataclasses import dataclass

_MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Limits on one file; each is checked before the memory it protects is taken.

    file_bytes: as it lies on disk, or out of gzip. unpacked_bytes: of Parquet. packing: unpacked over packed
    size of gzip, xlsx and Parquet, once past 16 MiB (real measurements reach 30). cells: rows × columns.
    line_bytes: one CSV header or JSON line. book_bytes: an unpacked xlsx, and the texts of its cells.
    sheet_cells: the rectangle that its sheet spans. footer_bytes: of Parquet's own description. json_bytes,
    json_depth, json_values: of one JSON or XML document.
    """

    file_bytes: int = 2048 * _MIB
    unpacked_bytes: int = 4096 * _MIB
    packing: int = 100
    rows: int = 50_000_000
    columns: int = 1_000
    cells: int = 500_000_000
    line_bytes: int = _MIB
    book_bytes: int = 256 * _MIB
    sheet_cells: int = 5_000_000
    json_bytes: int = 64 * _MIB
    json_depth: int = 32
    json_values: int = 4_000_000
    footer_bytes: int = 8 * _MIB


CAPS = Caps()
PACKING_FROM_BYTES = 16 * _MIB
"""Below this an unpacked file is let be, however well it was packed."""
