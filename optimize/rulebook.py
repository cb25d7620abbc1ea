"""The rules and terms of the problem, one a row: which fields each owns, and where each is said.

What is needed in several places is derived from here: the words of `binding`, what the fleet engine declines,
which days `tie_break` may smooth and between which slots, the largest duty that can pay (`most_duty`).
A rule limits what may be planned and a term prices it; a row may do both.
`tests/optimize/test_rulebook.py` holds every row to its model, its check, its account and its tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from optimize import conditions, worth
from optimize.constraints import named
from optimize.types import DayProblem
from optimize.worth import Reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A row.

    owns: fields as "Class.field". model: variables and constraints of the patterns that say it. checks:
    rules, or how they begin, by which `check` and `plan` refuse a plan that breaks it. bindings: words of
    `ModePlan.binding`. account: fields of `Account` that count it. fleet: "exact" in the fleet engine's
    relaxation (of an objective in its prices, `fleet.before`), "polished" where that leaves it out and
    `fleet.polish` brings it in, "declined" where it goes to the exact formulation. declines: what of it in a
    problem the fleet engine cannot express, in words.
    uneven: whether it tells apart two plans with the same energy over slots of equal price. edges: slots at
    which what it says changes. worth: € that it can gain at most over idling (`worth`).
    """

    name: str
    owns: tuple[str, ...] = ()
    model: tuple[str, ...]
    checks: tuple[str, ...] = ()
    bindings: tuple[str, ...] = ()
    account: tuple[str, ...] = ()
    fleet: Literal["exact", "polished", "declined"] = "exact"
    declines: Callable[[DayProblem], str] | None = None
    uneven: Callable[[DayProblem], bool] | None = None
    edges: Callable[[DayProblem], Iterable[int]] | None = None
    worth: Callable[[Reach], float] | None = None


ACCOUNTED = "accounts equal to the objective, €"
"""What `plan.check_account` refuses: a term that the record of a plan counts otherwise than its account."""

IDENTITY = (
    "Car.battery_id",
    "Session.session_id",
    "Session.battery_id",
    "Site.site_id",
    "ReserveBlock.product_id",
    "LinearConstraint.name",
)
"""What names things."""

GEOMETRY = (
    "DayProblem.slots",
    "DayProblem.slot_hours",
    "DayProblem.cars",
    "DayProblem.sessions",
    "DayProblem.sites",
    "DayProblem.reserves",
    "DayProblem.constraints",
    "Car.site_id",
    "Session.site_id",
    "Site.parent_id",
    "ReserveBlock.site_id",
    "ReserveBlock.first_slot",
    "ReserveBlock.end_slot",
)
"""What lays them out in time and place."""

RULES: tuple[Rule, ...] = (
    Rule(
        name="plugged",
        owns=("Session.arrival_utc", "Session.departure_utc"),
        model=("charge", "discharge", "energy"),
        checks=("plugged exactly in whole slots of a session", "no power and no stated energy while away"),
        bindings=("away",),
    ),
    Rule(
        name="charge limit",
        owns=("Car.charge_limit_kw", "Session.charge_limit_kw"),
        model=("charge",),
        checks=("charge limit", "charge_kw >= 0"),
        bindings=("charge limit",),
    ),
    Rule(
        name="taper",
        owns=("Car.charge_taper",),
        model=("taper",),
        checks=("charge taper",),
        bindings=("taper",),
        uneven=lambda problem: any(car.charge_taper is not None for car in problem.cars),
    ),
    Rule(
        name="discharge limit",
        owns=("Car.discharge_limit_kw", "Session.discharge_limit_kw"),
        model=("discharge",),
        checks=("discharge limit", "discharge_kw >= 0", "no discharge in mode ordered"),
        bindings=("discharge limit",),
    ),
    Rule(
        name="slots without feeding in",
        owns=("DayProblem.may_discharge",),
        model=("discharge",),
        checks=("no discharge where none may be",),
        edges=lambda problem: conditions.steps(problem.able.astype(np.float64)),
    ),
    Rule(
        name="stored energy",
        owns=("Car.capacity_kwh", "Session.arrival_soc"),
        model=("energy_balance",),
        checks=("energy balance", "energy continues from slot to slot"),
    ),
    Rule(
        name="what comes back",
        owns=("Session.carries",),
        model=("energy_balance",),
        checks=("energy continues from slot to slot",),
    ),
    Rule(
        name="soc bounds",
        owns=("Car.soc_min", "Car.soc_max", "Session.min_soc", "Session.max_soc"),
        model=("energy",),
        checks=("energy at least soc_min", "energy at most soc_max"),
        bindings=("full", "empty"),
    ),
    Rule(
        name="one direction",
        model=(
            "discharging",
            "charge_on",
            "discharge_on",
            "charge_fits",
            "discharge_there",
            "ends_above",
            "ends_below",
        ),
        checks=(
            "no charge with discharge",
            "no discharge that ends below soc_min",
            "no charge that ends above soc_max",
        ),
        fleet="polished",
    ),
    Rule(
        name="site limits",
        owns=("Site.import_limit_kw", "Site.export_limit_kw"),
        model=("power", "site_power"),
        checks=("site import limit", "site export limit"),
        bindings=("feeder import", "feeder export"),
    ),
    Rule(
        name="base load",
        owns=("Site.base_load_kw",),
        model=("power", "peak_row", "meter"),
        checks=("site import limit", "site export limit"),
        account=("netting_eur", "peak_charge_eur"),
        uneven=lambda problem: any(site.base_load_kw is not None for site in problem.sites),
    ),
    Rule(
        name="peak",
        owns=("Site.peak_price_eur_per_kw", "Site.peak_so_far_kw"),
        model=("peak", "peak_row"),
        checks=(ACCOUNTED,),
        bindings=("peak",),
        account=("peak_charge_eur",),
        worth=worth.peak_eur,
    ),
    Rule(
        name="reserve",
        owns=(
            "ReserveBlock.direction",
            "ReserveBlock.price_eur_per_kw_h",
            "ReserveBlock.sustain_hours",
            "ReserveBlock.activation_share",
            "ReserveBlock.max_kw",
        ),
        model=(
            "up",
            "up_power",
            "up_energy_before",
            "up_energy",
            "down",
            "down_power",
            "down_energy_before",
            "down_energy",
            "pool",
            "bid",
            "benefit",
        ),
        checks=(
            "reserve up within power",
            "reserve down within power",
            "reserve up sustained",
            "reserve down sustained",
            "bid within max_kw",
            "bid held upwards",
            "bid held downwards",
            "nothing held that was not asked",
        ),
        bindings=("reserve up", "reserve down"),
        account=("reserve_income_eur", "duty_efc_per_day"),
        uneven=lambda problem: bool(problem.reserves),
        worth=worth.reserve_eur,
    ),
    Rule(
        name="least bid",
        owns=("ReserveBlock.min_kw",),
        model=("offered", "bid_least", "bid_most"),
        checks=("bid 0 or at least min_kw",),
        fleet="polished",
        uneven=lambda problem: bool(problem.reserves),
    ),
    Rule(
        name="drawdown",
        owns=("Car.drawdown_limit",),
        model=("peak_energy", "peak_grows", "peak_covers", "drawdown"),
        checks=("drawdown within the session",),
        bindings=("drawdown",),
        fleet="polished",
    ),
    Rule(
        name="contract",
        owns=("Car.v2g_limit_kwh", "Car.v2g_used_kwh", "DayProblem.day_starts"),
        model=("contract",),
        checks=("v2g energy of each day within the contract",),
        bindings=("contract",),
        account=("v2g_kwh",),
        declines=lambda problem: (
            "a contract's limit on the V2G energy of each of several days"
            if conditions.several_contracts(problem)
            else ""
        ),
        edges=lambda problem: problem.day_starts,
    ),
    Rule(
        name="own constraint",
        owns=(
            "LinearConstraint.import_coefficients",
            "LinearConstraint.export_coefficients",
            "LinearConstraint.lower",
            "LinearConstraint.upper",
        ),
        model=("own_constraint",),
        checks=("own constraint",),
        bindings=("own constraint",),
        fleet="declined",
        declines=lambda problem: named(problem.constraints) if problem.constraints else "",
        edges=conditions.coefficients_change,
    ),
    Rule(
        name="minimum power",
        owns=("Car.min_charge_kw", "Car.min_discharge_kw"),
        model=("charging", "one_way", "charge_least", "discharge_least"),
        checks=("power 0 or at least min_charge_kw", "power 0 or at least min_discharge_kw"),
        bindings=("minimum power",),
        fleet="polished",
        uneven=lambda problem: any(car.min_charge_kw or car.min_discharge_kw for car in problem.cars),
    ),
    Rule(
        name="losses",
        owns=(
            "Car.efficiency_charge",
            "Car.efficiency_discharge",
            "Session.efficiency_charge",
            "Session.efficiency_discharge",
        ),
        model=("site_power", "benefit"),
        checks=(ACCOUNTED,),
        account=("import_kwh", "export_kwh", "energy_cost_eur"),
    ),
    Rule(
        name="energy price",
        owns=("DayProblem.import_price_eur_per_kwh", "DayProblem.export_price_eur_per_kwh"),
        model=("benefit",),
        checks=(ACCOUNTED,),
        account=("energy_cost_eur",),
        edges=lambda problem: conditions.steps(
            problem.import_price_eur_per_kwh, problem.export_price_eur_per_kwh
        ),
        worth=worth.energy_eur,
    ),
    Rule(
        name="common meter",
        owns=("Site.metering",),
        model=("drawn", "fed", "meter", "bill", "exporting", "drawn_on", "fed_on"),
        checks=(ACCOUNTED,),
        account=("netting_eur",),
        declines=lambda problem: (
            "a shared meter where export earns more than import costs"
            if conditions.selling_pays_at_a_meter(problem)
            else ""
        ),
        # Netting is a gain by the slot, and where selling pays a loss.
        uneven=conditions.selling_pays_at_a_meter,
    ),
    Rule(
        name="emissions",
        owns=("DayProblem.co2_kg_per_kwh", "DayProblem.co2_price_eur_per_kg"),
        model=("benefit",),
        checks=(ACCOUNTED,),
        account=("co2_kg", "co2_cost_eur"),
        edges=lambda problem: conditions.steps(problem.co2_eur_per_kwh),
        worth=worth.emissions_eur,
    ),
    Rule(
        name="wear",
        owns=("Car.wear", "DayProblem.duty_days"),
        model=("duty", "duty_sum", "wear", "wear_cut"),
        checks=(ACCOUNTED,),
        account=("wear_price_eur", "duty_efc_per_day"),
    ),
    Rule(
        name="rest",
        owns=("Car.rest_price_eur_per_kwh_h",),
        model=("benefit",),
        checks=(ACCOUNTED,),
        account=("rest_price_eur",),
        uneven=lambda problem: any(car.rest_price_eur_per_kwh_h for car in problem.cars),
        worth=worth.rest_eur,
    ),
    Rule(
        name="worth of what is left",
        owns=("DayProblem.terminal_value_eur_per_kwh", "Session.value_eur_per_kwh"),
        model=("benefit",),
        checks=(ACCOUNTED,),
        account=("stored_value_eur",),
        worth=worth.stored_eur,
    ),
    Rule(
        name="departure",
        owns=("Session.departure_soc", "DayProblem.departure_price_eur_per_kwh"),
        model=("missing", "departure"),
        checks=(
            "departure energy stated as reached",
            "departure target stated as asked",
            "missing energy stated as it is",
            "a reason exactly where energy is missing",
            "due when it is",
            "one outcome for each session",
        ),
        account=("unmet_kwh", "unmet_price_eur", "departures", "unmet_departures"),
        worth=worth.departure_eur,
    ),
    Rule(
        name="change",
        owns=("DayProblem.previous_kw", "DayProblem.change_price_eur_per_kwh"),
        model=("change", "change_above", "change_below"),
        checks=(ACCOUNTED,),
        account=("change_price_eur",),
        uneven=conditions.followed,
        worth=worth.change_eur,
    ),
    Rule(
        name="objective",
        owns=("DayProblem.objective", "DayProblem.peak_slots"),
        model=("top", "top_row", "deviation", "deviation_above", "deviation_below", "mean", "mean_row"),
        checks=("objective",),
        declines=lambda problem: (
            f"objective {problem.objective!r}" if problem.objective == "load_levelling" else ""
        ),
        uneven=lambda problem: problem.objective != "net_benefit",
    ),
)

BINDINGS = (*(word for rule in RULES for word in rule.bindings), "free", "idle")
"""What `ModePlan.binding` says, by code: the rule that keeps a car's power where it is.

"contract": the day's V2G energy is used up; "idle": nothing holds it, moving energy would not pay;
"free": power between its limits.
"""


def declined(problem: DayProblem) -> str:
    """What the fleet engine cannot express in this problem, in words; "" if it can all of it."""
    reasons = [rule.declines(problem) for rule in RULES if rule.declines is not None]
    return ", ".join(reason for reason in reasons if reason)


def indifferent(problem: DayProblem) -> bool:
    """Whether only the energy over slots of equal price counts, not its course."""
    return not any(rule.uneven(problem) for rule in RULES if rule.uneven is not None)


def edges(problem: DayProblem) -> set[int]:
    """The slots at which any rule begins to say something else."""
    return {slot for rule in RULES if rule.edges is not None for slot in rule.edges(problem)}
