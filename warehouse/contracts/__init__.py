"""The tables as data.

- `types`: `Column`, `TableContract` · `inputs`: the datasets · `outputs`: what is computed
- `registry`: `CONTRACTS`, raw and core tables derived from the inputs · `conform`: frames into shape
- `render`: DDL and data dictionary
"""

from warehouse.contracts.conform import conform, project
from warehouse.contracts.inputs import DATASETS
from warehouse.contracts.registry import (
    AMENDED,
    CONTRACTS,
    core_contract,
    dataset_contract,
    file_contract,
    ingested_contract,
    owner_column,
    raw_contract,
    reference,
    table_contract,
)
from warehouse.contracts.render import data_dictionary, ddl, values_of
from warehouse.contracts.types import Column, Kind, TableContract
from warehouse.errors import ContractError

__all__ = [
    "AMENDED",
    "CONTRACTS",
    "DATASETS",
    "Column",
    "ContractError",
    "Kind",
    "TableContract",
    "conform",
    "core_contract",
    "data_dictionary",
    "dataset_contract",
    "ddl",
    "file_contract",
    "ingested_contract",
    "owner_column",
    "project",
    "raw_contract",
    "reference",
    "table_contract",
    "values_of",
]
