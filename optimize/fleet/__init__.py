"""Fleets of any size: a block-arrow interior-point engine with a certificate.

A car alone is a chain in time; cars meet only in site limits, peaks, shared meters and reserve bids. Every
car is eliminated in closed form, what is left is one dense system in the coupling prices.

arrays       the question as arrays; what of a DayProblem the engine can express
route        which engine plans a day
plan         a DayProblem through this engine; at_once: without a search
before       what comes before net benefit, as prices
solve        iterate to a proven gap; warm: prices to begin with; workers: cars on Dask workers
engine       the predictor–corrector loop; coupling: where cars meet; expansion: who has a part in it
part         the cars of one process, swept by passes with newton and substitute (one car's elimination),
             rows, schur, start
polish       what the relaxation leaves out made exact, in plan and bound; own: cars' problems with binaries
tidy         the plan taken to a corner and its dust off: by moves in the tables of ground, corner and small
least        what is below minimum powers off or up to them; alone: limits that only one car meets
certificate  repair (a plan that keeps every rule), bound (how good any plan can be)
compile, layout, kernel   what the compiled code reads, and how it is compiled and kept
errors       what it refuses
"""
