"""How the outputs of a group of cars go into the rows where cars meet."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse

from optimize.fleet.arrays import FleetArrays
from optimize.fleet.compile import Compiled
from optimize.fleet.coupling import Coupling
from optimize.fleet.layout import IntArray


class Share(NamedTuple):
    """The coupling rows that a group of cars has a part in; 0/1 [those, local rows]: outputs into them."""

    rows: IntArray
    expand: sparse.csr_array


def expansion(arrays: FleetArrays, compiled: Compiled, coupling: Coupling) -> tuple[Share, ...]:
    """Each group's share of a compiled (part of a) fleet."""
    fleet, T = compiled.fleet, arrays.slots
    outs = 1 + fleet.up + fleet.down
    shares = []
    for sites in compiled.groups:
        none = np.zeros(0, dtype=np.int64)
        parts = [(none, none)]
        for number, site in enumerate(sites):
            base = number * outs * T
            path = arrays.path(site)
            held = [(coupling.node_row[node], 0) for node in path]
            for b in range(len(arrays.blocks)):
                if int(arrays.block_site[b]) in path:
                    held.append((coupling.up_row[b], 1 + int(compiled.up_channel[b])))
                    held.append((coupling.down_row[b], 1 + fleet.up + int(compiled.down_channel[b])))
            for rows, output in held:
                slots = np.flatnonzero(rows >= 0)
                parts.append((rows[slots], base + output * T + slots))
        coupled, local = (np.concatenate(column) for column in zip(*parts, strict=True))
        own, place = np.unique(coupled, return_inverse=True)
        entries = (np.ones(local.size), (place.reshape(-1), local))
        shares.append(Share(own, sparse.csr_array(entries, shape=(own.size, compiled.rows))))
    return tuple(shares)
