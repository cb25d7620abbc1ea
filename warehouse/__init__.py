"""Storage and sources: everything that arrives, everything that is kept.

- `warehouse.contracts`: the tables as data; `conform`, `ddl`, `data_dictionary`
- `warehouse.zones`: bidding zones, their time zones, the slots of a market day
- `warehouse.sources`: files → checked frames (`read_source`)
- `warehouse.store`: `Warehouse`, the DuckDB file; behind it
  `connection` (who may open it), `schema` and `migrations` (its layout, older files brought forward),
  `ingestion`, `promotion`, `compaction` (rows on their way), `overlaps` (sessions of a car never overlap),
  `beliefs` (what was known when), `climate`, `retention`, `backup`, `export` (what is stored, and where else)
- `warehouse.erasure`: an owner's cars out of a database for good; `warehouse.pseudonyms`, `pseudonymous`
- `warehouse.quarantine`, `warehouse.release`: what the checks held back, and a person's decision to let it in
- `warehouse.errors`: the error tree

Import from the sub-modules: this package itself loads none of them, so that a command line that only asks for
a zone's name does not pay for DuckDB and pandas.
"""

__all__ = ["contracts", "errors", "sources", "store", "zones"]
