"""One OCMF record → who signed it, whether the meter's registered key says so, and its readings of energy.

A record is `OCMF|payload|signature`; the signature (ECDSA, eight curves, SHA-256 or SHA-512) is over the
bytes of the payload. What verifies it is the key that the operator registered of the meter, never one that
came with it: who changes a record can sign it anew and send the key along. pyocmf checks signature and curve,
by the format's tables 2 to 25 (https://github.com/SAFE-eV/OCMF-Open-Charge-Metering-Format); of secp192k1 it
cannot without a package that is not among the dependencies: a key of that curve verifies nothing.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

State = Literal["verified", "unverified", "refused"]
Way = Literal["import", "export"]

_IMPORT, _EXPORT = (0xB1, 0xB3, 0x98, 0xB0, 0xB2, 0x9E, 0x01), (0xC1, 0xC3, 0xC0, 0xC2, 0x02)
"""Registers of active energy by group C of their OBIS code, those that allow for the cable's loss first."""
_REGISTERS: Mapping[int, tuple[Way, int]] = {
    **{code: ("import", place) for place, code in enumerate(_IMPORT)},
    **{code: ("export", place) for place, code in enumerate(_EXPORT)},
}
_ENERGY, _TOTAL = 8, 0
_KWH = {"kWh": Decimal(1), "Wh": Decimal("0.001")}
_UNSYNCHRONISED = {"U": "unknown", "I": "informative"}
_SHOWN = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterKey:
    """A meter's public key as it was registered (DER, hexadecimal or base64), and whose plug it counts at."""

    public_key: str
    battery_id: str | None = None

    @property
    def digest(self) -> str:
        """The first 16 digits of SHA-256 of the key's text: what it is named by."""
        return hashlib.sha256("".join(self.public_key.split()).lower().encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A register's energy at a moment (UTC); begins, ends: a transaction. rank: the lowest is taken."""

    time_utc: dt.datetime
    way: Way
    rank: int
    kwh: Decimal
    begins: bool
    ends: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRecord:
    """A record as it was judged; of a refused one nothing counts. note: why, or what else is to be known.

    names: meter, gateway and charge point, as the record calls them.
    """

    row: int
    state: State
    note: str | None
    meter: str | None = None
    names: tuple[str, ...] = ()
    key: MeterKey | None = None
    readings: tuple[Reading, ...] = field(default=(), repr=False)

    @property
    def named(self) -> str:
        """The record by its number, and its meter where it tells."""
        return f"record {self.row}" + (f" of meter {self.meter}" if self.meter else "")


def judged(text: str, row: int, keys: Mapping[str, MeterKey]) -> SignedRecord:
    """Read a record and hold it to the key of its meter; keys: by the meter's serial (else the gateway's).

    What is wrong with it is its state and note; nothing is raised, so that it costs itself alone.
    """
    from pyocmf import OCMF, SpecWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SpecWarning)
            record = OCMF.from_string(text)
    except Exception as error:  # a foreign text may break its reader in any way
        return SignedRecord(row=row, state="refused", note=f"it cannot be read: {_short(error)}")
    payload = record.payload
    serials = [one.strip() for one in (payload.MS, payload.GS) if one and one.strip()]
    meter = next((one for one in serials if one in keys), serials[0] if serials else None)
    key = None if meter is None else keys.get(meter)
    state, note = _signature(record, meter, key)
    names = tuple(dict.fromkeys([*serials, *([payload.CI.strip()] if payload.CI else [])]))
    found: dict[str, Any] = {"row": row, "meter": meter, "names": names, "key": key}
    if state == "refused":
        return SignedRecord(state=state, note=note, **found)
    try:
        readings, clock = _readings(payload)
    except (ValueError, ArithmeticError) as error:
        return SignedRecord(state="refused", note=_short(error), **found)
    note = "; ".join(one for one in (note, clock) if one) or None
    return SignedRecord(state=state, note=note, readings=readings, **found)


def _signature(record: Any, meter: str | None, key: MeterKey | None) -> tuple[State, str | None]:
    from pyocmf import PublicKey, PyOCMFError

    if meter is None:
        return "unverified", "it names no meter, whose key could be registered"
    if key is None:
        carried = ", and the one that came with it proves nothing" if record.embedded_public_key else ""
        return "unverified", f"no key of meter {meter} is registered{carried}"
    try:
        registered = PublicKey.from_string("".join(key.public_key.split()))
    except (PyOCMFError, ImportError, ValueError) as error:
        return "unverified", f"the key that is registered of meter {meter} cannot be read: {_short(error)}"
    try:
        fits = record.verify_signature(registered)
    except (PyOCMFError, ImportError, ValueError) as error:
        return "refused", f"its signature cannot be checked by the key of meter {meter}: {_short(error)}"
    if not fits:
        return (
            "refused",
            f"it does not fit its signature and the registered key of meter {meter} ({key.digest})",
        )
    return "verified", None


def _readings(payload: Any) -> tuple[tuple[Reading, ...], str | None]:
    """The readings of energy, and what is to be known of the clock; ValueError where one does not count."""
    from pyocmf.enums.reading import is_end_reason
    from pyocmf.registries.obis import parse_obis

    found, clocks = list[Reading](), dict[str, None]()
    for one in payload.RD:
        groups = None if one.RI is None else parse_obis(str(one.RI))
        register = None if groups is None else _REGISTERS.get(groups.c)
        if one.RI is not None and (
            groups is None or (groups.d, groups.e) != (_ENERGY, _TOTAL) or not register
        ):
            continue  # power, duration, the register of one tariff
        when = one.TM.timestamp
        at = f"its reading at {when.isoformat()}"
        if when.tzinfo is None:
            raise ValueError(f"{at} has no offset from UTC")
        if str(one.ST) != "G":
            raise ValueError(f"{at} does not count: the meter's status is {one.ST}, not G")
        if one.EF:
            raise ValueError(f"{at} does not count: the meter reports faults {one.EF!r}")
        if register is None or one.RV is None or str(one.RU) not in _KWH:
            raise ValueError(f"{at} names no register of energy with a value in kWh or Wh")
        kwh = Decimal(str(one.RV)) * _KWH[str(one.RU)]
        if not kwh.is_finite() or kwh < 0:
            raise ValueError(f"{at} is {one.RV}, no energy of 0 or more")
        if (status := str(one.TM.status)) in _UNSYNCHRONISED:
            clocks[f"its clock is not synchronised ({status}, {_UNSYNCHRONISED[status]})"] = None
        begins, ends = str(one.TX) == "B", is_end_reason(one.TX)
        way, rank = register
        found.append(
            Reading(time_utc=when.astimezone(dt.UTC), way=way, rank=rank, kwh=kwh, begins=begins, ends=ends)
        )
    if not found:
        raise ValueError("it holds no reading of energy")
    return tuple(found), "; ".join(clocks) or None


def _short(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
