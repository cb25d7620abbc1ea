"""CAISO OASIS, locational marginal prices of the day-ahead market: GMT intervals, a row a part of the price.

LMP is the price, MCC, MCE, MCL, MGHG are parts of it. Trading hubs have their zone; prices of another node
need the zone they are to count for. US dollars per MWh.
"""

from collections.abc import Mapping

from warehouse.errors import ColumnError, EmptyFileError
from warehouse.sources.cells import Cells
from warehouse.sources.numbers import numbers
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import RawTable, read_table
from warehouse.sources.single import spared
from warehouse.sources.tariffs.money import money
from warehouse.sources.tariffs.published.clock import LENGTHS
from warehouse.sources.tariffs.published.places import zones_of
from warehouse.sources.tariffs.published.rows import Placed, Series, parsed
from warehouse.sources.tariffs.published.wide import texts_of

PROVIDER = "California ISO, OASIS"
LICENCE = "terms of oasis.caiso.com"
OPTIONS = frozenset({"zone", "rate"})
_START, _END = "INTERVALSTARTTIME_GMT", "INTERVALENDTIME_GMT"
_HUBS = {
    "TH_NP15_GEN-APND": "CAISO-NP15", "TH_SP15_GEN-APND": "CAISO-SP15", "TH_ZP26_GEN-APND": "CAISO-ZP26",
}  # fmt: skip


def parse_caiso(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices in €/kWh; options: rate, zone (of one node, or one of the hubs). Raises SourceError."""
    table = read_table(file)
    rows, nodes, notes = _chosen(table)
    column = next((name for name in ("MW", "PRC", "VALUE") if name in table.columns), None)
    if column is None:
        raise ColumnError("MW, with the price, is missing", file=file.name)
    texts = texts_of(table, column)
    values, stated = numbers([texts[row - 1] for row in rows], file.name, column)
    starts, begun = spared(Cells.found(table, _START), Cells.times)
    ends, ended = spared(Cells.found(table, _END), Cells.times)
    series, short = [], 0
    zones, others = zones_of(nodes, lambda node: _HUBS.get(node, ""), options, file.name)
    notes += others
    for zone, node in zones.items():
        kept: list[tuple[int, int]] = []
        for place, row in enumerate(rows):
            if nodes[place] == node:
                minutes = (ends.iloc[row - 1] - starts.iloc[row - 1]).total_seconds() / 60
                if minutes in LENGTHS:
                    kept.append((place, int(minutes)))
                else:
                    short += 1
        when = Placed(
            rows=[rows[place] for place, _ in kept],
            starts=[starts.iloc[rows[place] - 1].to_pydatetime() for place, _ in kept],
            minutes=[minutes for _, minutes in kept],
        )
        series.append(
            Series(
                zone=zone,
                column=column,
                placed=when,
                prices=values.iloc[[place for place, _ in kept]],
                unit=money("USD", 1000.0, options, file.name),
            )
        )
    if short:
        notes.append(f"{short} rows were left out that do not last 15, 30 or 60 minutes")
    return parsed(series, file.name, (*notes, *begun, *ended, *stated))


def _chosen(table: RawTable) -> tuple[list[int], list[str], list[str]]:
    """Return the rows (1-based) that hold a day-ahead price, the node of each, and what was left out."""
    kinds, runs = texts_of(table, "LMP_TYPE"), texts_of(table, "MARKET_RUN_ID")
    named = "NODE_ID" if "NODE_ID" in table.columns else "NODE"
    nodes = texts_of(table, named)
    rows = [row for row in range(1, table.rows + 1) if (kinds[row - 1], runs[row - 1]) == ("LMP", "DAM")]
    if not rows:
        raise EmptyFileError(
            f"holds no price of the day-ahead market (LMP of DAM), but {kinds[0]} of {runs[0]}",
            file=table.file,
        )
    parts = sum(kind != "LMP" for kind in kinds)
    others = table.rows - parts - len(rows)
    notes = [f"{parts} rows are parts of prices and were left out"] if parts else []
    if others:
        notes.append(f"{others} rows of other markets than the day-ahead one were left out")
    return rows, [nodes[row - 1] for row in rows], notes
