"""A car's own day solved anew by the exact formulation, with some slots forbidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from optimize.arrays import FloatArray
from optimize.model.day import build_day
from optimize.solve import solve_day
from optimize.types import DayProblem, Mode, Site
from optimize.windows import SessionWindow


def resolved_eur(
    problem: DayProblem,
    windows: Sequence[SessionWindow],
    i: int,
    mode: Mode,
    prices: tuple[FloatArray, FloatArray],
    fixed: Mapping[int, tuple[float, float]],
    time_limit_seconds: float,
) -> tuple[float, float]:
    """The most that car i's day can bring at prices (`stages.prices_at`), and the proven gap, both €.

    windows: all of the day. fixed: slots of the day and what is charged and discharged in them, battery-side
    kW; (0, 0) forbids a slot. Raises SolverError, TimeLimitError.
    """
    mine, number = list[SessionWindow](), dict[int, int]()
    for k, window in enumerate(windows):
        if window.car == i:
            number[k] = len(mine)
            mine.append(replace(window, car=0, behind=number.get(window.behind, -1)))
    single = replace(
        problem,
        cars=(problem.cars[i],),
        # How sessions carry on is in the windows.
        sessions=tuple(replace(one.session, carries=False) for one in mine if one.due != "later"),
        sites=tuple(
            Site(
                site_id=site.site_id,
                parent_id=site.parent_id,
                import_limit_kw=np.inf,
                export_limit_kw=np.inf,
            )
            for site in problem.sites
        ),
        import_price_eur_per_kwh=prices[0],
        export_price_eur_per_kwh=prices[1],
        co2_kg_per_kwh=None,
        reserves=(),
        constraints=(),
        previous_kw=None if problem.previous_kw is None else problem.previous_kw[[i]],
    )
    day = build_day(single, mine, mode)
    lower, upper = day.programme.lower.copy(), day.programme.upper.copy()
    for slot, powers in fixed.items():
        (pair,) = np.flatnonzero(day.pairs.slot == slot)
        for columns, kw in zip((day.charge, day.discharge), powers, strict=True):
            if columns[pair] >= 0:
                lower[columns[pair]] = upper[columns[pair]] = kw
    search = solve_day(
        replace(day, programme=replace(day.programme, lower=lower, upper=upper)), time_limit_seconds
    )
    objective = -(search.program.objective() + search.wear_error_eur)
    return objective, search.gap * max(1.0, abs(objective))
