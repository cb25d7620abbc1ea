"""`v2g study charger` through the real stage: stored days solved again, each by what was known then."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.errors import NoAccountError, UsageError
from flows.stages import Context, StageResult
from flows.stages.charger import Asked, charger_worth
from flows.stages.check import check
from flows.stages.ingest import ingest
from flows.workspace import Workspace
from optimize.errors import SolverError
from optimize.market.invest import charger as solved
from optimize.market.invest.charger import Charger
from optimize.plan import plan_day
from tests.flows.conftest import DAY, copied, fleet_rows, put, site_rows
from tests.flows.test_bid import NOW, TOMORROW
from tests.flows.test_expected import lived
from tests.flows.test_forecast_stage import prices
from warehouse.store import Warehouse

LAST = DAY - timedelta(days=1)
BETTER = Charger(efficiency=0.99)


@pytest.fixture(scope="module")
def lived_in(calibrated_depot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cars known and calibrated since the first of forty nights, and the prices of as many days."""
    folder = tmp_path_factory.mktemp("charger")
    workspace = Workspace.create(folder / "depot", zone="DE-LU")
    first = LAST - timedelta(days=39)
    since = datetime(first.year, first.month, first.day, tzinfo=UTC) - timedelta(days=30)
    put(workspace, "sites", site_rows(), as_of=since)
    put(workspace, "fleet", fleet_rows(), as_of=since)
    nights = pd.concat([lived(first, 40, f"car-{one}") for one in (1, 2)])
    for name, rows in (("sessions", nights), ("prices", prices(first, 41))):
        (folder / f"{name}.csv").write_text(rows.to_csv(index=False), encoding="utf-8")
        ingest(Context.of(workspace, NOW), name, [folder / f"{name}.csv"], received="event")
    check(Context.of(workspace, NOW))
    depot = Warehouse(calibrated_depot / "warehouse.duckdb")
    tables = {name: depot.read(name) for name in ("out_calibration", "out_life_point")}
    workspace.warehouse.write(
        {name: rows.assign(as_of_utc=pd.Timestamp(since)) for name, rows in tables.items()}
    )
    return folder


@pytest.fixture
def homes(lived_in: Path, tmp_path: Path) -> Workspace:
    return copied(lived_in, tmp_path)


def worth(workspace: Workspace, days: int, charger: Charger = BETTER, **changes: object) -> StageResult:
    asked = Asked(charger=charger, first=LAST - timedelta(days=days - 1), last=LAST, **changes)  # type: ignore[arg-type]
    seen: list[tuple[int, int]] = []
    result = charger_worth(
        Context.of(workspace, NOW), asked, lambda _, done, total: seen.append((done, total))
    )
    assert seen[-1] == (days, days)
    return result


def test_two_weeks_have_an_interval_and_a_payback(homes: Workspace) -> None:
    result = worth(homes, 14, price_eur=(50.0, 80.0), price_source="quotation")
    (row,) = result.tables["charger"]
    assert result.exit_code == 0, result.message
    assert (row["days"], row["car_days"], row["lacking_days"]) == (14, 28, 0)
    assert 0.0 < row["car_year_low_eur"] < row["car_year_eur"] < row["car_year_high_eur"]
    assert row["payback_years"] == pytest.approx(65.0 / row["car_year_eur"])
    assert row["payback_low_years"] == pytest.approx(50.0 / row["car_year_high_eur"])
    assert row["payback_high_years"] == pytest.approx(80.0 / row["car_year_low_eur"])
    days = result.tables["days"]
    total = sum(one["gain_eur"] for one in days)
    assert row["car_year_eur"] == pytest.approx(total / 28 * 365.25)
    assert sum(one["year_eur"] for one in result.tables["cars"]) == pytest.approx(total / 14 * 365.25)
    assert homes.warehouse.read("out_run")["stage"].ne("charger").all(), "nothing is written"


def test_the_same_charger_is_exactly_nothing(homes: Workspace) -> None:
    own = homes.warehouse.read("core_battery")["efficiency_charge"].unique()
    assert len(own) == 1
    result = worth(homes, 3, Charger(efficiency=float(own[0])))
    (row,) = result.tables["charger"]
    assert (row["car_year_eur"], row["drawn_more_kwh"], row["missing_less_kwh"]) == (0.0, 0.0, 0.0)
    assert row["car_year_low_eur"] is None and "without an interval: that takes 14" in result.message


def test_at_one_car_the_other_gains_nothing(homes: Workspace) -> None:
    both = worth(homes, 2).tables["charger"][0]
    result = worth(homes, 2, cars=("car-1",))
    (row,) = result.tables["charger"]
    assert row["car_days"] == 2
    gains = {one["battery_id"]: one["year_eur"] for one in result.tables["cars"]}
    assert gains["car-1"] > 0.0 and gains.get("car-2", 0.0) == pytest.approx(0.0, abs=0.01)
    assert row["car_year_eur"] / 2.0 < both["car_year_eur"]


def test_a_day_that_cannot_be_solved_is_named_and_costs_itself(
    homes: Workspace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = worth(homes, 3).tables["days"]
    calls = iter(range(100))

    def planned(*args: object, **kwargs: object) -> object:
        if next(calls) == 2:
            raise SolverError("v2g", "kaputt", "3 rows")
        return plan_day(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(solved, "plan_day", planned)
    result = worth(homes, 3)
    assert result.exit_code == 3
    (lost,) = result.tables["not solved again"]
    assert lost["market_date"] == whole[1]["market_date"] and "kaputt" in lost["why"]
    assert f"{lost['market_date']} is not solved again" in result.message
    assert result.tables["days"] == (whole[0], whole[2])


def test_days_before_anything_was_known_are_named(homes: Workspace) -> None:
    asked = Asked(charger=BETTER, first=TOMORROW - timedelta(days=400), last=TOMORROW - timedelta(days=399))
    with pytest.raises(NoAccountError, match="can be solved again: 2023-02-15: no plan for 2023-02-15"):
        charger_worth(Context.of(homes, NOW), asked, lambda *_: None)


def test_later_knowledge_changes_no_day(homes: Workspace) -> None:
    """A fleet that is told today is none of the days before."""
    before = worth(homes, 2).tables["days"]
    put(homes, "fleet", fleet_rows().assign(charge_limit_kw=2.0, efficiency_charge=0.5), as_of=NOW)
    check(Context.of(homes, NOW))
    assert worth(homes, 2).tables["days"] == before


def test_phases_of_no_charger_are_told(homes: Workspace) -> None:
    result = worth(homes, 1, Charger(phases=3))
    assert (
        result.exit_code == 3
        and "no charger is known, so their power stays as it is: car-1, car-2" in result.message
    )
    assert result.tables["charger"][0]["car_year_eur"] == 0.0


def test_a_car_that_is_not_there_is_refused(homes: Workspace) -> None:
    for changes in ({"cars": ("car-9",)}, {"sites": ("nowhere",)}):
        with pytest.raises(UsageError, match="has no such car or site"):
            worth(homes, 1, **changes)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "must be one of efficiency"),
        (["--efficiency", "0.96", "--price", "300"], "belong together"),
        (["--efficiency", "0.96", "--price", "9:3", "--price-source", "x"], "the lower first"),
        (["--efficiency", "0.96", "--price", "dear", "--price-source", "x"], "a number or LOW:HIGH"),
        (["--efficiency", "0.96", "--to", "2024-03-20"], "is not over"),
        (["--kw", "0"], "power_kw is 0.0"),
    ],
)
def test_what_cannot_be_meant_is_a_usage(homes: Workspace, words: list[str], why: str) -> None:
    call = ["study", "charger", "-w", str(homes.root), "--as-of", NOW.isoformat(), *words]
    answer = CliRunner().invoke(app, call)
    assert why in f"{answer.exception} {answer.output}"
    assert answer.exit_code != 0


def test_the_command_answers_in_json(homes: Workspace) -> None:
    call = ["study", "charger", "-w", str(homes.root), "--as-of", NOW.isoformat(), "--efficiency", "0.99"]
    answer = CliRunner().invoke(app, [*call, "--from", str(LAST), "--to", str(LAST), "--json"])
    assert answer.exit_code == 0, answer.output
    (stage,) = json.loads(answer.stdout)["stages"]
    assert stage["tables"]["charger"][0]["new_efficiency"] == 0.99
    assert pd.Timestamp(stage["tables"]["days"][0]["market_date"]).date() == LAST
