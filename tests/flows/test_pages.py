"""The pages of a plan: a file for each battery, one axis for the day, the prices used, one end of life."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from flows.plain import records
from flows.publish import publish_run
from flows.publish.battery_page import BatteryPages
from flows.publish.prices import used_prices
from flows.publish.twin_charts import calibrations_so_far as calibrations_chart
from flows.publish.twin_section import calibrations_so_far, twin_section, wear_days
from flows.stages import Context
from flows.stages.check import check
from flows.stages.plan import plan
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, WEEK, ZONE, price_rows, put
from tests.flows.svg import WIDTH, charts, lines, words
from twin.horizon import end_of_life_soh, life_band
from twin.types import Calibration
from warehouse.contracts import CONTRACTS
from warehouse.known import Known

CARS = ("car-1", "car-2")


@pytest.fixture(scope="module")
def planned(calibrated_depot: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The depot with a plan on published prices and, a week later, one on those that stand in."""
    root = shutil.copytree(calibrated_depot, tmp_path_factory.mktemp("pages") / "depot")
    workspace = Workspace.open(Path(root))
    for day in (DAY, DAY + WEEK):
        plan(Context.of(workspace, AS_OF), day)
    return workspace


@pytest.fixture(scope="module")
def published(planned: Workspace) -> dict[str, str]:
    """The pages of the plan on published prices, by name."""
    files = publish_run(planned, plan_of(planned))[:-1]
    return {file.stem: file.read_text(encoding="utf-8") for file in files}


@pytest.fixture
def own(planned: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the planned depot, for a test that writes into it."""
    return Workspace.open(Path(shutil.copytree(planned.root, tmp_path / "depot")))


def plan_of(workspace: Workspace, day: date = DAY) -> str:
    return str(workspace.warehouse.read("out_plan", where={"market_date": day})["plan_id"].iloc[-1])


def rename(workspace: Workspace, names: Mapping[str, str]) -> None:
    """Give batteries other ids in all that was computed, whatever a reader of files would say to them."""
    tables = [name for name in CONTRACTS if name.startswith("out_") and "battery_id" in CONTRACTS[name].names]
    with duckdb.connect(str(workspace.root / "warehouse.duckdb")) as connection:
        for table in tables:
            for before, after in names.items():
                sql = f"UPDATE {table} SET battery_id = ? WHERE battery_id = ?"  # noqa: S608
                connection.execute(sql, [after, before])


def links(page: Path) -> dict[str, Path]:
    """Battery → the file that the run's page leads to."""
    found = re.findall(r'<a href="(batteries/[^"]*)">([^<]*)</a>', page.read_text(encoding="utf-8"))
    return {html.unescape(name): page.parent / link for link, name in found}


NAMES = [
    ("index", "Index"),
    ("run", "batteries"),
    ("con", "nul"),
    ("car-a", "CAR-A"),
    ("é" * 200, "e\u0301" * 200),
    ("../../index", "..\\index"),
    (".hidden", "a.html"),
    ("<b>x</b>", "a b?#c"),
]


@pytest.mark.parametrize("names", NAMES, ids=lambda pair: ascii(pair[0])[:20])
def test_every_battery_has_a_page_of_its_own_whatever_its_name(
    own: Workspace, names: tuple[str, str]
) -> None:
    rename(own, dict(zip(CARS, names, strict=True)))
    files = publish_run(own, plan_of(own))
    folder = own.reports / str(DAY)
    assert files[0] == folder / "index.html"
    assert "<h1>V2G plan for 2024-03-20, DE-LU</h1>" in files[0].read_text(encoding="utf-8")
    found = links(files[0])
    assert set(found) == set(names)
    for name, file in found.items():
        text = file.read_text(encoding="utf-8")
        assert f"<h1>{html.escape(name, quote=False)}</h1>" in text or f"<h1>{html.escape(name)}</h1>" in text
        assert (file.parent / "../index.html").resolve() == files[0].resolve()
    assert sorted(folder.rglob("*.html")) == sorted(files[:-1])
    assert {path.resolve() for path in found.values()} == {path.resolve() for path in files[1:-1]}


def test_pages_of_cars_that_left_do_not_stay(own: Workspace) -> None:
    folder = own.reports / str(DAY)
    publish_run(own, plan_of(own))
    (folder / "car-9.html").write_text("of an older version", encoding="utf-8")
    rename(own, {"car-2": "car-3"})
    files = publish_run(own, plan_of(own))
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == sorted(files[:-1])
    assert [path.name for path in own.reports.iterdir()] == [str(DAY)]


def test_a_page_that_cannot_be_made_leaves_the_old_ones(
    own: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.read_bytes() for path in publish_run(own, plan_of(own))}
    made = BatteryPages.of

    def fails_at_the_second(own: BatteryPages, battery_id: str, calibration_id: str) -> Mapping[str, object]:
        if battery_id == "car-3":
            raise RuntimeError("no page")
        return made(own, battery_id, calibration_id)

    monkeypatch.setattr(BatteryPages, "of", fails_at_the_second)
    rename(own, {"car-1": "car-0", "car-2": "car-3"})
    with pytest.raises(RuntimeError, match="no page"):
        publish_run(own, plan_of(own))
    changed = [path for path in before if path.read_bytes() != before[path]]
    assert changed == [own.exports / f"schedule_{DAY}_{ZONE}.csv"], "a schedule does not wait for its pages"
    assert [path.name for path in own.reports.iterdir()] == [str(DAY)]


def cells(row: str) -> list[str]:
    """The texts of a row's cells, with or without their end tags."""
    found = re.split(r"<t[dh][^>]*>", row)[1:]
    return [html.unescape(re.sub("<[^>]*>", "", cell)).strip() for cell in found]


def read(text: str) -> float:
    """A figure before its unit; NaN where none is known."""
    return float("nan") if text.startswith("–") else float(text.split()[0].replace(",", ""))


MODE_FIGURES = {
    "Import kWh": ("import_kwh", 1), "Export kWh": ("export_kwh", 1), "V2G kWh (battery)": ("v2g_kwh", 1),
    "Energy cost €": ("energy_cost_eur", 2), "Stored energy €": ("stored_value_eur", 2),
    "Wear by price €": ("wear_price_eur", 2), "Resting €": ("rest_price_eur", 2),
    "Peaks €": ("peak_charge_eur", 2), "Net benefit €": ("net_benefit_eur", 2),
    "Wear by twin €": ("wear_twin_eur", 2), "L0/L by twin": ("l0_over_l", 3),
    "Unmet departures": ("unmet_departures", 0),
}  # fmt: skip


def test_figures_of_modes_cars_and_batteries_are_those_of_the_warehouse(
    planned: Workspace, published: dict[str, str]
) -> None:
    mine = {"plan_id": plan_of(planned)}
    modes = planned.warehouse.read("out_plan_mode", where=mine).set_index("mode")
    (table,) = re.findall(r'<table class="modes">(.*?)</table>', published["index"], re.S)
    head, *rows = (cells(row) for row in table.split("<tr>")[1:])
    stated = {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}
    for name, (column, digits) in MODE_FIGURES.items():
        for mode, text in stated[name].items():
            assert read(text) == pytest.approx(modes.loc[mode, column], abs=0.51 * 10**-digits), (name, mode)
    cars = planned.warehouse.read("out_plan_car", where=mine)
    twins = planned.warehouse.read("out_calibration").set_index("battery_id")
    body = published["index"].partition("Cars: problems first")[2].partition("<tbody>")[2]
    shown = [cells(row) for row in body.partition("</tbody>")[0].split("<tr>")[1:]]
    assert sorted(row[0] for row in shown) == sorted(CARS)
    followed = cars[cars["mode"] == "v2g"].set_index("battery_id")
    for name, *row in shown:
        twin, car = twins.loc[name], followed.loc[name]
        alpha = [twin[f"alpha{end}_day_per_efc"] for end in ("", "_low", "_high")]
        wanted = [twin["soh"], twin["l0_days"] / 365.25, *alpha, car["v2g_kwh"], car["energy_cost_eur"]]
        wanted += [car["wear_price_eur"], car["wear_twin_eur"], car["l0_over_l"]]
        low, high = row[7].split("–")
        told = [*row[4:7], low, high, *row[8:]]
        for place, (text, value) in enumerate(zip(told, wanted, strict=True)):
            assert read(text) == pytest.approx(value, abs=0.051), (name, place)
    for name in CARS:
        by_mode = published[name].partition("<h2>The day by mode</h2>")[2].partition("</table>")[0]
        for mode, *row in (cells(one) for one in by_mode.split("<tr>")[2:]):
            (car,) = records(cars[(cars["battery_id"] == name) & (cars["mode"] == mode)])
            columns = ["import_kwh", "export_kwh", "v2g_kwh", "energy_cost_eur", "wear_price_eur"]
            columns += ["wear_twin_eur", "l0_over_l", "unmet_kwh"]
            for text, column in zip(row, columns, strict=True):
                value = float("nan") if car[column] is None else car[column]
                assert read(text) == pytest.approx(value, abs=0.051, nan_ok=True), (name, mode, column)
        twin, state = twins.loc[name], published[name].partition('id="state"')[2].partition("</table>")[0]
        told_twin = {row[0]: row[1] for row in (cells(one) for one in state.split("<tr>")[1:])}
        assert read(told_twin["Usable capacity"]) == pytest.approx(twin["usable_capacity_ah"], abs=0.0051)
        assert read(told_twin["State of health"]) == pytest.approx(twin["soh"], abs=0.00051)
        assert read(told_twin["Pack resistance"]) == pytest.approx(1000 * twin["resistance_ohm"], abs=0.051)


CHANGES = {
    "out_plan_slot": "power_kw = power_kw + 0.5",
    "out_plan_departure": "target_kwh = target_kwh + 0.5",
    "out_plan_reason": "worth_eur = 0.5",
    "out_plan_car": "energy_cost_eur = energy_cost_eur + 0.5",
    "out_calibration": "usable_capacity_sd_ah = 0.5",
    "out_life_point": "law_life_days = law_life_days + 0.5",
    "out_wear_map": "wear_eur_per_day = wear_eur_per_day + 0.5",
    "core_battery": "nominal_energy_kwh = nominal_energy_kwh + 0.5",
}


def test_only_pages_of_which_something_differs_are_made_again(
    own: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_of, made = BatteryPages.of, list[str]()

    def noted(pages: BatteryPages, battery_id: str, calibration_id: str) -> Mapping[str, object]:
        made.append(battery_id)
        return made_of(pages, battery_id, calibration_id)

    def again() -> list[str]:
        made.clear()
        publish_run(own, plan_id)
        return list(made)

    plan_id, folder = plan_of(own), own.reports / str(DAY) / "batteries"
    shutil.rmtree(own.reports, ignore_errors=True)
    monkeypatch.setattr(BatteryPages, "of", noted)
    assert again() == list(CARS)
    before = {car: (folder / f"{car}.html").read_bytes() for car in CARS}
    assert again() == []
    assert {car: (folder / f"{car}.html").read_bytes() for car in CARS} == before
    (folder / "car-1.html").write_bytes(before["car-1"].replace(b"State of health", b"State of wealth"))
    assert again() == ["car-1"] and (folder / "car-1.html").read_bytes() == before["car-1"]
    for table, change in CHANGES.items():
        with duckdb.connect(str(own.root / "warehouse.duckdb")) as connection:
            (rows,) = connection.execute(f"UPDATE {table} SET {change} WHERE battery_id = 'car-2'").fetchall()  # noqa: S608
        assert rows[0] > 0 and again() == ["car-2"], table
    with duckdb.connect(str(own.root / "warehouse.duckdb")) as connection:
        connection.execute("UPDATE out_plan_price SET import_eur_per_kwh = import_eur_per_kwh + 0.1")
    assert again() == list(CARS), "prices are all cars' own"


def test_prices_and_power_end_together_whatever_the_prices_step(published: dict[str, str]) -> None:
    """Hourly prices, quarter-hourly power: both are drawn from the day's beginning to its end."""
    (chart, *_) = charts(published["index"])
    price, power = lines(chart, "Bought at the plug"), lines(chart, "yard: grid power")
    assert (len(price), len(power)) == (1, 3)
    for line in (*price, *power):
        assert (line[0, 0], line[-1, 0]) == (0, WIDTH)
        assert (np.diff(line[:, 0]) >= 0).all()
    edges = price[0][np.flatnonzero(np.diff(price[0][:, 1])), 0] / WIDTH * 31  # to where the last car leaves
    assert len(edges) == 24 and edges == pytest.approx(edges.round(), abs=2e-3)
    assert words(chart).count("07:00") == 3, "at the end of each panel: bought, fed back, power"


def test_a_degraded_page_draws_the_prices_that_stood_in_and_only_modes_that_are_there(own: Workspace) -> None:
    plan_id = plan_of(own, DAY + WEEK)

    def report() -> tuple[str, str]:
        page = publish_run(own, plan_id)[0].read_text(encoding="utf-8")
        return page, charts(page)[0]

    page, chart = report()
    assert f"those of {DAY} stand in" in page
    assert "Three modes" not in page
    assert "v2g" not in words(chart) and {"uncontrolled", "ordered"} <= set(words(chart))
    (drawn,) = lines(chart, "Bought at the plug")
    put(own, "prices", price_rows(DAY + WEEK, 1, spread=0.5), as_of=AS_OF + timedelta(days=8))
    check(Context.of(own, AS_OF + timedelta(days=8)))
    page, chart = report()  # published since: the plan was made without
    assert f"those of {DAY} stand in" in page
    assert np.array_equal(lines(chart, "Bought at the plug")[0], drawn)


def test_a_plan_is_drawn_with_its_own_prices_after_they_were_corrected(own: Workspace) -> None:
    header = own.warehouse.read("out_plan", where={"plan_id": plan_of(own)}).iloc[0].to_dict()
    known = Known(own.warehouse, header["as_of_utc"])
    before = used_prices(known, header)
    put(own, "prices", price_rows(DAY, 1, spread=0.5), as_of=datetime.now(UTC) + timedelta(minutes=5))
    check(Context.of(own, datetime.now(UTC) + timedelta(minutes=6)))
    after = used_prices(known, header)
    pd.testing.assert_frame_equal(after.frame, before.frame)
    assert before.note == after.note
    assert set(before.frame["series"]) == {"bought", "sold"}


def test_without_any_price_none_is_drawn_and_that_is_said(own: Workspace) -> None:
    day = DAY + WEEK
    half_an_hour = price_rows(DAY, 1).iloc[[5]].assign(resolution_minutes=30)
    put(own, "prices", half_an_hour, as_of=AS_OF + timedelta(minutes=5))
    check(Context.of(own, AS_OF))
    header = own.warehouse.read("out_plan", where={"plan_id": plan_of(own, day)}).iloc[0].to_dict()
    known = Known(own.warehouse, AS_OF + timedelta(minutes=5))
    stated = used_prices(known, header | {"plan_source": "charge_only"})
    assert stated.frame.empty and not stated.titles
    assert stated.note.startswith("No price was known, so none is drawn.")


def calibrations(workspace: Workspace) -> dict[str, Calibration]:
    rows = workspace.warehouse.read("out_calibration")
    return {row["battery_id"]: Calibration.from_record(row) for row in records(rows)}


def test_table_and_band_give_one_end_of_life(planned: Workspace, published: dict[str, str]) -> None:
    for name, found in calibrations(planned).items():
        page = published[name]
        years = [f"{days / 365.25:.1f}" for days in (found.l0_days, found.l0_low_days, found.l0_high_days)]
        assert f"<td>{years[0]} years</td>" in page and f"{years[1]} to {years[2]} years (90 %)" in page
        assert f"{years[0]} years, {years[1]} to {years[2]}" in page


def test_what_is_not_identifiable_is_a_warning_next_to_what_data_would_tell(
    planned: Workspace, published: dict[str, str]
) -> None:
    rows = planned.warehouse.read("out_calibration").set_index("battery_id")
    for car in CARS:
        row, page = rows.loc[car], published[car]
        wide = {
            "L0": row["l0_high_days"] > 10 * row["l0_low_days"],
            "α": row["alpha_high_day_per_efc"] > 10 * row["alpha_low_day_per_efc"],
            "β": row["beta_high_day_per_efc"] > 10 * row["beta_low_day_per_efc"],
        }
        assert any(wide.values()), car
        for what, warned in wide.items():
            assert (f"<b>Warning:</b> {what} is not identifiable" in page) == warned, (car, what)
        assert "5 siblings that hardly drive" in page


@pytest.mark.parametrize("stretch", [(1.0, 1.0, 1.0), (0.7, 0.6, 0.9), (1.2, 1.0, 3.0), (1.0, 0.0, 1.0)])
def test_the_band_meets_the_end_of_life_at_the_ends_of_the_interval(
    planned: Workspace, stretch: tuple[float, float, float]
) -> None:
    """Also of a calibration that was carried on or kept, whose life is no longer that of its last fit."""
    from flows.mapping.requests import battery_spec
    from twin.handle import BatteryHandle

    batteries = planned.warehouse.read("core_battery").set_index("battery_id", drop=False)
    for name, fitted in calibrations(planned).items():
        names = ("l0_days", "l0_low_days", "l0_high_days")
        life = [k * getattr(fitted, key) for k, key in zip(stretch, names, strict=True)]
        found = replace(fitted, **dict(zip(names, life, strict=True)))
        spec = battery_spec(batteries.loc[name])
        handle = BatteryHandle(battery=spec, calibration=found, residuals=pd.DataFrame())
        band = life_band(spec, found, handle.draws().to_numpy())
        assert end_of_life_soh(found) == pytest.approx(0.8)
        at = band[band["soh"] == end_of_life_soh(found)]
        assert at[["days", "days_low", "days_high"]].iloc[0].tolist() == pytest.approx(life, abs=0.06)
        for edge in ("days_low", "days_high"):
            assert (np.diff(band[edge]) >= 0).all()
        assert (band["days_low"] <= band["days"].fillna(np.inf)).all()
        assert band["days"].dropna().iloc[0] == pytest.approx(0, abs=1)


def test_a_replaced_plan_shows_its_own_wear_on_its_day(own: Workspace) -> None:
    first = plan_of(own)
    later = Context.of(own, AS_OF + timedelta(minutes=5))
    put(own, "prices", price_rows(DAY, 1, spread=0.3), as_of=later.as_of)
    check(later)
    second = plan(later, DAY).details["plan_id"]
    assert second != first
    for plan_id in (first, second):
        header = own.warehouse.read("out_plan", where={"plan_id": plan_id}).iloc[0].to_dict()
        shown = wear_days(Known(own.warehouse, header["as_of_utc"]), header, CARS, "v2g").set_index(
            "battery_id"
        )["wear_twin_eur"]
        cars = own.warehouse.read("out_plan_car", where={"plan_id": plan_id, "mode": "v2g"})
        assert shown.to_dict() == cars.set_index("battery_id")["wear_twin_eur"].to_dict()


def test_calibrations_so_far_are_drawn_with_their_intervals_and_versions(planned: Workspace) -> None:
    header = planned.warehouse.read("out_plan", where={"plan_id": plan_of(planned)}).iloc[0].to_dict()
    known = Known(planned.warehouse, header["as_of_utc"])
    (first, _) = (known.read("out_calibration", where={"battery_id": car}).iloc[0] for car in CARS)
    days = pd.Timestamp(header["as_of_utc"]) - pd.to_timedelta([20, 10, 0], unit="D")
    rows = pd.DataFrame([first] * 3).assign(
        as_of_utc=days, soh=[0.95, 0.94, 0.93], code_version=["1", "2", "2"]
    )
    chart = calibrations_chart(rows)
    ((state,), life, alpha) = (lines(chart, about) for about in ("State of health", "L0, years", "α, day"))
    assert state[:, 0] == pytest.approx([0, WIDTH / 2, WIDTH], abs=0.1) and (np.diff(state[:, 1]) > 0).all()
    assert (len(life), len(alpha)) == (3, 3), "best and both ends"
    section = twin_section(
        None, rows.iloc[:0], rows, wear_days(known, header, [], "v2g"), rows, rows,
        as_of_utc=pd.Timestamp(header["as_of_utc"]),
    )  # fmt: skip
    assert [one["code_version"] for one in section["versions"]] == ["1", "2"]
    (own,) = calibrations_so_far(known, header, [CARS[0]])["battery_id"].unique()
    assert own == CARS[0]
