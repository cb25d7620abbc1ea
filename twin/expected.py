"""Where a battery is expected to be before its own data are looked at."""

from __future__ import annotations

from dataclasses import replace

from twin.ageing import health_at
from twin.cell import ReferenceCell
from twin.duty import REFERENCE_DUTY
from twin.health import Health
from twin.prior import CHEMISTRY_PRIOR
from twin.rates import rate_model


def expected_health(cell: ReferenceCell, age_days: float) -> Health:
    """Where the prior puts a battery of this age on an everyday duty: stage A's first guess."""
    base, fresh = rate_model(cell, REFERENCE_DUTY.profile()), cell.fresh
    health = health_at(base, CHEMISTRY_PRIOR.mean, age_days).first()
    return replace(
        health,
        eps_n=max(health.eps_n, 0.8 * fresh.eps_n),
        eps_p=max(health.eps_p, 0.8 * fresh.eps_p),
        lithium_ah=max(health.lithium_ah, 0.75 * fresh.lithium_ah),
    )
