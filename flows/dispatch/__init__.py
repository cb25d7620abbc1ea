"""From a plan to the plug: charging profiles of OCPP, and the rules that they have to keep.

- `station`: what a charging station is known to take · `message`: a frame, a request or a profile alone
- `rules`: every rule of a profile by its number, `period_rules` those of its periods, `conflicts` of several
- `merge`: a plan's quarter-hours as few periods, at the least cost · `profile`: a session of a plan as
profiles
- `current`: what is planned for a car at a moment
- `planned`: a stored plan as a file · `plan_file`: that file, without a warehouse · `plan_profiles`: all
- `ocpi`: the same for those who have a central system of their own
- `s2`: a session or a site as messages of S2 · `plan_messages`: a stored plan's
- `gateway`: the central system that carries the file out · `bell`: what it left for whoever plans
- `simulator`: charge points with cars, to rehearse with
"""
