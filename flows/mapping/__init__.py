"""From tables to questions and back: what stages read as known, and the rows that they write.

read_inputs → inputs    all that a plan depends on; prices (horizon, like_days, retail), carry (past,
                        measured), expected, chargers, site_tree, surroundings, grid_limits, setpoints, peaks,
                        plannable, left_out; question (worth, v2x_band): the optimiser's
plan_rows, verdict      a plan as rows, and what becomes of it next to others; in_force, plan_spans, standing
executed → real_day     what was followed on a day, the day as it was (lived); promises adds days up
requests                what the twin is asked (siblings, federated, site_mates, calibrations, disputes)
twin_wear; owner_figures: one number an owner and month
missing, findings, freshness, trace, used, hashing
Nothing here writes, or knows Prefect or the command line; stages call it, and pages.
"""
