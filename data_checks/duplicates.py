"""Rows of one file with one key: the same reported twice, a contradiction, or at another moment a
correction."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data_checks.suites import run_rules, uniqueness
from data_checks.types import Mask, Positions, RowFinding
from warehouse.contracts import TableContract

_STATED = ("source_id", "received_utc")


def repeated(frame: pd.DataFrame, contract: TableContract, rivals: Positions) -> Mask:
    """Return the rows that repeat an earlier row of their file in every column, received at that moment.

    rivals: the rows that may.
    """
    again = np.zeros(len(frame), dtype=bool)
    again[rivals] = frame.iloc[rivals].duplicated([*contract.names, *_STATED]).to_numpy()
    return again


def corrections(frame: pd.DataFrame, contract: TableContract) -> Positions:
    """Return of each row how many beliefs on its key its file tells that were received before it."""
    number = np.zeros(len(frame), dtype=np.intp)
    if frame["received_utc"].nunique() > frame["source_id"].nunique():
        rivals = rivals_of(frame, contract)
        keys = frame.iloc[rivals].groupby([*contract.key, "source_id"], sort=False)
        number[rivals] = keys["received_utc"].rank("dense").fillna(1).to_numpy(dtype=np.intp) - 1
    return number


def contradictions(frame: pd.DataFrame, contract: TableContract, usable: Mask) -> Iterator[RowFinding]:
    """Find usable rows with the key, but not the values, of another usable row of their file and moment.

    None of them is taken: that one stands later in the file says nothing of which is right. A row that is
    wrong by itself contradicts nothing.
    """
    rule = uniqueness(contract)
    positions = np.flatnonzero(usable)
    positions = positions[rivals_of(frame.iloc[positions], contract)]
    if positions.size:
        (found,) = run_rules(frame.iloc[positions].reset_index(drop=True), [rule])
        positions = positions[found.positions]
    yield RowFinding(rule=rule.name, column=rule.column, reason=rule.reason, positions=positions)


def rivals_of(frame: pd.DataFrame, contract: TableContract) -> NDArray[np.intp]:
    """Return the rows whose key their file tells more than once; one without its whole key is no other's."""
    found = np.flatnonzero(frame.duplicated([*contract.key, "source_id"], keep=False).to_numpy())
    return found[frame.iloc[found][list(contract.key)].notna().all(axis=1).to_numpy()]
