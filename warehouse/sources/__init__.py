"""Files and what they say, in the tables' columns and units.

- `read`: `read_source`, the one way in, in `pieces` where a log is long · `types`: `SourceFile`, what is
ingested
- `caps`: how large a file may be
- tables: `canonical` (our words, BDF labels), `mapped` by a `mapping` file; `packs`: cell level → pack level
- a mapping: `mapping` (`mapcolumn`, `maptext`) → `maprules` → `mapvalues`; `dialect` (encoding, preamble),
  `longform` (a signal a row), `localtime` (autumn nights), `nulls` (words for no value), `carry` (slow ones)
- prices: `tariffs/`, `smard` · sessions: `teslamate`, `ocpp` (`ocpp_frames` → `ocpp_transactions`,
  `ocpp_readings`); `acn` and `desl`, which `replay` puts onto the `cars` of a fleet
- `rawfile`, `rawtable`, `parquet`, `book` (`bookguard`), `jsontext`, `cells`: path → bytes → cells → values,
  under the caps
- `received`: when each row was received, where it was not with its file
- `refusals`: ids, zones, days, units; `require_known` · `units`: what a file may be in
"""

from warehouse.sources.mapping import FileMapping, load_mapping
from warehouse.sources.read import read_pieces, read_source, sources_for
from warehouse.sources.received import Received, received_as
from warehouse.sources.refusals import require_known
from warehouse.sources.types import SourceFile

__all__ = [
    "FileMapping",
    "Received",
    "SourceFile",
    "load_mapping",
    "read_pieces",
    "read_source",
    "received_as",
    "require_known",
    "sources_for",
]
