"""Inspect a battery's twin as in a notebook: `python tests/examples/inspect_a_twin.py WORKSPACE BATTERY_ID`.

Of the demo: `python tests/examples/inspect_a_twin.py demo car-001`.
"""

import sys

from flows.notebook import load_calibration

battery = load_calibration(sys.argv[2], sys.argv[1])
found = battery.calibration
print(f"{found.battery_id}: {found.quality}, SoH {found.soh:.3f}, L0 {found.l0_days:,.0f} days")
print("what was fitted (factors and resistance as natural logarithms):")
for name, value in battery.parameters.items():
    print(f"  {name:24} {value:8.3f} ± {battery.covariance.loc[name, name] ** 0.5:.3f}")
print(battery.capacity_forecast(years=4).iloc[::6].round(3).to_string(index=False))
answer = battery.simulation(soc=0.9).solve([0, 1800])
print(f"half an hour at C/3 from 90 %: {answer['Battery voltage [V]'].entries[-1]:.1f} V")
