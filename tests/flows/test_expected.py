"""A plan needs no reported tomorrow: sessions that nobody announces are expected by what the cars did
before."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from flows.errors import NoPlanError
from flows.mapping.read_inputs import read_inputs
from flows.stages import Context
from flows.stages.check import check
from flows.stages.ingest import ingest
from flows.stages.plan import plan
from flows.stages.realise import realise
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, copied, fleet_rows, price_rows, put, site_rows


def lived(first: date, days: int, car: str = "car-1", *, arrival: str = "17:00") -> pd.DataFrame:
    """Nights of a car: it comes at about 18 o'clock local, leaves at 7 and needs 20 points or so."""
    rows = []
    for number in range(days):
        day = first + timedelta(days=number)
        came = pd.Timestamp(f"{day}T{arrival}Z") + pd.Timedelta(minutes=7 * (number % 5))
        left = pd.Timestamp(f"{day + timedelta(days=1)}T06:00Z") - pd.Timedelta(minutes=11 * (number % 3))
        rows.append((f"{car}-{day}", car, came, left, 0.6 - 0.01 * (number % 4), 0.8))
    columns = ["session_id", "battery_id", "arrival_utc", "departure_utc", "arrival_soc", "departure_soc"]
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture(scope="session")
def home_around(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty nights of car-1 that were known when it came, and the prices of DAY and the day before."""
    around = tmp_path_factory.mktemp("home")
    made = Workspace.create(around / "depot", zone="DE-LU")
    put(made, "sites", site_rows())
    put(made, "fleet", fleet_rows())
    put(made, "prices", price_rows(DAY - timedelta(days=1), 2))
    nights = lived(DAY - timedelta(days=41), 40)
    file = made.root.parent / "nights.csv"
    nights.to_csv(file, index=False)
    ingest(Context.of(made, AS_OF), "sessions", [file], received="event")
    assert check(Context.of(made, AS_OF)).exit_code == 0
    return around


@pytest.fixture
def home(home_around: Path, tmp_path: Path) -> Workspace:
    return copied(home_around, tmp_path)


def load(workspace: Workspace, sessions: pd.DataFrame) -> None:
    """Sessions that were known when the car came."""
    file = workspace.root.parent / f"more{len(list(workspace.root.parent.iterdir()))}.csv"
    sessions.to_csv(file, index=False)
    ingest(Context.of(workspace, AS_OF), "sessions", [file], received="event")
    check(Context.of(workspace, AS_OF))


def planned(workspace: Workspace, hours: float = 0.0) -> dict[str, object]:
    result = plan(Context.of(workspace, AS_OF + timedelta(hours=hours)), DAY)
    return dict(result.details)


def test_tonight_and_tomorrow_are_planned_without_a_word(home: Workspace) -> None:
    result = plan(Context.of(home, AS_OF), DAY)
    assert result.details["expected_stays"] == 2
    assert "expected and not announced: sessions 2, cars 1" in result.message
    known_rows = home.warehouse.read("out_expected_stay").set_index("session_id")
    tonight, tomorrow = (f"expected:car-1:{DAY - timedelta(days=1)}", f"expected:car-1:{DAY}")
    assert list(known_rows.index) == [tonight, tomorrow]
    assert known_rows["probability"].between(0.9, 1.0).all()
    assert (known_rows["days"] == 40).all()
    departures = home.warehouse.read("out_plan_departure", where={"mode": "ordered"}).set_index("session_id")
    assert departures["missing_kwh"].max() < 1e-6
    left = departures.loc[tonight, "departure_utc"]
    assert left <= known_rows.loc[tonight, "departure_utc_q10"] + pd.Timedelta(minutes=1)
    slots = home.warehouse.read("out_plan_slot", where={"mode": "ordered", "plugged": True})
    assert slots["interval_start_utc"].min() >= known_rows.loc[tonight, "arrival_utc_q50"].floor("15min")
    first = home.warehouse.read("out_plan").iloc[0]
    assert first["end_utc"] >= departures.loc[tomorrow, "departure_utc"]


def test_the_same_moment_and_the_next_hour_make_the_same_plan(home: Workspace) -> None:
    assert planned(home)["outcome"] == "new"
    assert planned(home)["outcome"] == "unchanged"


def test_a_session_that_is_announced_takes_the_place_of_the_expected_one(home: Workspace) -> None:
    put(home, "sessions", lived(DAY - timedelta(days=1), 1, arrival="18:30"), as_of=AS_OF)
    check(Context.of(home, AS_OF))
    sessions = read_inputs(Context.of(home, AS_OF), DAY).sessions
    assert sorted(sessions["session_id"]) == [f"car-1-{DAY - timedelta(days=1)}", f"expected:car-1:{DAY}"]


def test_a_car_that_is_late_is_expected_later_and_then_not_at_all(home: Workspace) -> None:
    tonight = f"expected:car-1:{DAY - timedelta(days=1)}"

    def arrival(hours: float) -> pd.Timestamp | None:
        rows = read_inputs(Context.of(home, AS_OF + timedelta(hours=hours)), DAY).sessions.set_index(
            "session_id"
        )
        return rows.loc[tonight, "arrival_utc"] if tonight in rows.index else None

    usual, late, given_up = (arrival(hours) for hours in (0.0, 5.25, 9.0))
    assert usual is not None and late is not None
    assert late >= pd.Timestamp(AS_OF) + pd.Timedelta(hours=5.25)
    assert late >= usual
    assert given_up is None


def test_two_expected_sessions_never_overlap(home: Workspace) -> None:
    """A car that comes every other evening and stays for 38 hours, in a fleet that comes daily."""
    long = lived(DAY - timedelta(days=41), 40, car="car-2").iloc[::2]
    later = long.assign(departure_utc=long["departure_utc"] + pd.Timedelta(days=1))
    load(home, later)
    sessions = read_inputs(Context.of(home, AS_OF), DAY).sessions
    own = sessions[sessions["battery_id"] == "car-2"].sort_values("arrival_utc")
    assert (own["arrival_utc"].iloc[1:].to_numpy() >= own["departure_utc"].iloc[:-1].to_numpy()).all()


def test_a_session_that_is_announced_beyond_the_last_price_counts_too(home: Workspace) -> None:
    stated = lived(DAY + timedelta(days=1), 1, arrival="04:00").assign(
        arrival_utc=f"{DAY + timedelta(days=1)}T04:00Z", departure_utc=f"{DAY + timedelta(days=1)}T09:00Z"
    )
    put(home, "sessions", stated, as_of=AS_OF)
    check(Context.of(home, AS_OF))
    inputs = read_inputs(Context.of(home, AS_OF), DAY)
    assert not inputs.left_out
    assert f"expected:car-1:{DAY}" not in set(inputs.sessions["session_id"])


def test_a_car_that_has_come_and_gone_today_is_not_expected_again_today(home: Workspace) -> None:
    day = DAY - timedelta(days=1)
    gone = lived(day, 1).assign(arrival_utc=f"{day}T12:30Z", departure_utc=f"{day}T13:30Z")
    later = AS_OF + timedelta(hours=2)
    put(home, "sessions", gone, as_of=later)
    check(Context.of(home, later))
    found = read_inputs(Context.of(home, later), DAY).sessions["session_id"].tolist()
    assert found == [f"expected:car-1:{DAY}"]


def test_a_car_that_comes_about_midnight_is_expected(home: Workspace) -> None:
    nights = lived(DAY - timedelta(days=41), 40, car="car-2", arrival="22:45")  # 23:45 to 00:13 local
    load(home, nights)
    sessions = read_inputs(Context.of(home, AS_OF), DAY).sessions
    own = sessions[sessions["battery_id"] == "car-2"]
    assert len(own) == 1  # the next one comes when the prices end
    assert own["arrival_utc"].dt.hour.isin([22, 23]).all()


def test_a_car_whose_sessions_are_announced_is_planned_as_announced(home: Workspace) -> None:
    nights = lived(DAY - timedelta(days=41), 40, car="car-2")
    file = home.root.parent / "announced.csv"
    nights.assign(seen=nights["arrival_utc"] - pd.Timedelta(hours=8)).to_csv(file, index=False)
    ingest(Context.of(home, AS_OF), "sessions", [file], received="seen")
    check(Context.of(home, AS_OF))
    assert set(read_inputs(Context.of(home, AS_OF), DAY).sessions["battery_id"]) == {"car-1"}


def test_nobody_is_expected_where_the_settings_say_so_or_too_little_is_known(
    home: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home.root.parent / "few.csv"
    lived(DAY - timedelta(days=5), 4, car="car-2").to_csv(file, index=False)
    ingest(Context.of(home, AS_OF), "sessions", [file], received="event")
    check(Context.of(home, AS_OF))
    assert set(read_inputs(Context.of(home, AS_OF), DAY).sessions["battery_id"]) == {"car-1"}
    monkeypatch.setenv("V2G_PLAN__EXPECTED_STAYS", "never")
    with pytest.raises(NoPlanError, match="no car is plugged in"):
        planned(Workspace.open(home.root))


def test_what_was_planned_for_nobody_is_accounted_for(home: Workspace) -> None:
    planned(home)
    put(home, "sessions", lived(DAY - timedelta(days=1), 1), as_of=AS_OF + timedelta(hours=6))
    check(Context.of(home, AS_OF + timedelta(hours=6)))
    planned(home, 6.0)
    over = AS_OF + timedelta(days=2)  # and in the evening of DAY it never came
    realise(Context.of(home, over), [DAY])
    rows = home.warehouse.read("out_realised_car").set_index("mode")
    assert (rows["promised_energy_cost_eur"] > 0.0).all()
    assert (rows["energy_cost_eur"] == 0.0).all()
    assert rows["car_eur"].to_numpy() == pytest.approx(rows["promised_energy_cost_eur"].to_numpy())
    assert (rows["missed"] == 0).all()
