"""`v2g study investment`: income of the fleet's own days, who is left out, what has to be given."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.errors import NoAccountError, UsageError
from flows.stages import Context, StageResult
from flows.stages.invest import NEVER, UNLIKELY, Asked, invest
from flows.workspace import Workspace
from optimize.market.invest.suppositions import Range
from tests.flows.conftest import ZONE, spoil
from warehouse.contracts import CONTRACTS

FIRST, DAYS, CARS = date(2024, 1, 1), 28, ("car-1", "car-2", "car-3")
NOW = datetime(2024, 6, 1, tzinfo=UTC)
GIVEN = {
    "charger_eur": Range(low=1000.0, high=1000.0),
    "grid_eur": Range(low=0.0, high=0.0),
    "life_years": Range(low=10.0, high=10.0),
    "gamma": Range(low=1.0, high=1.0),
    "upkeep": Range(low=0.0, high=0.0),
    "rate": Range(low=0.0, high=0.0),
}
WORDS = ["study", "investment", "--charger", "1000", "--grid", "0", "--life", "10"]
FULL = [*WORDS, "--gamma", "1", "--upkeep", "0", "--rate", "0"]


def filled(table: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of a table, with what fits in every other column that may not be empty."""
    fits: dict[str, object] = {"text": "none", "float": 0.0, "int": 1, "bool": False, "time": NOW}
    for column in CONTRACTS[table].columns:
        if column.name not in rows:
            value = column.allowed[0] if column.allowed else fits.get(column.kind.value, FIRST)
            rows = rows.assign(**{column.name: None if column.nullable else value})
    return rows


def accounts(
    workspace: Workspace,
    gain_eur: Callable[[int, int], float],
    *,
    days: int = DAYS,
    first: date = FIRST,
    follows: Callable[[int], str] = lambda _: "v2g",
    made: timedelta = timedelta(hours=6),
) -> Workspace:
    """An account of each day: each car pays 2 € followed, half of it wear, and its gain more ordered."""
    heads, cars = [], []
    for number in range(days):
        day = first + timedelta(days=number)
        over = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1) + made
        head = {"realised_id": f"{day} {over}", "market_date": day, "zone": ZONE, "as_of_utc": over}
        heads.append({**head, "followed_modes": follows(number)})
        cars += [
            {
                **head, "battery_id": name, "mode": mode, "wear_eur": 1.0,
                "energy_cost_eur": 1.0 + paid * gain_eur(number, at),
                "stored_kwh": 0.5 * (mode == "followed"),
            }
            for at, name in enumerate(CARS)
            for mode, paid in (("followed", 0.0), ("ordered", 1.0), ("uncontrolled", 3.0))
        ]  # fmt: skip
    workspace.warehouse.write(
        {
            name: filled(name, pd.DataFrame(rows))
            for name, rows in (("out_realised", heads), ("out_realised_car", cars))
        }
    )
    return workspace


def some(number: int, car: int) -> float:
    """What a car gains on a day, €: 0.3 or 0.7 by turns, a tenth more the next car."""
    return (0.3, 0.7)[number % 2] + car / 10


def study(workspace: Workspace, as_of: datetime = NOW, **asked: Any) -> StageResult:
    fields = {**GIVEN, **asked.pop("given", {})}
    return invest(Context.of(workspace, as_of), Asked(given=fields, draws=2000, **asked))


def row(result: StageResult, table: str) -> dict[str, Any]:
    (only,) = result.tables[table]
    return dict(only)


def test_income_cost_and_value_are_of_the_fleets_own_days(bare: Workspace) -> None:
    result = study(accounts(bare, some))
    income, came = row(result, "income"), row(result, "investment")
    assert (income["days"], income["car_days"], income["lacking_days"]) == (DAYS, 3 * DAYS, 0)
    assert (income["first"], income["last"], income["source"]) == ("2024-01-01", "2024-01-28", "realised")
    of_year = 0.6 * 365.25
    assert income["car_year_eur"] == pytest.approx(of_year)
    assert income["car_year_low_eur"] < of_year < income["car_year_high_eur"]
    assert income["more_in_store_kwh"] == pytest.approx(0.5 * 3 * DAYS)
    assert income["no_day_of"] == "April to June, July to September, October to December"
    assert "income of 28 days, none of April to June" in result.message
    assert result.message.startswith(f"pays back in {came['payback_years']:.3g} years (")
    assert (came["chargers"], came["invested_eur"]) == (3, pytest.approx(3000.0))
    assert came["npv_eur"] == pytest.approx(3 * (10 * of_year - 1000), rel=0.05)
    assert came["payback_years"] == pytest.approx(1000 / of_year, rel=0.02)
    assert (came["answer"], came["pays_back_share"]) == ("pays back", 1.0)
    assert (result.exit_code, result.status) == (0, "ok")
    over_plug_in = row(study(bare, against="uncontrolled"), "income")
    assert over_plug_in["car_year_eur"] == pytest.approx(3 * of_year)
    assert row(study(bare, chargers=5), "investment")["invested_eur"] == pytest.approx(5000.0)


def test_the_tornado_stands_in_order_and_every_figure_has_its_source(bare: Workspace) -> None:
    accounts(bare, some)
    fields = {"charger_eur": Range(low=500.0, high=1500.0), "life_years": Range(low=9.0, high=11.0)}
    result = study(bare, given=fields)
    bars = [dict(one) for one in result.tables["tornado"]]
    swings = [bar["swing_eur"] for bar in bars]
    assert swings == sorted(swings, reverse=True)
    assert {bar["figure"] for bar in bars} == {*GIVEN, "income_eur"}
    of_charger = next(bar for bar in bars if bar["figure"] == "charger_eur")
    assert of_charger["swing_eur"] == pytest.approx(3 * 900.0)
    supposed = {one["figure"]: one for one in invest(
        Context.of(bare, NOW), Asked(given={name: GIVEN[name] for name in list(GIVEN)[:3]}, draws=1000)
    ).tables["suppositions"]}  # fmt: skip
    assert supposed["charger_eur"]["source"] == "told"
    assert "480/2014" in supposed["rate"]["source"]
    assert (supposed["gamma"]["low"], supposed["gamma"]["year"]) == (1.06, 2002)


@pytest.mark.parametrize("gain", [-0.2, 0.0])
def test_what_earns_nothing_never_pays_back(bare: Workspace, gain: float) -> None:
    result = study(accounts(bare, lambda *_: gain))
    came = row(result, "investment")
    assert (came["payback_years"], came["payback_high_years"], came["pays_back_share"]) == (None, None, 0.0)
    assert came["answer"] == NEVER
    assert result.message.startswith(f"{NEVER}; NPV -")
    assert "years" not in result.message
    assert came["npv_eur"] == pytest.approx(3 * (10 * gain * 365.25 - 1000))


def test_too_few_days_are_reported_with_what_makes_more(bare: Workspace) -> None:
    with pytest.raises(NoAccountError, match="realised: 0 days tell") as none:
        study(bare)
    assert "v2g realise" in none.value.hint
    assert "v2g backtest --from DATE" in none.value.hint
    accounts(bare, some, days=13)
    with pytest.raises(NoAccountError, match=r"13 days tell .* at least 14"):
        study(bare)
    with pytest.raises(NoAccountError, match="back-test of v2g: 0 days"):
        study(bare, source="backtest")


def test_a_car_without_its_account_costs_no_other(bare: Workspace) -> None:
    accounts(bare, some)
    spoil(
        bare,
        "DELETE FROM out_realised_car WHERE battery_id = 'car-3' AND mode = 'ordered'",
        "UPDATE out_realised_car SET wear_eur = 'nan' WHERE battery_id = 'car-2' AND mode = 'followed' "
        "AND market_date = DATE '2024-01-05'",
    )
    result = study(bare)
    assert (result.exit_code, result.status) == (3, "degraded")
    assert "left out: car-2 on 1 of its days, car-3 on 28 of its days" in result.message
    income = row(result, "income")
    assert income["car_days"] == 2 * DAYS - 1
    expected = (28 * 0.5 + 28 * 0.6 - some(4, 1)) / 55 * 365.25
    assert income["car_year_eur"] == pytest.approx(expected)
    assert row(result, "investment")["chargers"] == 2


def test_days_count_from_the_first_that_followed_v2g(bare: Workspace) -> None:
    def follows(number: int) -> str:
        return "ordered" if number < 8 or number == 20 else "v2g, ordered"

    income = row(study(accounts(bare, some, follows=follows)), "income")
    assert (income["first"], income["days"]) == ("2024-01-09", 20)
    spoil(bare, "UPDATE out_realised SET followed_modes = 'ordered'")
    with pytest.raises(NoAccountError, match="0 days"):
        study(bare)


def test_what_was_accounted_for_later_is_not_known(bare: Workspace) -> None:
    before = study(accounts(bare, some))
    accounts(bare, lambda *_: 9.0, made=timedelta(days=200))
    counts = {name: len(bare.warehouse.read(name)) for name in CONTRACTS}
    assert study(bare).tables == before.tables
    later = study(bare, NOW + timedelta(days=365))
    assert row(later, "income")["car_year_eur"] == pytest.approx(9 * 365.25)
    assert {name: len(bare.warehouse.read(name)) for name in CONTRACTS} == counts
    early = datetime(2024, 1, 20, tzinfo=UTC)
    assert row(study(bare, early), "income")["days"] == 18, "the 19th was accounted for at 6 on the 20th"


def test_days_that_lack_are_reported(bare: Workspace) -> None:
    accounts(bare, some, days=10)
    accounts(bare, some, days=10, first=date(2024, 3, 28))
    income = row(study(bare), "income")
    assert (income["days"], income["lacking_days"]) == (20, 77)
    assert income["no_day_of"] == "July to September, October to December"


def test_the_longest_back_test_of_a_strategy_is_taken(bare: Workspace) -> None:
    def run(run_id: str, strategy: str, days: int, gain: float) -> None:
        rows = pd.DataFrame(
            [
                {
                    "run_id": run_id, "strategy": strategy, "zone": ZONE, "batteries": 4,
                    "market_date": FIRST + timedelta(days=number), "as_of_utc": NOW,
                    "eur": -4.0 + gain * (1 + number % 3), "ordered_eur": -4.0, "uncontrolled_eur": -9.0,
                }
                for number in range(days)
            ]
        )  # fmt: skip
        bare.warehouse.write({"out_backtest": filled("out_backtest", rows)})

    run("short", "v2g", 15, 9.0)
    run("long", "v2g", 21, 0.8)
    run("other", "foresight", 30, 5.0)
    result = study(bare, source="backtest")
    income = row(result, "income")
    assert (income["source"], income["days"], income["car_days"]) == ("back-test long of v2g", 21, 84)
    assert income["car_year_eur"] == pytest.approx(0.8 * 2 / 4 * 365.25)
    assert row(result, "investment")["chargers"] == 4
    foresight = row(study(bare, source="backtest", strategy="foresight"), "income")
    assert foresight["source"] == "back-test other of foresight"


def test_the_same_seed_answers_the_same(bare: Workspace) -> None:
    accounts(bare, lambda number, car: 0.5 + 0.3 * np.sin(number**2 + car))
    fields = {"charger_eur": Range(low=500.0, high=1500.0)}
    first, again, other = (study(bare, given=fields, seed=seed) for seed in (3, 3, 4))
    assert first.tables == again.tables
    for table, figure in (("investment", "invested_low_eur"), ("income", "car_year_low_eur")):
        assert row(first, table)[figure] != row(other, table)[figure]


def test_the_command_answers_people_and_programs(bare: Workspace) -> None:
    accounts(bare, lambda number, _: 0.2 + 0.4 * np.sin(number))
    words = [*FULL, "-w", str(bare.root), "--as-of", NOW.isoformat()]
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 0, shown.output
    for part in ("tornado", "suppositions", "income of 28 days", f"{UNLIKELY}, within its life in"):
        assert part in shown.output
    answer = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)["stages"][0]
    assert answer["stage"] == "invest"
    assert set(answer["tables"]) == {"income", "investment", "tornado", "suppositions"}
    assert answer["tables"]["investment"][0]["payback_years"] is None
    assert 0.0 < answer["pays_back_share"] < 0.5
    result = CliRunner().invoke(app, ["study", "investment", "--help"])
    for part in ("Example: v2g study investment", "--workspace", "--json", "--as-of", "--seed", "--income"):
        assert part in result.output


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--grid", "0", "--life", "10"], "--charger"),
        (["--charger", "1000", "--life", "10"], "--grid"),
        (["--charger", "1000", "--grid", "0"], "--life"),
        ([*WORDS[2:], "--rate", "4"], "--rate 4: must lie between 0 and 0.5"),
        ([*WORDS[2:], "--gamma", "1.5:1.2"], "--gamma 1.5:1.2"),
        ([*WORDS[2:], "--upkeep", "nan"], "--upkeep nan"),
        ([*WORDS[2:], "--upkeep", "1:2:3"], "--upkeep 1:2:3: a number or LOW:HIGH"),
        (["--charger", "0:500", "--grid", "0", "--life", "10"], "--charger 0:500: must be above 0"),
        ([*WORDS[2:], "--strategy", "luck"], "--strategy luck"),
    ],
)
def test_what_cannot_be_meant_is_named(bare: Workspace, words: list[str], named: str) -> None:
    came = CliRunner().invoke(app, ["study", "investment", *words, "-w", str(bare.root)])
    assert isinstance(came.exception, UsageError), came.output
    assert named in str(came.exception)


def test_money_of_the_workspace_is_shown(bare: Workspace) -> None:
    accounts(bare, some)
    settings = bare.root / "v2g.toml"
    text = settings.read_text(encoding="utf-8")
    stated = text.replace('currency = "EUR"', 'currency = "USD"\neuros = 0.5')
    assert stated != text
    settings.write_text(stated, encoding="utf-8")
    came = row(study(Workspace.open(bare.root)), "investment")
    assert came["invested_usd"] == pytest.approx(6000.0)
    assert math.isfinite(came["payback_years"])
