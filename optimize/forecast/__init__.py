"""What is not told yet: pure functions from the past to distributions of what is to come.

weighted     a distribution as weighted values: quantiles, and its score against what came
plug_in      when a car plugs in, how long it stays and what it needs, shrunk to its fleet
"""
