"""The record of the tables' layout, `layout.json`: `python -m tests.warehouse.layouts` brings it up to date.

It is to be run after a change of `warehouse/contracts`; the data dictionary is written with it. What a file
of the same version cannot grow into (see `warehouse.layout`) is refused until SCHEMA_VERSION is raised.
"""

import json
import sys
from pathlib import Path

from warehouse.contracts import data_dictionary
from warehouse.layout import Layout, current_layout, differences, fingerprint, in_words
from warehouse.schema import SCHEMA_VERSION

RECORD = Path(__file__).with_name("layout.json")
DICTIONARY = Path(__file__).parents[2] / "warehouse" / "DICTIONARY.md"
COMMAND = "python -m tests.warehouse.layouts"


def recorded():
    """Version, fingerprint and layout as they were recorded."""
    kept = json.loads(RECORD.read_text(encoding="utf-8"))
    return kept["version"], kept["fingerprint"], kept["layout"]


def complaint(version: int, layout: Layout, record: tuple[int, str, Layout]) -> str:
    """What is wrong with a layout next to its record; "" if nothing is."""
    was_version, was_fingerprint, was = record
    found = differences(was, layout)
    if version < was_version:
        return f"SCHEMA_VERSION {version} is lower than the recorded {was_version}"
    if version == was_version and (fixed := [one for one in found if not one.grows]):
        return f"files of version {version} cannot grow into this: {in_words(fixed)}; raise SCHEMA_VERSION"
    if found or version != was_version or fingerprint(layout) != was_fingerprint:
        return f"the layout has changed ({in_words(found)}): record it by `{COMMAND}`"
    return ""


def main() -> int:
    layout = current_layout()
    if RECORD.exists() and "raise" in (wrong := complaint(SCHEMA_VERSION, layout, recorded())):
        print(wrong, file=sys.stderr)
        return 1
    kept = {"version": SCHEMA_VERSION, "fingerprint": fingerprint(layout), "layout": layout}
    RECORD.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    DICTIONARY.write_text(data_dictionary(), encoding="utf-8")
    print(f"version {SCHEMA_VERSION}, fingerprint {kept['fingerprint']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
