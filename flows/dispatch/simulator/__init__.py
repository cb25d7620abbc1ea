"""Simulated charge points with cars, over the real protocol: `v2g simulate chargers`.

- `car`: a car as a battery with its limits · `slots`: what a station makes of the profiles that it holds
- `station`: one charge point · `point`: what it answers, on the station's side of the `ocpp` package
- `words`: its messages by version
- `fleet`: a charge point for each of a plan's, with its cars coming and going; faults on request
"""
