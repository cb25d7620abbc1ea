"""Files and what they say, in the tables' columns and units.

- `read`: `read_source`, the one way in · `types`: `SourceFile`, what lands
- readers: `canonical` (CSV, Parquet, BDF labels), `smard` (prices), `acn` (sessions onto a fleet)
- `rawtable`, `cells`: bytes → cells → values · `refusals`: ids, zones, units; `require_known`
"""

from warehouse.sources.read import read_source, sources_for
from warehouse.sources.refusals import require_known
from warehouse.sources.types import SourceFile

__all__ = ["SourceFile", "read_source", "require_known", "sources_for"]
