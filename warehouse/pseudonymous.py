"""Tables under pseudonyms of a purpose: ids replaced, texts of people and programs left out, as Parquet.

FOLDER/TABLE.parquet. Ids of cars, sessions, sites and chargers, and the hashes and numbers that this software
gives to runs, plans and files, are pseudonyms, each kind by itself; numbers, times and words of a fixed list
stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.connection import connect
from warehouse.contracts import TableContract, table_contract
from warehouse.contracts.types import Kind
from warehouse.errors import ContractError, CopyError
from warehouse.export import Exported
from warehouse.files import make_folder, new_file, partial_of, sync
from warehouse.pseudonyms import PurposeKey
from warehouse.store import Warehouse

_KINDS = {
    "battery_id": "battery_id", "session_id": "session_id", "by_session_id": "session_id",
    "site_id": "site_id", "parent_id": "site_id", "charger_id": "charger_id",
    **dict.fromkeys(
        (
            "run_id", "input_hash", "source_id", "by_source_id", "plan_id", "replaces_plan_id",
            "calibration_id", "previous_calibration_id", "realised_id", "settlement_id", "corrects",
            "contract_id", "contract_digest", "commitment",
        ),
        "made",
    ),
}  # fmt: skip
"""Column → the kind of id that it holds."""
_PLAIN_TEXTS = ("zone",)
_BATCH_ROWS = 200_000


def export_pseudonymous(
    warehouse: Warehouse, folder: Path, tables: Sequence[str], key: PurposeKey
) -> list[Exported]:
    """Write tables to a new folder, all or nothing; raises CopyError for one that is there, ContractError for
    a table without a row of a car, and what opening a warehouse raises."""
    contracts = [table_contract(one) for one in dict.fromkeys(tables)]
    for contract in contracts:
        if "battery_id" not in contract.names:
            raise ContractError(f"{contract.name} has no rows of cars: `v2g export` writes it as it is")
    if folder.exists() or folder.is_symlink():
        raise CopyError(f"{folder} is there already: an export under pseudonyms is written to a new folder")
    partial = make_folder(partial_of(folder))
    with connect(warehouse.path, write=False, timeout_s=warehouse.lock_timeout_s) as connection:
        written = [_write(connection, one, partial, key) for one in contracts]
    partial.rename(folder)
    return written


def _write(
    connection: duckdb.DuckDBPyConnection, contract: TableContract, folder: Path, key: PurposeKey
) -> Exported:
    columns = [one.name for one in contract.columns if _stays(one.name, one.kind, bool(one.allowed))]
    # By lot: the order of the rows would lead from one purpose's export to another's.
    reader = connection.sql(
        f"SELECT {', '.join(columns)} FROM {contract.name} ORDER BY random()"  # noqa: S608
    ).to_arrow_reader(_BATCH_ROWS)
    rows = 0
    with new_file(folder / f"{contract.name}.parquet") as stream:
        with pq.ParquetWriter(stream, reader.schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(_renamed(batch, key))
                rows += batch.num_rows
        sync(stream)
    return Exported(table=contract.name, rows=rows, files=1)


def _stays(name: str, kind: Kind, listed: bool) -> bool:
    return kind is not Kind.TEXT or listed or name in _KINDS or name in _PLAIN_TEXTS


def _renamed(batch: pa.RecordBatch, key: PurposeKey) -> pa.RecordBatch:
    arrays = []
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        if name in _KINDS:
            coded = array.cast(pa.string()).dictionary_encode()
            names = [key.pseudonym(_KINDS[name], one) for one in coded.dictionary.to_pylist()]
            array = pa.DictionaryArray.from_arrays(coded.indices, pa.array(names, pa.string())).cast(
                pa.string()
            )
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)
