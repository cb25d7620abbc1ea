"""Logs of settled days at random, as an operator would keep them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimize.market.contract import Contract, read_contract
from optimize.market.opening import Counted, figures, opening
from optimize.market.settlement import OwnerDay, settle
from tests.optimize.test_market_settlement import random_day


def settled_days(days: int, seed: int) -> list[tuple[str, Contract]]:
    """The opening of each owner-day at random, each by a contract of its own."""
    rng = np.random.default_rng(seed)
    return [_first(number, *random_day(rng)) for number in range(days)]


def _first(number: int, contract: Contract, day: OwnerDay) -> tuple[str, Contract]:
    if number % 5 == 4:
        contract = read_contract(contract.text + '[privacy]\nmode = "totals"\n', contract.file)
    counted = Counted(contract=contract, day=day, settled=settle(contract, day))
    stated = figures(counted.settled)
    head = {
        "settlement_id": f"s{number}", "market_date": "2026-01-01", "zone": "DE-LU", "sequence": 1,
        "corrects": None, "battery_id": f"car-{number}", "contract_id": contract.contract_id,
        "contract_version": contract.version, "contract_digest": contract.digest,
        "owner_correction_eur": stated["owner_eur"], "grid_correction_eur": stated["grid_eur"],
    }  # fmt: skip
    return opening(head, counted), contract


def texts_of(days: Sequence[tuple[str, Contract]]) -> dict[str, str]:
    """The texts of their contracts by digest."""
    return {one.digest: one.text for _, one in days}
