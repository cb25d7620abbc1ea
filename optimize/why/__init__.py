"""Why a plan does what it does: what it would cost a car to do otherwise, at the plan's shadow prices.

reasons   a plan in stretches of one action, each with what it is worth; instead: what would be done for it
stages    a car alone at prices: what each slot and the end of each session can bring
concave   concave functions of stored energy, piecewise linear
values    dynamic programming over them, forwards and backwards: one pass answers for every slot
most      wear and contract, convex in all that is discharged, by duality; a bound from either side
course    what reaches the most, and whether it keeps the rules that values leave out
lost      what a change takes of a car's day, or why that cannot be told
resolve   where it does not: the car's day anew by the exact formulation
"""

from optimize.why.reasons import Otherwise, Reason, reasons

__all__ = ["Otherwise", "Reason", "reasons"]
