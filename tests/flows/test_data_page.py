"""The data engineer's page: every figure is that of the database, read back from the HTML."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from flows.mapping.plan_diff import plan_diff
from flows.publish.data_files import MOST_SAMPLES
from flows.publish.data_page import contents
from flows.publish.data_plan import MOST_CARS
from flows.publish.data_runs import MOST_FAULTS
from flows.publish.local_time import local_text
from flows.publish.site import write_site
from flows.stages import Context
from flows.stages.check import check
from flows.stages.plan import plan
from flows.status_days import day_rows
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, created, price_rows, put, session_rows, site_rows, spoil
from tests.flows.conftest import fleet_rows as fleet
from tests.flows.page_tables import Table, figure, tables
from tests.flows.test_quarantine import decide, samples
from warehouse.contracts import CONTRACTS, DATASETS, core_contract

LATER = AS_OF + timedelta(hours=1)
BERLIN = "Europe/Berlin"


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A depot planned twice: telemetry with three faults and one more stay came between the plans."""
    made = created(tmp_path_factory.mktemp("data") / "depot")
    for dataset, rows in (("sites", site_rows()), ("fleet", fleet()), ("prices", price_rows(DAY, 1)),
                          ("sessions", session_rows())):  # fmt: skip
        put(made, dataset, rows)
    check(Context.of(made, AS_OF))
    plan(Context.of(made, AS_OF), DAY)
    put(made, "telemetry", samples(voltage_v={12: 420.0, 20: 5000.0, 25: 420.0}), as_of=LATER)
    put(made, "sessions", session_rows().assign(departure_soc=[0.8, 0.8, 0.9]), as_of=LATER)
    check(Context.of(made, LATER))
    plan(Context.of(made, LATER), DAY)
    put(made, "telemetry", samples(minutes=5).assign(battery_id="car-2"), as_of=LATER)
    return made.root


@pytest.fixture
def depot(planned: Path, tmp_path: Path) -> Workspace:
    return Workspace.open(Path(shutil.copytree(planned, tmp_path / "depot")))


def page(workspace: Workspace, name: str = "data") -> str:
    write_site(Context.of(workspace, LATER))
    return (workspace.reports / f"{name}.html").read_text(encoding="utf-8")


def shown(workspace: Workspace, heading: str) -> Table:
    return tables(page(workspace)).get(heading, [])


def test_the_rows_of_files_are_those_of_the_core_tables_and_the_quarantine(depot: Workspace) -> None:
    lots = {(row["Dataset"], row["Reader"]): row for row in shown(depot, "Files")}
    files = depot.warehouse.read("raw_source")
    held = depot.warehouse.read("core_quarantine")
    for (dataset, reader), row in lots.items():
        own = files[(files["dataset"] == dataset) & (files["source"] == reader)]
        assert row["Day received"] == "2024-03-19"
        assert figure(row["Files"]) == len(own)
        assert figure(row["Rows in"]) == own["rows"].sum()
        waiting = own.loc[own["checked_utc"].isna(), "rows"].sum()
        bad = held[held["source_id"].isin(own["source_id"])].drop_duplicates(["source_id", "source_row"])
        assert (figure(row["Waiting"]), figure(row["Quarantined"])) == (waiting, len(bad))
        assert figure(row["Promoted"]) == own["rows"].sum() - waiting - len(bad)
    assert {dataset for dataset, _ in lots} == set(files["dataset"])
    telemetry = lots["telemetry", "csv"]
    assert [telemetry[name] for name in ("Rows in", "Promoted", "Quarantined", "Waiting")] == [
        "35", "27", "3", "5",
    ]  # fmt: skip
    assert len(depot.warehouse.read("core_telemetry")) == 27
    (losing,) = shown(depot, "Files that lost rows")
    assert (losing["Dataset"], losing["Quarantined"], losing["Rules"]) == ("telemetry", "3", "jump, range")
    assert losing["File"].startswith("telemetry_")


def test_what_is_released_or_withdrawn_is_no_longer_held(depot: Workspace) -> None:
    decide(depot, "jump", source_row=13)
    after = Context.of(depot, AS_OF + timedelta(days=2))
    (row,) = [row for row in contents(after)["by_day"].rows if row["dataset"] == "telemetry"]
    assert (row["promoted"], row["held"]) == (28, 2)
    assert {one["rule"]: one["of"] for one in contents(after)["samples"]} == {"jump": 1, "range": 1}
    before = {one["rule"]: one["of"] for one in contents(Context.of(depot, LATER))["samples"]}
    assert before == {"jump": 2, "range": 1}


def test_samples_show_value_row_and_file_as_they_lie_in_quarantine(depot: Workspace) -> None:
    held = depot.warehouse.read("core_quarantine")
    found = tables(page(depot))
    for rule, own in held.groupby("rule"):
        rows = found[f"telemetry: {rule} ({len(own)} {'finding' if len(own) == 1 else 'findings'})"]
        assert len(rows) == min(len(own), MOST_SAMPLES)
        for row, stored in zip(rows, own.sort_values("source_row").to_dict("records"), strict=True):
            assert [row["Value"], row["Column"], row["Row"], row["What is wrong with it"]] == [
                stored["value"], stored["column_name"], str(stored["source_row"]), stored["reason"],
            ]  # fmt: skip
            (source,) = depot.warehouse.read("raw_source", where={"source_id": stored["source_id"]})[
                "file_name"
            ]
            assert row["File"] == source


def test_checks_are_as_each_rule_was_last_looked_at(depot: Workspace) -> None:
    stored = depot.warehouse.read("out_check")
    text = page(depot)
    rows = {(row["Dataset"], row["Rule"]): row for row in tables(text)["Checks"]}
    assert "3 rows of 1 file are quarantined" in text and "5 wait for their check" in text
    assert "2 rules failed" in text
    assert set(rows) == set(zip(stored["dataset"], stored["rule"], strict=True))
    for (dataset, rule), row in rows.items():
        own = stored[(stored["dataset"] == dataset) & (stored["rule"] == rule)]
        last = own[own["as_of_utc"] == own["as_of_utc"].max()]
        whole = last[last["scope"] == "*"] if (last["scope"] == "*").any() else last
        assert figure(row["Rows failed"]) == whole["rows_failed"].sum(), (dataset, rule)
        assert figure(row["Rows checked"]) == whole["rows_checked"].sum()
        assert (row["Outcome"] == "passed") == whole["passed"].all()
        assert row["Looked at"] == local_text(last["as_of_utc"].iloc[0], BERLIN)
    assert (rows["telemetry", "range"]["Outcome"], rows["telemetry", "range"]["Where"]) == (
        "critical",
        "car-1",
    )


def test_freshness_is_that_of_status_day_by_day_and_of_each_dataset(depot: Workspace) -> None:
    rows = {row["Market day"]: row for row in shown(depot, "Freshness")}
    stated = day_rows(depot, LATER, 13)
    assert list(rows) == sorted({row["market_date"] for row in stated}, reverse=True)
    assert sum(bool(row[name]) for row in rows.values() for name in ("Prices", "Plan", "Account")) == len(
        stated
    )
    for row in stated:
        came, due = (local_text(row[name], BERLIN) for name in ("came_utc", "deadline_utc"))
        words = [
            row["state"],
            *([came] if came else []),
            f"due {due}" + (f", {row['by']}" if row["by"] else ""),
        ]
        assert rows[row["market_date"]][row["source"].capitalize()] == " ".join(words)
    assert rows[str(DAY)]["Prices"].startswith("ok 2024-03-19 13:00")
    told = {row["Dataset"]: row for row in shown(depot, "By dataset")}
    for dataset in DATASETS:
        core = depot.warehouse.read(core_contract(dataset).name)
        assert (dataset in told) == (len(core) > 0)
        if dataset in told:
            assert figure(told[dataset]["Rows"]) == len(core)
            assert told[dataset]["Last received"] == local_text(core["received_utc"].max(), BERLIN)
    empty = [dataset for dataset in DATASETS if dataset not in told]
    assert f"Nothing of: {', '.join(empty)}." in page(depot)


def test_durations_are_those_of_the_stages_and_faults_are_named(depot: Workspace) -> None:
    runs = depot.warehouse.read("out_run")
    took = (runs["finished_utc"] - runs["started_utc"]).dt.total_seconds()
    rows = {row["Stage"]: row for row in shown(depot, "Stages")}
    assert set(rows) == set(runs["stage"])
    for stage, row in rows.items():
        own = took[runs["stage"] == stage]
        assert figure(row["Runs"]) == len(own)
        assert figure(row["Median s"]) == pytest.approx(own.median(), abs=0.006)
        assert figure(row["Longest s"]) == pytest.approx(own.max(), abs=0.006)
        assert figure(row["Not clean"]) == (runs.loc[runs["stage"] == stage, "status"] != "ok").sum()
    faults = shown(depot, "Not clean")
    assert sum(figure(row["Times"]) for row in faults) == (runs["status"] != "ok").sum() > 0
    assert len({(row["Stage"], row["What happened"]) for row in faults}) == len(faults)
    assert {row["What happened"] for row in faults} == set(runs.loc[runs["status"] != "ok", "message"])


def test_the_lineage_is_of_the_plan_in_force_and_the_difference_to_the_one_before(depot: Workspace) -> None:
    plans = depot.warehouse.read("out_plan").sort_values("as_of_utc")
    before, after = plans["plan_id"]
    text = page(depot)
    assert f"Plan <code>{after}</code> is in force for {DAY}" in text
    used = depot.warehouse.read("out_plan_source", where={"plan_id": after})
    files = tables(text)["Files behind the plan"]
    assert sorted((row["Dataset"], figure(row["Used"])) for row in files) == sorted(
        zip(used["dataset"], used["rows"].astype(float), strict=True)
    )
    found = plan_diff(depot, before, after)
    whole, *cars = tables(text)["Difference to the plan before"]
    assert figure(whole["Energy €"].replace("−", "-")) == pytest.approx(
        found["in all"][0]["energy_cost_eur"], abs=6e-4
    )
    assert [row["Car"] for row in cars] == ["car-2"]
    assert figure(cars[0]["Drawn kWh"]) == pytest.approx(found["by car"][0]["import_kwh"], abs=0.06)
    assert cars[0]["What changed"] == "stays" and "Inputs that changed: sessions." in text


def test_an_empty_workspace_says_which_command_fills_each_part(tmp_path: Path) -> None:
    made = created(tmp_path / "empty")
    text = page(made)
    for command in ("v2g ingest", "v2g run", "v2g check"):
        assert f"<code>{command}</code>" in text
    assert not contents(Context.of(made, LATER))["by_day"].rows


def test_what_grows_is_cut_and_says_so(depot: Workspace) -> None:
    spoil(
        depot,
        "INSERT INTO out_run SELECT * EXCLUDE (n) REPLACE ('r' || n AS run_id, 'failed' AS status, "
        "'fault ' || n // 2 AS message, "
        "finished_utc + to_hours(n::INT) AS finished_utc, started_utc + to_hours(n::INT) AS started_utc) "
        "FROM (SELECT * FROM out_run WHERE stage = 'plan' LIMIT 1), range(1, 500) AS t(n)",
        "INSERT INTO out_plan_slot SELECT * EXCLUDE (n) REPLACE ('more ' || n AS battery_id, "
        "power_kw + n AS power_kw) FROM (SELECT * FROM out_plan_slot WHERE battery_id = 'car-2'), "
        "range(1, 201) AS t(n) "
        "WHERE plan_id = (SELECT plan_id FROM out_plan ORDER BY as_of_utc DESC LIMIT 1)",
    )
    text = page(depot)
    found = tables(text)
    assert len(found["Not clean"]) == MOST_FAULTS and f"The newest {MOST_FAULTS} of 25" in text
    assert [row["Times"] for row in found["Not clean"][:2]] == ["2", "2"]
    assert len(found["Difference to the plan before"]) == MOST_CARS + 1
    assert f"The first {MOST_CARS} of 201." in text and "v2g diff " in text
    assert len(text.encode()) < 250_000


def test_what_comes_from_outside_is_text_and_no_more_of_it_than_can_be_read(depot: Workspace) -> None:
    columns = ("column_name", "value", "reason", "row_key")
    words = "'<script>alert(1)</script>' || repeat('long ', 2048)"
    stated = ", ".join(f"{name} = {words}" for name in columns)
    before = len(page(depot))
    spoil(
        depot,
        f"UPDATE core_quarantine SET {stated}",  # noqa: S608
        f"UPDATE out_check SET message = {words}, scope = CASE scope WHEN '*' THEN '*' ELSE {words} END",  # noqa: S608
        f"UPDATE raw_source SET file_name = {words}, provider = {words}",  # noqa: S608
        f"UPDATE out_run SET message = {words}",  # noqa: S608
    )
    text = page(depot)
    assert "&lt;script&gt;alert(1)" in text and "<script>alert" not in text
    assert len(text) - before < 20_000


def test_the_dictionary_is_that_of_the_contracts(depot: Workspace) -> None:
    found = tables(page(depot, "dictionary"))
    assert [(row["Table"], row["Column"]) for row in found["Columns"]] == [
        (contract.name, column.name) for contract in CONTRACTS.values() for column in contract
    ]
    of_unit = {(row["Table"], row["Column"]): row["Unit"] for row in found["Columns"]}
    assert of_unit["core_price", "price_eur_per_kwh"] == "€/kWh"
    assert {row["Table"]: row["What a row is"] for row in found["Tables"]} == {
        name: " ".join(contract.description.split()) for name, contract in CONTRACTS.items()
    }
    assert len(page(depot, "dictionary").encode()) < 250_000


def test_moments_are_told_by_the_clock_of_the_market() -> None:
    assert local_text("2024-03-31 00:59", BERLIN) == "2024-03-31 01:59"
    assert local_text(pd.Timestamp("2024-03-31T01:00Z"), BERLIN) == "2024-03-31 03:00"
    assert local_text(None, BERLIN) is None and local_text(pd.NaT, BERLIN) is None
