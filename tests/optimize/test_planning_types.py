"""What cannot be meant is refused, naming the thing and the value; tariff and wear price by hand."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from optimize.errors import ProblemError
from optimize.types import DayProblem, ReserveBlock, Session, Site, Taper, Tariff, WearPrice, choose_form
from tests.optimize.fleets import MIDNIGHT, car, day, session_of, slot_times, wear

NAN, INF = math.nan, math.inf


def with_sessions(*sessions: Session) -> DayProblem:
    return day([0.1] * 4, [car("A"), car("B")], list(sessions))


def with_session(**changes: Any) -> DayProblem:
    return day([0.1] * 2, [car("A", soc_max=0.9)], [replace(session_of("A", 0, 2, 0.2, 0.5), **changes)])


def depot(site_id: str = "depot", **changes: Any) -> Site:
    return Site(site_id=site_id, import_limit_kw=1.0, export_limit_kw=INF, **changes)


def at(*sites: Site) -> DayProblem:
    return day([0.1] * 2, [], [], sites=list(sites))


def block(**changes: Any) -> ReserveBlock:
    values = {
        "product_id": "FCR",
        "direction": "symmetric",
        "site_id": "depot",
        "first_slot": 0,
        "end_slot": 2,
        "price_eur_per_kw_h": 0.01,
        "sustain_hours": 0.5,
    }
    return ReserveBlock(**(values | changes))


def more(**changes: Any) -> DayProblem:
    return replace(day([0.1] * 2, [car("A")], []), **changes)


def offering(*blocks: ReserveBlock) -> DayProblem:
    return more(reserves=blocks)


REFUSED: list[tuple[str, Callable[[], object], list[str]]] = [
    ("capacity", lambda: car("A7", capacity_kwh=0.0), ["car 'A7'", "capacity_kwh", "0.0"]),
    ("nan capacity", lambda: car("A7", capacity_kwh=NAN), ["car 'A7'", "capacity_kwh", "nan"]),
    ("soc", lambda: car("A7", soc_max=80.0), ["car 'A7'", "soc_max", "80.0", "0-1"]),
    ("soc order", lambda: car("A7", soc_min=0.6, soc_max=0.5), ["car 'A7'", "soc_min", "0.6", "0.5"]),
    (
        "zero efficiency",
        lambda: car("A7", efficiency_charge=0.0),
        ["car 'A7'", "efficiency_charge", "(0, 1]"],
    ),
    ("efficiency", lambda: car("A7", efficiency_discharge=1.1), ["car 'A7'", "efficiency_discharge", "1.1"]),
    ("limit", lambda: car("A7", charge_limit_kw=-1.0), ["car 'A7'", "charge_limit_kw", "-1.0"]),
    ("infinite limit", lambda: car("A7", discharge_limit_kw=INF), ["car 'A7'", "discharge_limit_kw", "inf"]),
    ("drawdown", lambda: car("A7", drawdown_limit=30.0), ["car 'A7'", "drawdown_limit", "30.0"]),
    ("alpha", lambda: wear(alpha_day_per_efc=-0.1), ["wear price", "alpha_day_per_efc", "-0.1"]),
    ("life", lambda: wear(l0_days=0.0), ["wear price", "l0_days", "0.0"]),
    ("form", lambda: wear("map"), ["wear price", "form", "'map'"]),
    ("vat", lambda: Tariff(vat=-0.19), ["tariff", "vat", "-0.19"]),
    (
        "site",
        lambda: Site(site_id="s", import_limit_kw=NAN, export_limit_kw=1.0),
        ["site 's'", "import_limit_kw"],
    ),
    (
        "arrival soc",
        lambda: session_of("A", 0, 1, 1.2, 0.5),
        ["session 'A-0' of battery 'A'", "arrival_soc", "1.2"],
    ),
    ("departure soc", lambda: session_of("A", 0, 1, 0.2, NAN), ["'A-0'", "departure_soc", "nan"]),
    (
        "times",
        lambda: session_of("A", 2, 2, 0.2, 0.5),
        ["'A-2' of battery 'A'", "departure_utc", "after arrival_utc"],
    ),
    ("taper", lambda: Taper(from_soc=1.0, full_share=0.2), ["taper", "from_soc", "1.0"]),
    ("taper share", lambda: Taper(from_soc=0.8, full_share=NAN), ["taper", "full_share", "nan"]),
    ("minimum power", lambda: car("A7", min_charge_kw=-1.0), ["car 'A7'", "min_charge_kw", "-1.0"]),
    ("infinite minimum", lambda: car("A7", min_discharge_kw=INF), ["car 'A7'", "min_discharge_kw", "inf"]),
    ("rest", lambda: car("A7", rest_price_eur_per_kwh_h=NAN), ["car 'A7'", "rest_price", "nan"]),
    ("contract", lambda: car("A7", v2g_limit_kwh=NAN), ["car 'A7'", "v2g_limit_kwh", "nan"]),
    ("floor", lambda: with_session(min_soc=1.5), ["'A-0' of battery 'A'", "min_soc", "1.5"]),
    ("ceiling", lambda: with_session(max_soc=60.0), ["'A-0' of battery 'A'", "max_soc", "60.0"]),
    ("floor above ceiling", lambda: with_session(min_soc=0.5, max_soc=0.4), ["min_soc", "0.5", "0.4"]),
    ("floor above", lambda: with_session(min_soc=0.95), ["'A-0' of battery 'A'", "min_soc", "0.95", "0.9"]),
    ("charger", lambda: with_session(charge_limit_kw=-2.0), ["'A-0'", "charge_limit_kw", "-2.0"]),
    (
        "its efficiency",
        lambda: with_session(efficiency_discharge=0.0),
        ["'A-0'", "efficiency_discharge", "0.0"],
    ),
    ("its site", lambda: with_session(site_id="x"), ["'A-0' of battery 'A'", "site_id", "'x'", "depot"]),
    ("parent", lambda: at(depot(parent_id="x")), ["site 'depot'", "parent_id", "'x'"]),
    ("ring", lambda: at(depot(parent_id="b"), depot("b", parent_id="depot")), ["'depot'", "ring"]),
    ("own parent", lambda: at(depot(parent_id="depot")), ["site 'depot'", "parent_id", "ring"]),
    (
        "meter behind a meter",
        lambda: at(depot(metering="site", parent_id="b"), depot("b", metering="site")),
        ["site 'depot'", "metering", "meter of site 'b'"],
    ),
    ("metering", lambda: depot(metering="all"), ["site 'depot'", "metering", "'all'"]),
    ("load", lambda: at(depot(base_load_kw=np.array([1.0]))), ["'depot'", "base_load_kw", "(1,)", "(2,)"]),
    ("nan load", lambda: depot(base_load_kw=np.array([1.0, NAN])), ["'depot'", "base_load_kw", "[1]", "nan"]),
    ("peak price", lambda: depot(peak_price_eur_per_kw=INF), ["'depot'", "peak_price_eur_per_kw", "inf"]),
    ("direction", lambda: block(direction="both"), ["reserve FCR@depot[0]", "direction", "'both'"]),
    ("block", lambda: block(first_slot=2), ["reserve FCR@depot[2]", "first_slot", "2"]),
    ("beyond", lambda: offering(block(end_slot=3)), ["reserve FCR@depot[0]", "end_slot", "3", "2"]),
    ("twice", lambda: offering(block(), block()), ["reserve block", "'FCR@depot[0]'", "only once"]),
    ("pool", lambda: offering(block(site_id="x")), ["reserve FCR@x[0]", "site_id", "'x'"]),
    ("bid bounds", lambda: block(min_kw=3.0, max_kw=2.0), ["reserve FCR@depot[0]", "min_kw", "3.0", "2.0"]),
    ("called", lambda: block(activation_share=1.1), ["reserve FCR@depot[0]", "activation_share", "1.1"]),
    ("reserve price", lambda: block(price_eur_per_kw_h=NAN), ["FCR", "price_eur_per_kw_h", "nan"]),
    ("co2", lambda: more(co2_kg_per_kwh=[0.1, NAN]), ["co2_kg_per_kwh[1]", "nan"]),
    ("co2 price", lambda: more(co2_price_eur_per_kg=-1.0), ["co2_price_eur_per_kg", "-1.0"]),
    ("plan in force", lambda: more(previous_kw=[[0.1, INF]]), ["previous_kw[0, 1]", "inf"]),
    ("its shape", lambda: more(previous_kw=[0.1, 0.2]), ["shape of previous_kw", "(2,)", "(1, 2)"]),
    ("change", lambda: more(change_price_eur_per_kwh=NAN), ["change_price_eur_per_kwh", "nan"]),
    ("objective", lambda: more(objective="profit"), ["objective", "'profit'", "peak_shaving"]),
    ("no peak", lambda: more(objective="grid_support"), ["peak_slots", "empty"]),
    ("peak slots", lambda: more(peak_slots=(0, 2)), ["peak_slots", "(0, 2)", "1"]),
    ("no prices", lambda: day([], [], []), ["slots", "at least one slot"]),
    ("price", lambda: day([0.1, NAN], [], []), ["slot 2024-05-06 23:00", "import_price_eur_per_kwh", "nan"]),
    ("export", lambda: day([0.1], [], [], export=[INF]), ["slot 2024-05-06 22:00", "export_price", "inf"]),
    ("shape", lambda: day([0.1], [], [], export=[0.1, 0.2]), ["export_price_eur_per_kwh", "(2,)", "(1,)"]),
    ("terminal", lambda: day([0.1], [], [], terminal=NAN), ["terminal_value_eur_per_kwh", "nan"]),
    ("departure price", lambda: day([0.1], [], [], departure_price=-1.0), ["departure_price", "-1.0"]),
    ("car twice", lambda: day([0.1], [car("A"), car("A")], []), ["battery_id", "'A'", "only once"]),
    ("unknown site", lambda: day([0.1], [car("A", site_id="x")], []), ["car 'A'", "site_id", "'x'", "depot"]),
    (
        "unknown car",
        lambda: with_sessions(session_of("C", 0, 1, 0.2, 0.5)),
        ["session 'C-0'", "battery_id", "'C'"],
    ),
    (
        "session twice",
        lambda: with_sessions(
            session_of("A", 0, 1, 0.2, 0.5, session_id="s"), session_of("B", 0, 1, 0.2, 0.5, session_id="s")
        ),
        ["session_id", "'s'", "only once"],
    ),
    (
        "overlap",
        lambda: with_sessions(session_of("A", 2, 4, 0.2, 0.5), session_of("A", 0, 2.5, 0.2, 0.5)),
        ["battery 'A'", "session 'A-2'", "overlaps session 'A-0'"],
    ),
    (
        "yesterday",
        lambda: with_sessions(session_of("A", -2, 0, 0.2, 0.5)),
        ["'A--2' of battery 'A'", "touch the day"],
    ),
]


@pytest.mark.parametrize(("make", "words"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refusals_name_the_thing_and_the_value(make: Callable[[], object], words: list[str]) -> None:
    with pytest.raises(ProblemError) as caught:
        make()
    for word in words:
        assert word in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301


def test_naive_and_local_times_are_refused() -> None:
    with pytest.raises(ProblemError, match="tz-aware UTC"):
        session_of("A", 0, 1, 0.2, 0.5, start=pd.Timestamp("2024-05-06 22:00"))
    with pytest.raises(ProblemError, match="tz-aware UTC"):
        day([0.1], [], [], start=MIDNIGHT.tz_convert("Europe/Berlin"))


def test_slots_with_a_gap_are_refused() -> None:
    slots = slot_times(3, 1.0).delete(1)
    with pytest.raises(ProblemError, match=r"2024-05-07 00:00.*must follow"):
        DayProblem(
            slots=slots,
            slot_hours=1.0,
            import_price_eur_per_kwh=np.zeros(2),
            export_price_eur_per_kwh=np.zeros(2),
            cars=(),
            sessions=(),
            sites=(),
            terminal_value_eur_per_kwh=0.0,
            departure_price_eur_per_kwh=1.0,
        )


def test_prices_of_a_problem_cannot_be_changed_from_outside() -> None:
    prices = np.array([0.1, 0.2])
    problem = day(prices, [], [])
    prices[0] = 9.0
    assert problem.import_price_eur_per_kwh[0] == 0.1
    with pytest.raises(ValueError, match="read-only"):
        problem.import_price_eur_per_kwh[0] = 9.0


def test_tariff_taxes_imports_and_not_exports() -> None:
    tariff = Tariff(import_adder_eur_per_kwh=0.10, vat=0.19, export_adder_eur_per_kwh=0.02)
    market = np.array([0.05, -0.20])
    np.testing.assert_allclose(tariff.import_price_eur_per_kwh(market), [0.1785, -0.119])
    np.testing.assert_allclose(tariff.export_price_eur_per_kwh(market), [0.07, -0.18])


def test_wear_price_by_hand() -> None:
    # 6000 € over 3000 days = 2 € a day. Law: 2·(e^0.5 − 1) = 1.297443, slope 2·1·e^0.5. Rate: 2·1.5·0.5.
    law = WearPrice(
        form="law", residual_value_eur=6000.0, l0_days=3000.0, alpha_day_per_efc=1.0, beta_day_per_efc=1.5
    )
    assert law.cost_eur(0.5) == pytest.approx(1.2974425)
    assert law.slope_eur(0.5) == pytest.approx(3.2974425)
    assert law.slope_eur(law.duty_at_slope_efc(5.0)) == pytest.approx(5.0)
    assert law.duty_at_slope_efc(1.0) == 0.0
    assert law.cost_eur(1e6) == INF
    rate = WearPrice(
        form="rate", residual_value_eur=6000.0, l0_days=3000.0, alpha_day_per_efc=1.0, beta_day_per_efc=1.5
    )
    assert rate.cost_eur(0.5) == pytest.approx(1.5)
    assert rate.slope_eur(7.0) == pytest.approx(3.0)
    assert (rate.duty_at_slope_efc(3.0), rate.duty_at_slope_efc(2.9)) == (INF, 0.0)


def test_the_form_is_the_one_that_follows_the_points() -> None:
    x = np.array([0.2, 0.6, 1.2])
    by_rate, by_law = 4000 / (1 + 1.5 * x), 4000 * np.exp(-1.0 * x)
    assert choose_form(x, by_rate, 4000.0, 1.0, 1.5) == "rate"
    assert choose_form(x, by_law, 4000.0, 1.0, 1.5) == "law"
    assert choose_form(x[:0], by_law[:0], 4000.0, 1.0, 1.5) == "law"
    with pytest.raises(ProblemError, match=r"life_days is -1\.0"):
        choose_form(x, by_law * [1.0, -1.0 / by_law[1], 1.0], 4000.0, 1.0, 1.5)
    with pytest.raises(ProblemError, match="life_days is nan"):
        choose_form(x, by_law * [1.0, np.nan, 1.0], 4000.0, 1.0, 1.5)


def test_a_kwh_spares_the_demand_charges_of_the_sites_above_its_plug_and_no_others() -> None:
    homes = [depot(f"home-{i}", parent_id="depot", peak_price_eur_per_kw=2.0) for i in range(3)]
    street = day([0.1] * 2, [car("A")], [], sites=[depot(peak_price_eur_per_kw=1.0), *homes])
    assert street.most_gain_eur_per_kwh() == pytest.approx(0.1 + 3.0 + 0.0)
