"""A session in few periods: the cheapest of all cuts, within the battery's and the site's bounds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.dispatch.merge import MergeError, SessionPowers, merged
from tests.benchmarks.periods import PRICES_FILE, loss, nights
from tests.warehouse.builders import SHARED_DATA

IN, OUT = 0.9, 0.92
PRICES = SHARED_DATA / PRICES_FILE


def session_of(
    power: list[float],
    buy: list[float],
    sell: list[float] | None = None,
    room: float = np.inf,
    **bounds: float,
) -> SessionPowers:
    own = np.array(power, dtype=float)
    change = 0.25 * np.where(own > 0, own * IN, own / OUT)
    energy = 30.0 + np.cumsum(change)
    size, sold = len(own), buy if sell is None else sell
    return SessionPowers(
        power_kw=own, least_kw=own - room, most_kw=own + room,
        import_price=np.array(buy, dtype=float), export_price=np.array(sold, dtype=float),
        energy_kwh=energy, least_kwh=np.full(size, bounds.get("least", 0.0)),
        most_kwh=np.full(size, bounds.get("most", 60.0)), efficiency_charge=IN, efficiency_discharge=OUT,
    )  # fmt: skip


def run_by_hand(session: SessionPowers, first: int, last: int) -> float:
    """What a run costs more, quarter-hour by quarter-hour in plain Python; infinite where it cannot be."""
    own = session.power_kw[first:last]
    mean = sum(own) / len(own)
    if min(own) < 0 < max(own):
        return np.inf
    cost = 0.0
    shift = 0.0
    for at in range(first, last):
        if not session.least_kw[at] - 1e-6 <= mean <= session.most_kw[at] + 1e-6:
            return np.inf
        more = 0.25 * (mean - session.power_kw[at])
        shift += more * IN if mean >= 0 else more / OUT
        if not session.least_kwh[at] - 1e-6 <= session.energy_kwh[at] + shift <= session.most_kwh[at] + 1e-6:
            return np.inf
        cost += more * (session.export_price if mean < 0 else session.import_price)[at]
    return cost


def by_hand(session: SessionPowers, most: int) -> float:
    """The cost of the cheapest of all cuts into at most so many runs, by trying every one."""
    size = len(session.power_kw)
    best = np.inf
    for count in range(min(most, size)):
        for cuts in itertools.combinations(range(1, size), count):
            edges = [0, *cuts, size]
            best = min(best, sum(run_by_hand(session, a, b) for a, b in itertools.pairwise(edges)))
    return best


powers = st.lists(st.sampled_from([-7.0, -3.0, 0.0, 2.0, 7.0, 11.0]), min_size=1, max_size=9)


@settings(max_examples=150, deadline=None)
@given(power=powers, most=st.integers(1, 5), data=st.data())
def test_the_cut_is_the_cheapest_of_all(power: list[float], most: int, data: st.DataObject) -> None:
    price = st.lists(st.floats(-0.1, 0.5), min_size=len(power), max_size=len(power))
    buy, sell = data.draw(price), data.draw(price)
    room = data.draw(st.sampled_from([0.5, 4.0, np.inf]))
    session = session_of(
        power,
        buy,
        sell,
        room,
        least=data.draw(st.sampled_from([0.0, 27.0])),
        most=data.draw(st.sampled_from([33.0, 60.0])),
    )
    fits = 1 + sum(later != before for before, later in itertools.pairwise(power)) <= most
    best = 0.0 if fits else by_hand(session, most)
    if not np.isfinite(best):
        with pytest.raises(MergeError, match="cannot be expressed in"):
            merged(session, most)
        return
    found = merged(session, most)
    assert found.cost_eur == pytest.approx(best, abs=1e-9)
    assert len(found.runs) <= most
    assert [run.first for run in found.runs] == [0, *(run.last for run in found.runs[:-1])]
    assert found.runs[-1].last == len(power)
    energy = sum(run.power_kw * (run.last - run.first) for run in found.runs)
    assert energy == pytest.approx(sum(power))


def test_what_fits_is_left_as_it_is() -> None:
    found = merged(session_of([0, 0, 7, 7, 7, 0, -3, -3], [0.1, 0.2, 0.1, 0.0, 0.1, 0.3, 0.5, 0.4]), 4)
    assert [(run.first, run.last, run.power_kw) for run in found.runs] == [
        (0, 2, 0),
        (2, 5, 7),
        (5, 6, 0),
        (6, 8, -3),
    ]
    assert found.cost_eur == 0.0


def test_by_hand() -> None:
    """7 kW at 10 ct and none at 20 ct in one run: half of it is bought at 10 ct more."""
    found = merged(session_of([7, 0], [0.10, 0.20]), 1)
    assert found.runs[0].power_kw == 3.5
    assert found.cost_eur == pytest.approx(3.5 * 0.25 * 0.10)


def test_what_charges_and_feeds_back_by_turns_needs_its_periods() -> None:
    with pytest.raises(MergeError, match="4 quarter-hours cannot be expressed in 3 periods"):
        merged(session_of([7, -7, 7, -7], [0.1, 0.2, 0.1, 0.2]), 3)


def test_of_cuts_at_one_price_the_one_that_moves_least_is_taken() -> None:
    found = merged(session_of([7, 7, 6, 0], [0.1, 0.1, 0.1, 0.1]), 2)
    assert [(run.first, run.last) for run in found.runs] == [(0, 3), (3, 4)]


def test_a_site_without_room_keeps_its_powers() -> None:
    tight = session_of([7, 3, 7], [0.1, 0.1, 0.1], room=0.0)
    with pytest.raises(MergeError):
        merged(tight, 2)
    assert merged(session_of([7, 3, 7], [0.1, 0.1, 0.1]), 1).cost_eur == pytest.approx(0.0)


@pytest.mark.skipif(not PRICES.exists(), reason="no shared data with quarter-hourly prices")
def test_real_plans_in_24_periods_cost_next_to_nothing() -> None:
    losses = [loss(*night) for night in nights(PRICES, count=6, plugged=96, cents=4.0)]
    assert max(slots for slots, _, _ in losses) > 24  # else nothing was merged
    assert sum(cost for _, cost, _ in losses) <= 0.005 * sum(gain for _, _, gain in losses)
