"""The twin: telemetry in; state, ageing, life and α with intervals out. The only room that imports PyBaMM.

types        nameplate, request and result
chemistry    cell chemistries as data, with citations
cell         the PyBaMM model of a day; opencircuit: capacity and voltage windows
duty         the standard day and V2G days; rates: their wear; life: years of it
state        stage A, state from voltage; ageing: stage B, factors from check-ups; law: stage C, α and β
calibrate    the three stages for one battery; profile: the twin's answer for a planned day
synthetic    batteries with a known truth, for the demo and for tests

Import the modules themselves: most of them bring PyBaMM along, which takes seconds.
"""
