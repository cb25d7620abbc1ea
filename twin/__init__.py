"""The twin: telemetry in; state, ageing, life and α with intervals out. The only room that imports PyBaMM.

types        nameplate, request and result; record, entries: what a result keeps besides, as JSON
chemistry    cell chemistries as data, with citations; health: what ageing changes of a cell
cell         a chemistry's cell and its PyBaMM model of a day; opencircuit: capacity and voltage windows
duty         the standard day and V2G days; past, climate: what a battery lives through
rates        what a day wears; life: years of it
window       the telemetry of a fit; evidence, faults, spread: bad sensors named, cells apart; observe: both
state        stage A, state from voltage; discrepancy: what its model gets wrong; expected: where it begins
dispute      fits that belie themselves; likeness: other chemistries; verdict: what is left of them
federated    what batteries of other sites teach, by sums alone
prior        what siblings teach; sampling: posteriors; ageing: stage B, factors from check-ups; forecast
lives, law   stage C, α and β of PyBaMM's model; wearmap: what habits cost
ensemble     that model next to published laws and growth curves: the L0, α, β and band that are published
calibrate    the three stages for one battery; update: a day without news; restore, handle: a kept one
hindcast     what a battery's past check-ups foretold of those after them; identifiable: what is not reported
profile      the twin's answer for a planned day, closed by wholeday
synthetic    batteries with a known truth, for the demo and for tests

Import the modules themselves: most of them bring PyBaMM along, which takes seconds.
"""
