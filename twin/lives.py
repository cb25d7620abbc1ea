"""Stage C: lives of the standard day and of V2G days from one state, of one battery or of draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from twin.ageing import factors_of
from twin.cell import ReferenceCell
from twin.duty import Profile, StandardDuty
from twin.health import Array, Health
from twin.life import life_days
from twin.rates import RateModel, rate_model

_GRID_SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)
_DEEPEST = 0.45


@dataclass(frozen=True, slots=True, kw_only=True)
class Lives:
    """Simulated lives by V2G duty: of the best estimate, and of every posterior draw, one a row.

    ``dod``: depth of a V2G cycle, a share of today's capacity; ``cycles``: of them a day; lives in days;
    ``when_new``: the life of the standard day that began when the battery was new.
    """

    dod: Array
    cycles: Array
    l0: float
    lives: Array
    l0_draws: Array
    life_draws: Array
    when_new: float

    @property
    def x(self) -> Array:
        """V2G discharge a day in equivalent full cycles of today's capacity."""
        return self.dod * self.cycles


def simulate_lives(
    base: RateModel,
    duty: StandardDuty,
    theta: Array,
    today: Health,
    soh: float,
    end_ah: Array,
    learn: Callable[[ReferenceCell, Profile], RateModel] = rate_model,
) -> Lives:
    """Lives from ``today`` until capacity falls to ``end_ah`` [Ah]; row 0 of ``theta`` is the estimate.

    ``base``: rates of the standard day; ``learn``: how those of a V2G day are found.
    """
    factors = factors_of(base, theta)
    l0 = life_days(base, today, factors, end_ah)
    fresh = base.cell.fresh.scaled(theta[:1, 2])
    when_new = life_days(base, fresh, factors_of(base, theta[:1]), end_ah[:1])
    shares = duty.v2g_limit() / soh * np.array(_GRID_SHARES)
    cycles = np.where(shares > min(_DEEPEST, duty.target_soc - 0.1), 2.0, 1.0)
    dod = shares / cycles
    columns = []
    for depth, count in zip(dod, cycles, strict=True):
        model = learn(base.cell, duty.profile(v2g_ah_share=depth * soh, cycles=int(count)))
        columns.append(life_days(model, today, factors, end_ah))
    table = np.column_stack(columns)
    return Lives(
        dod=dod,
        cycles=cycles,
        l0=float(l0[0]),
        lives=table[0],
        l0_draws=l0[1:],
        life_draws=table[1:],
        when_new=max(float(when_new[0]), float(l0[0])),
    )
