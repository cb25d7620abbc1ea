"""Hold a plan to constraints of your own: `python tests/examples/add_a_constraint.py`.

A `LinearConstraint` weighs what each car draws (p⁺) and feeds back (p⁻) at its plug in each slot, in metered
kW. With coefficients of 1 its bounds are kW, with the length of a slot in hours they are kWh.
"""

import numpy as np
import pandas as pd

from optimize.errors import SolverError
from optimize.plan import plan_day
from optimize.types import Car, DayProblem, LinearConstraint, Session, Site, WearPrice

slots = pd.date_range("2026-06-15T14:00Z", periods=64, freq="15min")
hours = 14 + np.arange(64) / 4
prices = np.full(64, 0.18)  # €/kWh at the plug
prices[(hours >= 17) & (hours < 20)] = 0.31
prices[(hours >= 22) & (hours < 24)] = 0.15
wear = WearPrice(
    form="rate", residual_value_eur=5000.0, l0_days=4500.0, alpha_day_per_efc=1.0, beta_day_per_efc=1.2
)
cars = tuple(
    Car(
        battery_id=f"car-{number}",
        site_id="depot",
        capacity_kwh=58.0,
        soc_min=0.15,
        soc_max=0.95,
        charge_limit_kw=11.0,
        discharge_limit_kw=11.0,
        efficiency_charge=0.93,
        efficiency_discharge=0.93,
        drawdown_limit=0.6,
        wear=wear,
    )
    for number in range(2)
)
sessions = tuple(
    Session(
        session_id=f"night-{car.battery_id}",
        battery_id=car.battery_id,
        arrival_utc=slots[0],
        departure_utc=slots[-1],
        arrival_soc=0.3,
        departure_soc=0.8,
    )
    for car in cars
)
problem = DayProblem(
    slots=slots,
    slot_hours=0.25,
    import_price_eur_per_kwh=prices,
    export_price_eur_per_kwh=prices - 0.16,
    cars=cars,
    sessions=sessions,
    sites=(Site(site_id="depot", import_limit_kw=22.0, export_limit_kw=22.0),),
    terminal_value_eur_per_kwh=0.0,
    departure_price_eur_per_kwh=2.0,
)
shape = (len(cars), len(slots))

# All cars together draw at most 5 kW in each slot from 22 to 24 h: one constraint a slot, bounds in kW.
quiet = []
for slot in np.flatnonzero((hours >= 22) & (hours < 24)):
    together = np.zeros(shape)
    together[:, slot] = 1.0
    quiet.append(LinearConstraint(name=f"quiet {slots[slot]:%H:%M}", import_coefficients=together, upper=5.0))

# car-0 feeds back at least 3 kWh from 17 to 20 h, whether or not that pays: bounds in kWh.
evening = np.zeros(shape)
evening[0, (hours >= 17) & (hours < 20)] = problem.slot_hours
support = LinearConstraint(name="evening support", export_coefficients=evening, lower=3.0)

for name, constraints in {"without": [], "quiet night": quiet, "and support": [*quiet, support]}.items():
    plan = plan_day(problem, ["v2g"], constraints=constraints)["v2g"]
    drawn = (plan.charge_kw / 0.93)[:, (hours >= 22) & (hours < 24)].sum(axis=0)
    fed = float((evening * plan.discharge_kw * 0.93).sum())
    print(
        f"{name:12} at most {drawn.max():5.2f} kW from 22 to 24 h, {fed:.2f} kWh fed back in the evening, "
        f"{plan.solver.objective_eur:6.2f} €"
    )

try:  # what cannot be kept is named, never dropped
    plan_day(problem, ["ordered"], constraints=[support])
except SolverError as error:
    print(error)
