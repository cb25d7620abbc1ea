"""A day that may turn out in several ways, and what is promised before it does."""

from __future__ import annotations

import math
from dataclasses import dataclass

from optimize.errors import ProblemError
from optimize.types import DayProblem, FloatArray
from optimize.validation import require_fraction, require_not_negative, require_positive

PROBABILITY_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scenario:
    """One way the day may turn out: its prices, sessions and base loads, and how likely it is (0–1]."""

    probability: float
    day: DayProblem

    def __post_init__(self) -> None:
        require_positive("scenario", "probability", self.probability)
        require_fraction("scenario", "probability", self.probability)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UncertainDay:
    """Scenarios of one day, and what it costs to break a promise.

    Scenarios share slots, cars, sites but for their base load, and reserve blocks; their probabilities add up
    to 1. deviation_price_eur_per_kwh: on every metered kWh that the fleet takes more or less than committed,
    besides its price. shortfall_price_eur_per_kw_h: on every kW of promised reserve that is missing for an
    hour. cvar_weight (0–1) is the share of the goal that looks only at the worst 1 − cvar_level of the cases;
    0 minimises the expected cost.
    """

    scenarios: tuple[Scenario, ...]
    deviation_price_eur_per_kwh: float
    shortfall_price_eur_per_kw_h: float
    cvar_weight: float = 0.0
    cvar_level: float = 0.9

    def __post_init__(self) -> None:
        subject = "uncertain day"
        if not self.scenarios:
            raise ProblemError(subject, "scenarios", "none", "must hold at least one")
        require_not_negative(subject, "deviation_price_eur_per_kwh", self.deviation_price_eur_per_kwh)
        require_not_negative(subject, "shortfall_price_eur_per_kw_h", self.shortfall_price_eur_per_kw_h)
        require_fraction(subject, "cvar_weight", self.cvar_weight)
        require_fraction(subject, "cvar_level", self.cvar_level)
        if self.cvar_level == 1.0:
            raise ProblemError(subject, "cvar_level", 1.0, "must be < 1")
        total = math.fsum(scenario.probability for scenario in self.scenarios)
        if abs(total - 1.0) > PROBABILITY_TOLERANCE:
            raise ProblemError(subject, "sum of the probabilities", total, "must be 1")
        first = self.scenarios[0].day
        for number, scenario in enumerate(self.scenarios):
            day = scenario.day
            for field, same in (
                ("slots", day.slots.equals(first.slots)),
                ("cars", day.cars == first.cars),
                ("site_id", [site.site_id for site in day.sites] == [site.site_id for site in first.sites]),
                ("reserves", day.reserves == first.reserves),
            ):
                if not same:
                    raise ProblemError(f"scenario {number}", field, "different", "must be those of the first")

    @property
    def day(self) -> DayProblem:
        """The first scenario's day: for all that the scenarios share."""
        return self.scenarios[0].day


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Commitment:
    """What is promised before the day.

    energy_kwh: [T], metered, of all sites together, + = import. bids_kw: [B], by reserve block.
    """

    energy_kwh: FloatArray
    bids_kw: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CommitmentPlan:
    """The best commitment and what it is expected to cost.

    scenario_cost_eur: [S], the negative of what the owner gains, deviations and shortfall included; by it
    expected_cost_eur and cvar_eur, the mean of the worst 1 − cvar_level. wear_error_eur: by how much the
    tangents understate the expected wear, at most. solve_seconds: of the solver alone.
    """

    commitment: Commitment
    scenario_cost_eur: FloatArray
    expected_cost_eur: float
    cvar_eur: float
    wear_error_eur: float
    solve_seconds: float
    columns: int
    rows: int
