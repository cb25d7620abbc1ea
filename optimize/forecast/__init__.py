"""What is not reported yet: pure functions from the past to distributions of what is to come.

weighted          a distribution as weighted values: quantiles, and its score against what came
plug_in           when a car plugs in, how long it stays and what it needs, shrunk to its fleet
pool              the least that all cars together have plugged in over a block of hours
day_kind          workdays, weekends, holidays and what lies between them
price_regression  prices of a day not yet published, by those before and forecasts of load, wind and sun
naive             the same as on the day before, a week before or days like it
combined          the same by several forecasts, each by how well it did
doubt             by how much less counts what is fed back at prices that nobody has published
score             how good forecasts were, and whether what they hold drifts
band              how far a forecast may be off, from its own past errors
"""
