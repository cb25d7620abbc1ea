"""Settled rows and their entries in the ledger, written together: both are there, or neither."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from flows.context import Context
from flows.errors import FlowsError
from optimize.market.contract import Contract
from warehouse.at_once import at_once
from warehouse.ledger.entries import commitment, new_salt
from warehouse.store import Guard

_TRIES = 20
_LINEAGE = ("run_id", "as_of_utc", "input_hash", "code_version")


def append(
    context: Context,
    rows: pd.DataFrame,
    openings: Sequence[str],
    contracts: Iterable[Contract],
    guard: Guard,
    sides: pd.DataFrame,
) -> bool:
    """Write rows of out_settlement, an entry for each, the contracts' texts and rows of out_imbalance_side;
    whether the guard let it.

    Where another process adds entries meanwhile, it is done again behind them.
    """
    warehouse = context.workspace.warehouse
    salts = [new_salt() for _ in openings]
    entries = rows[["settlement_id", "battery_id", "market_date", *_LINEAGE]].assign(
        salt=salts, opening=list(openings), commitment=list(map(commitment, salts, openings))
    )
    lineage = {name: rows[name].iloc[0] for name in _LINEAGE}
    texts = {one.digest: one.text for one in contracts}
    with at_once(warehouse):
        size = log_size(context)
        known = set(warehouse.read("out_contract", columns=["contract_digest"])["contract_digest"])
    new = [
        {"contract_digest": digest, "contract_text": stated, **lineage}
        for digest, stated in texts.items()
        if digest not in known
    ]
    for _ in range(_TRIES):
        asked: list[bool] = []

        def both(read: Any, size: int = size, asked: list[bool] = asked) -> bool:
            asked.append(guard(read))
            return asked[0] and read("out_ledger", {"entry_index": size}).empty

        frames = {
            "out_settlement": rows,
            "out_ledger": entries.assign(entry_index=range(size, size + len(entries))),
            **({"out_contract": pd.DataFrame(new)} if new else {}),
            **({"out_imbalance_side": sides} if len(sides) else {}),
        }
        if warehouse.write(frames, guard=both):
            return True
        if not asked[0]:
            return False
        size = log_size(context)
    raise FlowsError("others add to the ledger without a pause: settle again")


def log_size(context: Context) -> int:
    """How many entries the log has, as of whatever moment: it is what was written."""
    last = context.workspace.warehouse.read("out_ledger", columns=["entry_index"], last=("entry_index", 1))
    return 0 if last.empty else int(last["entry_index"].iloc[-1]) + 1
