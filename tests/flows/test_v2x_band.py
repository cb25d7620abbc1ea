"""The V2X band of a car: nothing is fed back outside it, in the plan and at the plug."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from flows.mapping.question import day_problem
from flows.mapping.v2x_band import band_notes, bands_of, kept, within_band
from flows.stages import Context
from flows.stages.check import check
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, put, session_rows
from tests.flows.test_grid import followed, inputs_of, planned
from tests.optimize.fleets import car, day, session_of

CLOSE = 1e-6


def fed_back(workspace: Workspace, session: str) -> pd.DataFrame:
    """The quarter-hours of the followed plan in which a session feeds back, with energies as charges."""
    row = session_rows().set_index("session_id").loc[session]
    slots = followed(workspace, "out_plan_slot")
    capacity = inputs_of(workspace).capacity_kwh[row["battery_id"]]
    mine = slots[
        (slots["battery_id"] == row["battery_id"])
        & (slots["interval_start_utc"] >= pd.Timestamp(row["arrival_utc"]))
        & (slots["interval_start_utc"] < pd.Timestamp(row["departure_utc"]))
        & (slots["discharge_kw"] > CLOSE)
    ]
    return mine.assign(before=mine["energy_start_kwh"] / capacity, after=mine["energy_end_kwh"] / capacity)


def with_band(workspace: Workspace, session: str, low: float | None, high: float | None) -> None:
    rows = session_rows()
    mine = rows["session_id"] == session
    band = {"v2x_min_soc": low, "v2x_max_soc": high}
    put(
        workspace,
        "sessions",
        rows.assign(**{k: pd.Series(v, rows.index).where(mine) for k, v in band.items()}),
    )
    check(Context.of(workspace, AS_OF))


def test_a_plan_feeds_back_within_the_band_alone(depot: Workspace) -> None:
    planned(depot)
    free = fed_back(depot, "s2")
    assert len(free)
    assert free["after"].min() < 0.45
    with_band(depot, "s2", 0.45, 0.82)
    planned(depot)
    bound = fed_back(depot, "s2")
    assert len(bound)
    assert bound["after"].min() >= 0.45 - CLOSE
    assert bound["before"].max() <= 0.82 + CLOSE
    departures = followed(depot, "out_plan_departure")
    assert departures["missing_kwh"].max() < 1e-6


def test_who_is_promised_more_than_the_band_charges_and_feeds_nothing_back(depot: Workspace) -> None:
    with_band(depot, "s2", None, 0.7)
    made = planned(depot)
    assert fed_back(depot, "s2").empty
    assert any("car-1 feeds nothing back in session s2" in str(note) for note in notes_of(made, depot))
    departures = followed(depot, "out_plan_departure").set_index("session_id")
    assert departures.loc["s2", "missing_kwh"] < 1e-6


def notes_of(made: object, depot: Workspace) -> list[str]:
    plans = depot.warehouse.read("out_plan").sort_values("sequence")
    return [
        str(plans.iloc[-1].to_dict()),
        str(getattr(made, "message", "")),
        str(getattr(made, "tables", "")),
    ]


def test_the_other_modes_know_no_band(depot: Workspace) -> None:
    with_band(depot, "s2", 0.45, 0.82)
    inputs = inputs_of(depot)
    assert set(bands_of(inputs.sessions)) == {"s2"}
    bounds = {
        mode: {one.session_id: (one.min_soc, one.max_soc) for one in day_problem(inputs, mode).sessions}
        for mode in ("ordered", "v2g")
    }  # fmt: skip
    assert bounds["ordered"]["s2"] == (None, None)
    assert bounds["v2g"]["s2"] == (0.45, 0.82)
    assert bounds["v2g"]["s1"] == (None, None)


@pytest.mark.parametrize(
    ("band", "arrival", "leaves", "stated"),
    [
        ((0.3, 0.8), 0.5, 0.7, (0.3, 0.8, None)), ((0.3, 0.8), 0.2, 0.7, (0.3, 0.8, None)),
        ((0.3, 0.8), 0.85, 0.7, (None, None, 0.0)), ((0.3, 0.8), 0.5, 0.85, (None, None, 0.0)),
        ((0.0, 1.0), 0.5, 0.9, (0.1, None, None)), ((0.92, 1.0), 0.5, 0.7, (None, None, 0.0)),
        ((0.8, 0.3), 0.5, 0.2, (None, None, 0.0)), ((0.2, 0.05), 0.02, 0.03, (None, None, 0.0)),
    ],
)  # fmt: skip
def test_what_becomes_of_a_session_with_a_band(
    band: tuple[float, float], arrival: float, leaves: float, stated: tuple[float | None, ...]
) -> None:
    one = within_band(session_of("A", 0, 4, arrival, leaves), band, car(soc_min=0.1, soc_max=0.9))
    assert (one.min_soc, one.max_soc, one.discharge_limit_kw) == stated


@pytest.mark.parametrize(
    ("band", "fed_kw", "said"),
    [((0.3, 0.8), 0.0, False), ((0.3, 0.8), None, False), ((0.3, 0.4), 0.0, True), ((0.3, 0.4), None, True)],
)  # fmt: skip
def test_a_charger_that_feeds_nothing_back_is_not_said_to_be_a_band(
    band: tuple[float, float], fed_kw: float | None, said: bool
) -> None:
    cars = (car(soc_min=0.1, soc_max=0.9),)
    one = replace(session_of("A", 0, 4, 0.5, 0.7), discharge_limit_kw=fed_kw)
    asked = day([0.1] * 4, list(cars), list(kept((one,), {one.session_id: band}, cars)))
    notes = band_notes(asked, {one.session_id: band})
    assert [f"its V2X band is {band[0]:.0%} to {band[1]:.0%}" in note for note in notes] == [True] * said


@pytest.mark.parametrize(("low", "high"), [(45.0, None), (0.2, 80.0), (None, 82.0), (-0.1, 0.8)])
def test_a_band_that_cannot_be_feeds_nothing_back_and_is_named(
    depot: Workspace, low: float | None, high: float | None
) -> None:
    with_band(depot, "s2", low, high)
    planned(depot)
    assert fed_back(depot, "s2").empty
    assert followed(depot, "out_plan_departure")["missing_kwh"].max() < 1e-6
    checks = depot.warehouse.read("out_check", where={"dataset": "sessions"})
    mine = checks[(checks["rule"] == "v2x_band") & (checks["scope"] == "car-1")]
    assert len(mine) == 1
    assert "is it in per cent?" in mine["message"].iloc[0]
    assert "nothing is fed back in 1 rows" in mine["message"].iloc[0]


def test_a_band_of_no_width_is_told_as_such() -> None:
    cars, one = (car(soc_min=0.1, soc_max=1.0),), session_of("A", 0, 4, 0.5, 0.7)
    bands = {one.session_id: (1.0, 1.0)}
    (closed,) = kept((one,), bands, cars)
    assert closed.discharge_limit_kw == 0.0
    (note,) = band_notes(day([0.1] * 4, list(cars), [closed]), bands)
    assert "its V2X band is empty, or was not to be read" in note
