"""A file to begin with: the columns of a dataset, what each means, and one row that would be let in.

All of it comes from the contract of the dataset; the reader of such files passes over the lines that begin
with `#`.
"""

import csv
import datetime as dt
import io
from collections.abc import Mapping

from warehouse.contracts import Column, Kind, file_contract
from warehouse.contracts.render import values_of
from warehouse.sources.canonical import CONSTANTS, other_spellings
from warehouse.sources.dialect import COMMENT

_HOW = (
    "Lines that begin with # are not read. The row below the header is an example: put yours in its place.",
    "Times are UTC, or carry their offset; the decimal mark is a point, the delimiter a comma.",
)


def described(dataset: str) -> list[dict[str, str | bool | None]]:
    """Return what is to be known of each column of a dataset's files.

    needed: whether each row has to have a value. default: what holds without one. instead: an option of the
    command that may fill it, or a header that may stand in its place.
    """
    return [_described(dataset, column) for column in file_contract(dataset)]


def template(dataset: str, hour: dt.datetime) -> str:
    """Return a CSV of a dataset: what its columns mean, a header, and one example; hour: what it is near."""
    contract = file_contract(dataset)
    lines = [f"{dataset}: {contract.description}", *_HOW, *(_line(stated) for stated in described(dataset))]
    out = io.StringIO()
    out.writelines(f"{COMMENT} {line}\n" for line in lines)
    table = csv.writer(out, lineterminator="\n")
    table.writerow(contract.names)
    table.writerow([example_of(column, hour) for column in contract])
    return out.getvalue()


def example_of(column: Column, hour: dt.datetime) -> str:
    """Return a column's example as a file has it, "" for none; of a moment, near that hour (tz-aware)."""
    example = column.example
    if isinstance(example, dt.timedelta):
        whole = hour.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
        return f"{whole + example:%Y-%m-%dT%H:%M:%SZ}"
    return "" if example is None else str(example)


def _described(dataset: str, column: Column) -> dict[str, str | bool | None]:
    options = {"battery_id": "--battery", "zone": "--zone"}
    instead = [options[column.name]] if column.name in CONSTANTS.get(dataset, ()) else []
    return {
        "column": column.name,
        "kind": str(column.kind),
        "unit": _unit(column),
        "needed": not column.nullable,
        "default": column.default if column.nullable else None,
        "values": values_of(column).strip("`"),
        "instead": ", ".join((*instead, *other_spellings(dataset, column.name))),
        "meaning": column.description,
    }


def _unit(column: Column) -> str:
    if column.unit == "1":
        return "share 0 to 1" if column.maximum == 1.0 else "1"
    return column.unit if column.kind in (Kind.FLOAT, Kind.INT, Kind.TIME) else ""


def _line(stated: Mapping[str, object]) -> str:
    said = [str(stated["meaning"])]
    if stated["kind"] == Kind.TEXT and stated["values"] and not str(stated["values"]).startswith("^"):
        said.append(f"one of {stated['values']}")
    if not stated["needed"]:
        said.append(f"may be left out (then: {stated['default']})")
    if stated["instead"]:
        said.append(f"or {stated['instead']} instead")
    unit = f" [{stated['unit']}]" if stated["unit"] else ""
    return f"{stated['column']}{unit}: {'; '.join(said)}"
