"""What the compiled kernel reads and writes: flat arrays, one block of them for every car.

Steps are the plugged slots of all cars, car after car, session after session. A car with K steps owns
    x      V·K   c, d, e, the reserve shares w_1 … (up, then down channels), the change δ (V: `variables`)
    pairs  P·K + 2·stays + 1   inequalities A·x + s = b with multipliers z, s > 0, z > 0
Step pairs, in this order: c ≥ 0, c ≤ C, d ≥ 0, d ≤ D, e ≥ floor, e ≤ ceiling, w_j ≥ 0, then where there is
reserve up: Σu − p ≤ η_dis·D, Σκu − e_k ≤ −floor, Σκu − e_{k−1} ≤ −floor; where there is reserve down:
Σr + p ≤ C/η_ch, Σκr + e_k ≤ ceiling, Σκr + e_{k−1} ≤ ceiling; where there are tapers: c + fall·e_{k−1} ≤ top;
where changes have a price: p − δ ≤ previous, −p − δ ≤ −previous, δ ≤ most.
Session pairs: m ≥ 0 and −e_end − m ≤ −target. The last pair is the day's V2G limit.

A session that carries on from the one `behind` it begins with offset + e_end + m of that one, which leaves no
less than its target; offset: its own arrival less that target. One without slots leaves what it comes with.
`ahead` is the session with slots that carries on from a session.

A car meets the others in its group's local rows only: row base + o·T + t is what it draws (o = 0, metered kW)
or holds of reserve channel o in slot t; base tells apart the sites at which the cars of a group plug in.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

BOX_PAIRS = 6


class Fleet(NamedTuple):
    """The cars' subproblem data (see the module); prices are €/kWh, energies kWh, powers battery-side kW."""

    hours: float
    slots: int
    up: int
    down: int
    taper: int
    change: int
    import_cost: FloatArray
    export_value: FloatArray
    may_discharge: BoolArray
    linked: int
    sustain: FloatArray
    activation: FloatArray
    session_start: IntArray
    step_start: IntArray
    pair_start: IntArray
    chunk_start: IntArray
    chunk_group: IntArray
    wear_linear: FloatArray
    wear_scale: FloatArray
    wear_alpha: FloatArray
    wear_most: FloatArray
    capacity: FloatArray
    rest_price: FloatArray
    v2g_limit: FloatArray
    first: IntArray
    length: IntArray
    behind: IntArray
    ahead: IntArray
    arrival: FloatArray
    offset: FloatArray
    floor: FloatArray
    ceiling: FloatArray
    target: FloatArray
    missing_price: FloatArray
    charge_limit: FloatArray
    discharge_limit: FloatArray
    efficiency_charge: FloatArray
    efficiency_discharge: FloatArray
    terminal_value: FloatArray
    taper_top: FloatArray
    taper_fall: FloatArray
    own_meter: FloatArray
    previous: FloatArray
    change_price: FloatArray
    offers_up: FloatArray
    offers_down: FloatArray
    base: IntArray


class Iterate(NamedTuple):
    """The iterate and its direction: x, multipliers ν of the energy balance, m, s, z; see the module."""

    x: FloatArray
    nu: FloatArray
    missing: FloatArray
    slack: FloatArray
    dual: FloatArray
    dx: FloatArray
    nu_next: FloatArray
    dmissing: FloatArray
    dslack: FloatArray
    second: FloatArray
    factor: FloatArray
    border_x: FloatArray
    border_nu: FloatArray
    border_missing: FloatArray
    border_weight: FloatArray
    reach_x: FloatArray
    reach_z: FloatArray


def variables(fleet: Fleet) -> int:
    """V, variables a step."""
    return 3 + fleet.up + fleet.down + fleet.change
