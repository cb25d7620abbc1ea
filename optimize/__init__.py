"""Prices, cars and plug-in sessions in; each mode's plan, its check and its accounts out.

types        the question (DayProblem: cars, sites), and the answer (answer: ModePlan)
constraints  a user's own: LinearConstraint
tariff, wear what an owner pays at the plug; what a day's V2G duty wears
rulebook     every rule and term, whose it is and where it is said; worth, most_duty: how far wear can pay
windows      sessions laid on the day's slots; as arrays: session_slots; the sites as a tree: tree
model        the mathematics, in Pyomo; the one formulation, stamped for every car and slot
highs        a linear programme inside HiGHS
solve        model → plan: exact wear, earlier objectives; switches: binaries where a rule needs them
overstated   sessions that a solution says miss more than they do
explain      bids and shadow prices of the last LP
tie_break    the steady one among equally good plans
uncontrolled charge on plug-in, simulated
engines      who plans a day within its time; apart: days that fall apart, split and joined
fleet        large fleets: an interior-point engine with a certificate
scenarios    plans over uncertain days
forecast     what is not told yet, from the past: when cars plug in and what they need
assemble     powers → plan; reasons: why a departure was missed; binding: what holds each power
check        independent check of any plan, from the definitions; check_reserves: bids; check_terms: by what
account      money and energy of any plan, from the definitions
plan         all of it: plan_day; why: what doing otherwise would cost a car
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
    LinearConstraint,
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
    "LinearConstraint",
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
