"""The data dictionary as a page: every table and column of the contracts, to search and sort."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.context import Context
from warehouse.contracts import CONTRACTS, values_of


def contents(context: Context) -> Mapping[str, Any]:  # noqa: ARG001 the contracts are the same everywhere
    """What dictionary.html is filled with: tables, columns."""
    return {
        "tables": [
            {"name": one.name, "means": one.description, "key": ", ".join(one.key)}
            for one in CONTRACTS.values()
        ],
        "columns": [
            {
                "table": one.name,
                "name": column.name,
                "kind": f"{column.kind}{' or null' if column.nullable else ''}",
                "unit": column.unit,
                "values": values_of(column).strip("`"),
                "means": column.description,
            }
            for one in CONTRACTS.values()
            for column in one
        ],
    }
