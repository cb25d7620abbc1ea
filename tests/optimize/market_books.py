"""Tariff books at random, of every kind that can be written, and what a plan's meters count."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np

from optimize.account import base_load_kw, grid_power_kw
from optimize.arrays import FloatArray
from optimize.market.bill import in_decimals
from optimize.market.book import TariffBook, read_book
from optimize.market.contract import Contract, read_contract
from optimize.market.refund import Counted
from optimize.types import DayProblem, ModePlan

BOOKS = Path(__file__).parents[1] / "examples" / "books"
CONTRACTS = BOOKS.parent / "contracts"


def shipped(name: str) -> TariffBook:
    """An example book by its file name."""
    file = BOOKS / name
    return read_book(file.read_text(encoding="utf-8"), file.name)


def shipped_contract(name: str) -> Contract:
    """An example contract by its file name."""
    file = CONTRACTS / name
    return read_contract(file.read_text(encoding="utf-8"), file.name)


def random_text(rng: np.random.Generator, *, refund: bool, steady: bool) -> str:
    """A book's TOML; steady: what it refunds has one price all day."""
    lines = ['format = 1\nname = "random"\ncurrency = "EUR"\ntimezone = "Europe/Berlin"\nfrom = 2020-01-01']
    for part in ("energy", "feed_in"):
        lines.append(f"[{part}]")
        if part == "feed_in" and rng.random() < 0.4:
            lines.append(f"premium_eur_per_kwh = {rng.uniform(0, 0.05):.4f}")
        if rng.random() < 0.6:
            lines += ['kind = "spot"', f"markup_eur_per_kwh = {rng.uniform(-0.01, 0.04):.4f}"]
            lines.append(f"factor = {rng.uniform(0.9, 1.1):.3f}")
        else:
            lines += ['kind = "windows"', *_windows(rng, part)]
    lines.append("[grid_fee]")
    flat = steady or rng.random() < 0.3
    lines += [f"price_eur_per_kwh = {rng.uniform(0.01, 0.12):.4f}"] if flat else _windows(rng, "grid_fee")
    lines += ["[taxes]", "electricity_tax = 0.0205", f"levies = {rng.uniform(0.0, 0.05):.5f}"]
    if refund:
        lines += ["[refund]", 'method = "quarter_hours"']
        lines.append(f"of = {['grid_fee', 'electricity_tax', 'levies'][: int(rng.integers(1, 4))]}")
    if rng.random() < 0.5:
        lines += ["[demand]", f"price_eur_per_kw = {rng.uniform(0.01, 0.5):.3f}"]
    lines += ["[[monthly]]", 'name = "base"', f"eur = {rng.uniform(0, 15):.2f}"]
    if rng.random() < 0.8:
        lines += ["[vat]", f"rate = {rng.choice([0.07, 0.19, 0.21])}"]
        if rng.random() < 0.5:
            parts = ["energy", "grid_fee", "taxes", "monthly", "demand", "feed_in"]
            lines.append(f"base = {[one for one in parts if rng.random() < 0.7]}")
    return "\n".join(lines)


def _windows(rng: np.random.Generator, part: str) -> list[str]:
    lines = []
    for name, first, last in (("summer", "04-01", "09-30"), ("winter", "10-01", "03-31")):
        lines += [f"[[{part}.season]]", f'name = "{name}"', f'from = "{first}"', f'to = "{last}"']
        starts = sorted({0, *rng.integers(1, 96, int(rng.integers(0, 4))).tolist()})
        for start, end in zip(starts, [*starts[1:], 96], strict=True):
            lines += [f"[[{part}.season.window]]", f'name = "{name} {start}"']
            lines += [f'start = "{_clock(start)}"', f'end = "{_clock(end)}"']
            lines.append(f"price_eur_per_kwh = {rng.uniform(0.01, 0.2):.4f}")
    return lines


def _clock(quarter: int) -> str:
    return f"{quarter // 4:02}:{quarter % 4 * 15:02}"


def counted(problem: DayProblem, plan: ModePlan) -> Counted:
    """What the meter of the one site, and those at the plugs behind it, count in a plan's quarter-hours."""
    plugs = grid_power_kw(problem, plan).sum(axis=0) * problem.slot_hours
    total = plugs + base_load_kw(problem)[0] * problem.slot_hours
    return Counted(
        drawn=_positive(total), fed=_positive(-total), stored=_positive(plugs), returned=_positive(-plugs)
    )


def _positive(kwh: FloatArray) -> Sequence[Decimal]:
    return in_decimals(np.maximum(kwh, 0.0))
