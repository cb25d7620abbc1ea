"""Rows of one file with one key: the same told twice, or a contradiction."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data_checks.suites import run_rules, uniqueness
from data_checks.types import Mask, RowFinding
from warehouse.contracts import TableContract


def told_again(frame: pd.DataFrame, contract: TableContract) -> Mask:
    """Return the rows that repeat an earlier row of their file in every column."""
    again = np.zeros(len(frame), dtype=bool)
    rivals = _rivals(frame, contract)
    again[rivals] = frame.iloc[rivals].duplicated([*contract.names, "source_id"]).to_numpy()
    return again


def contradictions(frame: pd.DataFrame, contract: TableContract, usable: Mask) -> Iterator[RowFinding]:
    """Find usable rows with the key, but not the values, of another usable row of their file.

    None of them is taken: that one stands later in the file says nothing of which is right. A row that is
    wrong by itself contradicts nothing.
    """
    rule = uniqueness(contract)
    positions = np.flatnonzero(usable)
    positions = positions[_rivals(frame.iloc[positions], contract)]
    if positions.size:
        (found,) = run_rules(frame.iloc[positions].reset_index(drop=True), [rule])
        positions = positions[found.positions]
    yield RowFinding(rule=rule.name, column=rule.column, reason=rule.reason, positions=positions)


def _rivals(frame: pd.DataFrame, contract: TableContract) -> NDArray[np.intp]:
    return np.flatnonzero(frame.duplicated([*contract.key, "source_id"], keep=False).to_numpy())
