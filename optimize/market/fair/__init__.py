"""What cars earn together, and whose part is how large. Pure; nothing here is paid.

game        players and the value of each coalition; how much a coalition could gain by leaving
shapley     the mean of what a player adds: of all orders, or of drawn ones with an interval
core        allocations that nobody leaves: the least core, in closed form where one player is needed by all,
            and the nucleolus
bargain     θ between owners and operator (Nash), or that there is none
coalitions  the value of each coalition of a day's cars, by planning it
owen        an allocation from the shadow prices of the day, and how far prices can be trusted
"""
