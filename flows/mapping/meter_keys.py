"""The register of meters' public keys: a TOML file of the workspace, `[settle] meter_keys`.

    format = 1
    [meters.1EMH0008019]                  # the meter's serial, as its records name it (MS, else GS)
    public_key = "3059301306072A86…"      # DER, hexadecimal or base64, as the maker or the plate tells it
    battery = "CAR1"                      # whose plug it counts at; left out where several cars use it

A record that claims a car whose meter is registered, and comes from another meter, is refused.
"""

from __future__ import annotations

from collections.abc import Mapping

from optimize.market.table import Table
from warehouse.sources.ocmf_record import MeterKey

FORMAT = 1


def read_meter_keys(text: str, file: str) -> Mapping[str, MeterKey]:
    """Keys by the serial of their meter; raises TermsError with file, key and value of what cannot be meant.

    Whether a text is a key is found when a record is held to it.
    """
    root = Table.of_text(text, file)
    if root.number("format") != FORMAT:
        raise root.error("format", f"must be {FORMAT}")
    meters = root.table("meters")
    root.refuse_rest()
    if meters is None or not meters.content:
        raise root.error("meters", "must hold a table for each meter, as [meters.1EMH0008019]")
    found: dict[str, MeterKey] = {}
    for serial in meters.content:
        one = meters.table(serial)
        if one is None:
            raise meters.error(serial, "must be a table")
        found[serial] = MeterKey(
            public_key=one.text("public_key"), battery_id=one.text("battery") if "battery" in one else None
        )
        one.refuse_rest()
    return found
