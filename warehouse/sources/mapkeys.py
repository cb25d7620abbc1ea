"""The keys that a mapping file may have: what each says, reported once for its reader and for the help."""

from collections.abc import Mapping

DIALECT_KEYS: Mapping[str, str] = {
    "delimiter": 'between cells: "," unless said; ";", "\\t", "|"',
    "encoding": '"utf-8" unless said; "latin-1", "windows-1252", "utf-16"',
    "skip_lines": "how many lines stand before the header",
    "header": 'names for the columns of a file that has none: ["t", "U", "I"]',
    "skip_after_header": "how many lines of units, or of a second header, stand below it",
}
TABLE_KEYS: Mapping[str, str] = {
    "columns": "a table for each column of ours, [columns.NAME]: where it comes from",
    "timezone": 'of times without an offset: "Europe/Zurich"',
    "decimal": 'mark before decimals: "." unless said; ","',
    "thousands": "mark between thousands: \"'\" in 1'234.5",
    "level": '"cell": values of one cell are made pack values by the fleet',
    "null": "words and numbers that stand for no value",
    "where": 'only rows with these words: { Art = ["BMS", "HV"] }',
    "long": 'a row a signal: { signal = "name", value = "wert" }',
    "json": 'a JSON file, its records and columns by paths: { records = "data.samples[]" }; { lines = true }',
    **DIALECT_KEYS,
}
RECEIVED_KEYS: Mapping[str, str] = {
    "received": 'what tells when a row was received: "event", or a column of the file',
    "delay_minutes": 'with received = "event": how much later',
}
READER_KEYS: Mapping[str, str] = {
    "battery_id": "whose the file is",
    "batteries": 'the file\'s words for cars: { "04A1B2C3" = "CAR1" }',
    "target_soc": "charge at departure, where the layout does not tell it",
    "zone": "bidding zone of prices that name none",
    "station": "station, where several number their transactions alike",
}
WAY_KEYS: Mapping[str, str] = {
    "from": 'the file\'s column; of times and texts also several, joined: ["Datum", "Uhrzeit"]',
    "constant": "the same value in all rows, in our unit",
    "min_of": 'least of numbered columns: "CP#" is CP1, CP2, …',
    "max_of": "greatest of numbered columns",
    "mean_of": "mean of numbered columns",
    "charge": "current_a: column of the magnitude when charging, next to `discharge`",
    "power": "current_a: column of a power, which is divided by voltage_v",
    "counter": "current_a, power_kw: column that counts up what was charged, in Ah, kWh or Wh; next to it "
    "`counter_out`",
}
NUMBER_KEYS: Mapping[str, str] = {
    "scale": "value × scale + offset, and then the unit",
    "offset": "see scale",
    "unit": 'of the file\'s values: "mV", "degF", "%", "W"; ours unless said',
    "carry_minutes": "telemetry: how old a value may be that stands for a missing one",
}
COLUMN_KEYS: Mapping[str, str] = {
    **WAY_KEYS,
    **NUMBER_KEYS,
    "discharge": "current_a: column of the magnitude when discharging",
    "sign": 'current_a: { column = "Status", charge = ["CHG"], discharge = ["DRV"] }',
    "counter_out": "beside `counter`: column that counts up what was discharged",
    "gap_minutes": "of a counter: the longest between two rows that still tells a mean flow; 30 unless said",
    "positive": 'current_a: "charge" unless said; "discharge"',
    "format": 'of times, ISO 8601 unless said: "%d.%m.%Y %H:%M:%S", "unix_s", "unix_ms"',
    "values": 'their word → ours: { "Bus 12" = "BUS12" }',
    "null": "words and numbers of this column that stand for no value",
    "since": 'the moment that times count from, in unit "s", "ms", "min" or "h"',
}
SECTIONS: Mapping[str, Mapping[str, str]] = {
    "of the file": TABLE_KEYS,
    "of a column, in [columns.NAME]": COLUMN_KEYS,
    "when rows were received": RECEIVED_KEYS,
    'instead of all these, with source = "NAME": a reader that there is': READER_KEYS,
}
"""What a mapping may say, by where."""
