"""Money that is really paid: bills as data. Pure; Decimal where it is paid, floats where it is planned.

`book` a tariff read from TOML (`table`, `schedule` read it), `prices` what a plan is given of it, `bill` a
month's bill, `refund` the fees that come back, and by how much a plan can be off there. `contract` what an
owner and the operator agreed on, `settlement` a day by it. `fair` whose part of a day is how large,
`bids` what a pool bids and where,
`private` figures of a fleet with noise,
`acceptance` what an owner gains over the risk, `choice` which of some offers owners would choose.
"""
