"""Health in the shapes that it is computed in: each way there and back, one field never taken for another."""

from __future__ import annotations

import numpy as np
import pytest

from twin.health import Health

ONE = Health(sei_m=3e-7, eps_n=0.7, eps_p=0.6, lithium_ah=6.5)
MANY = Health(
    sei_m=np.array([2e-8, 3e-7, 5e-7]),
    eps_n=np.array([0.75, 0.7, 0.6]),
    eps_p=np.array([0.66, 0.6, 0.5]),
    lithium_ah=np.array([7.5, 6.5, 5.0]),
)
FRESH = MANY.at(0).first()


def test_a_vector_holds_the_fields_in_their_order_and_gives_them_back() -> None:
    assert ONE.vector().tolist() == [3e-7, 0.7, 0.6, 6.5]
    assert Health.of(ONE.vector()) == ONE
    assert MANY.vector().shape == (4, 3)
    assert Health.of(MANY.vector()).at(1).first() == ONE
    assert np.shares_memory(Health.of(table := MANY.vector()).eps_p, table)


def test_one_of_many_and_many_of_one() -> None:
    assert MANY.at(1).first() == ONE
    assert MANY.at(slice(1, None)).first() == ONE
    assert MANY.at([2, 1]).vector().tolist() == MANY.vector()[:, [2, 1]].tolist()
    assert ONE.row().vector().tolist() == [[3e-7], [0.7], [0.6], [6.5]]
    assert ONE.row().first() == ONE
    assert all(type(value) is float for value in vars_of(MANY.first()))
    grid = MANY.each(lambda value: np.add.outer(value, [0.0, 1.0]))
    assert grid.each(np.transpose).at((1, 2)).first().eps_n == 1.6


def test_a_share_of_a_cell_keeps_its_film() -> None:
    left = FRESH.scaled(np.array([1.0, 0.9]))
    assert left.at(0).first() == FRESH
    last = left.at(1).first()
    assert (last.sei_m, last.eps_n) == (FRESH.sei_m, 0.9 * FRESH.eps_n)
    assert (last.eps_p, last.lithium_ah) == (0.9 * FRESH.eps_p, 0.9 * FRESH.lithium_ah)


@pytest.mark.parametrize("health", [ONE, MANY], ids=["one", "many"])
def test_changes_lead_from_the_fresh_cell_to_an_aged_one(health: Health) -> None:
    ln_n, ln_p, lithium = health.changes(FRESH)
    assert np.ravel(ln_n)[-1] == pytest.approx(np.log(np.ravel(health.eps_n)[-1] / 0.75))
    assert np.ravel(ln_p)[-1] == pytest.approx(np.log(np.ravel(health.eps_p)[-1] / 0.66))
    assert np.ravel(lithium)[-1] == pytest.approx(np.ravel(health.lithium_ah)[-1] / 7.5)
    again = FRESH.moved((ln_n, ln_p, lithium), health.sei_m)
    assert again.vector() == pytest.approx(health.vector(), rel=1e-14)


def vars_of(health: Health) -> list[object]:
    return [getattr(health, name) for name in Health.__slots__]
