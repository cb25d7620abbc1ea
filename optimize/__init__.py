"""Prices, cars and plug-in sessions in; each mode's plan, its check and its accounts out.

types        the question (DayProblem) and the answer (ModePlan)
tariff, wear what an owner pays at the plug; what a day's V2G duty wears
windows      sessions laid on the day's slots
model        the mathematics, in Pyomo; the one formulation
highs        a Pyomo model inside HiGHS
solve        model → plan: exact wear, exclusivity, shadow prices
even         the steady one among equally good plans
uncontrolled charge on plug-in, simulated
assemble     powers → plan: energies, departures and why one was missed
check        independent check of any plan, from the definitions
account      money and energy of any plan, from the definitions
plan         all of it: plan_day
errors       the room's error tree

The function `account` shares its module's name: import it as `from optimize.account import account`.
"""

from optimize.account import Account, Accounting, grid_power_kw, site_power_kw
from optimize.check import check_plan
from optimize.errors import OptimizeError, PlanCheckError, ProblemError, SolverError, TimeLimitError
from optimize.plan import plan_day
from optimize.types import (
    MODES,
    Car,
    DayProblem,
    DepartureOutcome,
    Mode,
    ModePlan,
    Objective,
    Prices,
    ReserveBid,
    ReserveBlock,
    Session,
    Site,
    SolverRecord,
    Taper,
    Tariff,
    WearForm,
    WearPrice,
    choose_form,
)

__all__ = [
    "MODES",
    "Account",
    "Accounting",
    "Car",
    "DayProblem",
    "DepartureOutcome",
    "Mode",
    "ModePlan",
    "Objective",
    "OptimizeError",
    "PlanCheckError",
    "Prices",
    "ProblemError",
    "ReserveBid",
    "ReserveBlock",
    "Session",
    "Site",
    "SolverError",
    "SolverRecord",
    "Taper",
    "Tariff",
    "TimeLimitError",
    "WearForm",
    "WearPrice",
    "check_plan",
    "choose_form",
    "grid_power_kw",
    "plan_day",
    "site_power_kw",
]
