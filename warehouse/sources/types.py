"""What a reader hands over: one file's rows and where they come from."""

import datetime as dt
from dataclasses import dataclass

import pandas as pd

from warehouse.contracts import dataset_contract
from warehouse.errors import ContractError
from warehouse.sources.received import Received


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SourceFile:
    """One file, parsed and found fit to be ingested.

    frame: the dataset's columns in their units, and `source_row` (1-based data row in the file).
    source_id: SHA-256 over content, dataset, source and options: the same file read the same way is the same
    source. notes: what was left out or clipped on the way, one line each; never silent. options: how it was
    read, as JSON. url (without secrets), fetched_utc: of a response. received: what tells when each row was
    received; the frame has `received_utc` then (UTC, null: with the file). transactions: what
    is held of it for other files, as JSON (`ocpp_fragments`). not_before: when the last of what its rows rest
    on was received.
    """

    dataset: str
    source: str
    file_name: str
    source_id: str
    sha256: str
    frame: pd.DataFrame
    provider: str | None = None
    licence: str | None = None
    attribution: str | None = None
    options: str | None = None
    url: str | None = None
    fetched_utc: dt.datetime | None = None
    notes: tuple[str, ...] = ()
    received: Received | None = None
    transactions: str | None = None
    not_before: dt.datetime | None = None

    def __post_init__(self) -> None:
        contract = dataset_contract(self.dataset)
        wanted = {*contract.names, "source_row"}
        if self.received is not None:
            wanted.add("received_utc")
        spare = {column.name for column in contract if column.nullable}
        if different := sorted(wanted.symmetric_difference(self.frame.columns) - (spare - set(self.frame))):
            raise ContractError(f"{self.file_name}: columns of {self.dataset} differ in {different}")
