"""Plan a fleet from a script: `python tests/examples/plan_a_fleet.py`.

No workspace and no files: prices, cars and sessions as they come to you, the three modes back.
"""

import numpy as np
import pandas as pd

from optimize.account import account
from optimize.plan import plan_day
from optimize.types import Car, DayProblem, Session, Site, WearPrice

slots = pd.date_range("2026-06-15T22:00Z", periods=96, freq="15min")
hours = np.arange(96) / 4
prices = 0.12 + 0.06 * np.sin((hours - 14) / 24 * 4 * np.pi)  # €/kWh at the plug
wear = WearPrice(  # what a twin found: residual value, life in days, days lost by equivalent full cycle
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
    for number in range(3)
)
sessions = tuple(
    Session(
        session_id=f"night-{number}",
        battery_id=f"car-{number}",
        arrival_utc=slots[0] - pd.Timedelta(hours=3 - number),
        departure_utc=slots[0] + pd.Timedelta(hours=8 + number),
        arrival_soc=0.4,
        departure_soc=0.8,
    )
    for number in range(3)
)
problem = DayProblem(
    slots=slots,
    slot_hours=0.25,
    import_price_eur_per_kwh=prices,
    export_price_eur_per_kwh=prices,
    cars=cars,
    sessions=sessions,
    sites=(Site(site_id="depot", import_limit_kw=22.0, export_limit_kw=22.0),),
    terminal_value_eur_per_kwh=0.0,
    departure_price_eur_per_kwh=2.0,
)

for mode, plan in plan_day(problem).items():
    total = account(problem, plan).total
    print(
        f"{mode:13} energy {total.energy_cost_eur:6.2f} €  wear {total.wear_price_eur:5.2f} €  "
        f"unmet {total.unmet_departures} of {total.departures}  gap {plan.solver.gap:.2%}"
    )
