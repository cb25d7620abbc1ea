"""Why a plan does what it does: what it would cost a car to do otherwise, at the plan's shadow prices.
"""
