"""Rows of a plan that was made while the warehouse was in use, kept in a file until a writer takes them in.

One file a plan: a ZIP of Parquet, one table each. It is written whole or not at all, and read whole, every
table held to its contract, before any row of it goes anywhere. Nothing but the tables named here is in one.
"""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.contracts import CONTRACTS, conform
from warehouse.errors import ContractError, SpoolError
from warehouse.files import make_folder, write_whole
from warehouse.rows import arrow_table

PLAN_TABLES = tuple(name for name, one in CONTRACTS.items() if {"plan_id", "plan_source"} <= set(one.names))
"""The tables that hold a plan."""
TABLES = (*PLAN_TABLES, "out_run")
"""What a spooled file may hold: a plan, and what is on record of the stages of its run."""
_SUFFIX = ".parquet"


def write_spool(path: Path, tables: Mapping[str, pd.DataFrame]) -> Path:
    """Write one plan, and the record of its run, in the place of an earlier file of that name.

    tables: all of `TABLES` and no other. Raises SpoolError for that, or rows of more than one plan,
    ContractError, OSError.
    """
    _require_one_plan(path, tables)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, frame in tables.items():
            rows = io.BytesIO()
            pq.write_table(arrow_table(frame, CONTRACTS[name]), rows)
            archive.writestr(f"{name}{_SUFFIX}", rows.getvalue())
    make_folder(path.parent)
    return write_whole(path, packed.getvalue())


def read_spool(path: Path) -> dict[str, pd.DataFrame]:
    """Return the tables of a file in the dtypes of `conform`, all of them or none.

    Raises SpoolError for a file that is damaged, of another layout or of anything but one plan; OSError.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [one.filename.removesuffix(_SUFFIX) for one in archive.infolist()]
            if strange := [name for name in names if name not in TABLES]:
                raise SpoolError(f"{path.name}: {strange[0]!r} is no table of a plan")
            tables = {
                name: conform(
                    pq.read_table(io.BytesIO(archive.read(f"{name}{_SUFFIX}"))).to_pandas(), CONTRACTS[name]
                )
                for name in names
            }
    except (zipfile.BadZipFile, pa.ArrowException, ContractError, EOFError, KeyError, ValueError) as error:
        raise SpoolError(f"{path.name} cannot be read: {error}") from error
    _require_one_plan(path, tables)
    return tables


def _require_one_plan(path: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    if differing := sorted(set(tables) ^ set(TABLES)):
        what = "is no table of a plan" if differing[0] in tables else "is missing"
        raise SpoolError(f"{path.name}: {differing[0]} {what}")
    plans = {str(one) for name in PLAN_TABLES for one in tables[name]["plan_id"]}
    if len(tables["out_plan"]) != 1 or len(plans) != 1:
        raise SpoolError(f"{path.name}: the rows of one plan are needed, not of {len(plans)}")
