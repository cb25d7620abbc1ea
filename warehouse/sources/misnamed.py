"""Columns that a file of ours lacks, and which of its others was probably meant: all of them at once."""

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches

from warehouse.contracts import file_contract
from warehouse.errors import ColumnError
from warehouse.sources.labels import likely, quantity_hint, taken_apart
from warehouse.sources.rawtable import RawTable
from warehouse.sources.units import FOREIGN

_FOREIGN = {
    "charging_process_id": "this looks like charges of TeslaMate: samples of the charger, which are sessions "
    "(source teslamate)",
    "arrival_local_los_angeles": "this looks like sessions of ACN (source acn)",
    "connectionTime": "this looks like sessions of ACN (source acn)",
    "SOC arrival": "this looks like sessions of DESL (source desl)",
    "stimeend": "this looks like prices of SMARD (source smard)",
}
"""A header that only one known layout has → what the file seems to be."""

_RELATIVE_TIMES = ("Test Time / s", "test_time_second")

_SHOWN_HEADERS = 400


def misnamed(
    dataset: str,
    table: RawTable,
    extra: Sequence[str],
    absent: Sequence[str],
    names: Mapping[str, Sequence[str]],
    *,
    constants: Collection[str],
) -> tuple[list[ColumnError], dict[str, tuple[str, float]]]:
    """Return what is wrong with a file's headers, and the columns that some of them probably mean.

    extra: headers that mean nothing here. absent: columns that are needed and not there. names: of each
    column that is not there, how it may be called. constants: columns that an option may fill. A meaning is
    the header and the divisor of its unit.
    """
    if absent and (hint := foreign_layout(table.columns)):
        return [ColumnError(f"is missing; {hint}", file=table.file, column=absent[0])], {}
    wrong, meant = list[ColumnError](), dict[str, tuple[str, float]]()
    left = dict(names)
    lacking = list(absent)
    if "time_utc" in absent and (relative := [name for name in _RELATIVE_TIMES if name in table.columns]):
        problem = (
            f"is missing; {relative[0]!r} counts from a test's start and names no day: add Unix Time / s"
        )
        wrong.append(ColumnError(problem, file=table.file, column="time_utc"))
        lacking.remove("time_utc")
        left.pop("time_utc")
    for header in extra:
        column, name = _meant(dataset, header, left, lacking)
        if column is None:
            continue
        unit = file_contract(dataset).column(column).unit
        hint = quantity_hint(header, unit, column)
        problem = f"is not a column of {dataset}; did you mean {name!r}" + (
            hint if hint[:1] == "?" else f"?{hint}"
        )
        wrong.append(ColumnError(problem, file=table.file, column=header))
        left.pop(column)
        if column in lacking:
            lacking.remove(column)
        if (divisor := _divisor(header, unit, hint)) is not None:
            meant[column] = (header, divisor)
    for column in lacking:
        hint = f" (or give the option {column})" if column in constants else ""
        problem = f"is missing{hint}; the file has {', '.join(table.columns)}"[:_SHOWN_HEADERS]
        wrong.append(ColumnError(problem, file=table.file, column=column))
    return wrong, meant


def foreign_layout(headers: Collection[str]) -> str | None:
    """Return what a file with such headers seems to be, where one known layout alone has one of them."""
    return next((hint for marker, hint in _FOREIGN.items() if marker in headers), None)


def _meant(
    dataset: str, header: str, left: Mapping[str, Sequence[str]], lacking: Sequence[str]
) -> tuple[str | None, str]:
    """Return the column that a header seems to mean, and the name that it should have had."""
    if lacking and (column := likely(dataset, header, lacking)) is not None:
        return column, column
    by_name = {name.lower(): (column, name) for column, names in left.items() for name in names}
    close = get_close_matches(header.lower(), list(by_name), n=1, cutoff=0.5 if lacking else 0.8)
    return by_name[close[0]] if close else (None, "")


def _divisor(header: str, unit: str, hint: str) -> float | None:
    """Return what a header's unit is divided by to be ours; None where that is not one number."""
    if not hint:
        return 1.0
    factor, offset = FOREIGN.get(unit, {}).get(str(taken_apart(header)[1]), (0.0, 0.0))
    return 1.0 / factor if factor and not offset else None
