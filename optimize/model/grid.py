"""Where cars meet: sites in a slot, peaks, common meters, reserve pools. Symbols: see the package."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import pyomo.environ as pyo

from optimize.model.pattern import Pattern, Template, compile_pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFeatures:
    """Which parts a site needs in a slot: a priced peak, a meter, and the part of an objective."""

    peak: bool
    meter: bool
    shaved: bool
    levelled: bool


@cache
def site_pattern(has: SiteFeatures) -> Pattern:
    """The compiled pattern of a site and slot with these features."""
    m = Template()
    site_power(m)
    if has.peak:
        peak(m)
    if has.meter:
        meter(m)
    if has.shaved:
        shaved(m)
    if has.levelled:
        levelled(m)
    return compile_pattern(m)


def site_power(m: Template) -> None:
    """P = Σ p of the cars at and below the site,  −max(X + B, 0) ≤ P ≤ max(I − B, 0)."""
    m.parameters("import_limit", "export_limit", "base")
    m.foreign("cars")
    m.power = pyo.Var(bounds=(-m.export_limit, m.import_limit))
    m.site_power = pyo.Constraint(expr=m.power - m.cars == 0.0)


def peak(m: Template) -> None:
    """K ≥ P + B."""
    m.foreign("peak")
    m.peak_row = pyo.Constraint(expr=m.peak - m.power >= m.base)


def meter(m: Template) -> None:
    """g⁺ − g⁻ = P + B,  g ≥ 0; benefit −Δt·(λ_ch·g⁺ − λ_dis·g⁻) less that of B alone."""
    m.parameters("hours", "import_price", "export_price", "import_most", "export_most", "base_bill")
    m.drawn = pyo.Var(bounds=(0.0, m.import_most))
    m.fed = pyo.Var(bounds=(0.0, m.export_most))
    m.meter = pyo.Constraint(expr=m.drawn - m.fed - m.power == m.base)
    m.bill = pyo.Objective(
        expr=m.base_bill - m.hours * m.import_price * m.drawn + m.hours * m.export_price * m.fed,
        sense=pyo.maximize,
    )


def shaved(m: Template) -> None:
    """Q ≥ P + B: what "peak_shaving" makes small."""
    m.foreign("top")
    m.top_row = pyo.Constraint(expr=m.top - m.power >= m.base)


def levelled(m: Template) -> None:
    """v ≥ |P + B − mean|: what "load_levelling" makes small."""
    m.foreign("mean")
    m.deviation = pyo.Var(bounds=(0.0, None))
    m.deviation_above = pyo.Constraint(expr=m.deviation - m.power + m.mean >= m.base)
    m.deviation_below = pyo.Constraint(expr=m.deviation + m.power - m.mean >= -m.base)


@cache
def peak_pattern() -> Pattern:
    """A site's peak K ≥ K0, paid above what it was so far; K0 holds the slots without cars as well."""
    m = Template()
    m.parameters("least", "so_far", "price")
    m.peak = pyo.Var(bounds=(m.least, None))
    m.benefit = pyo.Objective(expr=-m.price * (m.peak - m.so_far), sense=pyo.maximize)
    return compile_pattern(m)


@cache
def top_pattern() -> Pattern:
    """A root site's largest import Q ≥ 0 and ≥ its base load in slots without cars."""
    m = Template()
    m.parameters("least")
    m.top = pyo.Var(bounds=(m.least, None))
    return compile_pattern(m)


@cache
def mean_pattern() -> Pattern:
    """T·mean = Σ_t (P_t + B_t)."""
    m = Template()
    m.parameters("slots", "base_sum")
    m.foreign("total")
    m.mean = pyo.Var()
    m.mean_row = pyo.Constraint(expr=m.slots * m.mean - m.total == m.base_sum)
    return compile_pattern(m)


@cache
def bid_pattern() -> Pattern:
    """A bid 0 ≤ b ≤ max and its income π_b·b·length."""
    m = Template()
    m.parameters("most", "price", "length")
    m.bid = pyo.Var(bounds=(0.0, m.most))
    m.benefit = pyo.Objective(expr=m.price * m.length * m.bid, sense=pyo.maximize)
    return compile_pattern(m)


@cache
def pool_pattern() -> Pattern:
    """Σ u ≥ b, or Σ r ≥ b, in a slot of the block."""
    m = Template()
    m.foreign("held", "bid")
    m.pool = pyo.Constraint(expr=m.held - m.bid >= 0.0)
    return compile_pattern(m)
