"""Prices, cars and plug-in sessions in; each mode's plan, its check and its accounts out.

types        the question (DayProblem) and the answer (ModePlan)
tariff, wear what an owner pays at the plug; what a day's V2G duty wears
model        the mathematics, in Pyomo; the one formulation
solve        model → HiGHS: wear cuts, exclusivity, shadow prices
uncontrolled charge on plug-in, simulated
check        independent check of any plan, from the definitions
account      money and energy of any plan, from the definitions
plan         all of it: plan_day
errors       the room's error tree
"""
