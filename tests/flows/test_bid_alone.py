"""Each product of a bid stands alone; nothing is sold twice over calls, and nothing written twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.stages import Context
from flows.stages.check import check
from flows.workspace import Workspace
from optimize.errors import SolverError, TimeLimitError
from optimize.market.bids import curve, price
from optimize.plan import plan_day
from tests.flows.conftest import DAY, put
from tests.flows.test_awards import award
from tests.flows.test_bid import NOW, TOMORROW, around, homes, stated  # noqa: F401

BEFORE_FCR = datetime(2024, 3, 20, 6, 30, tzinfo=UTC)
BEFORE_AFRR = datetime(2024, 3, 20, 7, 30, tzinfo=UTC)
EVENING = pd.Timestamp(f"{TOMORROW}T19:00Z")


def failing(times: range, error: Exception) -> Callable[..., object]:
    """The real solver, which fails at some of its calls."""
    calls = iter(range(10_000))

    def planned(*args: object, **kwargs: object) -> object:
        if next(calls) in times:
            raise error
        return plan_day(*args, **kwargs)  # type: ignore[arg-type]

    return planned


def test_a_block_that_cannot_be_solved_costs_no_other(
    homes: Workspace,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = stated(homes, "FCR").tables["reserve"]
    bid_for = [number for number, row in enumerate(whole) if row["quantity_mw"]]
    assert len(bid_for) == 2
    monkeypatch.setattr(price, "plan_day", failing(range(1), SolverError("v2g", "kaputt", "3 rows")))
    result = stated(homes, "FCR", "aFRR up")
    rows = [row for row in result.tables["reserve"] if row["product"] == "FCR"]
    assert result.exit_code == 3 and "FCR: 1 of 6 blocks: could not be solved: mode v2g" in result.message
    assert rows[bid_for[0]]["quantity_mw"] == 0.0 and "'kaputt'" in rows[bid_for[0]]["reason"]
    assert rows[bid_for[1]]["quantity_mw"] == whole[bid_for[1]]["quantity_mw"]
    stored = homes.warehouse.read("out_bid")
    assert stored["reason"].str.contains("could not be solved").sum() == 1


def test_after_a_time_limit_a_product_is_given_up_and_the_next_is_bid(
    homes: Workspace,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = TimeLimitError("v2g", "time limit", "3 rows")
    monkeypatch.setattr(price, "plan_day", failing(range(1), error))
    result = stated(homes, "FCR", "aFRR down")
    by = {
        name: [row for row in result.tables["reserve"] if row["product"] == name]
        for name in ("FCR", "aFRR down")
    }
    after = [row for row in by["FCR"] if "could not be solved" in (row["reason"] or "")]
    assert len(after) >= 2 and not any(row["quantity_mw"] for row in by["FCR"])
    assert any(row["quantity_mw"] for row in by["aFRR down"]) and result.exit_code == 3


def test_a_curve_that_cannot_be_solved_costs_no_reserve(
    homes: Workspace,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(curve, "plan_day", failing(range(5, 6), RuntimeError("out of memory")))
    result = stated(homes, "FCR", "day ahead")
    assert result.exit_code == 3
    assert "day ahead: no curve: could not be solved: RuntimeError: out of memory" in result.message
    assert any(row["quantity_mw"] for row in result.tables["reserve"])
    assert homes.warehouse.read("out_bid_curve").empty and len(homes.warehouse.read("out_bid")) == 6


def test_what_was_won_of_no_known_product_is_told(homes: Workspace) -> None:  # noqa: F811
    put(homes, "awards", award(2.0, product="local flexibility", direction="up"), as_of=BEFORE_FCR)
    check(Context.of(homes, BEFORE_FCR))
    result = stated(homes, "FCR", at=BEFORE_FCR)
    assert result.exit_code == 3 and "not held next to bids: local flexibility (up)" in result.message


def evening(workspace: Workspace, product: str) -> pd.DataFrame:
    rows = workspace.warehouse.read("out_bid", where={"product": product})
    return rows[rows["interval_start_utc"] == EVENING]


def test_what_was_bid_in_another_call_is_not_sold_again(homes: Workspace) -> None:  # noqa: F811
    together = stated(homes, "FCR", "aFRR down", at=BEFORE_FCR).tables["reserve"]
    alone = stated(homes, "aFRR down", at=BEFORE_AFRR).tables["reserve"]
    own = [row for row in together if row["product"] == "aFRR down"]
    assert [row["quantity_mw"] for row in alone] == [row["quantity_mw"] for row in own]
    assert any("offered already, as FCR" in (row["reason"] or "") for row in alone)


def test_what_was_won_is_what_is_held_at_later_gates(homes: Workspace) -> None:  # noqa: F811
    stated(homes, "FCR", at=BEFORE_FCR)
    fcr = float(evening(homes, "FCR")["quantity_mw"].item())
    stated(homes, "aFRR down", at=BEFORE_AFRR)
    next_to_the_bid = float(evening(homes, "aFRR down")["quantity_mw"].item())
    at = BEFORE_AFRR + timedelta(minutes=5)
    put(homes, "awards", award(0.0), as_of=at)
    check(Context.of(homes, at))
    result = stated(homes, "aFRR down", at=at)
    rows = evening(homes, "aFRR down").sort_values("as_of_utc")
    assert float(rows["quantity_mw"].iloc[-1]) > next_to_the_bid + fcr / 2.0
    assert result.details["written"] is True
    before = stated(homes, "aFRR down", at=BEFORE_AFRR)  # the award had not come
    assert before.details["written"] is False


def test_the_same_again_is_written_once_of_each_product(homes: Workspace) -> None:  # noqa: F811
    for names in (("FCR",), ("day ahead",), ("FCR",), ("day ahead",), ("FCR", "day ahead")):
        stated(homes, *names, at=BEFORE_FCR)
    held = homes.warehouse.read("out_bid")
    assert len(held) == 6
    assert len(homes.warehouse.read("out_bid_curve")) == 96 * 3


def test_two_at_once_write_one(homes: Workspace) -> None:  # noqa: F811
    """Both have made their bids before either writes: which was last is asked within the transaction."""
    from flows.mapping import bid_rows

    barrier, write = threading.Barrier(2), bid_rows.written_bids
    done: list[bool] = []

    def together(*args: object, **kwargs: object) -> bool:
        barrier.wait(60)
        return write(*args, **kwargs)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flows.stages.bid.written_bids", together)
        runs = [
            threading.Thread(
                target=lambda: done.append(bool(stated(homes, "FCR", at=BEFORE_FCR).details["written"]))
            )
            for _ in range(2)
        ]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
    assert sorted(done) == [False, True]
    assert len(homes.warehouse.read("out_bid")) == 6


def test_a_gate_that_has_closed_is_told(homes: Workspace) -> None:  # noqa: F811
    assert f"the gate has closed: FCR {DAY} 07:00 UTC" in stated(homes, "FCR", at=NOW).message
    assert "closed" not in stated(homes, "FCR", at=BEFORE_FCR).message


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"\xff\xfe", "not a text file in UTF-8"), (b"[[reserve]]\nname = 'x'", "reserve[1].clock is absent")],
)
def test_a_file_of_products_that_cannot_be_meant_is_a_usage(
    homes: Workspace,  # noqa: F811
    content: bytes,
    why: str,
) -> None:
    file = homes.root / "own.toml"
    file.write_bytes(content)
    call = ["bid", "-w", str(homes.root), "--date", str(TOMORROW), "--products", str(file)]
    answer = CliRunner().invoke(app, call)
    assert why in str(answer.exception) or why in answer.output
    assert getattr(answer.exception, "exit_code", answer.exit_code) == 2
