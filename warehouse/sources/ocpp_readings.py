"""What a transaction's readings say of the car: states of charge worth believing, and the energy metered.

Stations send a state of charge of 0 until the car has reported one, and after it has left. A register may
start anew in the middle of a transaction, or stand for the session alone next to a meterStart of the whole
meter.
"""

import datetime as dt
import itertools
from collections.abc import Sequence

from warehouse.sources.ocpp_frames import Reading

_BELIEVED_BESIDE = 0.05
"""A state of charge of 0 is one only where the reading next to it is no higher."""
_NOISE_WH, _NOISE_SHARE = 1000.0, 0.1
"""A register that falls by no more is rounded, not reset."""
_MOST_KW, _SPARE_WH = 500.0, 1000.0
"""What no charger exceeds; a register that rises faster is another register."""


def reported_socs(readings: Sequence[Reading]) -> tuple[list[float], list[str]]:
    """Return the states of charge that were reported, in order of time, and what was not believed."""
    messages = [reading.soc for reading in _ordered(readings) if reading.soc is not None]
    nonzero = [soc for soc in messages if soc > 0.0]
    kept, index = list[float](), 0
    for soc in messages:
        if soc > 0.0:
            kept, index = [*kept, soc], index + 1
            continue
        neighbours = nonzero[max(index - 1, 0) : index + 1]
        if neighbours and max(neighbours) <= _BELIEVED_BESIDE:
            kept.append(soc)
    left = len(messages) - len(kept)
    doubts = (
        [f"{left} states of charge of 0 are placeholders, not readings, and were left out"] if left else []
    )
    return kept, doubts


def metered_wh(readings: Sequence[Reading]) -> tuple[float | None, list[str]]:
    """Return the energy that a register counted, None of less than two values, and what was odd about it.

    A register that falls has begun anew from 0: the energy is that of the parts.
    """
    messages = [
        (reading.time, reading.energy_wh) for reading in _ordered(readings) if reading.energy_wh is not None
    ]
    if len(messages) < 2:
        return None, []
    first, last = messages[0][1], messages[-1][1]
    energy, falls, parts_fit = 0.0, list[str](), True
    for (before, low), (after, high) in itertools.pairwise(messages):
        rise = high - low
        if rise < 0:
            if -rise <= min(_NOISE_WH, _NOISE_SHARE * abs(low)):
                rise = 0.0
            else:
                falls.append(f"from {low:,.0f} to {high:,.0f} Wh by {after:%Y-%m-%d %H:%M} UTC")
                rise = max(high, 0.0)
        parts_fit &= rise <= _most_wh(before, after)
        energy += rise
    if not falls:
        return last - first, []
    if not parts_fit and last >= first:
        return last - first, [
            f"its readings are of two registers (one falls {falls[0]}); the first and the last value count"
        ]
    return energy, [
        f"its register falls {', '.join(falls[:3])}, as one that begins anew: its energy is "
        f"{energy / 1000.0:.3f} kWh, the sum of the parts"
    ]


def last_wh(readings: Sequence[Reading]) -> float | None:
    """Return the register as it was read last, None where it never was."""
    messages = [reading.energy_wh for reading in _ordered(readings) if reading.energy_wh is not None]
    return messages[-1] if messages else None


def can_rise(low: Reading, high: Reading) -> bool:
    """Whether one register can have gone from the one value to the other; False where there is none."""
    if low.energy_wh is None or high.energy_wh is None:
        return False
    return 0.0 <= high.energy_wh - low.energy_wh <= _most_wh(low.time, high.time)


def _most_wh(before: dt.datetime, after: dt.datetime) -> float:
    return 1000.0 * _MOST_KW * (after - before).total_seconds() / 3600.0 + _SPARE_WH


def _ordered(readings: Sequence[Reading]) -> list[Reading]:
    return sorted(readings, key=lambda reading: reading.time)
